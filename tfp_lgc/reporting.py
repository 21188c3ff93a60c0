"""What an artifact makes of images, as pictures and a page that shows them."""

import base64
import io
import pathlib
from typing import Any, Iterator, NamedTuple, Optional

import jinja2
import numpy as np
import tensorflow as tf
from matplotlib import figure
from sklearn import manifold

from tfp_lgc import config as config_lib
from tfp_lgc import pictures, pipeline, sampling
from tfp_lgc.artifact import Artifact, load_with_encoder
from tfp_lgc.augmentation import component_images
from tfp_lgc.config import Config
from tfp_lgc.data import array_split, Images, Source
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.progress import Progress
from tfp_lgc.staging import check_directory, replacing

__all__ = ['PAGE_NAME', 'Picture', 'report']

PAGE_NAME = 'index.html'
# Latents that t-SNE places: it takes seconds for 2,000.
MAX_POINTS = 2000
NUM_COLUMNS = 10
NUM_SAMPLES = 50
NUM_INTERPOLATIONS = 8
DPI = 110


class Picture(NamedTuple):
  """A section of the page.

  Attributes:
    name: of the file, without its ending.
    title: a heading.
    text: what is seen, for people who see it and for those who do not.
    figure: the picture.
  """
  name: str
  title: str
  text: str
  figure: figure.Figure

  @property
  def png(self) -> bytes:
    buffer = io.BytesIO()
    self.figure.savefig(buffer, format='png', dpi=DPI)
    return buffer.getvalue()


def report(model_dir, dataset, output, config: Optional[Config] = None, *,
           test=None, progress: Optional[Progress] = None,
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
  if (source.train.image_shape, source.class_names) != (
      artifact.image_shape, artifact.class_names):
    raise LgcError(f'dataset = {source.name!r}: has other images or classes '
                   'than the artifact; give the data set it was made from')
  split_name, images = _shown(source, config.seed)
  progress = progress or Progress()
  sections = []
  with progress.stage('draw', 5):
    for picture in _pictures(artifact, images, config.seed):
      sections.append((picture, picture.png))
      progress.step(len(sections), picture.name)
  names = [PAGE_NAME, *(f'{picture.name}.png' for picture, _ in sections)]
  with replacing(directory, names) as new:
    for picture, png in sections:
      (new / f'{picture.name}.png').write_bytes(png)
    (new / PAGE_NAME).write_text(_page(artifact, source, split_name, sections),
                                 encoding='utf-8')


def _shown(source: Source, seed: int) -> tuple[str, Images]:
  """The split that is shown, and at most 2,000 of its images at random."""
  split, name = source.test or source.train, 'test' if source.test else 'train'
  images = split.to_memory(source.class_names)
  order = np.random.default_rng(seed).permutation(len(images))[:MAX_POINTS]
  return name, Images(images.images[order], images.labels[order],
                      images.class_names)


def _pictures(artifact: Artifact, images: Images, seed: int,
              ) -> Iterator[Picture]:
  """All that can be drawn of this artifact, in the order of the page."""
  assert artifact.encoder
  z = artifact.encoder.latents(array_split(images.images, images.labels,
                                           keep_order=True))
  yield _reconstructions(artifact, images, z)
  if artifact.model.head_num_components and artifact.model.head != 'maf':
    yield _components(artifact, images, z)
  yield _samples(artifact, seed)
  if len(z) > 2:
    yield _embedding(images, z, seed)
  if len(z) > 1:
    yield _interpolations(artifact, images, z)


def _reconstructions(artifact: Artifact, images: Images, z: np.ndarray,
                     ) -> Picture:
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
    text += (' Red: no variance, because a Student\'s t has at most 2 degrees '
             'of freedom there.')
  return Picture('reconstructions', 'Reconstructions', text,
                 pictures.reconstructions(
                     images.images[chosen], points, variances,
                     [images.class_names[label]
                      for label in images.labels[chosen]]))


def _components(artifact: Artifact, images: Images, z: np.ndarray) -> Picture:
  points, log_densities = component_images(artifact, z[:1], images.labels[:1])
  return Picture(
      'components', 'Components of the likelihood',
      f'The likelihood of one image is a mixture of {points.shape[1]} '
      'distributions over whole images: the mean of each, and the log-density '
      'of the mixture at that mean, in nats, from the densest on. '
      'tfp_lgc.augment returns those above a threshold.',
      pictures.components(images.images[0], points[0], log_densities[0]))


def _samples(artifact: Artifact, seed: int) -> Picture:
  """Two kinds of latents by two kinds of images: VPA, figure 3."""
  def drawn(stochastic):
    return sampling.sample(artifact, NUM_SAMPLES, seed=seed, balanced=True,
                           stochastic=stochastic)

  sampler, points = artifact.sampler, drawn(False)
  noise_seed = tf.constant([1, seed])
  normal = tf.random.stateless_normal(
      [NUM_SAMPLES, artifact.model.latent_size], noise_seed)
  params = sampler.params(normal, tf.constant(points.labels))
  return Picture(
      'samples', 'Samples',
      'Above, latents of the mixtures by class, which is what the artifact '
      'samples; below, latents of N(0, I), which only a VAE is trained for. '
      'Left, the one image that stands for p(x | z), right, a draw of its '
      'pixels.',
      pictures.grids({
          'mixture, point': points.images,
          'mixture, draw': drawn(True).images,
          'N(0, I), point': _uint8(sampler.head.point_image(params)),
          'N(0, I), draw': _uint8(sampler.head.draw_image(params, noise_seed)),
      }, 'Samples'))


def _embedding(images: Images, z: np.ndarray, seed: int) -> Picture:
  tsne = manifold.TSNE(
      init='pca' if z.shape[1] > 1 else 'random', random_state=seed,
      perplexity=min(30.0, (len(z) - 1) / 3))
  return Picture(
      'latents', 'Latents',
      f'{len(z):,} images by their latents, {z.shape[1]} numbers each, placed '
      'in the plane by t-SNE (L. van der Maaten, G. Hinton, 2008), colored by '
      'class. Distances between groups mean little.',
      pictures.embedding(tsne.fit_transform(z), images.labels,
                         images.class_names, 't-SNE of latents'))


def _interpolations(artifact: Artifact, images: Images, z: np.ndarray,
                    ) -> Picture:
  """Straight lines between latents; of one class where that is told."""
  pairs = _pairs(images.labels, bool(artifact.num_conditions))
  steps = np.linspace(0, 1, NUM_COLUMNS - 2, dtype=np.float32)[:, np.newaxis]
  rows = []
  for first, last in pairs:
    line = (1 - steps) * z[first] + steps * z[last]
    between = artifact.sampler.decode(
        tf.constant(line), tf.fill([len(line)], images.labels[first])
        )['image'].numpy()
    rows.append([images.images[first], *between, images.images[last]])
  return Picture(
      'interpolations', 'Interpolations',
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
  """Neighbors in the order of classes, or of one class."""
  order = _one_by_class(labels, 2 * NUM_INTERPOLATIONS + 2)
  if same_class:
    order = order[np.argsort(labels[order], kind='stable')]
    pairs = [(a, b) for a, b in zip(order, order[1:]) if labels[a] == labels[b]]
  else:
    pairs = list(zip(order, order[1:]))
  return [(int(a), int(b)) for a, b in pairs[:NUM_INTERPOLATIONS]]


def _uint8(images: tf.Tensor) -> np.ndarray:
  return np.round(255 * images.numpy()).astype(np.uint8)


def _page(artifact: Artifact, source: Source, split_name: str,
          sections: list[tuple[Picture, bytes]]) -> str:
  environment = jinja2.Environment(
      loader=jinja2.PackageLoader('tfp_lgc', 'templates'), autoescape=True,
      undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
  facts: dict[str, Any] = {
      'data set': source.name, 'images shown': f'{split_name} split',
      'compressed images': f'{sum(artifact.class_counts):,}',
      'artifact.lgc': f'{artifact.num_bytes:,} bytes',
      'model': artifact.model.model, 'head': artifact.model.head,
      'components of the head': artifact.model.head_num_components or 'none',
      'latents': artifact.model.latent_size}
  return environment.get_template('report.html').render(
      title=f'{source.name}, compressed', facts=facts,
      sections=[(picture, base64.b64encode(png).decode())
                for picture, png in sections])
