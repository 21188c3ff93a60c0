"""Mixture and texture as tensors of an artifact, and back; no number is stored
twice.

`mixture/log_weights`, one after the other for all classes, or `[C, K]` where
the classes share components; `mixture/loc` `[T, d]`, the T components of all
rows in turn; `mixture/scale_tril` the covariances of the rows whose structure
is full, `mixture/scale_<structure>` those of another structure, as
`Covariance.pack` makes them. Rows of the structure prior have no tensors.
`texture/scale` and `texture/kernel` are those of a `Texture`.
"""

from typing import Optional, Sequence

import numpy as np

from tfp_lgc.codec import dequantize, quantize, Quantized
from tfp_lgc.covariance import COVARIANCES
from tfp_lgc.em import Components
from tfp_lgc.errors import ArtifactError
from tfp_lgc.mixture import Mixture, share, stack
from tfp_lgc.texture import KERNEL_SIZE, NUM_NODES, Texture

__all__ = ['VECTOR_BITS', 'pack_mixture', 'pack_texture', 'unpack_mixture',
           'unpack_texture']

# Bits of biases and log-weights: few numbers that everything depends on.
VECTOR_BITS = 12
# Bits of the numbers of a texture.
TEXTURE_BITS = 8


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
  rows = [mixture.components(label)
          for label in range(len(mixture.structures))]
  if mixture.is_shared:
    log_weights = mixture.logits  # [C, K]
  else:
    log_weights = np.concatenate([row.log_weights for row in rows])  # [T]
  if mixture.structures == ('prior',):
    # One component has no weight to tell; one class has those of the prior.
    return ({'mixture/log_weights': quantize(log_weights, VECTOR_BITS)}
            if min(mixture.logits.shape) > 1 else {})
  tensors = {
      'mixture/log_weights': quantize(log_weights, VECTOR_BITS),
      'mixture/loc': quantize(np.concatenate([row.loc for row in rows]), bits)}
  for structure in sorted(set(mixture.structures)):
    packed = [COVARIANCES[structure].pack(row.scale_tril, rank)
              for row, its in zip(rows, mixture.structures)
              if its == structure]
    tensors[_scale_name(structure)] = quantize(np.concatenate(packed), bits)
  return tensors


def unpack_mixture(tensors: dict[str, Quantized],
                   num_components: Sequence[int], structures: Sequence[str],
                   latent_size: int, prior: Optional[Components]) -> Mixture:
  """The inverse of `pack_mixture`, up to quantization.

  Args:
    tensors: of a whole artifact.
    num_components: of each class.
    structures: of each row of components.
    latent_size: d.
    prior: of the model, for the structure prior.

  Raises:
    ArtifactError: if the tensors do not have the shapes that follow.
  """
  num_classes, num_max = len(num_components), max(num_components)
  is_shared = len(structures) == 1 < num_classes
  counts = num_components[:1] if is_shared else num_components
  if len(structures) != len(counts) or (
      is_shared and len(set(num_components)) > 1):
    raise ArtifactError(f'{len(structures)} rows of components for '
                        f'{num_classes} classes')
  if 'prior' in structures:
    if prior is None or len(structures) > 1 or num_max != len(prior.loc):
      raise ArtifactError('the components are not those of the prior')
    rows = [prior]
  else:
    rows = _unpack_rows(tensors, counts, structures, latent_size, is_shared)
  if is_shared or 'prior' in structures:
    logits = np.tile(rows[0].log_weights, [num_classes, 1])
    if not ('prior' in structures and min(num_classes, num_max) == 1):
      logits = _tensor(tensors, 'mixture/log_weights', [num_classes, num_max])
    return share(logits, rows[0], structures[0])
  return stack(rows, structures)


def pack_texture(noise: Texture) -> dict[str, Quantized]:
  """Quantizes a texture."""
  return {f'texture/{name}': quantize(part, TEXTURE_BITS)
          for name, part in zip(noise._fields, noise)}


def unpack_texture(tensors: dict[str, Quantized], channels: int) -> Texture:
  """The inverse of `pack_texture`, up to quantization.

  Args:
    tensors: of a whole artifact.
    channels: C.

  Raises:
    ArtifactError: if the tensors do not have the shapes that follow.
  """
  return Texture(
      _tensor(tensors, 'texture/scale', [NUM_NODES, channels]),
      _tensor(tensors, 'texture/kernel',
              [KERNEL_SIZE, KERNEL_SIZE, channels, channels]))


def _unpack_rows(tensors: dict[str, Quantized], counts: Sequence[int],
                 structures: Sequence[str], latent_size: int, is_shared: bool,
                 ) -> list[Components]:
  """Components of each row; without weights if classes share them."""
  total = sum(counts)
  # Weights that differ by class are no matter of rows.
  log_weights = np.zeros(total, np.float32)
  if not is_shared:
    log_weights = _tensor(tensors, 'mixture/log_weights', [total])
  loc = _tensor(tensors, 'mixture/loc', [total, latent_size])
  num_packed = [1 if structure == 'tied' else count
                for count, structure in zip(counts, structures)]
  packed = {
      structure: _tensor(
          tensors, _scale_name(structure),
          [sum(n for n, its in zip(num_packed, structures)
               if its == structure), None])
      for structure in set(structures)}
  rows = []
  for count, structure, n in zip(counts, structures, num_packed):
    part, packed[structure] = np.split(packed[structure], [n])
    scale_tril = _unpack_scale(part, structure, count, latent_size)
    rows.append(Components(log_weights[:count], loc[:count], scale_tril))
    log_weights, loc = log_weights[count:], loc[count:]
  return rows


def _unpack_scale(packed: np.ndarray, structure: str, count: int,
                  latent_size: int) -> np.ndarray:
  """scale_tril `[K, d, d]` of one row, if it can be one."""
  covariance, name = COVARIANCES[structure], _scale_name(structure)
  columns = covariance.num_params(1, latent_size, 0)
  if structure != 'low_rank' and packed.shape[1] != columns:
    raise ArtifactError(f'{name} has {packed.shape[1]} columns; must be '
                        f'{columns}')
  try:
    with np.errstate(all='ignore'):
      scale_tril = covariance.unpack(packed, count, latent_size)
  except (ValueError, np.linalg.LinAlgError) as error:
    raise ArtifactError(f'{name}: {error}') from error
  if not np.isfinite(scale_tril).all():
    raise ArtifactError(f'{name}: is not finite')
  return scale_tril


def _tensor(tensors: dict[str, Quantized], name: str, shape) -> np.ndarray:
  """float32 values, if they have the shape; None stands for any side."""
  if name not in tensors:
    raise ArtifactError(f'{name} is missing')
  got = tensors[name].values.shape
  if len(got) != len(shape) or any(
      want not in (side, None) for side, want in zip(got, shape)):
    raise ArtifactError(f'{name} has shape {got}; must be {tuple(shape)}')
  return dequantize(tensors[name])
