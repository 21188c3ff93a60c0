"""A Gaussian mixture for each class on principal components: what this project
does, with a linear decoder.

A content is a byte that says so, then numbers (`write_numbers`): the size of
the scores, images of each class, components of each class, and, for each tensor
in turn, the position of its code in `codec.CODECS` and the length of its code;
then the steps and the code of each.
"""

import functools
import warnings

import numpy as np
from scipy import special
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from tfp_lgc import codec
from tfp_lgc.baselines import tuning
from tfp_lgc.baselines.compressed import (
  Compressed,
  largest,
  read_numbers,
  write_numbers,
)
from tfp_lgc.baselines.stored import decode_or_nothing
from tfp_lgc.data import Images

__all__ = ['MEMBERS', 'read', 'subset']

FORMAT = 2  # The first byte.
# Principal components that the best is chosen from.
SIZES = (8, 16, 24, 32, 48)
BITS = {'mean': 8, 'basis': 7, 'logits': 8, 'loc': 7, 'log_scale': 6, 'tril': 6}
# Components of a class: at most so many, and one for so many images for each
# dimension, or it would be a copy of a few images.
MAX_COMPONENTS = 64
IMAGES_PER_DIMENSION = 2
# Images of a class that its mixture is fitted to.
MAX_POINTS = 10_000
MAX_ITERATIONS = 50
# Added to variances of scores, which are 1 over all images.
VARIANCE_FLOOR = 1e-3
BLOCK_SIZE = 1000


def _shapes(num_pixels: int, size: int, num_components: int,
            ) -> dict[str, tuple[int, ...]]:
  """Of all tensors: the mean of the images; principal axes, as long as the
  standard deviation along them; and of the components of all classes in turn
  log-weights, means and Cholesky factors (the logarithms of their diagonals,
  and what is below these by rows)."""
  return {'mean': (num_pixels, 1), 'basis': (num_pixels, size),
          'logits': (num_components,), 'loc': (num_components, size),
          'log_scale': (num_components, size),
          'tril': (num_components, size * (size - 1) // 2)}


def _encode(name: str, x: np.ndarray) -> tuple[list[int], bytes]:
  quantized = codec.quantize(x, BITS[name])
  code, content = codec.encode_smallest(quantized)
  # The upper half of a float32, as in the container.
  step = (quantized.steps.view(np.uint32) >> 16).astype('<u2').tobytes()
  return [list(codec.CODECS).index(code), len(content)], step + content


def _decode(name: str, shape: tuple[int, ...], code: int, length: int,
            content: bytes) -> tuple[np.ndarray, bytes]:
  """A tensor, and the bytes after it."""
  step = (np.frombuffer(content, '<u2', 1).astype(np.uint32) << 16).view(
      np.float32)
  values = list(codec.CODECS.values())[code].decode(
      content[2:2 + length], shape, BITS[name])
  return (codec.dequantize(codec.Quantized(values, step, BITS[name])),
          content[2 + length:])


def _mixture(scores: np.ndarray, k: int, floor: float, seed: int,
             ) -> dict[str, np.ndarray]:
  """k components of one class."""
  if len(scores) > 1:
    fitted = GaussianMixture(
        k, reg_covar=floor, max_iter=MAX_ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
      # Fewer distinct images than components, or EM cut short: both are fine.
      warnings.simplefilter('ignore', ConvergenceWarning)
      fitted.fit(scores)
    weights, loc, covariance = (fitted.weights_, fitted.means_,
                                fitted.covariances_)
  else:
    weights, loc = np.ones(1), scores
    covariance = floor * np.eye(scores.shape[1])[np.newaxis]
  scale = np.linalg.cholesky(covariance)
  diagonal = np.arange(scale.shape[-1])
  return {'logits': np.log(np.maximum(weights, 1e-6)), 'loc': loc,
          'log_scale': np.log(scale[:, diagonal, diagonal]),
          'tril': scale[(slice(None), *np.tril_indices(len(diagonal), -1))]}


def _principal(pixels: np.ndarray, size: int, seed: int,
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Mean `[P, 1]`, axes `[P, d]` and scores `[N, d]` of pixels `[N, P]`."""
  with np.errstate(invalid='ignore'):  # One image has no variance.
    pca = PCA(size, svd_solver='auto', random_state=seed).fit(pixels)
  stddev = np.sqrt(np.nan_to_num(pca.explained_variance_))
  # Scores of one scale: one step serves all, and costs a pixel alike.
  stddev = np.maximum(stddev, 1e-6 * stddev.max() + 1e-6)
  return (pca.mean_[:, np.newaxis], pca.components_.T * stddev,
          pca.transform(pixels) / stddev)


def subset(images: Images, num_bytes: int, seed: int = 0, *, size: int = 16,
           ) -> Compressed:
  """As many components for each class as fit, all covariances full.

  Args:
    images: N of them.
    num_bytes: at the most; no image at all if one component each is too much.
    seed: of EM.
    size: d, principal components; fewer if there are fewer.
  """
  pixels = images.images.reshape(len(images), -1).astype(np.float32)
  size = min(size, *pixels.shape)
  mean, basis, scores = _principal(pixels, size, seed)
  decoder = [_encode('mean', mean), _encode('basis', basis)]
  counts = np.bincount(images.labels, minlength=len(images.class_names))
  most = np.minimum(counts // (IMAGES_PER_DIMENSION * size), MAX_COMPONENTS)
  most = np.where(counts > 0, np.maximum(most, 1), 0)
  head = bytes([FORMAT]) + write_numbers([size, *counts])
  rng = np.random.default_rng(seed)
  points = [own[rng.permutation(len(own))[:MAX_POINTS]] for own in (
      scores[images.labels == label] for label in np.flatnonzero(counts))]

  def coded(k: int) -> bytes:
    """Of up to k components a class."""
    ks = np.minimum(most, k)
    parts = [_mixture(own, int(its), VARIANCE_FLOOR, seed)
             for own, its in zip(points, ks[counts > 0])]
    tensors = decoder + [_encode(name, np.concatenate(
        [part[name] for part in parts])) for name in parts[0]]
    return head + write_numbers(
        [*ks, *(number for numbers, _ in tensors for number in numbers)]
    ) + b''.join(code for _, code in tensors)

  # Packed, one of each class takes so many bytes, and coded hardly more.
  shapes = _shapes(pixels.shape[1], size, int((counts > 0).sum()))
  each = sum(BITS[name] * np.prod(shape) / 8 for name, shape in shapes.items()
             if name not in ('mean', 'basis'))
  room = num_bytes - sum(len(code) for _, code in decoder)
  _, content = largest(coded, num_bytes, int(most.max()) if room > 0 else 0,
                       guess=max(int(room / each), 1))
  if not content:
    return decode_or_nothing(content, images)
  return read(content, images.images.shape[1:], images.class_names)


def read(content: bytes, image_shape: tuple[int, int, int],
         class_names: tuple[str, ...]) -> Compressed:
  """As many images as the mixtures were fitted to, always the same.

  Args:
    content: not empty.
    image_shape: `(H, W, C)`.
    class_names: C of them.
  """
  num_classes, num_pixels = len(class_names), int(np.prod(image_shape))
  numbers, rest = read_numbers(content[1:], 1 + 2 * num_classes)
  size, counts, ks = (numbers[0], numbers[1:1 + num_classes],
                      numbers[1 + num_classes:])
  shapes = _shapes(num_pixels, size, sum(ks))
  numbers, rest = read_numbers(rest, 2 * len(shapes))
  tensors = {}
  for (name, shape), code, length in zip(shapes.items(), numbers[::2],
                                         numbers[1::2]):
    tensors[name], rest = _decode(name, shape, code, length, rest)
  scale = np.zeros([sum(ks), size, size], np.float32)
  scale[(slice(None), *np.tril_indices(size, -1))] = tensors['tril']
  diagonal = np.arange(size)
  scale[:, diagonal, diagonal] = np.exp(tensors['log_scale'])
  rng, scores, first = np.random.default_rng(0), [], 0
  for count, k in zip(counts, ks):
    if k:
      weights = special.softmax(
          tensors['logits'][first:first + k].astype(np.float64))
      for own, drawn in enumerate(rng.multinomial(count, weights), first):
        noise = rng.standard_normal([drawn, size], np.float32)
        scores.append(tensors['loc'][own] + noise @ scale[own].T)
    first += k
  z = np.concatenate(scores)
  images = np.empty([len(z), num_pixels], np.uint8)
  for start in range(0, len(z), BLOCK_SIZE):
    some = slice(start, start + BLOCK_SIZE)
    pixels = z[some] @ tensors['basis'].T + tensors['mean'][:, 0]
    images[some] = np.rint(np.clip(pixels, 0, 255))
  labels = np.repeat(np.arange(num_classes, dtype=np.int32), counts)
  return Compressed(
      Images(images.reshape(-1, *image_shape), labels, class_names), content,
      settings={'size': size, 'num_components': max(ks),
                'num_images': len(images)})


MEMBERS: dict[str, tuning.Baseline] = {'pca_gmm': tuning.BestOf([
    functools.partial(subset, size=size) for size in SIZES])}
