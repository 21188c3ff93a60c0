"""One table, one set of laws: every model with every trunk and head.

Whoever adds a member to a table of the package meets it here: the tables are
read, not repeated, and `test_choices_are_the_tables` fails if a member cannot
be chosen from the command line.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import config as config_lib
from tfp_lgc import heads, models, networks, sources, teacher
from tfp_lgc.arrays import from_arrays
from tfp_lgc.progress import Progress

# The trunks of papers are tested with one head: heads do not know of trunks.
# Those whose latents are too many for a mixture are not compressed with.
OURS = 'dense', 'conv'
COMPRESSING = [name for name, trunk in networks.TRUNKS.items()
               if trunk.code_size is None]
ALL = [member for member in itertools.product(
    models.MODELS, COMPRESSING, heads.HEADS, (0, 3))
       if member[1] in OURS or member[2:] == ('bernoulli', 0)]
# Each model on a trunk of ours, by turns, each trunk of a paper, some heads and
# a mixture at every change (another of color images); the rest takes long.
SINGLE = ('student_t_full', 'maf')
WITH_TEACHER, OF_COLORS = 'normal_diag', 'matrix_t_full'
TURNS = set(zip(models.MODELS, itertools.cycle(OURS)))
QUICK = [(model, trunk, head, k) for model, trunk, head, k in ALL
         if (model, trunk) in TURNS and (head, k) == ('bernoulli', 0)
         or trunk not in OURS and model == 'ae'
         or (model, trunk) == ('vae', 'dense') and (
             (k == 0 and head in SINGLE) or (k and head == WITH_TEACHER))]
MEMBERS = [pytest.param(*member, marks=() if member in QUICK
                        else pytest.mark.slow) for member in ALL]


def test_choices_are_the_tables():
  assert set(config_lib.MODELS) == set(models.MODELS)
  assert set(config_lib.TRUNKS) == set(networks.TRUNKS)
  assert set(config_lib.HEADS) == set(heads.HEADS)


@pytest.fixture(scope='module')
def digits():
  return sources.load(config_lib.DataConfig(dataset='digits'))


@pytest.fixture(scope='module')
def colored():
  """128 images in RGB, higher than wide, dark or bright."""
  rng = np.random.default_rng(0)
  labels = np.arange(128) % 2
  images = rng.integers(0, 100, [128, 7, 5, 3]) + 150 * labels[
      :, np.newaxis, np.newaxis, np.newaxis]
  return from_arrays((images.astype(np.uint8), labels))


@pytest.mark.parametrize('model, trunk, head, num_components', MEMBERS)
def test_from_images_to_samples_of_either_file(
    model, trunk, head, num_components, digits, tmp_path):
  _check(digits, tmp_path, model=model, trunk=trunk, head=head,
         head_num_components=num_components, epochs=12)


@pytest.mark.parametrize('head, num_components', [
    pytest.param(head, k, marks=() if k and head == OF_COLORS
                 else pytest.mark.slow)
    for head, k in itertools.product(heads.HEADS, (0, 3))])
def test_color_images_do_too(head, num_components, colored, tmp_path):
  _check(colored, tmp_path, trunk='conv', head=head,
         head_num_components=num_components, epochs=60, batch_size=32)


@pytest.mark.parametrize('model', [
    model if model == 'cvae' else pytest.param(model, marks=pytest.mark.slow)
    for model in models.MODELS])
def test_a_decoder_of_few_maps_goes_with_every_model(model, colored, tmp_path):
  _check(colored, tmp_path, model=model, trunk='conv', grid_filters=2,
         epochs=60, batch_size=32)


@pytest.mark.parametrize('model', [
    model if model == 'cvae' else pytest.param(model, marks=pytest.mark.slow)
    for model in models.MODELS])
def test_a_teacher_and_a_texture_go_with_every_model(
    model, digits, tmp_path, monkeypatch):
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 20)
  _check(digits, tmp_path, model=model, teacher_weight=3.0, texture='residual',
         hard_copies=3, epochs=12)


@pytest.mark.parametrize('head', [
    pytest.param(head, marks=() if head == WITH_TEACHER else pytest.mark.slow)
    for head in heads.HEADS])
def test_and_with_every_head(head, colored, tmp_path, monkeypatch):
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 20)
  _check(colored, tmp_path, trunk='conv', head=head, teacher_weight=3.0,
         texture='residual', epochs=60, batch_size=32)


def _check(source, tmp_path, **settings):
  records = Progress()
  artifact = tfp_lgc.compress(
      source, latent_size=4, hidden_size=16, num_filters=4,
      num_components_max=2, prior_num_components=3, progress=records,
      **settings)
  losses = [row['loss'] for row in records.records if row['event'] == 'train']
  assert np.isfinite(losses).all()
  assert losses[-1] < losses[0]
  artifact.save(tmp_path)
  drawn = tfp_lgc.sample(artifact, 20, seed=5)
  loaded = tfp_lgc.load(tmp_path / 'artifact.lgc')
  again = tfp_lgc.sample(loaded, 20, seed=5)
  saved_model = tf.saved_model.load(str(tmp_path / 'saved_model' / '1'))
  served = saved_model.signatures['sample'](
      n=tf.constant(20), seed=tf.constant([0, 5]),
      temperature=tf.constant(-1.0))
  for images, labels in ((again.images, again.labels),
                         (served['image'], served['label'])):
    np.testing.assert_array_equal(images, drawn.images)
    np.testing.assert_array_equal(labels, drawn.labels)
  assert len(np.unique(drawn.images)) > 10
  pixels = tfp_lgc.sample(loaded, 20, seed=5, stochastic=True)
  assert (pixels.images != drawn.images).any()


@pytest.mark.parametrize('model', [
    pytest.param(model, marks=() if model == 'cvae' else pytest.mark.slow)
    for model in models.MODELS])
def test_the_same_seed_gives_the_same_bytes(model):
  images = np.random.default_rng(0).integers(0, 256, [64, 6, 5, 3], np.uint8)
  labels = np.arange(64) % 2

  def compressed(seed):
    return tfp_lgc.compress(
        (images, labels), model=model, trunk='conv', head='normal_diag',
        epochs=2, batch_size=16, latent_size=2, hidden_size=4, num_filters=2,
        num_components_max=1, prior_num_components=2, seed=seed).to_bytes()

  first = compressed(1)
  assert compressed(1) == first
  assert compressed(2) != first
