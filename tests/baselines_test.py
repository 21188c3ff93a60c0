"""One table, one set of laws: every baseline keeps to its bytes, and the bytes
are all that a receiver needs."""

import io
import lzma
import zlib

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from scipy.spatial import distance
from sklearn.neighbors import NearestCentroid

from tfp_lgc import baselines, config, data, sources
from tfp_lgc.baselines import (
  BASELINES,
  compressed,
  coreset,
  image_codecs,
  kmeans,
  lossless,
  pca_gmm,
  pixels,
  stored,
  subset,
  thumbnails,
  tuning,
)
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Images
from tfp_lgc.errors import ConfigError
from tfp_lgc.metrics import tstr

BUDGETS = 1_500, 12_000


@pytest.fixture(scope='module')
def digits():
  source = sources.load(config.DataConfig(dataset='digits'))
  return source.train.to_memory(source.class_names)


@pytest.fixture(scope='module')
def images():
  """300 images of noise, no two the same; class 1 has only one of them."""
  rng = np.random.default_rng(0)
  labels = np.arange(300, dtype=np.int32) % 2 * 2
  labels[7] = 1
  return Images(rng.integers(0, 256, [300, 5, 6, 1]).astype(np.uint8), labels,
                ('ape', 'cat', 'emu'))


@pytest.fixture(scope='module')
def colored():
  """90 smooth images in RGB, of odd sides; class dog has none."""
  rng = np.random.default_rng(1)
  coarse = rng.integers(0, 256, [90, 3, 4, 3]).astype(np.uint8)
  grown = np.stack([np.asarray(PIL.Image.fromarray(image).resize((13, 9)))
                    for image in coarse])
  return Images(grown, np.arange(90, dtype=np.int32) % 3,
                ('ape', 'cat', 'emu', 'dog'))


@pytest.fixture
def quick_choice(monkeypatch):
  """Settings are chosen by another judge, which takes no time."""
  def accuracy(made, held_out, seed=0):
    if len(np.unique(made.images.labels)) < 2:
      return -1.0
    judge = NearestCentroid().fit(
        made.images.images.reshape(len(made.images), -1), made.images.labels)
    return judge.score(held_out.images.reshape(len(held_out), -1),
                       held_out.labels)

  monkeypatch.setattr(tuning, 'accuracy', accuracy)


def _rows(images):
  return {(image.tobytes(), int(label))
          for image, label in zip(images.images, images.labels)}


def test_the_table_is_what_can_be_chosen():
  assert config.BASELINES == tuple(BASELINES)


@pytest.mark.parametrize('name', BASELINES)
def test_bytes_hold_the_images_and_are_not_too_many(name, digits, quick_choice):
  for num_bytes in BUDGETS:
    made = BASELINES[name](digits, num_bytes, 3)
    if name in ('random_subset', 'coreset_class', *lossless.MEMBERS):
      assert _rows(made.images) <= _rows(digits)
    assert isinstance(made.content, bytes)
    assert len(made.content) == made.num_bytes <= num_bytes
    assert made.images.images.dtype == np.uint8
    assert made.images.images.shape[1:] == (8, 8, 1)
    assert made.images.labels.dtype == np.int32
    assert set(made.images.labels) <= set(range(10))
    assert made.images.class_names == digits.class_names
    assert made.settings['num_images'] == len(made.images) > 10
    received = baselines.decode(made.content, (8, 8, 1), digits.class_names)
    np.testing.assert_array_equal(received.images.images, made.images.images)
    np.testing.assert_array_equal(received.images.labels, made.images.labels)
    if made.weights is not None:
      np.testing.assert_array_equal(received.weights, made.weights)
      assert made.weights.shape == (len(made.images),)
      assert made.weights.min() > 0
      assert made.weights.mean() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize('name', BASELINES)
def test_the_seed_decides(name, digits, quick_choice, monkeypatch):
  """Unless all images fit, or a class has one component, a normal."""
  monkeypatch.setattr(pca_gmm, 'SIZES', (8,))
  num_bytes = 2000
  if name.startswith('thumbnails_'):
    num_bytes = 150 if 'quarter' in name else 300
  first, again, other = [BASELINES[name](digits, num_bytes, seed)
                         for seed in (1, 1, 2)]
  assert first.content == again.content
  assert first.content != other.content


@pytest.mark.parametrize('name', BASELINES)
def test_color_of_any_shape(name, colored, quick_choice):
  made = BASELINES[name](colored, 4000, 0)
  assert made.num_bytes <= 4000
  assert made.images.images.shape[1:] == (9, 13, 3)
  assert set(made.images.labels) == {0, 1, 2}
  # Each is nearer to an image of its class than images are to each other.
  if name != 'thumbnails_quarter_1bit':
    wide = colored.images.astype(float).reshape(90, -1)
    got = made.images.images.astype(float).reshape(len(made.images), -1)
    gaps = distance.cdist(got, wide)
    assert np.median(gaps.min(1)) < np.median(distance.pdist(wide))


@pytest.mark.parametrize('name', BASELINES)
def test_too_few_bytes_hold_nothing(name, images, quick_choice):
  made = BASELINES[name](images, 3, 0)
  assert (len(made.images), made.content) == (0, b'')


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


# Subsets.


@pytest.mark.parametrize('num_bytes', [200, 1500])
def test_a_subset_is_as_large_as_xz_lets_it_be(num_bytes, images):
  made = subset.random_subset(images, num_bytes, 1)
  got = made.images
  assert 0 < len(got) < 300
  assert len(_rows(got)) == len(got) and _rows(got) <= _rows(images)

  def coded(count):
    order = np.random.default_rng(1).permutation(300)[:count]
    return lzma.compress(
        images.images[order].tobytes()
        + images.labels[order].astype(np.uint8).tobytes(),
        preset=9 | lzma.PRESET_EXTREME)

  assert made.content == coded(len(got))
  assert len(made.content) <= num_bytes < len(coded(len(got) + 1))


@pytest.mark.parametrize('name', ['random_subset', *lossless.MEMBERS])
def test_all_images_fit_into_many_bytes(name, images):
  assert _rows(BASELINES[name](images, 10**6, 0).images) == _rows(images)


def test_labels_of_many_classes_are_coded_whole():
  names = tuple(map(str, range(300)))
  images = Images(np.zeros([300, 1, 1, 1], np.uint8),
                  np.arange(300, dtype=np.int32), names)
  for name in ('random_subset', 'xz'):
    made = BASELINES[name](images, 10**6, 0)
    assert sorted(made.images.labels) == list(range(300))


def test_every_start_of_the_order_is_stratified(digits):
  order = subset.stratified(digits.labels, 1)
  assert sorted(order) == list(range(len(digits)))
  shares = np.bincount(digits.labels) / len(digits)
  for n in (10, 77, 400):
    counts = np.bincount(digits.labels[order[:n]], minlength=10)
    assert np.abs(counts - n * shares).max() < 1.5


def test_the_best_lossless_code_is_the_smallest(digits):
  sizes = {codec: len(stored.write(digits, stored.Layout(codec)))
           for codec in lossless.LOSSLESS}
  assert set(sizes) == {'gzip', 'xz', 'png', 'webp_lossless'}
  name = min(sizes, key=sizes.get)
  made = lossless.subset(digits, 10**6, 0)
  assert made.settings['codec'] == name
  assert made.num_bytes == sizes[name]
  assert lossless.subset(digits, 6000, 0).num_bytes > 5800


# Codes.


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
    BASELINES['avif'](images, 1000, 0)


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


# Choosing.


def test_the_best_is_chosen_without_the_images_it_is_judged_by(digits):
  """By the real judge: labels that are wrong are found out."""
  seen = []

  def wrong(images, num_bytes, seed):
    seen.append(len(images))
    rolled = Images(images.images, (images.labels + 1) % 10,
                    images.class_names)
    return compressed.Compressed(rolled, b'wrong')

  def good(images, num_bytes, seed):
    seen.append(len(images))
    return compressed.Compressed(images, b'right')

  def nothing(images, num_bytes, seed):
    return compressed.Compressed(Images(images.images[:0], images.labels[:0],
                                        images.class_names), b'')

  made = tuning.best([nothing, wrong, good], digits, 10)
  assert made.content == b'right'
  assert seen[:2] == [seen[0]] * 2 and 0.79 < seen[0] / len(digits) < 0.82
  assert seen[2:] == [len(digits)]


def test_weights_count_in_training(digits):
  """Half of the labels are wrong and have no weight."""
  good = np.arange(len(digits)) % 2 == 0
  labels = np.where(good, digits.labels, (digits.labels + 1) % 10)
  test = data.array_split(digits.images, digits.labels)
  got = [tstr.right(data.array_split(digits.images, labels, weights=weights),
                    test, 10, EvaluateConfig(judge_steps=150)).mean()
         for weights in (None, 2.0 * good)]
  assert got[1] > 0.9 > got[0] + 0.1


# Coresets.


def test_gradients_are_those_of_the_last_layer(digits):
  some = Images(digits.images[:40], digits.labels[:40], digits.class_names)
  got = coreset.gradients(some, seed=3, steps=1)
  judge = tstr.train_judge(
      data.array_split(some.images, some.labels), 10,
      EvaluateConfig(judge_steps=1, judge_batch_size=coreset.BATCH_SIZE), 3)
  layer = judge.get_layer('logits')
  for i in (0, 17, 39):
    with tf.GradientTape() as tape:
      logits = judge(some.images[i:i + 1].astype(np.float32) / 255)
      loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
          some.labels[i:i + 1], logits)
    kernel, bias = tape.gradient(loss, [layer.kernel, layer.bias])
    outer = np.outer(got.hidden[i], got.residual[i])
    np.testing.assert_allclose(outer[:-1], kernel, atol=2e-6)
    np.testing.assert_allclose(outer[-1], bias, atol=2e-6)


@pytest.fixture(scope='module')
def points():
  rng = np.random.default_rng(2)
  hidden = rng.random([60, 5]).astype(np.float32)
  return coreset.Gradients(
      hidden, rng.normal(size=[60, 3]).astype(np.float32))


def test_distances_are_those_of_outer_products(points, monkeypatch):
  monkeypatch.setattr(coreset, 'BLOCK_SIZE', 7)
  outer = np.einsum('nf,nc->nfc', *points).reshape(60, -1)
  np.testing.assert_allclose(
      coreset.distances(points, points.take(slice(11))),
      distance.cdist(outer, outer[:11]), atol=2e-3)


def test_greedy_choices_lower_the_sum_most(points):
  matrix = coreset.distances(points, points)
  chosen = list(coreset.greedy(matrix, 12))
  for i in range(12):
    sums = [matrix[[*chosen[:i], j]].min(0).sum(dtype=np.float64)
            for j in range(60)]
    assert sums[chosen[i]] == pytest.approx(min(sums), rel=1e-5)
  assert sorted(coreset.greedy(matrix, 60)) == list(range(60))


def test_starts_are_spread(points):
  matrix = coreset.distances(points, points)
  for k in (1, 5, 60):
    start = coreset.spread_start(matrix, k, np.random.default_rng(0))
    assert len(set(start)) == k
  same = np.zeros([4, 4], np.float32)
  assert len(set(coreset.spread_start(same, 3, np.random.default_rng(0)))) == 3
  # Of two far groups both get one.
  far = np.repeat(np.repeat(np.array([[0, 1], [1, 0.]]), 5, 0), 5, 1)
  pair = coreset.spread_start(far, 2, np.random.default_rng(0))
  assert {i // 5 for i in pair} == {0, 1}


@pytest.mark.parametrize('method', coreset.METHODS)
def test_medoids_stand_for_all(method, points, monkeypatch):
  labels = np.arange(60) % 3
  positions, weights = coreset.select(points, labels, 9, method, 0)
  assert len(set(positions)) == 9 and weights.sum() == 60
  if method != 'all':
    assert list(np.bincount(labels[positions])) == [3, 3, 3]
  # No worse than medoids drawn at random.
  matrix = coreset.distances(points, points)
  rng = np.random.default_rng(0)
  sums = [matrix[rng.choice(60, 9, replace=False)].min(0).sum()
          for _ in range(20)]
  assert matrix[positions].min(0).sum() < np.median(sums)
  monkeypatch.setattr(coreset, 'MAX_POINTS', 15)  # A part can be medoids.
  positions, weights = coreset.select(points, labels, 9, method, 0)
  assert len(set(positions)) == 9 and weights.sum() == 60


# Models.


def test_prototypes_are_means_of_a_class(digits):
  found = kmeans.prototypes(digits, 10, 0)
  assert sorted(found.labels) == list(range(10))
  for image, label in zip(found.images, found.labels):
    mean = digits.images[digits.labels == label].mean(0)
    assert np.abs(image - mean).mean() < 4


def test_gaussians_have_the_moments_of_the_images(digits):
  """One component of each class with all dimensions is a normal."""
  made = pca_gmm.subset(digits, 10**6, 0, size=64)
  # 64 dimensions allow for one component of 143 images.
  assert made.settings['num_components'] == 1
  assert len(made.images) == len(digits)
  for label in range(10):
    real, drawn = [x.images[x.labels == label].reshape(-1, 64).astype(float)
                   for x in (digits, made.images)]
    assert len(real) == len(drawn)
    # Clipping to 0..255 moves what is at the border.
    assert np.corrcoef(real.mean(0), drawn.mean(0))[0, 1] > 0.99
    assert np.corrcoef(np.cov(real.T).ravel(),
                       np.cov(drawn.T).ravel())[0, 1] > 0.8


def test_more_bytes_hold_more_components(digits):
  few, many = [pca_gmm.subset(digits, num_bytes, 0, size=8)
               .settings['num_components'] for num_bytes in (1100, 3000)]
  assert 1 <= few < many <= 9
