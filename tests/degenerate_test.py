"""One table of data sets that are hardly any: each ends in an artifact that
works, or in one clear error."""

import warnings
from typing import NamedTuple, Optional

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import config as config_lib
from tfp_lgc import evaluation, pipeline
from tfp_lgc.errors import DataError, LgcError
from tfp_lgc.progress import Progress

TINY = dict(epochs=1, batch_size=64, latent_size=2, hidden_size=4,
            num_filters=2, num_components_max=2, judge_steps=1)


class Works(NamedTuple):
  """Images and labels of which an artifact can be made; `names` of its
  classes, those that occur if None."""
  images: np.ndarray
  labels: object
  settings: dict = {}
  names: Optional[tuple] = None


class Refused(NamedTuple):
  """Images and labels that end in an error, and what it says."""
  images: np.ndarray
  labels: object
  error: type
  match: str
  settings: dict = {}


def _pixels(*shape):
  return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def _with_black():
  images = _pixels(40, 6, 5)
  images[:20] = 0
  return images


def _put(value):
  images = _pixels(4, 6, 5).astype(np.float32) / 255
  images[1, 2, 3] = value
  return images


SIX = _pixels(6, 6, 5)
TWINS = np.tile(_pixels(20, 6, 5), [2, 1, 1])
HALVES = np.arange(40) // 20
THREE = np.arange(6) % 3
slow = pytest.mark.slow

CASES = {
    # Hardly an image.
    'two images': Works(SIX[:2], [0, 1], {}, ('0', '1')),
    'two images of a class': pytest.param(
        Works(SIX[:2], [7, 7], {}, ('7',)), marks=slow),
    'two images without a label': pytest.param(
        Works(SIX[:2], None, {}, ('all',)), marks=slow),
    'no image': Refused(SIX[:0], [], DataError, 'train split has no image'),
    'one of a class': Works(_pixels(10, 6, 5), np.arange(10)),
    'one of a class, told the class': Works(
        _pixels(10, 6, 5), np.arange(10), {'model': 'cvae'}),
    **{f'one of a class, {model}': pytest.param(Works(
        _pixels(10, 6, 5), np.arange(10),
        {'model': model, 'prior_num_components': 2}), marks=slow)
       for model in config_lib.MODELS if model not in ('vae', 'cvae')},
    '1,000 classes': pytest.param(
        Works(_pixels(2000, 4, 3), np.arange(2000) % 1000), marks=slow),
    '1,000 classes of one image': pytest.param(
        Works(_pixels(1000, 4, 3), np.arange(1000)), marks=slow),
    '1 image beside 50,000': pytest.param(
        Works(_pixels(50_001, 3, 3), np.arange(50_001) // 50_000), marks=slow),
    # Nothing to tell apart.
    'a black class': Works(_with_black(), HALVES),
    'all black': pytest.param(
        Works(np.zeros([40, 6, 5], np.uint8), HALVES), marks=slow),
    'all black, everything on': Works(
        np.zeros([40, 6, 5], np.uint8), HALVES,
        {'covariance': 'auto', 'selection': 'bytes', 'texture': 'residual',
         'finetune_steps': 2}),
    'all black, a head with a scale': pytest.param(Works(
        np.zeros([40, 6, 5], np.uint8), HALVES, {'head': 'normal_diag'}),
        marks=slow),
    'two equal classes': Works(TWINS, HALVES),
    'two equal classes, one mixture': pytest.param(
        Works(TWINS, HALVES, {'latent_model': 'global'}), marks=slow),
    'a constant latent': Works(  # Some of these are dead from the start.
        _with_black(), HALVES, {'model': 'ae', 'trunk': 'lgc',
                                'latent_size': 8}),
    **{f'covariances {structure}': pytest.param(
        Works(_with_black(), HALVES, {'covariance': structure}), marks=slow)
       for structure in config_lib.COVARIANCES},
    # Pixels that are none, or of another range.
    'nan': Refused(_put(np.nan), [0, 1, 0, 1], DataError, 'nan or infinite'),
    'inf': Refused(_put(np.inf), [0, 1, 0, 1], DataError, 'nan or infinite',
                   {'value_range': '0,1'}),
    'floats of 0 to 1': Refused(
        SIX / 255, THREE, DataError, "from 0.* to .*; .*stated.*'0,1'"),
    'floats of 0 to 255': Refused(
        SIX.astype(np.float32), THREE, DataError, 'to 25.; .*stated'),
    'floats of -1 to 1': Refused(
        SIX / 127.5 - 1, THREE, DataError, 'from -.*; .*stated'),
    'uint16': Refused(SIX.astype(np.uint16) * 257, THREE, DataError,
                      'uint16 pixels .*stated'),
    'floats, another range stated': Refused(
        SIX / 127.5 - 1, THREE, DataError, 'none outside',
        {'value_range': '0,1'}),
    'floats of 0 to 1, stated': Works(
        SIX / 255, THREE, {'value_range': '0,1'}),
    'floats of 0 to 255, stated': pytest.param(Works(
        SIX.astype(np.float32), THREE, {'value_range': '0,255'}), marks=slow),
    'floats of -1 to 1, stated': pytest.param(Works(
        SIX / 127.5 - 1, THREE, {'value_range': '-1,1'}), marks=slow),
    'uint16, stated': pytest.param(Works(
        SIX.astype(np.uint16) * 257, THREE, {'value_range': '0,65535'}),
        marks=slow),
    # Labels.
    'strings': Works(SIX, ['é', 'a cat', ''] * 2, {}, ('', 'a cat', 'é')),
    'negative and huge': pytest.param(Works(
        SIX, [-2**62, 2**62, -1] * 2, {}, (str(-2**62), '-1', str(2**62))),
        marks=slow),
    'unsigned and huge': pytest.param(Works(
        SIX, np.array([2**64 - 1, 2**63, 0] * 2, np.uint64), {},
        ('0', str(2**63), str(2**64 - 1))), marks=slow),
    'whole floats': pytest.param(
        Works(SIX, [-1.0, 2.0, 1e15] * 2, {}, ('-1', '2', str(10**15))),
        marks=slow),
    'other floats': Refused(SIX, [0.5, 1, 2] * 2, DataError, 'whole numbers'),
    'floats too large to be exact': Refused(SIX, [1e300, 1, 2] * 2, DataError,
                                            '2.53'),
    'nan for a label': Refused(SIX, [np.nan, 1, 2] * 2, DataError, 'whole'),
    'no label for some': Refused(SIX, [None, 'a', 'b'] * 2, DataError,
                                 'None or nan'),
    'too few labels': Refused(SIX, [0, 1], DataError, 'one label an image'),
    # Shapes.
    **{f'{height} x {width}, {trunk}': pytest.param(
        Works(_pixels(4, height, width), [0, 1, 0, 1], {'trunk': trunk}),
        marks=() if (height, width, trunk) in (
            (1, 1, 'conv'), (3, 200, 'conv'), (27, 1, 'dense')) else slow)
       for height, width in ((1, 1), (1, 3), (3, 1), (3, 27), (27, 1), (27, 3),
                             (200, 1), (3, 200), (27, 200), (200, 200))
       for trunk in ('dense', 'conv')},
    'no pixel': Refused(_pixels(4, 0, 5), [0, 1] * 2, DataError, 'shape'),
}


@pytest.mark.parametrize('case', CASES.values(), ids=CASES)
def test_it_ends_in_an_artifact_or_in_an_error(case):
  if isinstance(case, Refused):
    with pytest.raises(case.error, match=case.match) as error:
      tfp_lgc.compress((case.images, case.labels), **TINY | case.settings)
    assert isinstance(error.value, LgcError)
    assert '\n' not in str(error.value)
    return
  names = case.names or tuple(map(str, np.unique(case.labels)))
  with warnings.catch_warnings():
    warnings.simplefilter('error', RuntimeWarning)  # As of a mean of nothing.
    artifact = tfp_lgc.compress((case.images, case.labels),
                                **TINY | case.settings)
  assert artifact.class_names == names
  assert sum(artifact.class_counts) == len(case.images)
  drawn = tfp_lgc.sample(artifact, 20, seed=1)
  assert drawn.images.shape == (20, *case.images.shape[1:3], 1)
  assert drawn.class_names == names
  assert 0 <= drawn.labels.min() and drawn.labels.max() < len(names)
  assert (tfp_lgc.sample(artifact, 2, labels=names[-1]).labels
          == len(names) - 1).all()
  for label in {0, len(names) - 1}:
    components = artifact.mixture.components(label)
    assert all(np.isfinite(part).all() for part in components)


# Test splits.


IMAGES, LABELS = _pixels(20, 6, 5), np.arange(20) % 2


@pytest.fixture(scope='module')
def made():
  return tfp_lgc.compress((IMAGES, LABELS), **TINY)


@pytest.mark.parametrize('test', [None, (IMAGES[:0], LABELS[:0])],
                         ids=['none', 'an empty one'])
def test_without_a_test_split_there_is_no_accuracy(test, made):
  source = pipeline.open_source((IMAGES, LABELS), config_lib.Config(), test)
  assert source.test is None
  assert 'no test split' in evaluation.cannot_judge(source)
  with pytest.raises(LgcError, match='no test split'):
    tfp_lgc.evaluate(made, (IMAGES, LABELS), test=test)


def test_a_test_split_that_was_trained_on_is_told(made):
  said = []
  progress = Progress(said.append)
  result = tfp_lgc.evaluate(made, (IMAGES, LABELS), judge_steps=1,
                            test=(IMAGES[5:], LABELS[5:]), progress=progress)
  assert 0 <= result['tstr_accuracy']['mean'] <= 1
  [line] = [line for line in said if 'warning' in line]
  assert '15 of 15 test images' in line
  assert [row['identical'] for row in progress.records] == [15]
