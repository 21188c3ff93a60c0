"""The panel of a page about what single training images an artifact betrays."""

from typing import Any, Mapping, Optional

import numpy as np

from tfp_lgc import card, guarantee, pictures, sampling
from tfp_lgc.data import Split
from tfp_lgc.metrics import neighbors
from tfp_lgc.reporting import Picture
from tfp_lgc.view import Block, Missing, Table, View

__all__ = ['nearest', 'section']

# Samples whose nearest training images are looked for, and those shown.
NUM_SAMPLES, NUM_PAIRS = 200, 20
# Title, what it would be if nothing were betrayed, and where it stands in what
# bin/evaluate measures, with its interval.
_MEASURES = (
    ('samples nearer to a training image than to a test image', '0.5',
     ('dcr', 'nearer_to_train')),
    ('samples that are a training image', '0', ('dcr', 'identical_share')),
    ('membership by reconstruction, AUC', '0.5',
     ('membership', 'reconstruction', 'auc')),
    ('membership by decoded means of components, AUC', '0.5',
     ('membership', 'components', 'auc')),
    ('membership by density ratio, AUC', '0.5',
     ('membership', 'density_ratio', 'auc')),
    ('membership by shadow models, AUC', '0.5', ('shadow', 'auc')),
    ('data copying, z (far below 0: copies)', '0', ('copying', 'copying_z')))
_RATES = (('0.1 %', 'tpr_at_fpr_0.001'), ('1 %', 'tpr_at_fpr_0.01'))


def section(view: View) -> list[Block]:
  """What was measured, what can be seen, and what it does not say."""
  artifact = view.run.artifact
  smallest = card.smallest_component(artifact.mixture, artifact.class_counts,
                                     artifact.hard_copies)
  said = (guarantee.sentence(artifact.privacy) if artifact.privacy
          else card.NOTE.capitalize())
  blocks: list[Block] = [
      f'{said}. An attack that finds nothing shows that this '
      'attack finds nothing. The smallest component of a mixture stands for '
      f'{smallest:.1f} training images '
      f'{"or more" if artifact.hard_copies > 1 else "on average"}; the fewer, '
      'the nearer its samples are to them.']
  found = view.run.evaluation.get('privacy')
  if found:
    blocks.append(Table(
        'What was measured', ('measure', 'value', '95 % interval',
                              'if nothing is betrayed'), _rows(found)))
  else:
    reason = view.run.unmeasured or 'evaluation.json has no privacy'
    blocks.append(f'Attacks were not measured: {reason}. '
                  'bin/evaluate --metrics=privacy measures them.')
  try:
    blocks.append(_closest(view))
  except Missing as missing:
    blocks.append(f'Nearest training images are not shown. {missing}')
  return blocks


def _rows(found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
  rows = []
  for title, nothing, keys in _MEASURES:
    *path, name = keys
    inner: Any = found
    for key in path:
      inner = inner.get(key, {})
    if name not in inner:
      rows.append((title, 'not measured', '', nothing))
      continue
    # What the share of closest records has by chance is no single number.
    by_chance = (inner.get('chance_interval') if name == 'nearer_to_train'
                 else None)
    rows.append((title, f'{inner[name]:.4g}',
                 _ends(inner.get(f'{name}_interval')),
                 _ends(by_chance) or nothing))
    if name == 'auc':
      rows += [(f'{title[:-5]}: found at {share} of false positives',
                _number(inner[key]), _ends(inner.get(f'{key}_interval')),
                share) for share, key in _RATES if key in inner]
  if 'components' in found:
    its = found['components']
    rows += [('images of the smallest component', f'{its["points"]:.1f}', '',
              'many'),
             ('smallest eigenvalue, of the mean variance of latents',
              f'{its["smallest_relative"]:.3g}', '', 'not near 0')]
  for times, its in found.get('canary', {}).get('exposures', {}).items():
    rows.append((f'exposure of canaries, {times} x, bits',
                 f'{its["mean"]:.2f}', _ends(its.get('interval')),
                 f'{found["canary"]["expected"]:.2f}'))
  return rows


def _number(value: Optional[float]) -> str:
  return 'too few images' if value is None else f'{value:.4g}'


def _ends(interval) -> str:
  return ' to '.join(f'{end:.4g}' for end in interval) if interval else ''


def _closest(view: View) -> Picture:
  drawn = sampling.sample(view.run.artifact, NUM_SAMPLES, seed=view.seed)
  train = view.real.source.train
  images, distances = nearest(drawn.images, train)
  order = np.argsort(distances)[:NUM_PAIRS]
  return Picture(
      'Samples and the training images nearest to them',
      f'Of {NUM_SAMPLES} samples the {NUM_PAIRS} that come nearest to any of '
      f'the {train.num_examples:,} training images, from the nearest on '
      f'(distance of a pixel {distances[order[0]]:.3f} to '
      f'{distances[order[-1]]:.3f}, root mean square, pixels in 0..1), and '
      'those images in the same places.',
      pictures.grids({'samples': drawn.images[order],
                      'nearest training images': images[order]}, ''))


def nearest(samples: np.ndarray, split: Split,
            ) -> tuple[np.ndarray, np.ndarray]:
  """The image of a split that is nearest to each sample, by squared error.

  Args:
    samples: uint8 `[N, H, W, C]`.
    split: is read once, 1,000 images at a time.

  Returns:
    Images like the samples, and root mean squared differences `[N]`.
  """
  x = neighbors.flattened(samples)
  best = np.full(len(samples), np.inf, np.float32)
  found = np.zeros_like(samples)
  for batch, _ in split.batches(1000).as_numpy_iterator():
    distances, indices = [part[:, 0] for part in neighbors.nearest(
        x, neighbors.flattened(batch))]
    nearer = distances < best
    best[nearer] = distances[nearer]
    found[nearer] = batch[indices[nearer]]
  return found, best
