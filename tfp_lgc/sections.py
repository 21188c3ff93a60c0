"""The sections of the page about a run: text, tables and pictures.

A section is a function of a `View`. What it cannot show it says why, by raising
`Missing`: the page prints that sentence.
"""

import dataclasses
import shlex
from typing import Any, Callable

import numpy as np
from scipy import stats

from tfp_lgc import charts, pictures, plots, private, reporting, sampling
from tfp_lgc.data import Images
from tfp_lgc.metrics import gaussianity
from tfp_lgc.reporting import Picture
from tfp_lgc.view import Block, MAX_CLASSES, Missing, Table, View

__all__ = ['SECTIONS']

# Images of a class in a row.
NUM_IMAGES = 10


def _sizes(view: View) -> list[Block]:
  run, summary = view.run, view.run.last('summary')
  height, width, channels = run.artifact.image_shape
  counts = run.artifact.class_counts
  raw = summary.get('raw_num_bytes') or sum(counts) * (
      height * width * channels + (1 if len(counts) <= 256 else 2))
  rows = [('raw images and labels', raw)]
  missing = []
  if 'gzip_num_bytes' in summary:
    rows.append(('gzip -9', summary['gzip_num_bytes']))
  else:
    missing.append('gzip: metrics.jsonl has no summary of bin/compress')
  lossless = (None if isinstance(view.real_or_reason, str)
              else view.real_or_reason.lossless)
  if lossless:
    rows.append((f'best lossless code ({lossless[0]})', lossless[1]))
  else:
    missing.append('the best lossless code: ' + (
        view.real_or_reason if isinstance(view.real_or_reason, str) else
        'the data set is large, and --lossless was not given'))
  rows.append(('artifact.lgc', run.num_bytes))
  parts = run.artifact.num_bytes_by_part
  if run.num_bytes == run.artifact.num_bytes:
    rows += [(f'of it {name}', size) for name, size in parts.items()]
  else:
    missing.append('the parts of artifact.lgc: the file is of an older version')
  if run.saved_model_num_bytes:
    rows.append(('SavedModel, .tar.gz', run.saved_model_num_bytes))
  else:
    missing.append('the SavedModel: there is none in the folder')
  color = 'gray' if channels == 1 else 'RGB'
  blocks: list[Block] = [
      f'{sum(counts):,} images of {height} x {width} pixels, {color}, in '
      f'{len(counts)} classes, by {run.artifact.model.model} with the layers '
      f'{run.artifact.model.trunk}, the likelihood '
      f'{run.artifact.model.head} and {run.artifact.model.latent_size} '
      f'latents: {raw / run.num_bytes:,.1f} times fewer bytes.',
      Table('Sizes', ('', 'bytes', 'of raw'), [
          (name, f'{size:,}', f'{100 * size / raw:.3g} %')
          for name, size in rows])]
  return blocks + ([f'Not measured: {"; ".join(missing)}.'] if missing else [])


def _accuracy(view: View) -> list[Block]:
  found, rows = view.run.evaluation, []
  summary = view.run.last('summary')
  for key, name in (('tstr_accuracy', 'trained only on samples'),
                    ('real_accuracy', 'trained on real images'),
                    ('tstr_worst_group', 'worst group, samples'),
                    ('real_worst_group', 'worst group, real images')):
    if key in found:
      its = found[key]
      low, high = its.get('interval') or (None, None)
      rows.append((name, f'{its["mean"]:.2%}', '' if its['stddev'] is None
                   else f'{its["stddev"]:.2%}', '' if low is None
                   else f'{low:.2%} to {high:.2%}', str(len(its['runs']))))
    elif key in summary:
      rows.append((name, f'{summary[key]:.2%}', '', '', '1'))
  if not rows:
    raise Missing('No judge was trained: metrics.jsonl has no accuracy, and '
                  + (view.run.unmeasured or 'evaluation.json has none') + '.')
  return ['Classifiers tested on real images that nothing was fitted to. What '
          'one that saw samples alone is worth is seen beside one that was '
          'trained for as many steps on all real training images.',
          Table('Accuracy on the test split',
                ('judge', 'mean', 'standard deviation', '95 % interval',
                 'judges'), rows)]


def _samples(view: View) -> list[Block]:
  artifact, count = view.run.artifact, len(view.first_names)
  drawn = sampling.sample(artifact, NUM_IMAGES * len(view.names),
                          seed=view.seed, balanced=True)
  panels = {'samples': _by_class(drawn, count)}
  text = 'Drawn from the artifact, a row a class.'
  if isinstance(view.real_or_reason, str):
    text += f' Real images are not at hand: {view.real_or_reason}.'
  else:
    panels = {'real': _by_class(view.real.images, count), **panels}
    text = (f'Left, real images of the {view.real.split_name} split; right, '
            'drawn from the artifact; a row a class.')
  return [Picture('Real images and samples by class', text + view.only_first,
                  pictures.by_class(panels, view.first_names))]


def _by_class(images: Images, count: int) -> list[np.ndarray]:
  return [images.images[images.labels == label][:NUM_IMAGES]
          for label in range(count)]


# Why a picture of bin/report --artifact may not be there.
_NOT_DRAWN = {
    'reconstructions': 'There are no images.',
    'components': 'The likelihood of an image is no mixture of distributions '
                  'over whole images, so it has no components to look at.',
    'interpolations': 'There are too few images to go from one to another.',
    'latents': 'There are too few images for t-SNE.'}


def _drawn(name: str) -> Callable[[View], list[Block]]:
  """A picture of bin/report --artifact."""
  def section(view: View) -> list[Block]:
    real, z = view.real, view.z
    picture = reporting.PICTURES[name](view.run.artifact, real.images, z,
                                       view.seed)
    if picture is None:
      raise Missing(_NOT_DRAWN[name])
    return [picture]
  return section


def _bic(view: View) -> list[Block]:
  artifact, curves = view.run.artifact, {}
  for row in view.run.of('bic'):
    if row['bic']:
      curves[row.get('class_name', 'all')] = row['bic']
  chosen = zip(view.names, artifact.num_components,
               list(artifact.structures) * (
                   len(view.names) // len(artifact.structures)))
  choices = {name: (count, structure) for name, count, structure in chosen}
  table = Table('Components of each class', ('class', 'K', 'covariances'), [
      (name, str(count), structure)
      for name, (count, structure) in choices.items()])
  if 'all' in curves and len(artifact.structures) == 1:
    choices['all'] = (artifact.mixture.loc.shape[1], artifact.structures[0])
  rows = [{'class_name': name, 'bic': bic, 'num_components': choices[name][0],
           'structure': choices[name][1]}
          for name, bic in list(curves.items())[:MAX_CLASSES]
          if name in choices
          and choices[name][0] <= len(bic.get(choices[name][1], ()))]
  measured = view.run.evaluation.get('bic')
  if not rows and measured:
    rows = [{'class_name': name, 'bic': bic,
             'num_components': measured['num_components'][name],
             'structure': measured['structures'][name]}
            for name, bic in list(measured['curves'].items())[:MAX_CLASSES]]
    return [Picture(
        'BIC by the number of components, had it chosen',
        'The Bayesian information criterion of the latents, lower is better; a '
        'circle is what it would have chosen. What was chosen stands below.'
        + view.only_first, plots.bic_curves(rows, 'BIC of the latents')), table]
  if not rows:
    reason = ('they were chosen by bytes (--selection=bytes)'
              if view.run.of('bytes') else 'metrics.jsonl has none that ends '
              'in what was chosen')
    return [f'There are no BIC curves: {reason}.', table]
  return [Picture(
      'BIC by the number of components',
      'The Bayesian information criterion, lower is better, as far as numbers '
      'of components K were tried; a circle is what was chosen.'
      + view.only_first, plots.bic_curves(rows, 'BIC of the mixtures')), table]


def _plane(view: View) -> list[Block]:
  z, mixture = view.z, view.run.artifact.mixture
  if z.shape[1] < 2 or len(z) < 3:
    raise Missing('There are too few latents or images for a plane.')
  mean = z.mean(axis=0)
  _, variances, axes = np.linalg.svd(z - mean, full_matrices=False)
  plane = axes[:2].T  # [d, 2]
  ellipses = []
  for label in range(1 if mixture.is_shared else len(view.names)):
    components = mixture.components(label)
    for loc, scale_tril in zip(components.loc, components.scale_tril):
      factor = plane.T @ scale_tril
      ellipses.append(charts.Ellipse(label, (loc - mean) @ plane,
                                     factor @ factor.T))
  share = np.square(variances[:2]).sum() / np.square(variances).sum()
  return [Picture(
      'Latents and components in the plane',
      f'Latents of {len(z):,} images of the {view.real.split_name} split on '
      f'their first two principal components, which hold {share:.0%} of their '
      'variance, and the components of the mixtures projected to the same '
      'plane, as ellipses of two standard deviations. (t-SNE, below, is no '
      'projection: components have no place in it.)',
      charts.latent_plane((z - mean) @ plane, view.real.images.labels,
                          view.names, ellipses))]


def _gaussianity(view: View) -> list[Block]:
  z, artifact = view.fitted, view.run.artifact
  rows = []
  for row in gaussianity.latent_gaussianity(z, view.real.train.labels,
                                            artifact.mixture):
    if row['label'] < MAX_CLASSES:
      rows.append({**row, 'class_name': view.names[row['label']]})
  expected = stats.chi2(z.shape[1]).ppf(gaussianity.LEVELS)
  worst = max(rows, key=lambda row: row['ks'])
  return [Picture(
      'Are the latents of a component Gaussian?',
      'Quantiles of squared Mahalanobis distances of training latents from '
      'their component, against those of the chi-square law: on the dashed '
      'line where they are Gaussian. KS is the largest difference of the two '
      f'distribution functions; the largest of all, {worst["ks"]:.2f}, is of a '
      f'component of class {worst["class_name"]} with '
      f'{worst["num_points"]:,} of the {len(z):,} images looked at.'
      + view.only_first,
      plots.qq_plots(rows, expected, 'Squared Mahalanobis distances'))]


def _confusion(view: View) -> list[Block]:
  found = view.run.evaluation.get('confusion')
  if not found:
    reason = view.run.unmeasured or 'evaluation.json has no confusion'
    raise Missing(f'Not measured: {reason}. bin/evaluate --metrics=confusion '
                  'measures it.')
  matrix = np.array(found['confusion_matrix'])
  rows = []
  for i, name in enumerate(view.names[:len(matrix)]):
    count = matrix[i].sum()
    wrong = np.where(np.arange(len(matrix)) == i, 0, matrix[i])
    most = wrong.argmax()
    if count:
      rows.append((name, f'{count:,}', f'{matrix[i, i] / count:.2%}',
                   f'{view.names[most]} ({wrong[most] / count:.2%})'
                   if wrong[most] else ''))
  return [
      Picture('What the judge takes for what',
              'Of the judge that saw samples alone, on the test split: each '
              'row is a class, each column what the judge says.',
              charts.confusion(matrix, view.names)),
      Table('Accuracy by class', ('class', 'test images', 'named rightly',
                                  'most often taken for'), rows)]


def _curves(view: View) -> list[Block]:
  runs: list[list[dict[str, Any]]] = []
  for row in view.run.of('train'):
    if not runs or row['step'] <= runs[-1][-1]['step']:
      runs.append([])  # A budget may try several models.
    runs[-1].append(row)
  if not runs:
    raise Missing('metrics.jsonl has no losses of training.')
  number = view.run.last('chosen').get('number', -1)
  rows = runs[number if number < len(runs) else -1]
  last = ', '.join(f'{name} {value:.4g}' for name, value in rows[-1].items()
                   if name not in ('event', 'step'))
  return [Picture('Losses in training', 'Terms of the loss, means over a round '
                  f'of training. At the end, after {rows[-1]["step"]:,} steps: '
                  f'{last}.', charts.training_curves(rows))]


def _settings(view: View) -> list[Block]:
  row, encoder = view.run.last('config'), view.run.artifact.encoder
  blocks: list[Block] = []
  if row.get('arguments') is not None:
    blocks.append('The command: ' + shlex.join(
        ['lgc-compress', *row['arguments']]))
  if not row:
    if encoder is None:
      raise Missing('Neither metrics.jsonl nor the encoder says them.')
    # Those of a data set of arrays say nothing of it.
    row = {name: value for name, value in
           dataclasses.asdict(encoder.config).items() if name != 'data'}
    blocks.append('Made in Python: the data set is not told.')
  groups = {name: value for name, value in row.items()
            if isinstance(value, dict)}
  if chosen := view.run.last('chosen'):
    blocks.append('A budget was given: what it chose, below, takes the place '
                  'of settings of the same name.')
    groups['chosen by the budget'] = {
        name: value for name, value in chosen.items() if name != 'event'}
  groups['run'] = {'seed': row.get('seed', 0)}
  return blocks + [
      Table(f'Settings: {group}', ('name', 'value'),
            [(name, '(empty)' if value == '' else str(value))
             for name, value in values.items()])
      for group, values in groups.items()]


# Title by the id of the section, and what makes it.
SECTIONS: dict[str, tuple[str, Callable[[View], list[Block]]]] = {
    'sizes': ('What was compressed', _sizes),
    'accuracy': ('Accuracy', _accuracy),
    'samples': ('Samples beside real images', _samples),
    'reconstructions': ('Reconstructions', _drawn('reconstructions')),
    'components': ('Components of the likelihood', _drawn('components')),
    'interpolations': ('Interpolations', _drawn('interpolations')),
    'bic': ('Mixtures', _bic),
    'plane': ('Latents and components', _plane),
    'tsne': ('Latents by t-SNE', _drawn('latents')),
    'gaussianity': ('Gaussianity', _gaussianity),
    'confusion': ('Confusion', _confusion),
    'privacy': ('Privacy: measured, not guaranteed', private.section),
    'training': ('Training', _curves),
    'settings': ('Settings', _settings)}
