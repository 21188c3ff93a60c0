"""Sizes as people write them."""

import pytest

from tfp_lgc import budget
from tfp_lgc.errors import ConfigError


@pytest.mark.parametrize('text, num_bytes', [
    ('1', 1), ('32000', 32_000), ('500B', 500), ('32kB', 32_000),
    (' 32 kB ', 32_000), ('1.18MB', 1_180_000), ('2GB', 2_000_000_000),
    ('0.0015kB', 1), ('4.35kB', 4350)])
def test_sizes(text, num_bytes):
  assert budget.parse(text) == num_bytes


@pytest.mark.parametrize('text, match', [
    ('', "budget = ''"), ('kB', 'number of bytes'), ('-1', 'number of bytes'),
    ('1e6', 'number of bytes'), ('nan', 'number of bytes'),
    ('32KiB', 'KiB.*did you mean 32kB'), ('32mb', 'did you mean 32MB'),
    ('2M', 'did you mean 2MB'), ('2G', 'did you mean 2GB'),
    ('9' * 5000, 'number of bytes'), ('3 apples', 'unknown unit'),
    ('0', 'at least 1'), ('0.0001kB', 'at least 1')])
def test_what_is_no_size(text, match):
  with pytest.raises(ConfigError, match=match):
    budget.parse(text)
