"""Real images whose loss gradients stand for those of all others.

After B. Mirzasoleiman, K. Cao, J. Leskovec, Coresets for Robust Training of
Deep Neural Networks against Noisy Labels (CRUST), NeurIPS 2020, section 3:
medoids of the gradients of the loss at one set of weights, each with the number
of images that are nearest to it as its weight. What differs: the gradients are
those of the weights of the last layer, as the LGC paper has them, and the
medoids are by FasterPAM (E. Schubert, P. J. Rousseeuw, Information Systems 101,
2021) from a k-medoids++ start; the greedy choice is a variant. They are chosen
once, early in the first epoch, not anew in each.
"""

import functools
from typing import NamedTuple

import kmedoids
import numpy as np
import tf_keras as tfk
from scipy import special

from tfp_lgc import data
from tfp_lgc.autoencoder import to_unit
from tfp_lgc.baselines import stored, tuning
from tfp_lgc.baselines.compressed import Compressed
from tfp_lgc.baselines.subset import stratified
from tfp_lgc.config import EvaluateConfig
from tfp_lgc.data import Images
from tfp_lgc.metrics import tstr

__all__ = ['Gradients', 'MEMBERS', 'METHODS', 'coreset', 'gradients', 'select']

METHODS = ('class', 'all', 'greedy')
BATCH_SIZE = 128
# After a whole epoch the gradients of nearly all images are nearly zero, and
# the medoids are the hard ones: see BUILD.md, "Published numbers".
STEPS = 15
# A matrix of distances has at most so many rows and columns, 576 MB in
# float32; of more images so many, drawn at random, can be medoids.
MAX_POINTS = 12_000
BLOCK_SIZE = 1000
MAX_ITERATIONS = 100


class Gradients(NamedTuple):
  """Of the loss of N images by the weights and the bias of the last layer:
  outer products of two factors, which are never multiplied out.

  Attributes:
    hidden: float32 `[N, F + 1]`, what enters the layer, and 1 for the bias.
    residual: float32 `[N, C]`, softmax(logits) - one_hot(label).
  """
  hidden: np.ndarray
  residual: np.ndarray

  def take(self, some) -> 'Gradients':
    return Gradients(self.hidden[some], self.residual[some])


def gradients(images: Images, seed: int = 0, steps: int = STEPS) -> Gradients:
  """By the default judge after a few steps of training.

  Args:
    images: N labelled images, which it is trained on.
    seed: of its weights and of the order of images.
    steps: of 128 images; an epoch takes N / 128.
  """
  split = data.array_split(images.images, images.labels, keep_order=True)
  num_classes = len(images.class_names)
  judge = tstr.train_judge(
      split, num_classes,
      EvaluateConfig(judge_steps=steps, judge_batch_size=BATCH_SIZE), seed)
  both = tfk.Model(judge.input, [judge.get_layer('hidden').output,
                                 judge.output])
  hidden, logits = both.predict(
      split.batches(BLOCK_SIZE).map(lambda x, y: to_unit(x)), verbose=0)
  residual = special.softmax(logits, axis=1) - np.eye(
      num_classes, dtype=np.float32)[images.labels]
  return Gradients(
      np.concatenate([hidden, np.ones([len(hidden), 1], np.float32)], 1),
      residual)


def distances(a: Gradients, b: Gradients) -> np.ndarray:
  """Euclidean, float32 `[len(a.hidden), len(b.hidden)]`, by blocks of rows."""
  result = np.empty([len(a.hidden), len(b.hidden)], np.float32)

  def squares(x: Gradients) -> np.ndarray:
    return (x.hidden**2).sum(1) * (x.residual**2).sum(1)

  for first in range(0, len(result), BLOCK_SIZE):
    some = a.take(slice(first, first + BLOCK_SIZE))
    square = some.hidden @ b.hidden.T
    square *= some.residual @ b.residual.T
    square *= -2
    square += squares(some)[:, np.newaxis]
    square += squares(b)
    np.sqrt(np.maximum(square, 0, out=square),
            out=result[first:first + BLOCK_SIZE])
  return result


def spread_start(matrix: np.ndarray, k: int, rng: np.random.Generator,
                 ) -> np.ndarray:
  """k-medoids++: each next start is drawn in proportion to its distance from
  the nearest of those before.

  Args:
    matrix: distances `[n, n]`.
    k: from 1 to n.
    rng: what draws.

  Returns:
    int `[k]`, different from each other.
  """
  n = len(matrix)
  chosen = [int(rng.integers(n))]
  free = np.ones(n, bool)
  nearest = matrix[chosen[0]].astype(np.float64)
  while len(chosen) < k:
    free[chosen[-1]] = False
    weights = np.where(free, nearest, 0)
    if not weights.sum():  # All the others lie on a start.
      weights = free.astype(np.float64)
    chosen.append(int(rng.choice(n, p=weights / weights.sum())))
    nearest = np.minimum(nearest, matrix[chosen[-1]])
  return np.array(chosen)


def greedy(matrix: np.ndarray, k: int) -> np.ndarray:
  """Each next medoid is the one that lowers the sum of the distances to the
  nearest medoid most, so that any start of them is the choice of fewer.

  A gain only falls as there are more medoids: only what may still be the
  largest is computed anew (M. Minoux' lazy greedy algorithm, 1978).

  Args:
    matrix: distances `[n, n]`.
    k: from 1 to n.

  Returns:
    int `[k]`, in the order they were chosen.
  """
  nearest = np.full(len(matrix), matrix.max(), np.float32)
  bound = np.full(len(matrix), np.inf)
  for first in range(0, len(matrix), BLOCK_SIZE):
    rows = matrix[first:first + BLOCK_SIZE]
    bound[first:first + BLOCK_SIZE] = np.maximum(nearest - rows, 0).sum(
        1, dtype=np.float64)
  chosen: list[int] = []
  while len(chosen) < k:
    fresh = -1
    while (best := int(bound.argmax())) != fresh:
      bound[best] = np.maximum(nearest - matrix[best], 0).sum(dtype=np.float64)
      fresh = best  # Chosen, if it is the largest still.
    chosen.append(best)
    bound[best] = -1.0
    nearest = np.minimum(nearest, matrix[best])
  return np.array(chosen)


def _medoids(points: Gradients, k: int, method: str, seed: int) -> np.ndarray:
  """k positions in `points`."""
  rng = np.random.default_rng(seed)
  pool = np.arange(len(points.hidden))
  if len(pool) > MAX_POINTS:
    pool = np.sort(rng.choice(len(pool), max(k, MAX_POINTS), replace=False))
  if k >= len(pool):
    return pool
  matrix = distances(points.take(pool), points.take(pool))
  if method == 'greedy':
    return pool[greedy(matrix, k)]
  result = kmedoids.fasterpam(matrix, spread_start(matrix, k, rng),
                              MAX_ITERATIONS, n_cpu=1)
  return pool[np.asarray(result.medoids, np.int64)]


def select(points: Gradients, labels: np.ndarray, k: int, method: str,
           seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
  """k images that stand for all.

  Args:
    points: gradients of N images.
    labels: int `[N]`.
    k: from 1 to N.
    method: `class`: k-medoids of each class, as many as its share of k;
      `greedy`: the same by the greedy choice; `all`: k-medoids over all. Of
      groups of more than 12,000 images a part is chosen among, drawn at random;
      all of it, if it is no more than k.
    seed: of the start.

  Returns:
    positions: int `[k]`, each medoid once.
    weights: int `[k]`, the images nearest to each (`all`: of any class).
  """
  groups = [np.arange(len(labels))]
  shares = [k]
  if method != 'all':
    first = labels[stratified(labels, seed)[:k]]
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    shares = [int((first == labels[group[0]]).sum()) for group in groups]
  positions, weights = [], []
  for group, share in zip(groups, shares):
    if not share:
      continue
    own = points.take(group)
    chosen = _medoids(own, share, method, seed)
    nearest = np.concatenate([
        distances(own.take(slice(start, start + BLOCK_SIZE)),
                  own.take(chosen)).argmin(1)
        for start in range(0, len(group), BLOCK_SIZE)])
    positions.append(group[chosen])
    # Of several medoids with one gradient only the first is nearest.
    weights.append(np.maximum(np.bincount(nearest, minlength=share), 1))
  return np.concatenate(positions), np.concatenate(weights)


def coreset(images: Images, num_bytes: int, seed: int = 0, *,
            method: str = 'class', weighted: bool = False) -> Compressed:
  """As many medoids as fit, by the best lossless code.

  Args:
    images: N labelled images.
    num_bytes: at the most.
    seed: of the network whose gradients are taken, and of the start.
    method: see `select`.
    weighted: whether their weights are sent, for judges to train with.
  """
  layouts = stored.lossless(channels=images.images.shape[-1])
  # About as many as of other images, and then as they really take.
  order = stratified(images.labels, seed)
  k = len(stored.as_many(images, order, layouts, num_bytes, slack=0.05).images)
  if not k:
    return stored.decode_or_nothing(b'', images)
  points = gradients(images, seed)

  def chosen(k: int) -> Compressed:
    positions, weights = select(points, images.labels, k, method, seed)
    # Those that stand for fewest are the first to be left off.
    first = np.argsort(-weights, kind='stable')
    return stored.as_many(images, positions[first], layouts, num_bytes,
                          weights[first] if weighted else None)

  return stored.as_many_chosen(chosen, k, images, num_bytes)


MEMBERS: dict[str, tuning.Baseline] = {
    'coreset_class': coreset,
    'coreset': functools.partial(coreset, method='all'),
    'coreset_greedy': functools.partial(coreset, method='greedy'),
    'coreset_weighted': functools.partial(coreset, weighted=True)}
