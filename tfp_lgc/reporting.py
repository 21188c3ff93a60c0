"""What an artifact makes of images, as pictures and a page that shows them."""

import base64
import io
import os
import pathlib
from typing import Any, Callable, NamedTuple, Optional, Union

import numpy as np
import tensorflow as tf
from matplotlib import figure
from sklearn import manifold

from tfp_lgc import config as config_lib
from tfp_lgc import pictures, pipeline, rendering, sampling
from tfp_lgc.artifact import Artifact
from tfp_lgc.augmentation import component_images
from tfp_lgc.config import Config
from tfp_lgc.data import array_split, Images, Source, Split
from tfp_lgc.errors import ConfigError
from tfp_lgc.evaluation import check_source
from tfp_lgc.opening import load_with_encoder
from tfp_lgc.progress import Progress
from tfp_lgc.staging import check_directory, replacing

__all__ = ['PAGE_NAME', 'PICTURES', 'Picture', 'latents', 'report', 'shown',
           'some']

PAGE_NAME = 'index.html'
# Latents that t-SNE places: it takes seconds for 2,000.
MAX_POINTS = 2000
NUM_COLUMNS = 10
NUM_SAMPLES = 50
NUM_INTERPOLATIONS = 8
# Components that are drawn, and images whose components are looked at.
MAX_COMPONENTS, NUM_MIXTURES = 21, 100
DPI = 110


class Picture(NamedTuple):
  """A section of the page.

  Attributes:
    title: a heading.
    text: what is seen, for people who see it and for those who do not.
    figure: the picture.
  """
  title: str
  text: str
  figure: figure.Figure

  @property
  def png(self) -> bytes:
    buffer = io.BytesIO()
    self.figure.savefig(buffer, format='png', dpi=DPI)
    return buffer.getvalue()


def report(model_dir: sampling.AnyArtifact, dataset: pipeline.AnyDataset,
           output: Union[str, os.PathLike], config: Optional[Config] = None, *,
           test: Optional[pipeline.Arrays] = None,
           progress: Optional[Progress] = None,
           overwrite: bool = False, **overrides) -> None:
  """Draws what an artifact makes of the images of a data set.

  Reconstructions with the variance of each pixel, the components of a mixture
  head, samples of either kind of latent and either kind of image, latents by
  class, interpolations: PNG files, and index.html, which holds them all and
  needs no other file.

  ```python
  tfp_lgc.report('out', 'digits', 'report')
  ```

  Args:
    model_dir: where `bin/compress` wrote to, or an `Artifact` that has its
      encoder.
    dataset: what it was made from, as for `compress`; its test split is shown,
      or, where there is none, its train split, which the page says.
    output: directory to write to, which is made.
    config: all settings; its seed is that of the pictures.
    test: `(images, labels)`, where `dataset` is such a pair.
    progress: hears how far the job is.
    overwrite: whether pictures that stand in `output` may be replaced.
    **overrides: settings by name, e.g. `data_dir`, `seed`.

  Raises:
    LgcError: if the data set is not of the artifact's size and classes, the
      encoder is missing, or `output` holds something.
  """
  directory = pathlib.Path(output)
  check_directory(directory)
  if directory.exists() and any(directory.iterdir()) and not overwrite:
    raise ConfigError(f'output = {str(output)!r}: holds something; name '
                      'another directory, or --overwrite to replace its '
                      'pictures')
  artifact = load_with_encoder(model_dir)
  config = config_lib.replace(config or Config(), **overrides)
  source = pipeline.open_source(dataset, config, test)
  check_source(artifact, source)
  split_name, images = shown(source, config.seed)
  progress = progress or Progress()
  sections = []
  z = latents(artifact, images)
  with progress.stage('draw', len(PICTURES)):
    for i, (name, draw) in enumerate(PICTURES.items()):
      if picture := draw(artifact, images, z, config.seed):
        sections.append((name, picture, picture.png))
      progress.step(i + 1, name)
  # One that this artifact does not have is taken away.
  names = [PAGE_NAME, *(f'{name}.png' for name in PICTURES)]
  with replacing(directory, names) as new:
    for name, _, png in sections:
      (new / f'{name}.png').write_bytes(png)
    (new / PAGE_NAME).write_text(_page(artifact, source, split_name, sections),
                                 encoding='utf-8')


def shown(source: Source, seed: int) -> tuple[str, Images]:
  """Name of the split that is shown, and at most 2,000 of its images."""
  split, name = source.train, 'train'
  if source.test:
    split, name = source.test, 'test'
  return name, some(split, MAX_POINTS, source.class_names, seed)


def some(split: Split, most: int, class_names: tuple[str, ...], seed: int,
         ) -> Images:
  """At most so many images of a split, at random, in its order."""
  chosen = np.random.default_rng(seed).permutation(split.num_examples)[:most]
  is_chosen = np.zeros(split.num_examples, bool)
  is_chosen[chosen] = True
  images, labels, first = [], [], 0
  for batch, batch_labels in split.batches(1000).as_numpy_iterator():
    here = is_chosen[first:first + len(batch)]
    images.append(batch[here])
    labels.append(batch_labels[here])
    first += len(batch)
  return Images(np.concatenate(images), np.concatenate(labels), class_names)


def latents(artifact: Artifact, images: Images) -> np.ndarray:
  """Means of the posteriors of images, `[N, d]`; the artifact has its encoder.
  """
  assert artifact.encoder
  return artifact.encoder.latents(array_split(images.images, images.labels,
                                              keep_order=True))


# What can be drawn: (artifact, images, their latents, seed) -> Picture, or None
# where there is nothing to draw.


def _reconstructions(artifact: Artifact, images: Images, z: np.ndarray,
                     seed: int) -> Picture:
  del seed
  chosen = _one_by_class(images.labels, NUM_COLUMNS)
  sampler = artifact.sampler
  params = sampler.params(tf.constant(z[chosen]),
                          tf.constant(images.labels[chosen]))
  variances = sampler.head.variance_image(params).numpy()
  points = _uint8(sampler.head.point_image(params))
  text = ('Images (first row), what the decoder of the artifact makes of their '
          'latents (second), and the variance of each pixel under the '
          'likelihood p(x | z), pixels being in 0..1 (third).')
  if np.isnan(variances).any():
    text += (' Red: no variance in any channel, because a t has at most 2 '
             'degrees of freedom there.')
  return Picture('Reconstructions', text,
                 pictures.reconstructions(
                     images.images[chosen], points, variances,
                     [images.class_names[label]
                      for label in images.labels[chosen]]))


def _components(artifact: Artifact, images: Images, z: np.ndarray, seed: int,
                ) -> Optional[Picture]:
  del seed
  if not artifact.model.head_num_components or artifact.model.head == 'maf':
    return None
  points, log_densities = component_images(artifact, z[:NUM_MIXTURES],
                                           images.labels[:NUM_MIXTURES])
  quantiles = ', '.join(f'{value:.1f}' for value in np.quantile(
      log_densities, (0.1, 0.5, 0.9)))
  shown = np.argsort(-log_densities[0])[:MAX_COMPONENTS]
  return Picture(
      'Components of the likelihood',
      f'The likelihood of one image is a mixture of {points.shape[1]} '
      'distributions over whole images: the mean of each (of a t, the '
      f'location), at most {MAX_COMPONENTS}, and the log-density of the '
      'mixture there, in nats, from the densest on. tfp_lgc.augment returns '
      f'those above a threshold; of {len(points)} images, a tenth, half and '
      f'nine tenths of all components are below {quantiles}.',
      pictures.components(images.images[0], points[0, shown],
                          log_densities[0, shown]))


def _samples(artifact: Artifact, images: Images, z: np.ndarray, seed: int,
             ) -> Picture:
  """Two kinds of latents by two kinds of images: VPA, figure 3."""
  del images, z

  def drawn(stochastic):
    return sampling.sample(artifact, NUM_SAMPLES, seed=seed, balanced=True,
                           stochastic=stochastic)

  sampler, points = artifact.sampler, drawn(False)
  seeds = tf.random.split([1, seed], 2)  # Of latents, and of pixels.
  normal = tf.random.stateless_normal(
      [NUM_SAMPLES, artifact.model.latent_size], seeds[0])
  params = sampler.params(normal, tf.constant(points.labels))
  return Picture(
      'Samples',
      'Above, latents of the mixtures by class, which is what the artifact '
      'samples; below, latents of N(0, I), which only a VAE is trained for. '
      'Left, the one image that stands for p(x | z), right, a draw of its '
      'pixels.',
      pictures.grids({
          'mixture, point': points.images,
          'mixture, draw': drawn(True).images,
          'N(0, I), point': _uint8(sampler.head.point_image(params)),
          'N(0, I), draw': _uint8(sampler.head.draw_image(params, seeds[1])),
      }, 'Samples'))


def _embedding(artifact: Artifact, images: Images, z: np.ndarray, seed: int,
               ) -> Optional[Picture]:
  del artifact
  if len(z) < 3:
    return None
  tsne = manifold.TSNE(
      init='pca' if z.shape[1] > 1 else 'random', random_state=seed,
      perplexity=min(30.0, (len(z) - 1) / 3))
  return Picture(
      'Latents',
      f'{len(z):,} images by their latents, {z.shape[1]} numbers each, placed '
      'in the plane by t-SNE (L. van der Maaten, G. Hinton, 2008), colored by '
      'class. Distances between groups mean little.',
      pictures.embedding(tsne.fit_transform(z), images.labels,
                         images.class_names, 't-SNE of latents'))


def _interpolations(artifact: Artifact, images: Images, z: np.ndarray,
                    seed: int) -> Optional[Picture]:
  """Straight lines between latents; of one class where that is told."""
  del seed
  pairs = _pairs(images.labels, bool(artifact.num_conditions))
  if not pairs:
    return None
  steps = np.linspace(0, 1, NUM_COLUMNS - 2, dtype=np.float32)[:, np.newaxis]
  rows = []
  for first, last in pairs:
    line = (1 - steps) * z[first] + steps * z[last]
    between = artifact.sampler.decode(
        tf.constant(line), tf.fill([len(line)], images.labels[first])
        )['image'].numpy()
    rows.append([images.images[first], *between, images.images[last]])
  return Picture(
      'Interpolations',
      'Two images (first and last column), and what the decoder makes of '
      'latents on the straight line between theirs, ends included.',
      pictures.grids({'': np.concatenate(rows)}, 'Interpolations'))


def _one_by_class(labels: np.ndarray, count: int) -> np.ndarray:
  """Positions of the first image of each class, then of the second, ..."""
  rank = np.zeros(len(labels), int)
  for label in np.unique(labels):
    members = np.flatnonzero(labels == label)
    rank[members] = np.arange(len(members))
  return np.lexsort((labels, rank))[:count]


def _pairs(labels: np.ndarray, same_class: bool) -> list[tuple[int, int]]:
  """Neighbors in the order of classes; or two of a class, class by class."""
  order = _one_by_class(labels, len(labels))
  pairs = list(zip(order, order[1:]))
  if same_class:
    members = [order[labels[order] == label] for label in np.unique(labels)]
    pairs = [(its[i], its[i + 1]) for i in range(NUM_INTERPOLATIONS)
             for its in members if len(its) > i + 1]
  return [(int(a), int(b)) for a, b in pairs[:NUM_INTERPOLATIONS]]


def _uint8(images: tf.Tensor) -> np.ndarray:
  return np.round(255 * images.numpy()).astype(np.uint8)


def _page(artifact: Artifact, source: Source, split_name: str,
          sections: list[tuple[str, Picture, bytes]]) -> str:
  facts: dict[str, Any] = {
      'data set': source.name, 'images shown': f'{split_name} split',
      'compressed images': f'{sum(artifact.class_counts):,}',
      'artifact.lgc': f'{artifact.num_bytes:,} bytes',
      'model': artifact.model.model, 'head': artifact.model.head,
      'components of the head': artifact.model.head_num_components or 'none',
      'latents': artifact.model.latent_size}
  return rendering.render(
      'report.html', title=f'{source.name}, compressed', facts=facts,
      sections=[(name, picture, base64.b64encode(png).decode())
                for name, picture, png in sections])


# The sections of the page, in their order.
PICTURES: dict[str, Callable[..., Optional[Picture]]] = {
    'reconstructions': _reconstructions, 'components': _components,
    'samples': _samples, 'latents': _embedding,
    'interpolations': _interpolations}
