"""Prototypes: the centers of k-means of each class, in pixels."""

import functools

import numpy as np

from tfp_lgc import clusters
from tfp_lgc.baselines import stored, tuning
from tfp_lgc.baselines.compressed import Compressed
from tfp_lgc.baselines.subset import stratified
from tfp_lgc.data import Images

__all__ = ['MEMBERS', 'prototypes', 'subset']

# Size and depth of a prototype, which has more gray than an image.
SHAPES = ((1, 8), (1, 2), (2, 8), (2, 2), (2, 1))
# With a center for every few images hardly any moves after ten; of few centers
# the last rounds gain little.
MAX_ITERATIONS = 20


def prototypes(images: Images, k: int, seed: int = 0) -> Images:
  """k centers, each class with its share.

  Args:
    images: N labelled images.
    k: from 1 to N.
    seed: of the start.

  Returns:
    k images, rounded to uint8; the first to be left off are last.
  """
  order = stratified(images.labels, seed)[:k]
  wanted = images.labels[order]
  centers = np.empty([k, *images.images.shape[1:]], np.uint8)
  for label in np.unique(wanted):
    own = images.images[images.labels == label].reshape(
        (images.labels == label).sum(), -1).astype(np.float32)
    count = int((wanted == label).sum())
    found = own
    if count < len(own):
      found = clusters.kmeans(own, count, seed, 'random',
                              MAX_ITERATIONS).cluster_centers_
    centers[wanted == label] = np.rint(np.clip(found, 0, 255)).reshape(
        -1, *centers.shape[1:]).astype(np.uint8)
  return Images(centers, wanted, images.class_names)


def subset(images: Images, num_bytes: int, seed: int = 0, *, reduction: int = 1,
           bits: int = 8) -> Compressed:
  """As many prototypes as fit, by the best lossless code.

  Args:
    images: N labelled images.
    num_bytes: at the most.
    seed: of the start.
    reduction: sides are divided by it: 1, 2 or 4.
    bits: of a pixel (a channel): 8, 4, 2 or 1.
  """
  layouts = stored.lossless(reduction, bits, images.images.shape[-1])
  # To begin with, as many as there would be images.
  fitting = stored.as_many(images, stratified(images.labels, seed), layouts,
                           num_bytes, slack=0.1)
  return stored.as_many_chosen(
      lambda k: stored.as_many(prototypes(images, k, seed), np.arange(k),
                               layouts, num_bytes, slack=stored.SLACK),
      len(fitting.images), images, num_bytes)


MEMBERS: dict[str, tuning.Baseline] = {'kmeans': tuning.BestOf([
    functools.partial(subset, reduction=reduction, bits=bits)
    for reduction, bits in SHAPES])}
