"""The dataset card: what stands beside an artifact for whoever receives it.

README.md is for people, metadata.json for programs: Croissant 1.0, M. Akhtar et
al., Croissant: A Metadata Format for ML-Ready Datasets, NeurIPS 2024.
"""

import hashlib
import json
import os
import pathlib
import re
from typing import Any, Mapping, NamedTuple, Sequence

import numpy as np

from tfp_lgc import guarantee, sources
from tfp_lgc.header import Header
from tfp_lgc.mixture import Mixture

__all__ = ['Card', 'CARD_NAMES', 'croissant', 'NOTE', 'public_name', 'readme',
           'smallest_component', 'write']

README_NAME, METADATA_NAME = 'README.md', 'metadata.json'
CARD_NAMES = (README_NAME, METADATA_NAME)
UNKNOWN = 'unknown'
# Of privacy, whatever was found.
NOTE = 'measured, not guaranteed'
# README.md lists so many classes; metadata.json all of them.
MAX_CLASSES = 100
# What the summary of a run says of accuracy, for people.
_ACCURACIES = {
    'tstr_accuracy': 'a classifier trained only on samples',
    'real_accuracy': 'one trained on the real images, as many steps',
    'tstr_worst_group': 'the worst group of the first',
    'real_worst_group': 'the worst group of the second'}
# The words of Croissant, as its specification has them.
_CONTEXT = {
    '@language': 'en', '@vocab': 'https://schema.org/',
    'citeAs': 'cr:citeAs', 'column': 'cr:column',
    'conformsTo': 'dct:conformsTo', 'cr': 'http://mlcommons.org/croissant/',
    'data': {'@id': 'cr:data', '@type': '@json'},
    'dataType': {'@id': 'cr:dataType', '@type': '@vocab'},
    'dct': 'http://purl.org/dc/terms/',
    'equivalentProperty': 'cr:equivalentProperty',
    'examples': {'@id': 'cr:examples', '@type': '@json'},
    'extract': 'cr:extract', 'field': 'cr:field',
    'fileObject': 'cr:fileObject', 'fileProperty': 'cr:fileProperty',
    'fileSet': 'cr:fileSet', 'format': 'cr:format', 'includes': 'cr:includes',
    'isLiveDataset': 'cr:isLiveDataset', 'jsonPath': 'cr:jsonPath',
    'key': 'cr:key', 'md5': 'cr:md5', 'parentField': 'cr:parentField',
    'path': 'cr:path', 'rai': 'http://mlcommons.org/croissant/RAI/',
    'recordSet': 'cr:recordSet', 'references': 'cr:references',
    'regex': 'cr:regex', 'repeated': 'cr:repeated', 'replace': 'cr:replace',
    'samplingRate': 'cr:samplingRate', 'sc': 'https://schema.org/',
    'separator': 'cr:separator', 'source': 'cr:source',
    'subField': 'cr:subField', 'transform': 'cr:transform'}


class Card(NamedTuple):
  """All that a card is written from.

  Attributes:
    header: of the artifact.
    content: artifact.lgc.
    num_bytes_by_part: of it.
    smallest: training images that the smallest component stands for.
    summary: what `bin/compress` measured, or empty.
    source: name of the data set, or 'unknown'.
    license: of its images, as the user says, or 'unknown'.
  """
  header: Header
  content: bytes
  num_bytes_by_part: Mapping[str, int]
  smallest: float
  summary: Mapping[str, Any]
  source: str
  license: str


def public_name(dataset: str) -> str:
  """What a card calls `--dataset`: of a path the last part, for where a file
  lay is nobody's business."""
  if sources.kind(dataset) in ('idx', 'folder', 'npz'):
    return os.path.basename(os.path.abspath(dataset))
  return dataset


def smallest_component(mixture: Mixture, class_counts: Sequence[int],
                       hard_copies: int = 1) -> float:
  """The fewest training images, on average, that a component stands for: its
  weight times those of its class; of classes that share it, their sum. It may
  be of nothing but images that counted `hard_copies` times."""
  weights = np.exp(mixture.logits.astype(np.float64)) / hard_copies
  points = weights * np.array(class_counts)[:, np.newaxis]
  if mixture.is_shared:
    points = points.sum(axis=0, keepdims=True)
    return float(points.min())
  is_one = np.isfinite(mixture.logits) & (
      np.array(class_counts) > 0)[:, np.newaxis]
  return float(points[is_one].min())


def write(card: Card, directory: pathlib.Path) -> None:
  """Writes README.md and metadata.json."""
  (directory / README_NAME).write_text(readme(card), encoding='utf-8')
  (directory / METADATA_NAME).write_text(
      json.dumps(croissant(card), indent=1) + '\n', encoding='utf-8')


def readme(card: Card) -> str:
  """The card for people, in Markdown."""
  parts = [
      f'# {_text(card.source)}, compressed', _about(card), '## Sizes',
      _sizes(card), '## Classes', _classes(card.header), '## Model',
      _model(card.header), '## Metrics', _metrics(card.summary),
      '## How to sample', _sampling(card.header), '## Privacy', _privacy(card)]
  return '\n\n'.join(parts) + '\n'


def _text(value: Any) -> str:
  """As a cell of a table, whatever a user called it."""
  return re.sub(r'([|\\`*_<>\[\]#])', r'\\\1', ' '.join(str(value).split()))


def _rows(rows: Sequence[Sequence[Any]]) -> str:
  """A table; the first row is its head."""
  lines = ['| ' + ' | '.join(map(_text, row)) + ' |' for row in rows]
  return '\n'.join([lines[0], '|---' * len(rows[0]) + '|', *lines[1:]])


def _description(header: Header) -> str:
  height, width, channels = header.image_shape
  color = 'gray' if channels == 1 else 'RGB'
  about = 'about ' if header.privacy else ''
  return ('A decoder and Gaussian mixtures by class, from which labelled '
          f'images ({height} x {width}, {color}) are drawn. Made of '
          f'{about}{sum(header.class_counts):,} images by Latent Gaussian '
          'Compression (tfp_lgc). Every image that is drawn is synthetic.'
          + (' Unusual ones are drawn more often than there were.'
             if header.hard_copies > 1 else ''))


def _about(card: Card) -> str:
  return '\n\n'.join([_description(card.header), _rows([
      ('', ''), ('source', card.source), ('license', card.license),
      ('SHA-256 of artifact.lgc', hashlib.sha256(card.content).hexdigest())])])


def _sizes(card: Card) -> str:
  rows = [('', 'bytes'), ('artifact.lgc', f'{len(card.content):,}')]
  rows += [(f'of it {part}', f'{size:,}')
           for part, size in card.num_bytes_by_part.items()]
  rows += [(name, f'{card.summary[key]:,}') for key, name in (
      ('raw_num_bytes', 'the images and labels, raw'),
      ('gzip_num_bytes', 'the same by gzip -9'),
      ('saved_model_num_bytes', 'saved_model/ as .tar.gz'))
           if key in card.summary]
  return _rows(rows)


def _classes(header: Header) -> str:
  rows = list(zip(header.class_names, (f'{n:,}' for n in header.class_counts),
                  header.num_components))
  images = 'training images, with noise' if header.privacy else (
      'training images')
  table = _rows([('class', images, 'components'),
                 *rows[:MAX_CLASSES]])
  if len(rows) > MAX_CLASSES:
    table += (f'\n\nand {len(rows) - MAX_CLASSES:,} more, which metadata.json '
              'lists.')
  return table


def _model(header: Header) -> str:
  model = header.model
  return _rows([
      ('', ''), ('autoencoder', model.model), ('layers', model.trunk),
      ('likelihood', model.head),
      ('its components', model.head_num_components or 'none'),
      ('latents', model.latent_size),
      ('covariances', ', '.join(dict.fromkeys(header.structures))),
      ('temperature', f'{header.temperature:g}'),
      *([('images that a teacher found hard',
          f'counted {header.hard_copies} times')]
        if header.hard_copies > 1 else [])])


def _metrics(summary: Mapping[str, Any]) -> str:
  rows = [(name, f'{100 * summary[key]:.2f} %')
          for key, name in _ACCURACIES.items() if key in summary]
  if not rows:
    return 'Not measured.'
  return _rows([('on real test images', 'accuracy'), *rows])


def _sampling(header: Header) -> str:
  shape = ', '.join(map(str, header.image_shape))
  return f"""\
```python
import tfp_lgc
drawn = tfp_lgc.sample('artifact.lgc', n=1000, seed=1)
drawn.images        # uint8 [1000, {shape}]
drawn.labels        # positions in drawn.class_names
drawn.class_names
```"""


def _privacy(card: Card) -> str:
  if card.header.privacy:
    return _guaranteed(card.header.privacy)
  least = 'or more' if card.header.hard_copies > 1 else 'on average'
  return (
      f'{NOTE.capitalize()}: the smallest component stands for '
      f'{card.smallest:.1f} training images {least}. No single image is '
      'stored, but one that a component of few images, or a decoder that '
      'memorizes, comes close to can be told. What else can be measured, '
      '`bin/evaluate --metrics=privacy` measures, for whoever has the images.')


def _guaranteed(said: Mapping[str, Any]) -> str:
  rows = [('', 'noise multiplier', 'sampling rate', 'steps')]
  rows += [(name, *said[key]) for key, name in (
      ('counts', 'class counts'), ('training', 'gradients in training'),
      ('mixture', 'sums for the mixtures')) if said[key]]
  return (
      f'{guarantee.sentence(said)}. Not covered: images that the accuracy '
      'above was measured on, names of classes, and what else was made of the '
      'same images.\n\n' + _rows(rows) + '\n\nThe noise is normal, its '
      'multiplier in units of the most that one image changes a sum by; '
      + (f'gradients are clipped to a norm of {said["clip_norm"]:g}, and '
         'images are sampled by Poisson. ' if said['training'] else
         'the networks were trained on drawn lines alone. ')
      + 'What is released of the sums for a mixture costs together what one '
      'step would. The accountant is that of privacy loss distributions of '
      'dp-accounting.')


def croissant(card: Card) -> dict[str, Any]:
  """The card for programs, as JSON can hold it."""
  header = card.header

  def field(name, description, kind):
    return {'@type': 'cr:Field', '@id': f'classes/{name}', 'name': name,
            'description': description, 'dataType': f'sc:{kind}'}

  result = {
      '@context': _CONTEXT, '@type': 'sc:Dataset',
      'conformsTo': 'http://mlcommons.org/croissant/1.0',
      'name': f'{card.source}, compressed',
      'description': f'{_description(header)} ' + (
          f'{guarantee.sentence(header.privacy)}.' if header.privacy
          else f'Privacy: {NOTE}.'),
      'license': card.license,
      'isBasedOn': card.source,
      'keywords': ['synthetic', 'Latent Gaussian Compression',
                   header.model.model],
      'distribution': [{
          '@type': 'cr:FileObject', '@id': 'artifact.lgc',
          'name': 'artifact.lgc', 'description':
          'The compressed data set; tfp_lgc.sample draws from it.',
          'contentUrl': 'artifact.lgc',
          'contentSize': f'{len(card.content)} B',
          'encodingFormat': 'application/octet-stream',
          'sha256': hashlib.sha256(card.content).hexdigest()}],
      'recordSet': [{
          '@type': 'cr:RecordSet', '@id': 'classes', 'name': 'classes',
          'description': 'The classes: labels that are drawn are positions in '
          'this list.', 'key': {'@id': 'classes/name'},
          'field': [
              field('name', 'The class.', 'Text'),
              field('count', 'Its training images' + (
                  ', with noise.' if header.privacy else '.'), 'Integer'),
              field('num_components', 'Components of its mixture.',
                    'Integer')],
          'data': [{'classes/name': name, 'classes/count': count,
                    'classes/num_components': components}
                   for name, count, components in zip(
                       header.class_names, header.class_counts,
                       header.num_components)]}]}
  return result
