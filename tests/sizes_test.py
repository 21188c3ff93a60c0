"""Which autoencoders a budget is likely to bear."""

import numpy as np
import pytest

from tfp_lgc import data, heads, networks, sizes, sources
from tfp_lgc.config import Config, DataConfig, replace
from tfp_lgc.errors import ArtifactError
from tfp_lgc.header import Header
from tfp_lgc.limits import limits


@pytest.fixture(scope='module')
def digits():
  return sources.load(DataConfig())


def _rungs(tried):
  return [(config.model.num_filters, config.model.latent_size,
           config.model.grid_filters, config.model.beta,
           config.codec.rate_weight) for config in tried]


@pytest.mark.parametrize('num_bytes', [500, 4000, 16_000, 70_000, 10**6])
def test_those_that_fit_are_tried_the_last_rung_first(num_bytes, digits):
  tried = sizes.likely(digits, num_bytes, Config(), set())
  places = [_rungs([config])[0] for config in tried]
  known = [(rung.num_filters, rung.latent_size, rung.grid_filters, rung.beta,
            rung.rate_weight) for rung in sizes.RUNGS]
  order = [known.index(place) for place in places]
  assert order == sorted(order, reverse=True)
  assert (order[0] == len(known) - 1) == (num_bytes == 10**6)
  for config, i in zip(tried, order):
    size = sizes._num_weights(config.model, (8, 8, 1), 10)
    assert sizes._decoder_num_bytes(config, size) <= (
        sizes.RUNGS[i].share * num_bytes) or order == [0]


def test_what_the_user_says_stays():
  source = sources.load(DataConfig())
  config = replace(Config(), beta=0.2, rate_weight=1e-3, num_filters=9,
                   grid_filters=3, num_components_max=7)
  [first, *_] = sizes.likely(
      source, 10**6, config,
      {'beta', 'rate_weight', 'num_filters', 'grid_filters',
       'num_components_max'})
  assert first.mixture.num_components_max == 7
  assert _rungs([first]) == [(9, 96, 3, 0.2, 1e-3)]
  # With few latents a rung of many is none.
  for tried in sizes.likely(source, 10**6, replace(Config(), latent_size=7),
                            {'latent_size'}):
    assert tried.model.latent_size == 7
    assert tried.model.beta == Config().model.beta


def test_filters_of_the_user_have_no_grid_of_a_rung(digits):
  for stays, grids in (({'latent_size'}, {0, 3, 4}),
                       ({'num_filters'}, {0}), ({'grid_filters'}, {0})):
    assert {tried.model.grid_filters for tried in sizes.likely(
        digits, 10**6, Config(), stays)} == grids
  for tried in sizes.likely(digits, 10**6, replace(Config(), trunk='dense'),
                            {'trunk'}):
    assert tried.model.grid_filters == 0


@pytest.fixture(scope='module')
def as_mnist():
  return data.Source('as_mnist', data.array_split(
      np.zeros([10, 28, 28, 1], np.uint8), np.arange(10)), None,
                     tuple('0123456789'))


@pytest.mark.parametrize('num_bytes', [7840, 13_000, 16_000, 32_000, 45_000,
                                       64_000])
def test_a_second_decoder_is_one_without_a_grid(num_bytes, as_mnist):
  config = replace(Config(), num_autoencoders=2)
  first, second, *others = sizes.likely(as_mnist, num_bytes, config, set())
  assert first.model.grid_filters > 0 == second.model.grid_filters
  size = sizes._num_weights(second.model, (28, 28, 1), 10)
  assert sizes._decoder_num_bytes(second, size) <= 0.76 * num_bytes
  # Where one is asked for there is none, nor where the user has decided.
  alone = sizes.likely(as_mnist, num_bytes, Config(), set())
  assert _rungs(alone) == _rungs([first, *others])
  for grid in (0, 2):
    assert _rungs(sizes.likely(
        as_mnist, num_bytes, replace(config, grid_filters=grid),
        {'grid_filters'})) == _rungs(sizes.likely(
        as_mnist, num_bytes, replace(Config(), grid_filters=grid),
        {'grid_filters'}))


@pytest.mark.parametrize('num_bytes, latent_size', [(5600, 0), (12_000, 64)])
def test_but_none_that_is_not_likely_to_fit(num_bytes, latent_size, as_mnist):
  """Or a whole training would be for nothing."""
  stays = {'latent_size'} if latent_size else set()
  config = replace(Config(), latent_size=latent_size or 2)
  tried = sizes.likely(as_mnist, num_bytes, config, stays)
  assert tried[0].model.grid_filters > 0
  assert _rungs(tried) == _rungs(sizes.likely(
      as_mnist, num_bytes, replace(config, num_autoencoders=2), stays))


def test_who_wants_no_grid_has_what_grids_replaced(as_mnist):
  for num_bytes, filters in ((7840, 8), (20_000, 24), (32_000, 28)):
    tried = sizes.likely(as_mnist, num_bytes, Config(), {'grid_filters'})
    assert _rungs(tried)[0][::2][:2] == (filters, 0)


def test_above_grids_the_second_decoder_is_the_next_rung(digits):
  pair = sizes.likely(digits, 10**6, replace(Config(), num_autoencoders=2),
                      set())[:2]
  assert _rungs(pair) == _rungs(sizes.likely(digits, 10**6, Config(),
                                             set())[:2])


def test_a_file_may_have_as_many_components_as_are_allowed(digits):
  # So many latents that there may be fewer than the most.
  [first, *_] = sizes.likely(digits, 1000, replace(Config(), latent_size=300),
                             {'latent_size'})
  most = first.mixture.num_components_max
  assert 300 < most < sizes.MAX_COMPONENTS
  classes = len(digits.class_names)

  def check(count):
    Header(first.model, (8, 8, 1), digits.class_names, (1,) * classes,
           (count,) * classes, ('tied',) * classes, 0, 1.0,
           ).check_padding(limits(1000).padded)

  check(most)
  with pytest.raises(ArtifactError, match='padded'):
    check(most + 1)
  for num_bytes in (4000, 10**6):
    [first, *_] = sizes.likely(digits, num_bytes, Config(), set())
    assert first.mixture.num_components_max == sizes.MAX_COMPONENTS


def test_where_nothing_is_likely_to_fit_the_smallest_is_tried(digits):
  tried = sizes.likely(digits, 10, Config(), set())
  assert _rungs(tried)[0][:2] == sizes.RUNGS[0][:2] and len(tried) == 1


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
