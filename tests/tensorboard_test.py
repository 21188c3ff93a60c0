"""Event files, read with TensorBoard's own reader."""

import io

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.util import tensor_util

from tfp_lgc import data, tensorboard


def _events(directory):
  events = event_accumulator.EventAccumulator(
      str(directory), size_guidance={event_accumulator.TENSORS: 0})
  return events.Reload()


def _pictures(event):
  """PNG files after width and height."""
  width, height, *files = event.tensor_proto.string_val
  pictures = [np.asarray(Image.open(io.BytesIO(file))) for file in files]
  assert {picture.shape[:2] for picture in pictures} == {
      (int(height), int(width))}
  return np.stack(pictures)


@pytest.fixture(scope='module', params=[1, 3], ids=['gray', 'rgb'])
def logged(request, tmp_path_factory):
  """20 images, a model that inverts them, and what was logged in 7 rounds."""
  directory = tmp_path_factory.mktemp('tensorboard')
  images = np.random.default_rng(0).integers(
      0, 256, [20, 6, 5, request.param], np.uint8)
  log = tensorboard.Log(str(directory),
                        data.array_split(images, np.zeros(20, int)))
  log.set_model(lambda x: 1 - x)
  for epoch in range(7):
    log.on_epoch_end(epoch, {'loss': 10.0 - epoch, 'nll': 5.0 - epoch})
  log.samples(images[::-1])
  return images, _events(directory)


def test_tags_are_the_documented_ones(logged):
  _, events = logged
  assert set(events.Tags()['tensors']) == {
      'train/loss', 'train/nll', 'reconstructions', 'samples'}


@pytest.mark.parametrize('name, first', [('loss', 10.0), ('nll', 5.0)])
def test_every_loss_term_is_logged_each_round(name, first, logged):
  _, events = logged
  got = {event.step: float(tensor_util.make_ndarray(event.tensor_proto))
         for event in events.Tensors(f'train/{name}')}
  assert got == {epoch: first - epoch for epoch in range(7)}


def test_reconstructions_stand_on_the_right_of_originals(logged):
  images, events = logged
  rows = events.Tensors('reconstructions')
  assert [row.step for row in rows] == [0, 5]
  originals = images[:tensorboard.NUM_IMAGES]
  expected = np.concatenate([originals, 255 - originals], axis=2)
  for row in rows:
    got = _pictures(row).reshape(expected.shape)
    # One level of rounding on the way through 0..1.
    np.testing.assert_allclose(got.astype(int), expected.astype(int), atol=1)


def test_samples_are_the_pixels_that_were_given(logged):
  images, events = logged
  [row] = events.Tensors('samples')
  expected = images[::-1][:tensorboard.NUM_IMAGES]
  np.testing.assert_array_equal(_pictures(row).reshape(expected.shape),
                                expected)
