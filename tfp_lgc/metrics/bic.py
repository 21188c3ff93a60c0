"""BIC by the number of components, which mixtures are chosen by.

G. Schwarz, Estimating the Dimension of a Model, Annals of Statistics 6, 1978.
"""

from typing import Any, Mapping, Sequence

import numpy as np

from tfp_lgc import config as config_lib
from tfp_lgc import latent
from tfp_lgc.metrics.subject import Subject

__all__ = ['Curve', 'lowest', 'measure', 'sums']

# Structure of covariances -> BIC of K = 1, 2, ..., see `mixture.bic`.
Curve = Mapping[str, Sequence[float]]


def measure(subject: Subject) -> dict[str, Any]:
  """Of the latents of all train images, by the encoder at hand: EM is run
  again, with the settings of the run that the encoder is of. For the images of
  that run, and the same `max_memory`, these are the curves that it chose by,
  but for rounding if several devices fitted them; or would have chosen by, if
  it priced mixtures in bytes, or had hard images count several times.

  Returns:
    `curves`, by class name (`all`, where the classes share components), of
    each structure the BIC of 1, 2, ... components, lower is better;
    `num_components` and `structures`, of the lowest, by class name; `bic`, the
    sum of the lowest, and `bic_one`, that of one Gaussian in each curve.
  """
  assert subject.artifact is not None and subject.artifact.encoder is not None
  encoder, split = subject.artifact.encoder, subject.source.train
  config = config_lib.replace(encoder.config, selection='bic')
  encoded = encoder.model.encode_all(split)
  points = latent.points(encoded, encoder.kept, config, split.bound)
  names = subject.class_names
  _, records = latent.fit(points, encoded.labels, len(names), config,
                          lambda label: subject.progress.step(label + 1),
                          split.bound)
  curves = {names[row['label']] if 'label' in row else 'all': row['bic']
            for row in records if row['event'] == 'bic' and row['bic']}
  chosen = {name: lowest(curve) for name, curve in curves.items()}
  return {
      'curves': {name: {structure: np.round(values, 1).tolist()
                        for structure, values in curve.items()}
                 for name, curve in curves.items()},
      'num_components': {name: k for name, (_, k) in chosen.items()},
      'structures': {name: structure for name, (structure, _)
                     in chosen.items()},
      **sums(list(curves.values()))}


def lowest(curve: Curve) -> tuple[str, int]:
  """The structure and the number of components where it is lowest, the first
  of equals."""
  structure = min(curve, key=lambda structure: min(curve[structure]))
  return structure, int(np.argmin(curve[structure])) + 1


def sums(curves: Sequence[Curve]) -> dict[str, int]:
  """`bic`, the lowest of all curves, and `bic_one`, the lowest of one
  component each; nothing where there is no curve."""
  if not curves:
    return {}
  return {'bic': round(sum(min(map(min, curve.values())) for curve in curves)),
          'bic_one': round(sum(min(values[0] for values in curve.values())
                               for curve in curves))}
