"""Pixels of other ranges: rounded as NumPy does, and never guessed."""

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import sources, value_range
from tfp_lgc.config import DataConfig
from tfp_lgc.errors import ConfigError, DataError

BYTES = np.arange(256, dtype=np.uint8).reshape([4, 8, 8])


@pytest.mark.parametrize('text, low, high', [
    ('0,1', 0, 1), ('-1,1', -1, 1), ('0, 255', 0, 255), ('0,65535', 0, 65535),
    ('-0.5,0.5', -0.5, 0.5), ('+10,4095', 10, 4095)])
@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_256_levels_of_any_range_come_back(text, low, high, dtype):
  assert value_range.parse(text) == (low, high)
  pixels = (low + (high - low) * (BYTES / 255.0)).astype(dtype)
  got = value_range.to_uint8(np.clip(pixels, low, high), text, 'x')
  np.testing.assert_array_equal(got, BYTES, strict=True)


def test_others_are_rounded_to_the_nearest():
  pixels = np.random.default_rng(0).uniform(-1, 1, [1000, 3, 3])
  got = value_range.to_uint8(pixels, '-1,1', 'x')
  assert np.abs(got / 127.5 - 1 - pixels).max() <= 0.5 / 127.5 + 1e-12
  np.testing.assert_array_equal(
      value_range.to_uint8(np.array([[0.5, 1.5, 2.5]]), '0,255', 'x'),
      [[0, 2, 2]])  # A half to the even one.


def test_many_are_converted_part_by_part(monkeypatch):
  pixels = np.random.default_rng(0).uniform(0, 1, [100, 4, 5])
  whole = value_range.to_uint8(pixels, '0,1', 'x')
  monkeypatch.setattr(value_range, '_CHUNK', 33)
  np.testing.assert_array_equal(value_range.to_uint8(pixels, '0,1', 'x'), whole)


@pytest.mark.parametrize('pixels, text, expected', [
    (np.array([0, 257, 65535], np.uint16), '0,65535', [0, 1, 255]),
    (np.array([0, 1, 1], np.uint8), '0,1', [0, 255, 255]),
    (np.array([-128, 0, 127], np.int8), '-128,127', [0, 128, 255]),
    (np.array([3, 4], np.int64), '', [3, 4]),
    (np.zeros([0, 2]), '', np.zeros([0, 2]))])
def test_whole_numbers_have_ranges_too(pixels, text, expected):
  got = value_range.to_uint8(pixels, text, 'x')
  assert got.dtype == np.uint8
  np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize('pixels, text, words', [
    (BYTES / 255, '', "float64 pixels from 0 to 1; .*'0,1'.*--value_range=0,1"),
    (BYTES / 127.5 - 1, '', 'from -1 to 1; .*must be stated'),
    (BYTES.astype(np.float16), '', 'float16 pixels from 0 to 255; .*stated'),
    (BYTES.astype(np.uint16), '', 'uint16 pixels from 0 to 255; .*stated'),
    (BYTES.astype(int) * 2, '', 'from 0 to 510; must be whole .* 0 to 255'),
    (BYTES / 255.0 + 0.01, '0,1', 'from 0.01 to 1.01; .* none outside'),
    (BYTES / -255.0, '0,1', 'from -1 to '),
    (np.where(BYTES > 9, np.nan, 0), '0,1', 'nan'),
    (np.where(BYTES > 9, -np.inf, 0), '', 'infinite'),
    (BYTES > 9, '0,1', 'type bool'),
    (BYTES.astype(complex), '0,1', 'type complex')])
def test_what_is_outside_or_not_stated_is_refused(pixels, text, words):
  with pytest.raises(DataError, match=f'^mine: .*{words}'):
    value_range.to_uint8(pixels, text, 'mine')


@pytest.mark.parametrize('text', ['1,0', '1,1', '0', '0,1,2', 'a,b', '0;1',
                                  'nan,1', '0,inf', '1e400,2', ','])
def test_what_is_no_range_is_refused(text):
  with pytest.raises(ConfigError, match='value_range = .*0,1 or -1,1'):
    value_range.parse(text)


def test_an_npz_file_takes_it_and_others_refuse_it(tmp_path):
  path = str(tmp_path / 'x.npz')
  np.savez(path, x_train=BYTES / 255.0, y_train=[0, 1, 0, 1],
           x_test=BYTES[:2] / 255.0, y_test=[0, 1])
  source = sources.load(DataConfig(dataset=path, value_range='0,1'))
  for split, count in ((source.train, 4), (source.test, 2)):
    np.testing.assert_array_equal(split.to_memory(('0', '1')).images[..., 0],
                                  BYTES[:count])
  with pytest.raises(DataError, match='x_train: got float64.*must be stated'):
    sources.load(DataConfig(dataset=path))
  with pytest.raises(ConfigError, match='value_range.*digits.*8-bit'):
    sources.load(DataConfig(value_range='0,1'))
  with pytest.raises(ConfigError, match='value_range'):
    tfp_lgc.compress('digits', value_range='0,1')
