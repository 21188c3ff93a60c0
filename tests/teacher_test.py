"""Which images are hard, and what becomes of them."""

import types

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import (
  container,
  data,
  distribution,
  latent,
  networks,
  pipeline,
  shared,
  streams,
  teacher,
)
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import Config, MixtureConfig, replace
from tfp_lgc.errors import ArtifactError, ConfigError
from tfp_lgc.memory import limits
from tfp_lgc.progress import Progress

SHORT = {'trunk': 'dense', 'hidden_size': 8, 'latent_size': 2, 'epochs': 2,
         'num_components_max': 1, 'num_restarts': 1}


@pytest.mark.parametrize('most', [2.0, np.inf])
def test_the_hardest_of_each_class_count_more_but_for_wrong_labels(most):
  rng = np.random.default_rng(0)
  labels = np.repeat([3, 0], [100, 40])
  losses = rng.exponential(size=140) * np.where(labels == 3, 0.1, 1.0)
  losses[[7, 120]] = 2.5
  copies = teacher.copies(losses, labels, MixtureConfig(
      hard_copies=6, hard_share=0.2), most)
  assert set(copies) == {1, 6}
  for label, count in ((3, 100), (0, 40)):
    own = np.flatnonzero(labels == label)
    hardest = own[np.argsort(losses[own])[-round(0.2 * count):]]
    assert set(own[copies[own] == 6]) == set(hardest[losses[hardest] <= most])
  assert copies[7] == copies[120] == (1 if most == 2.0 else 6)


def test_where_all_are_as_hard_none_counts_more():
  np.testing.assert_array_equal(
      teacher.copies(np.zeros(9), np.zeros(9, int),
                     MixtureConfig(hard_copies=4)), 1)


@pytest.fixture
def source(monkeypatch):
  """Two classes, bright and dark; every other image is gray, so hard."""
  monkeypatch.setattr(teacher, 'TEACHER_STEPS', 200)
  rng = np.random.default_rng(0)
  labels = np.arange(200) % 2
  level = np.where(labels, 220, 30)
  level[::4] = 120
  level[1::4] = 130
  images = level[:, None, None, None] + rng.integers(-9, 10, [200, 8, 8, 1])
  return from_arrays((images.astype(np.uint8), labels))


def _arrays(source):
  images, labels = zip(*source.train.batches(64))
  return np.concatenate(images), np.concatenate(labels)


def test_a_teacher_finds_images_hard_that_are_between_classes(source):
  labels = np.concatenate([labels for _, labels in source.train.batches(64)])
  copies = teacher.copies(teacher.losses(Config(), source.train, 2), labels,
                          MixtureConfig(hard_copies=3))
  images = np.concatenate([images for images, _ in source.train.batches(64)])
  gray = np.abs(images.mean(axis=(1, 2, 3)) - 125) < 50
  # 30 of each class are hard, and half are gray.
  assert np.bincount(copies).tolist() == [0, 140, 0, 60]
  assert gray.sum() == 100 and gray[copies == 3].all()


def test_a_wrong_label_is_hard_beyond_the_most(source):
  images, labels = _arrays(source)
  wrong = [2, 3]  # One of each class, not gray.
  labels[wrong] = 1 - labels[wrong]
  split = data.array_split(images, labels, keep_order=True)
  losses = teacher.losses(Config(), split, 2)
  assert (losses[wrong] > teacher.MAX_LOSS).all()
  assert np.count_nonzero(losses > teacher.MAX_LOSS) < 50


def test_samples_lack_what_a_teacher_of_them_alone_finds_hard(source):
  images, labels = _arrays(source)
  gray = np.abs(images.mean(axis=(1, 2, 3)) - 125) < 50
  split = data.array_split(images, labels, keep_order=True)
  drawn = data.array_split(images[~gray], labels[~gray])
  excess = teacher.excess(Config(), split, drawn, 2)
  np.testing.assert_array_equal(teacher.excess(Config(), split, split, 2), 0.0)
  assert np.median(excess[gray]) > np.median(excess[~gray])


def test_latents_of_hard_images_count_more(source):
  config = replace(Config(), **SHORT, hard_copies=5)
  trained = pipeline.train_encode(source, config, Progress())
  fitted = pipeline.fit(source, config, Progress())
  assert set(trained.copies) == {1, 5}
  for label in range(2):
    own = trained.labels == label
    expected = np.average(trained.latents[own], axis=0,
                          weights=trained.copies[own])
    np.testing.assert_allclose(
        fitted.artifact.mixture.components(label).loc[0], expected, atol=0.05)
  assert fitted.artifact.class_counts == (100, 100)


def test_a_file_and_its_card_tell(source):
  artifact = tfp_lgc.compress(source, **SHORT, hard_copies=5)
  again = tfp_lgc.Artifact.from_bytes(artifact.to_bytes())
  assert again.hard_copies == 5
  header, tensors = container.loads(artifact.to_bytes())
  for wrong in (0, 101, 2.0, '2', True, None):
    with pytest.raises(ArtifactError, match='hard_copies'):
      tfp_lgc.Artifact.from_bytes(
          container.dumps({**header, 'hard_copies': wrong}, tensors))
  plain = tfp_lgc.compress(source, **SHORT)
  assert 'hard_copies' not in container.loads(plain.to_bytes())[0]
  assert plain.hard_copies == 1


def test_the_card_says_that_samples_are_harder(source, tmp_path):
  for hard_copies, is_said in ((1, False), (5, True)):
    out = tmp_path / str(hard_copies)
    tfp_lgc.compress(source, **SHORT, hard_copies=hard_copies).save(out)
    text = (out / 'README.md').read_text()
    assert ('counted 5 times' in text) == is_said
    assert ('Unusual ones are drawn more often' in text) == is_said


def test_what_is_added_later_counts_once(source):
  run = tfp_lgc.compress(source, **SHORT, hard_copies=5)
  images = np.concatenate([images for images, _ in source.train.batches(64)])
  assert run.updated(images, ['1'] * len(images)).hard_copies == 5
  new = run.updated(images, np.array(['0', '1'])[np.arange(200) % 2])
  assert new.hard_copies == 1
  other = run.updated(images, ['2'] * len(images))
  for name in run.class_names:
    other = other.without_class(name)
  for a, b in ((run, other), (other, run)):
    assert tfp_lgc.merge(a, b).hard_copies == 5


def test_followers_take_the_losses_of_the_chief(monkeypatch):
  losses = np.arange(4, dtype=np.float32)
  split = data.array_split(np.zeros([4, 8, 8, 1], np.uint8), np.arange(4) % 2)
  monkeypatch.setattr(teacher, 'trained', lambda *_: networks.teacher(
      (8, 8, 1), 2))
  monkeypatch.setattr(distribution, 'of', lambda name: types.SimpleNamespace(
      is_chief=False, num_workers=2,
      broadcast=lambda content: shared.to_bytes({'losses': losses})))
  np.testing.assert_array_equal(
      teacher.losses(Config(), split, 2), losses)


def test_one_class_has_no_hard_images():
  with pytest.raises(ConfigError, match='hard_copies = 2: .* there is one'):
    latent.check(replace(Config(), hard_copies=2), 1)


@pytest.mark.parametrize('latent_model', ['global', 'prior'])
def test_it_is_for_mixtures_by_class(latent_model):
  config = replace(Config(), hard_copies=2, latent_model=latent_model,
                   model='cvae')
  with pytest.raises(ConfigError, match='hard_copies = 2'):
    latent.check(config, 2)


@pytest.mark.parametrize('bound', [None, limits('2GB')._replace(latents=0)])
def test_rows_are_repeated_in_memory_and_in_a_file(bound, monkeypatch):
  monkeypatch.setattr(streams, 'ROWS_WRITTEN', 7)
  rng = np.random.default_rng(0)
  rows = streams.scratch((50, 3), bound)
  rows[:] = rng.normal(size=[50, 3])
  copies = rng.integers(1, 5, 50)
  repeated = streams.repeated(rows, copies, bound)
  np.testing.assert_array_equal(repeated, np.repeat(rows, copies, axis=0))
  assert isinstance(repeated, np.memmap) == (bound is not None)
  assert streams.repeated(rows, np.ones(50, int), bound) is rows
