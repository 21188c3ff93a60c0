"""Which autoencoders a budget is likely to bear."""

import pytest

from tfp_lgc import heads, networks, sizes, sources
from tfp_lgc.config import Config, DataConfig, replace


@pytest.fixture(scope='module')
def digits():
  return sources.load(DataConfig())


def test_more_bytes_buy_a_larger_decoder(digits):
  first = [tried[0].model.num_filters for tried in (
      sizes.likely(digits, num_bytes, Config(), set())
      for num_bytes in (500, 1000, 4000, 16_000, 10**6))]
  assert first == sorted(first)
  assert first[0] < first[-1] == sizes.RUNGS[-1].num_filters


@pytest.mark.parametrize('settings, stays', [
    ({'trunk': 'dense', 'num_filters': 7}, {'trunk', 'num_filters'}),
    ({'num_filters': 8, 'latent_size': 4}, {'num_filters', 'latent_size'}),
    ({'model': 'gmm_dae'}, set()), ({'model': 'cvae'}, set()),
    ({'head': 'maf'}, set())])
def test_no_decoder_is_tried_twice_nor_one_that_there_is_not(
    settings, stays, digits):
  tried = sizes.likely(digits, 16_000, replace(Config(), **settings), stays)
  models = [config.model for config in tried]
  counted = [networks.decoder(
      model, heads.build(model, (8, 8, 1)),
      10 if model.model == 'cvae' else 0).count_params() for model in models]
  assert len(counted) == len(set(counted))
  if len(stays) == 2 and 'latent_size' in stays:
    assert len(tried) == 1
  if settings.get('model') == 'gmm_dae':
    assert min(model.latent_size for model in models) >= 10
