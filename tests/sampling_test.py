"""Images drawn from an artifact, and what may be asked for."""

import dataclasses
import threading
import types

import numpy as np
import pytest
import tensorflow as tf

import tfp_lgc
from tfp_lgc import sampler as sampler_lib
from tfp_lgc import sampling
from tfp_lgc.errors import LgcError


def test_every_form_of_an_artifact_gives_the_same_images(artifact, saved):
  expected = tfp_lgc.sample(artifact, 300, seed=9)
  for form in (tfp_lgc.load(saved), saved, str(saved), saved / 'artifact.lgc',
               saved / 'saved_model', saved / 'saved_model' / '1'):
    drawn = tfp_lgc.sample(form, 300, seed=9)
    np.testing.assert_array_equal(drawn.images, expected.images)
    np.testing.assert_array_equal(drawn.labels, expected.labels)
    assert drawn.class_names == ('ape', 'cat', 'emu')


def test_the_first_images_do_not_depend_on_how_many(artifact):
  larger = tfp_lgc.sample(artifact, 600, seed=9)
  for n in (1, 255, 256, 257):
    drawn = tfp_lgc.sample(artifact, n, seed=9)
    np.testing.assert_array_equal(drawn.images, larger.images[:n])
    np.testing.assert_array_equal(drawn.labels, larger.labels[:n])


@pytest.mark.parametrize('labels', [None, 'ape', ['emu', 'ape', 'cat'] * 400],
                         ids=['all', 'one class', 'array'])
def test_portions_change_nothing(labels, artifact, monkeypatch):
  whole = tfp_lgc.sample(artifact, 1200, labels, seed=9)
  monkeypatch.setattr(sampling, 'BLOCKS_PER_CALL', 2)
  drawn = tfp_lgc.sample(artifact, 1200, labels, seed=9)
  np.testing.assert_array_equal(drawn.images, whole.images)
  np.testing.assert_array_equal(drawn.labels, whole.labels)


def test_another_seed_gives_other_images(artifact):
  first, second = [tfp_lgc.sample(artifact, 100, seed=seed)
                   for seed in (0, 2**31 - 1)]
  assert (first.images != second.images).any()
  assert (first.labels != second.labels).any()


@pytest.mark.parametrize('labels, positions', [
    ('emu', 2), (np.str_('emu'), 2),
    (['emu', 'ape', 'cat', 'emu'], [2, 0, 1, 2]),
    (np.array(['emu', 'ape', 'cat', 'emu'], object), [2, 0, 1, 2])], ids=str)
def test_labels_are_given_by_name(labels, positions, artifact):
  drawn = tfp_lgc.sample(artifact, 4, labels=labels)
  np.testing.assert_array_equal(drawn.labels, np.broadcast_to(positions, 4))


@pytest.mark.parametrize('labels, positions', [
    (7, 1), (np.int64(5), 0), ('7', 1), ([7, 5, 5, 7], [1, 0, 0, 1]),
    (np.array([7, 5, 5, 7], np.uint8), [1, 0, 0, 1])], ids=str)
def test_a_number_is_the_name_of_a_class_not_its_position(labels, positions,
                                                          artifact):
  numbered = dataclasses.replace(artifact, class_names=('5', '7', '1'))
  drawn = tfp_lgc.sample(numbered, 4, labels=labels)
  np.testing.assert_array_equal(drawn.labels, np.broadcast_to(positions, 4))
  with pytest.raises(LgcError, match="'0' is no class"):
    tfp_lgc.sample(numbered, 4, labels=0)


@pytest.mark.parametrize('n', [0, -1, -300])
def test_nothing_cannot_be_drawn(n, artifact):
  with pytest.raises(LgcError, match=f'n = {n}: must be a whole number from 1'):
    tfp_lgc.sample(artifact, n)


@pytest.mark.parametrize('seed', [-1, 2**31, 10**30])
def test_a_seed_is_31_bits(seed, artifact):
  for draw in (lambda: tfp_lgc.sample(artifact, 1, seed=seed),
               lambda: tfp_lgc.as_dataset(artifact, seed=seed)):
    with pytest.raises(LgcError, match=f'seed = {seed}: must be a whole'):
      draw()


@pytest.mark.parametrize('bad', [1.5, 1.0, '1', None, [1]], ids=repr)
def test_what_is_counted_is_whole(bad, artifact):
  for arguments in ({'n': bad}, {'n': 1, 'seed': bad}):
    with pytest.raises(LgcError):
      tfp_lgc.sample(artifact, **arguments)


@pytest.mark.parametrize('labels', [
    'dog', '', 'Ape', 3, -1, 10**10, 1.0, True, ['ape', 'dog'], [0, 3], [0, -1],
    np.array([0, 2**63], np.uint64), [0.0, 1.0], [None, 'ape'], [b'ape', b'cat']
], ids=repr)
def test_an_unknown_class_lists_the_known(labels, artifact):
  with pytest.raises(LgcError, match='choose from ape, cat, emu'):
    tfp_lgc.sample(artifact, 2, labels=labels)


@pytest.mark.parametrize('labels', [
    [], ['ape'], ['ape'] * 3, [['ape', 'ape']], [[0], [1]]], ids=str)
def test_there_is_one_label_an_image(labels, artifact):
  with pytest.raises(LgcError, match='labels'):
    tfp_lgc.sample(artifact, 2, labels=labels)


def test_a_class_without_images_is_not_drawn_from(artifact):
  emptied = dataclasses.replace(artifact, class_counts=(0, 20, 44))
  drawn = tfp_lgc.sample(emptied, 300)
  assert set(drawn.labels) == {1, 2}
  for labels in ('ape', 0, ['cat', 'ape']):
    with pytest.raises(LgcError, match='choose from cat, emu$'):
      tfp_lgc.sample(emptied, 2, labels=labels)


def test_a_stream_is_an_endless_sample(artifact):
  stream = tfp_lgc.as_dataset(artifact, seed=9)
  assert stream.element_spec == (tf.TensorSpec([7, 6, 3], tf.uint8),
                                 tf.TensorSpec([], tf.int32))
  drawn = tfp_lgc.sample(artifact, 2000, seed=9)
  for _ in range(2):  # It begins anew.
    images, labels = next(iter(stream.batch(2000)))
    np.testing.assert_array_equal(images, drawn.images)
    np.testing.assert_array_equal(labels, drawn.labels)
  other, _ = next(iter(tfp_lgc.as_dataset(artifact, seed=8).batch(2000)))
  assert (other.numpy() != drawn.images).any()


@pytest.mark.parametrize('how', [
    {}, {'labels': 'emu'}, {'labels': ['emu', 'ape', 'cat', 'ape'] * 150},
    {'balanced': True, 'stochastic': True}, {'temperature': 0.25}], ids=str)
def test_a_stream_of_n_is_a_sample_of_n(how, artifact):
  stream = tfp_lgc.as_dataset(artifact, 600, seed=9, **how)
  assert stream.cardinality() == 600
  assert stream.element_spec == (tf.TensorSpec([7, 6, 3], tf.uint8),
                                 tf.TensorSpec([], tf.int32))
  [(images, labels)] = stream.batch(1000)
  drawn = tfp_lgc.sample(artifact, 600, seed=9, **how)
  np.testing.assert_array_equal(images, drawn.images)
  np.testing.assert_array_equal(labels, drawn.labels)


def test_a_stream_of_one_class_has_no_end_but_that_of_a_list_has(artifact):
  labels = next(iter(tfp_lgc.as_dataset(artifact, labels='emu').batch(999)))[1]
  assert set(labels.numpy()) == {2}
  with pytest.raises(LgcError, match='labels.*endless'):
    tfp_lgc.as_dataset(artifact, labels=['emu', 'ape'])
  with pytest.raises(LgcError, match='n = 0'):
    tfp_lgc.as_dataset(artifact, 0)


def test_any_part_can_be_drawn(artifact, monkeypatch):
  monkeypatch.setattr(sampling, 'MAX_NUM_BYTES_PER_CALL', 1)  # A block a call.
  drawn = tfp_lgc.sample(artifact, 900, seed=9, balanced=True)
  drawing = sampling.drawing(artifact, seed=9, balanced=True)
  for first, stop in ((0, 900), (300, 301), (255, 513), (512, 768), (5, 5)):
    parts = list(drawing.portions(first, stop))
    assert max((len(labels) for _, labels in parts), default=0) <= 256
    images = [image for images, _ in parts for image in images]
    labels = [label for _, labels in parts for label in labels]
    np.testing.assert_array_equal(labels, drawn.labels[first:stop])
    assert len(images) == stop - first
    for image, expected in zip(images, drawn.images[first:stop]):
      np.testing.assert_array_equal(image, expected)


def test_temperature_scales_the_spread_of_latents(artifact):
  """Of a class of one Gaussian: deviations from its mean grow by the root."""
  hot, as_it_is, cold = [
      variant.sampler.sample_class(
          np.full(300, 1, np.int32), np.array([0, 3], np.int32))['latent']
      for variant in [dataclasses.replace(artifact, temperature=t)
                      for t in (4.0, 1.0, 0.0)]]
  loc = artifact.mixture.loc[1, 0]
  np.testing.assert_allclose(hot - loc, 2 * (as_it_is - loc), rtol=1e-4,
                             atol=1e-4)
  np.testing.assert_allclose(cold, np.broadcast_to(loc, cold.shape), atol=1e-6)


def test_temperature_is_that_of_the_artifact_if_nothing_is_said(artifact):
  warm = dataclasses.replace(artifact, temperature=2.5)
  again = tfp_lgc.Artifact.from_bytes(warm.to_bytes())
  assert again.temperature == 2.5
  expected = tfp_lgc.sample(artifact, 30, temperature=2.5)
  np.testing.assert_array_equal(tfp_lgc.sample(again, 30).images,
                                expected.images)
  for bad in (-1, 1e300, float('nan'), 'x'):
    with pytest.raises(LgcError, match='temperature = '):
      tfp_lgc.sample(artifact, 3, temperature=bad)


def test_balanced_classes_take_turns(artifact):
  drawn = tfp_lgc.sample(artifact, 7, balanced=True)
  np.testing.assert_array_equal(drawn.labels, [0, 1, 2, 0, 1, 2, 0])
  empty = dataclasses.replace(artifact, class_counts=(5, 0, 5))
  assert set(tfp_lgc.sample(empty, 9, balanced=True).labels) == {0, 2}


def test_stochastic_images_are_draws_about_the_points(artifact):
  """The head is a normal one, whose scale is at least 0.05."""
  points = tfp_lgc.sample(artifact, 300, seed=4)
  drawn = tfp_lgc.sample(artifact, 300, seed=4, stochastic=True)
  np.testing.assert_array_equal(drawn.labels, points.labels)
  # The point is the median, whatever is cut off at 0 and 255.
  assert abs((drawn.images > points.images).mean() - 0.5) < 0.02
  assert (drawn.images - points.images.astype(float)).std() > 0.05 * 255
  np.testing.assert_array_equal(
      tfp_lgc.sample(artifact, 7, seed=4, stochastic=True).images,
      drawn.images[:7])


def test_portions_that_are_given_up_end(artifact, monkeypatch):
  """And what fails in one of them is heard."""
  monkeypatch.setattr(sampling, 'BLOCKS_PER_CALL', 1)
  drawing = sampling.drawing(artifact, 10_000)
  before = threading.active_count()
  portions = drawing.portions(0, 10_000)
  images, _ = next(portions)
  assert len(images) == 256
  portions.close()
  assert threading.active_count() <= before

  def fails(self, first, count):
    if first == 2:
      raise RuntimeError('of block 2')
    return blocks(self, first, count)

  blocks = sampling.Drawing.blocks
  monkeypatch.setattr(sampling.Drawing, 'blocks', fails)
  heard = []
  with pytest.raises(RuntimeError, match='of block 2'):
    for images, _ in drawing.portions(0, 10_000):
      heard.append(len(images))
  assert heard == [256, 256]


def test_blocks_of_large_images_are_drawn_one_by_one(artifact):
  assert artifact.sampler.parallel == 2
  head = artifact.sampler.head
  sampler = artifact.sampler.with_constants(sampler_lib.RANDOM)
  sampler.head = types.SimpleNamespace(params_size=2**18)
  assert sampler.parallel == 1
  assert artifact.sampler.head is head
