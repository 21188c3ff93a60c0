"""A mixture as tensors of an artifact, and back; no number is stored twice.

`mixture/log_weights` `[T]` and `mixture/loc` `[T, d]` hold the T components of
all classes in turn; `mixture/scale_tril` the covariances of the classes whose
structure is full, `mixture/scale_<structure>` those of another structure, as
`Covariance.pack` makes them.
"""

from typing import Sequence

import numpy as np

from tfp_lgc.codec import dequantize, quantize, Quantized
from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.em import Components
from tfp_lgc.errors import ArtifactError
from tfp_lgc.mixture import Mixture, stack

__all__ = ['VECTOR_BITS', 'pack_mixture', 'unpack_mixture']

# Bits of biases and log-weights: few numbers that everything depends on.
VECTOR_BITS = 12


def _scale_name(structure: str) -> str:
  # The name that full covariances have in the first files.
  return ('mixture/scale_tril' if structure == 'full'
          else f'mixture/scale_{structure}')


def pack_mixture(mixture: Mixture, bits: int, rank: int,
                 ) -> dict[str, Quantized]:
  """Quantizes a mixture.

  Args:
    mixture: of C classes.
    bits: of means and scales.
    rank: of covariances of low rank.
  """
  per_class = [mixture.components(label)
               for label in range(len(mixture.structures))]
  log_weights, loc, _ = [np.concatenate(parts) for parts in zip(*per_class)]
  tensors = {'mixture/log_weights': quantize(log_weights, VECTOR_BITS),
             'mixture/loc': quantize(loc, bits)}
  for structure in sorted(set(mixture.structures)):
    packed = [COVARIANCES[structure].pack(components.scale_tril, rank)
              for components, its in zip(per_class, mixture.structures)
              if its == structure]
    tensors[_scale_name(structure)] = quantize(np.concatenate(packed), bits)
  return tensors


def unpack_mixture(tensors: dict[str, Quantized],
                   num_components: Sequence[int], structures: Sequence[str],
                   latent_size: int) -> Mixture:
  """The inverse of `pack_mixture`, up to quantization.

  Args:
    tensors: of a whole artifact.
    num_components: of each class.
    structures: of each class.
    latent_size: d.

  Raises:
    ArtifactError: if the tensors do not have the shapes that follow.
  """
  total = sum(num_components)
  log_weights = _tensor(tensors, 'mixture/log_weights', [total])
  loc = _tensor(tensors, 'mixture/loc', [total, latent_size])
  rows = [1 if structure == 'tied' else count
          for count, structure in zip(num_components, structures)]
  packed = {
      structure: _tensor(
          tensors, _scale_name(structure),
          [sum(n for n, its in zip(rows, structures) if its == structure),
           None])
      for structure in set(structures)}
  per_class = []
  for count, structure, row in zip(num_components, structures, rows):
    part, packed[structure] = np.split(packed[structure], [row])
    try:
      scale_tril = COVARIANCES[structure].unpack(part, count, latent_size)
    except (ValueError, np.linalg.LinAlgError) as error:
      raise ArtifactError(f'{_scale_name(structure)}: {error}') from error
    per_class.append(Components(log_weights[:count], loc[:count], scale_tril))
    log_weights, loc = log_weights[count:], loc[count:]
  return stack(per_class, structures)


def _tensor(tensors: dict[str, Quantized], name: str, shape) -> np.ndarray:
  """float32 values, if they have the shape; None stands for any side."""
  if name not in tensors:
    raise ArtifactError(f'{name} is missing')
  got = tensors[name].values.shape
  if len(got) != len(shape) or any(
      want not in (side, None) for side, want in zip(got, shape)):
    raise ArtifactError(f'{name} has shape {got}; must be {tuple(shape)}')
  return dequantize(tensors[name])
