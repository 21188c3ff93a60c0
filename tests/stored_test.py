"""Codes of many images, and as many of these as fit into bytes."""

import io
import zlib

import image_sets
import numpy as np
import PIL.Image
import pytest

from tfp_lgc.baselines import (
  BASELINES,
  compress,
  compressed,
  image_codecs,
  pixels,
  stored,
  thumbnails,
)
from tfp_lgc.data import Images
from tfp_lgc.errors import ConfigError


@pytest.fixture(scope='module')
def digits():
  return image_sets.digits()


@pytest.fixture(scope='module')
def images():
  return image_sets.noise()


@pytest.fixture(scope='module')
def colored():
  return image_sets.colored()


@pytest.mark.parametrize('encode, most', [
    (lambda n: bytes(10 + 7 * n), 1000), (lambda n: bytes(3 * n * n), 1000),
    (lambda n: bytes(50 * int(n**0.5)), 5000), (lambda n: bytes(2 * n), 40)])
@pytest.mark.parametrize('num_bytes', [0, 3, 60, 1003, 10**6])
def test_largest_is_that_of_trying_all(encode, most, num_bytes):
  tried = []

  def counted(n):
    tried.append(n)
    return encode(n)

  count, content = compressed.largest(counted, num_bytes, most)
  fitting = [n for n in range(1, most + 1) if len(encode(n)) <= num_bytes]
  assert count == max(fitting, default=0)
  assert content == (encode(count) if count else b'')
  assert len(tried) < 25 and len(set(tried)) == len(tried)


def test_numbers_are_leb128():
  numbers = [0, 1, 127, 128, 624485, 2**40]
  content = compressed.write_numbers(numbers)
  assert compressed.write_numbers([624485]) == b'\xe5\x8e\x26'  # DWARF's.
  assert compressed.read_numbers(content + b'rest', 6) == (numbers, b'rest')


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_lossless_codes_lose_nothing(bits, channels, monkeypatch):
  monkeypatch.setattr(pixels, 'SHEET_NUM_PIXELS', 200)  # Several sheets.
  shape = (23, 5, 7, channels)
  x = np.random.default_rng(0).integers(0, 2**bits, shape).astype(np.uint8)
  for layout in stored.lossless(1, bits, channels):
    code = pixels.PIXELS[layout.codec]
    got = code.decode(code.encode(x, bits, 0), shape, bits)
    np.testing.assert_array_equal(got, x, err_msg=layout.codec)


def test_a_content_is_what_others_read(images):
  """gzip by zlib, the sheets by Pillow."""
  x = images.images[:6]
  plain = pixels.PIXELS['gzip'].encode(x, 8, 0)
  assert zlib.decompress(plain, 31) == x.tobytes()
  for name in ('png', 'webp_lossless'):
    [size], content = compressed.read_numbers(
        pixels.PIXELS[name].encode(x, 8, 0), 1)
    assert size == len(content)
    sheet = np.asarray(PIL.Image.open(io.BytesIO(content)).convert('L'))
    assert sheet.shape == (10, 18)
    np.testing.assert_array_equal(sheet[5:, 12:], x[5, ..., 0])


@pytest.mark.parametrize('codec', image_codecs.QUALITIES)
def test_lossy_codes_lose_less_at_a_higher_quality(codec, colored):
  errors, sizes = [], []
  order = np.arange(90)
  for quality in (5, 50, 95):
    made = stored.as_many(colored, order, [stored.Layout(codec, 1, 8, quality)],
                          10**6)
    assert len(made.images) == 90
    by_class = np.argsort(colored.labels, kind='stable')
    errors.append(np.abs(made.images.images.astype(int)
                         - colored.images[by_class]).mean())
    sizes.append(made.num_bytes)
  assert errors[0] > errors[1] > errors[2]
  # Formats of photographs have colors at half the resolution of brightness.
  assert errors[2] < 20
  assert sizes[0] < sizes[1] < sizes[2]


def test_a_format_that_pillow_lacks_is_named(images, monkeypatch):
  monkeypatch.setattr('PIL.features.check', lambda feature: feature != 'avif')
  with pytest.raises(ConfigError, match='avif.*Pillow .* without avif'):
    compress(BASELINES['avif'], images, 1000, 0)


def test_thumbnails_are_means_of_pixels_at_few_levels(images):
  even = Images(images.images[:, :4], images.labels, images.class_names)
  layout = stored.Layout('xz', 2, 2)
  means = even.images.reshape(300, 2, 2, 3, 2, 1).mean((2, 4))
  levels = np.array([0, 85, 170, 255])
  nearest = np.abs(means[..., np.newaxis] - levels).argmin(-1)
  symbols = stored._reduced(even.images, layout)
  assert (symbols == nearest).mean() > 0.99  # A tie may go either way.
  flat = Images(np.full([4, 6, 6, 1], 200, np.uint8),
                np.zeros(4, np.int32), ('all',))
  made = thumbnails.subset(flat, 1000, reduction=2, bits=2)
  np.testing.assert_array_equal(made.images.images, 170)


def test_fewer_bits_hold_more_images(digits):
  counts = [len(thumbnails.subset(digits, 3000, 0, reduction=1, bits=bits)
                .images) for bits in (1, 2, 4)]
  assert counts[0] > counts[1] > counts[2]


def test_slack_ends_a_search_near_the_bytes():
  tried = []

  def encode(count):
    tried.append(count)
    return bytes(count * count // 7)

  count, content = compressed.largest(encode, 7000, 5000, slack=0.05)
  assert 6650 <= len(content) <= 7000 and content == encode(count)
  num_tried = len(tried)
  exact, exact_content = compressed.largest(encode, 7000, 5000)
  assert count <= exact and len(content) <= len(exact_content) <= 7000
  assert num_tried < len(tried) - num_tried


@pytest.mark.parametrize('cost, k, least', [
    (lambda k: 40, 54, 25),  # Fewer fit than of real ones.
    (lambda k: 20 + 400 // k, 10, 27),  # Ever more do.
    (lambda k: 30 + k, 40, 18), (lambda k: 10, 12, 99),
    (lambda k: 2000, 3, 0), (lambda k: 1, 0, 0)])
def test_all_that_were_chosen_are_sent(cost, k, least, images):
  tried = []

  def chosen(k):
    tried.append(k)
    count = min(k, 1000 // cost(k))
    return compressed.Compressed(
        Images(images.images[:count], images.labels[:count],
               images.class_names), bytes(count * cost(k)))

  made = stored.as_many_chosen(chosen, k, images, 1000)
  count = len(made.images)
  assert count >= least and made.num_bytes <= 1000
  # Of no more than so many were these chosen.
  assert not count or min(its for its in tried if its >= count) * 0.98 <= count
  assert len(set(tried)) == len(tried) <= stored.ROUNDS
