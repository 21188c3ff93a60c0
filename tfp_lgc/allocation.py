"""Mixtures priced in bytes.

BIC takes half the logarithm of the number of points for what a parameter is
worth. In an artifact it is worth the bits that it takes there, and those of all
classes come out of one purse: Y. Shoham, A. Gersho, Efficient Bit Allocation
for an Arbitrary Set of Quantizers, IEEE Trans. ASSP 1988. For one price of a
bit each class takes the mixture of the lowest code length and cost, and the
price is raised until all of them fit.
"""

import math
from typing import Callable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np
from scipy import special

from tfp_lgc.codec import entropy_bits
from tfp_lgc.config import Config
from tfp_lgc.em import Fit
from tfp_lgc.gaussians import Components
from tfp_lgc.mixture import largest, most_likely, stack, structures
from tfp_lgc.packing import pack_mixture

__all__ = ['Candidate', 'MIN_PRICE', 'allocate', 'candidates',
           'candidates_of', 'cheapest', 'from_arrays', 'num_bits', 'to_arrays']

# Bits of a class' likelihood that a bit of its mixture has to bring. Those that
# a budget leaves are worth nothing: with 0.25, where a parameter of six bits
# costs one nat as by Akaike's criterion, components were left out that teach.
MIN_PRICE = 0.02
MAX_PRICE = 1e6
# Numbers of components grow by at least this share.
GROWTH = 0.4


class Candidate(NamedTuple):
  """A mixture that a class may have.

  Attributes:
    components: fitted.
    structure: of their covariances.
    code_length: -log2 of the likelihood of all points of the class, bits.
    num_bits: that the components take in a file.
  """
  components: Components
  structure: str
  code_length: float
  num_bits: float


def num_bits(components: Components, structure: str, config: Config) -> float:
  """Bits that the components of one class take, about: by the entropy of their
  integers, or that of rows or columns with what it takes to learn it.

  Too few for mixtures of few numbers: a file codes those of all classes
  together, and frequencies have to be learned. The header's share is left out.
  """
  tensors = pack_mixture(stack([components], [structure]),
                         config.codec.mixture_bits,
                         config.mixture.covariance_rank)
  return sum(_code_bits(tensor.values) for tensor in tensors.values())


def _code_bits(values: np.ndarray) -> float:
  """Of integers by `ans`, `ans_rows` or `ans_columns`."""
  contexts = [values, values.T] if values.ndim == 2 and values.size else []
  return min([entropy_bits(values), *map(_context_bits, contexts)])


def _context_bits(values: np.ndarray) -> float:
  """Of contexts `[C, N]`, whose frequencies are learned from nothing: R.
  Krichevsky, V. Trofimov, The Performance of Universal Encoding, IEEE Trans.
  Inform. Theory 1981."""
  symbols, positions = np.unique(values, return_inverse=True)
  width, (num_contexts, size) = len(symbols), values.shape
  # Those of 0 add nothing.
  counts = np.unique(positions.reshape(values.shape) + width * np.arange(
      num_contexts)[:, np.newaxis], return_counts=True)[1]
  nats = num_contexts * (
      special.gammaln(size + width / 2) - special.gammaln(width / 2)) - (
          special.gammaln(counts + 0.5) - special.gammaln(0.5)).sum()
  return float(nats) / math.log(2.0)


def candidates(x: np.ndarray, config: Config, floor: float,
               max_bits: float = math.inf) -> list[Candidate]:
  """Mixtures of the points of one class, by structure and size.

  Of each structure K grows until the mixture costs more than `max_bits` or,
  twice in a row, more than it gains even at the lowest price.

  Args:
    x: `[N, d]`, N >= 1.
    config: of the mixture and its codec.
    floor: added to variances.
    max_bits: more than any class will be given.

  Returns:
    One at least.
  """
  return candidates_of(
      lambda structure, k: most_likely(x, k, structure, config.mixture, floor,
                                       config.seed),
      {structure: largest(x, structure, config.mixture)
       for structure in structures(config.mixture)}, len(x), config, max_bits)


def candidates_of(fit_of: Callable[[str, int], Fit], most: Mapping[str, int],
                  num_points: int, config: Config, max_bits: float = math.inf,
                  ) -> list[Candidate]:
  """`candidates` of fits that are made elsewhere.

  Args:
    fit_of: (structure, K) -> the fit; asked in the order of K.
    most: structure -> the largest K.
    num_points: N.
    config: as for `candidates`, and so are the following.
    max_bits: more than any class will be given.
  """
  found: list[Candidate] = []
  for structure, largest_size in most.items():
    costs: list[float] = []
    for k in _sizes(largest_size):
      fit = fit_of(structure, k)
      if not math.isfinite(fit.log_likelihood):
        break
      bits = num_bits(fit.components, structure, config)
      if bits > max_bits and found:
        break
      found.append(Candidate(fit.components, structure, -num_points
                             * fit.log_likelihood / math.log(2.0), bits))
      costs.append(_cost(found[-1], MIN_PRICE))
      if len(costs) > 2 and costs[-1] > costs[-2] > costs[-3]:
        break
  assert found  # One Gaussian of finite points is finite.
  return found


def _sizes(most: int) -> Iterator[int]:
  """1, 2, 3, 4, 5, 7, 9, 12, 16 ... and `most`."""
  k = 1
  while k < most:
    yield k
    k = max(k + 1, math.floor(k * (1 + GROWTH)))
  yield most


def _cost(candidate: Candidate, price: float) -> float:
  return candidate.code_length + price * candidate.num_bits


def cheapest(choices: Sequence[Candidate], price: float = 1.0) -> Candidate:
  """The candidate of the lowest code length and cost.

  Args:
    choices: of one class.
    price: of a bit in the file, in bits of likelihood; 1 makes it the shortest
      description of points and mixture together.
  """
  return min(choices, key=lambda candidate: _cost(candidate, price))


def allocate(by_class: Sequence[Sequence[Candidate]], total_bits: float,
             ) -> list[Candidate]:
  """The most likely mixtures of all classes that fit into so many bits.

  Args:
    by_class: candidates of each class.
    total_bits: of all classes together.

  Returns:
    One of each class; if nothing fits, those of the fewest bits.
  """
  def chosen(price):
    return [cheapest(choices, price) for choices in by_class]

  def fits(picks):
    return sum(pick.num_bits for pick in picks) <= total_bits

  low, high = MIN_PRICE, MAX_PRICE
  if fits(picks := chosen(low)):
    return picks
  if not fits(best := chosen(high)):
    return [min(choices, key=lambda candidate: candidate.num_bits)
            for choices in by_class]
  while high / low > 1.001:
    middle = math.sqrt(low * high)
    if fits(picks := chosen(middle)):
      high, best = middle, picks
    else:
      low = middle
  return _filled(best, by_class, total_bits)


def _filled(picks: list[Candidate], by_class: Sequence[Sequence[Candidate]],
            total_bits: float) -> list[Candidate]:
  """Classes take larger mixtures, that which gains most a bit first, as long as
  they fit: one price for all leaves some bits over."""
  while True:
    left = total_bits - sum(pick.num_bits for pick in picks)
    gains = [(_cost(pick, MIN_PRICE) - _cost(other, MIN_PRICE),
              other.num_bits - pick.num_bits, label, other)
             for label, (pick, choices) in enumerate(zip(picks, by_class))
             for other in choices]
    better = [(gain / bits, label, other) for gain, bits, label, other in gains
              if gain > 0 and 0 < bits <= left]
    if not better:
      return picks
    _, label, other = max(better, key=lambda item: item[0])
    picks = [*picks[:label], other, *picks[label + 1:]]


def to_arrays(choices: Sequence[Candidate]) -> dict[str, np.ndarray]:
  """Candidates as arrays by name, which a file can hold.

  Of a tied covariance there is one factor: a thousand equal ones of 48 latents
  would be 18 MB of each candidate.
  """
  arrays = {}
  for i, choice in enumerate(choices):
    parts = {**choice.components._asdict(), **choice._asdict()}
    del parts['components']
    if choice.structure == 'tied':  # Not a view, which would keep all of them.
      parts['scale_tril'] = parts['scale_tril'][:1].copy()
    arrays.update({f'{i}:{name}': np.asarray(part)
                   for name, part in parts.items()})
  return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> list[Candidate]:
  """The inverse of `to_arrays`."""
  choices = []
  for i in range(len(arrays) // (len(Components._fields) + 3)):
    log_weights, loc, scale_tril = [arrays[f'{i}:{part}']
                                    for part in Components._fields]
    structure = str(arrays[f'{i}:structure'])
    if structure == 'tied':
      scale_tril = np.broadcast_to(scale_tril, [*loc.shape, loc.shape[-1]])
    choices.append(Candidate(
        Components(log_weights, loc, scale_tril), structure,
        float(arrays[f'{i}:code_length']), float(arrays[f'{i}:num_bits'])))
  return choices
