"""Mixture and texture as tensors of an artifact, and back; no number is stored
twice.

`mixture/log_weights`, one after the other for all classes, or `[C, K]` where
the classes share components; `mixture/loc` `[T, d]`, the T components of all
rows in turn; and of the rows of a structure what `Covariance.pack` makes of
them, `mixture/scale_<structure>`, or, of full and tied, two kinds of numbers,
each with a step and frequencies of its own: `mixture/log_scale_<structure>` and
`mixture/unit_<structure>`. Means of tied components are not in `mixture/loc`,
but in `mixture/white_loc_tied`, in units of the covariance that they share: the
wider the points around a mean, the more it may be off. Rows of the structure
prior have no tensors. `texture/scale` and `texture/kernel` are those of a
`Texture`.
"""

from typing import Callable, Mapping, Optional, Sequence

import numpy as np
from scipy import linalg

from tfp_lgc.codec import dequantize, quantize, quantize_by_step, Quantized
from tfp_lgc.covariance import COVARIANCES, unpack_cholesky
from tfp_lgc.errors import ArtifactError
from tfp_lgc.gaussians import Components
from tfp_lgc.mixture import Mixture, share, stack
from tfp_lgc.texture import KERNEL_SIZE, NUM_NODES, Texture

__all__ = ['class_rows', 'is_old', 'pack_mixture', 'pack_mixture_by',
           'pack_texture', 'quantized', 'unpack_mixture', 'unpack_texture',
           'vector_bits']

# Bits of the numbers of a texture.
TEXTURE_BITS = 8
# Means of tied components, and the bits at which their step is one standard
# deviation: errors then add a twelfth to variances.
_WHITE, _WHITE_BITS = 'mixture/white_loc_tied', 5.5
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


def quantized(name: str, x: np.ndarray, bits: int) -> Quantized:
  """A tensor of a mixture.

  Args:
    name: of the tensor, which decides how it is rounded.
    x: float, any shape; means of tied components in standard deviations.
    bits: of means and scales.
  """
  if name == _WHITE:
    return quantize_by_step(x, 2.0 ** (_WHITE_BITS - bits))
  return quantize(x, vector_bits(bits) if name == 'mixture/log_weights'
                  else bits)


def pack_mixture(mixture: Mixture, bits: int, rank: int,
                 ) -> dict[str, Quantized]:
  """Quantizes a mixture.

  Args:
    mixture: of C classes.
    bits: of means and scales.
    rank: of covariances of low rank.
  """
  return pack_mixture_by(lambda name, x: quantized(name, x, bits), mixture,
                         rank)


def pack_mixture_by(quantize_as: Callable[[str, np.ndarray], Quantized],
                    mixture: Mixture, rank: int) -> dict[str, Quantized]:
  """`pack_mixture` with steps from elsewhere.

  Args:
    quantize_as: (name, numbers of any shape) -> tensor of that name; asked for
      factors of tied components before their means, which are whitened by them.
    mixture: of C classes.
    rank: of covariances of low rank.
  """
  rows = [mixture.components(label)
          for label in range(len(mixture.structures))]
  if mixture.is_shared:
    log_weights = mixture.logits  # [C, K]
  else:
    rows = [_by_weight(row, structure)
            for row, structure in zip(rows, mixture.structures)]
    log_weights = np.concatenate([row.log_weights for row in rows])  # [T]
  tensors = {'mixture/log_weights': quantize_as('mixture/log_weights',
                                                log_weights)}
  if mixture.structures == ('prior',):
    # One component has no weight to tell; one class has those of the prior.
    return tensors if min(mixture.logits.shape) > 1 else {}
  by_structure = {structure: [
      row for row, its in zip(rows, mixture.structures) if its == structure]
                  for structure in sorted(set(mixture.structures))}
  if others := [row.loc for row, its in zip(rows, mixture.structures)
                if its != 'tied']:
    tensors['mixture/loc'] = quantize_as('mixture/loc', np.concatenate(others))
  size = mixture.loc.shape[-1]
  for structure, its_rows in by_structure.items():
    packed = np.concatenate([COVARIANCES[structure].pack(row.scale_tril, rank)
                             for row in its_rows])
    names = _scale_names(structure)
    parts = np.split(packed, [size] if len(names) > 1 else [], axis=1)
    tensors.update({name: quantize_as(name, part)
                    for name, part in zip(names, parts)})
  if 'tied' in by_structure:
    tensors[_WHITE] = quantize_as(_WHITE, _whitened(by_structure['tied'],
                                                    tensors))
  return tensors


def _whitened(rows: Sequence[Components], tensors: Mapping[str, Quantized],
              ) -> np.ndarray:
  """Means `[T, d]` of tied rows in units of their covariances, by the factors
  that a receiver has."""
  size = rows[0].loc.shape[1]
  factors = COVARIANCES['tied'].unpack(
      _packed(tensors, 'tied', size, len(rows)), 1, size)
  return np.concatenate([
      linalg.solve_triangular(factor, row.loc.T, lower=True).T
      for factor, row in zip(factors.astype(np.float64), rows)])


def _by_weight(row: Components, structure: str) -> Components:
  """The same, the lightest first: their order means nothing, and differences of
  weights in a row take fewer bits than weights."""
  order = np.argsort(row.log_weights, kind='stable')
  # The one factor of tied components is in memory once.
  factors = row.scale_tril if structure == 'tied' else row.scale_tril[order]
  return Components(row.log_weights[order], row.loc[order], factors)


def class_rows(tensors: Mapping[str, Quantized], name: str,
               num_components: Sequence[int], structures: Sequence[str],
               ) -> list[int]:
  """How many rows of a tensor of the mixture are of each class.

  Args:
    tensors: all of the mixture, in files of any version.
    name: of one of them.
    num_components: of each class.
    structures: of each class; or the one, prior, whose weights are by class.
  """
  if tuple(structures) == ('prior',):
    return [1] * len(num_components)
  rows = []
  for count, structure in zip(num_components, structures):
    is_white = structure == 'tied' and _WHITE in tensors
    if name == 'mixture/log_weights':
      rows.append(count)
    elif name in ('mixture/loc', _WHITE):
      rows.append(count if is_white == (name == _WHITE) else 0)
    else:
      is_its = name in (*_scale_names(structure), _CHOLESKY.get(structure))
      rows.append((1 if structure == 'tied' else count) if is_its else 0)
  return rows


def is_old(tensors: Mapping[str, Quantized]) -> bool:
  """Whether a mixture is packed in a way in which none is any more, as in files
  of versions 1 and 2, or of 3 where components are tied."""
  return any(name in _CHOLESKY.values() or len(tensor.steps) > 1
             or (name.endswith('_tied') and _WHITE not in tensors)
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
  num_white = sum(count for count, structure in zip(counts, structures)
                  if structure == 'tied' and _WHITE in tensors)
  loc = white = np.zeros([0, latent_size], np.float32)
  if num_white:
    white = _tensor(tensors, _WHITE, [num_white, latent_size])
  if num_white < total:
    loc = _tensor(tensors, 'mixture/loc', [total - num_white, latent_size])
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
    if structure == 'tied' and num_white:
      its_loc = _colored(white[:count], scale_tril[0])
      white = white[count:]
    else:
      its_loc, loc = loc[:count], loc[count:]
    rows.append(Components(log_weights[:count], its_loc, scale_tril))
    log_weights = log_weights[count:]
  return rows


def _colored(white: np.ndarray, factor: np.ndarray) -> np.ndarray:
  """Means `[K, d]` of those in units of their covariance."""
  with np.errstate(all='ignore'):
    loc = (white.astype(np.float64) @ factor.T.astype(np.float64)).astype(
        np.float32)
  if not np.isfinite(loc).all():
    raise ArtifactError(f'{_WHITE}: is not finite')
  return loc


def _packed(tensors: Mapping[str, Quantized], structure: str, latent_size: int,
            num_rows: int) -> np.ndarray:
  """What the structure's `unpack` takes, of all its rows."""
  old = _CHOLESKY.get(structure)
  names = [old] if old and old in tensors else _scale_names(structure)
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


def _tensor(tensors: Mapping[str, Quantized], name: str, shape) -> np.ndarray:
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
