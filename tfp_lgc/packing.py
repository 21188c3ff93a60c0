"""Mixture and texture as tensors of an artifact, and back; no number is stored
twice.

`mixture/log_weights`, one after the other for all classes, or `[C, K]` where
the classes share components; `mixture/loc` `[T, d]`, the T components of all
rows in turn; and of the rows of a structure what `Covariance.pack` makes of
them, `mixture/scale_<structure>`, or, of full and tied, two kinds of numbers,
each with a step and frequencies of its own: `mixture/log_scale_<structure>` and
`mixture/unit_<structure>`. Rows of the structure prior have no tensors.
`texture/scale` and `texture/kernel` are those of a `Texture`.
"""

from typing import Callable, Optional, Sequence

import numpy as np

from tfp_lgc.codec import dequantize, quantize, Quantized
from tfp_lgc.covariance import COVARIANCES, unpack_cholesky
from tfp_lgc.errors import ArtifactError
from tfp_lgc.gaussians import Components
from tfp_lgc.mixture import Mixture, share, stack
from tfp_lgc.texture import KERNEL_SIZE, NUM_NODES, Texture

__all__ = ['bits_of', 'class_rows', 'is_old', 'mixture_numbers',
           'pack_mixture', 'pack_texture', 'unpack_mixture', 'unpack_texture',
           'vector_bits']

# Bits of the numbers of a texture.
TEXTURE_BITS = 8
# Structures whose tensors are split after the d scales, and the one tensor that
# they have in files of versions 1 and 2.
_CHOLESKY = {'full': 'mixture/scale_tril', 'tied': 'mixture/scale_tied'}


def vector_bits(bits: int) -> int:
  """Of biases and log-weights, beside `bits` of the numbers that there are many
  of: one more, for few numbers that much depends on."""
  return min(bits + 1, 16)


def _scale_names(structure: str) -> list[str]:
  return ([f'mixture/log_scale_{structure}', f'mixture/unit_{structure}']
          if structure in _CHOLESKY else [f'mixture/scale_{structure}'])


def bits_of(name: str, bits: int) -> int:
  """Of a tensor of the mixture, `bits` being those of means and scales."""
  return vector_bits(bits) if name == 'mixture/log_weights' else bits


def pack_mixture(mixture: Mixture, bits: int, rank: int,
                 ) -> dict[str, Quantized]:
  """Quantizes a mixture.

  Args:
    mixture: of C classes.
    bits: of means and scales.
    rank: of covariances of low rank.
  """
  return {name: quantize(value, bits_of(name, bits))
          for name, value in mixture_numbers(mixture, rank).items()}


def mixture_numbers(mixture: Mixture, rank: int) -> dict[str, np.ndarray]:
  """The tensors of a mixture before they are quantized; see `pack_mixture`."""
  rows = [mixture.components(label)
          for label in range(len(mixture.structures))]
  if mixture.is_shared:
    log_weights = mixture.logits  # [C, K]
  else:
    log_weights = np.concatenate([row.log_weights for row in rows])  # [T]
  if mixture.structures == ('prior',):
    # One component has no weight to tell; one class has those of the prior.
    return ({'mixture/log_weights': log_weights}
            if min(mixture.logits.shape) > 1 else {})
  tensors = {'mixture/log_weights': log_weights,
             'mixture/loc': np.concatenate([row.loc for row in rows])}
  for structure in sorted(set(mixture.structures)):
    packed = np.concatenate([
        COVARIANCES[structure].pack(row.scale_tril, rank)
        for row, its in zip(rows, mixture.structures) if its == structure])
    names = _scale_names(structure)
    size = mixture.loc.shape[-1]
    parts = np.split(packed, [size] if len(names) > 1 else [], axis=1)
    tensors.update(zip(names, parts))
  return tensors


def class_rows(name: str, num_components: Sequence[int],
               structures: Sequence[str]) -> list[int]:
  """How many rows of a tensor of the mixture are of each class.

  Args:
    name: of the tensor, in files of any version.
    num_components: of each class.
    structures: of each class; or the one, prior, whose weights are by class.
  """
  if tuple(structures) == ('prior',):
    return [1] * len(num_components)
  if name in ('mixture/log_weights', 'mixture/loc'):
    return list(num_components)
  rows = []
  for count, structure in zip(num_components, structures):
    is_its = name in (*_scale_names(structure), _CHOLESKY.get(structure))
    rows.append((1 if structure == 'tied' else count) if is_its else 0)
  return rows


def is_old(tensors: dict[str, Quantized]) -> bool:
  """Whether a mixture is packed as in files of versions 1 and 2."""
  return any(name in _CHOLESKY.values() or len(tensor.steps) > 1
             for name, tensor in tensors.items()
             if name.startswith('mixture/'))


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
  packed = {structure: _packed(tensors, structure, latent_size, sum(
      n for n, its in zip(num_packed, structures) if its == structure))
            for structure in set(structures)}
  rows = []
  for count, structure, n in zip(counts, structures, num_packed):
    part, packed[structure] = np.split(packed[structure], [n])
    unpack = (unpack_cholesky if _CHOLESKY.get(structure) in tensors
              else COVARIANCES[structure].unpack)
    scale_tril = _unpack_scale(part, structure, unpack, count, latent_size)
    rows.append(Components(log_weights[:count], loc[:count], scale_tril))
    log_weights, loc = log_weights[count:], loc[count:]
  return rows


def _packed(tensors: dict[str, Quantized], structure: str, latent_size: int,
            num_rows: int) -> np.ndarray:
  """What the structure's `unpack` takes, of all its rows."""
  old = _CHOLESKY.get(structure)
  names = [old] if old in tensors else _scale_names(structure)
  widths = [latent_size, None] if len(names) > 1 else [None]
  return np.concatenate([_tensor(tensors, name, [num_rows, width])
                         for name, width in zip(names, widths)], axis=1)


def _unpack_scale(packed: np.ndarray, structure: str, unpack: Callable,
                  count: int, latent_size: int) -> np.ndarray:
  """scale_tril `[K, d, d]` of one row, if it can be one."""
  name = ', '.join(_scale_names(structure))
  columns = COVARIANCES[structure].num_params(1, latent_size, 0)
  if structure != 'low_rank' and packed.shape[1] != columns:
    raise ArtifactError(f'{name}: {packed.shape[1]} columns; must be {columns}')
  try:
    with np.errstate(all='ignore'):
      scale_tril = unpack(packed, count, latent_size)
  except (ValueError, np.linalg.LinAlgError) as error:
    raise ArtifactError(f'{name}: {error}') from error
  if not np.isfinite(scale_tril).all():
    raise ArtifactError(f'{name}: is not finite')
  # A tied one is one for all.
  return np.broadcast_to(scale_tril, [count, latent_size, latent_size])


def _tensor(tensors: dict[str, Quantized], name: str, shape) -> np.ndarray:
  """float32 values, if they have the shape; None stands for any side."""
  if name not in tensors:
    raise ArtifactError(f'{name} is missing')
  got = tensors[name].values.shape
  if len(got) != len(shape) or any(
      want not in (side, None) for side, want in zip(got, shape)):
    raise ArtifactError(f'{name} has shape {got}; must be {tuple(shape)}')
  with np.errstate(over='ignore'):
    values = dequantize(tensors[name])
  if not np.isfinite(values).all():
    raise ArtifactError(f'{name}: is not finite')
  return values
