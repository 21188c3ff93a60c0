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
from tfp_lgc import heads, models, networks, pipeline, sources

# The trunks of papers are tested with one head: heads do not know of trunks.
OURS = 'dense', 'conv'
ALL = [(model, trunk, head) for model, trunk, head in itertools.product(
    models.MODELS, networks.TRUNKS, heads.HEADS)
       if trunk in OURS or head == 'bernoulli']
# Each model on each trunk of ours, each trunk of a paper with two models, and
# each head, at every change; the rest of the table takes minutes.
QUICK = [(model, trunk, head) for model, trunk, head in ALL
         if trunk in OURS and head == 'bernoulli'
         or (model, trunk) == ('vae', 'conv')
         or trunk not in OURS and model in ('ae', 'cvae')]
MEMBERS = [pytest.param(*member, marks=() if member in QUICK
                        else pytest.mark.slow) for member in ALL]


def test_choices_are_the_tables():
  assert set(config_lib.MODELS) == set(models.MODELS)
  assert set(config_lib.TRUNKS) == set(networks.TRUNKS)
  assert set(config_lib.HEADS) == set(heads.HEADS)


@pytest.fixture(scope='module')
def digits():
  return sources.load(config_lib.DataConfig(dataset='digits'))


@pytest.mark.parametrize('model, trunk, head', MEMBERS)
def test_from_images_to_samples_of_either_file(model, trunk, head, digits,
                                               tmp_path):
  records = pipeline.Progress()
  artifact = tfp_lgc.compress(
      digits, model=model, trunk=trunk, head=head, epochs=12, latent_size=4,
      hidden_size=16, num_filters=4, num_components_max=2,
      prior_num_components=3, progress=records)
  losses = [row['loss'] for row in records.records if row['event'] == 'train']
  assert np.isfinite(losses).all()
  assert losses[-1] < losses[0]
  artifact.save(tmp_path)
  drawn = tfp_lgc.sample(artifact, 20, seed=5)
  again = tfp_lgc.sample(tmp_path / 'artifact.lgc', 20, seed=5)
  saved_model = tf.saved_model.load(str(tmp_path / 'saved_model' / '1'))
  served = saved_model.signatures['sample'](
      n=tf.constant(20), seed=tf.constant([0, 5]))
  for images, labels in ((again.images, again.labels),
                         (served['image'], served['label'])):
    np.testing.assert_array_equal(images, drawn.images)
    np.testing.assert_array_equal(labels, drawn.labels)
  assert len(np.unique(drawn.images)) > 10


@pytest.mark.parametrize('model', [
    pytest.param(model, marks=() if model in ('ae', 'cvae')
                 else pytest.mark.slow) for model in models.MODELS])
def test_the_same_seed_gives_the_same_bytes(model):
  images = np.random.default_rng(0).integers(0, 256, [64, 6, 5, 3], np.uint8)
  labels = np.arange(64) % 2

  def compressed(seed):
    return tfp_lgc.compress(
        (images, labels), model=model, trunk='conv', head='normal_diag',
        epochs=2, batch_size=16, latent_size=2, hidden_size=4, num_filters=2,
        num_components_max=1, prior_num_components=2, seed=seed).to_bytes()

  assert compressed(1) == compressed(1)
  assert compressed(1) != compressed(2)
