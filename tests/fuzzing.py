"""Good files of many kinds, and whether what was loaded of one is the file.

What is random is drawn from a NumPy generator, so that a seed is a file.
"""

import json
import lzma
import struct
import zlib
from typing import Any, NamedTuple

import numpy as np

from tfp_lgc import codec, heads, models, networks, packing
from tfp_lgc import config as config_lib
from tfp_lgc.artifact import Artifact
from tfp_lgc.gaussians import Components
from tfp_lgc.header import for_drawing, OPTIONAL_DRAWING, TRAINING
from tfp_lgc.mixture import share, stack
from tfp_lgc.texture import KERNEL_SIZE, NUM_NODES, Texture
from tfp_lgc.weightless import weightless


class Seed(NamedTuple):
  """A good file.

  Attributes:
    version: of its format.
    header: what it says, `tensors` too.
    payload: steps and codes.
  """
  version: int
  header: dict[str, Any]
  payload: bytes


def parsed(content: bytes, dictionary: bytes) -> Seed:
  """A file taken apart, after the page that describes it."""
  version, = struct.unpack('<H', content[8:10])
  body = content[10:-32]
  unpacker = zlib.decompressobj(-15, dictionary)
  if version < 3:
    body, unpacker = body[8:], zlib.decompressobj()
  text = unpacker.decompress(body)
  return Seed(version, json.loads(text), unpacker.unused_data)


def codes(seed: Seed) -> list[tuple[bytes, bytes]]:
  """Steps and code of each tensor."""
  result, start = [], 0
  for _, _, _, num_steps, _, length in seed.header['tensors']:
    middle = start + 2 * num_steps
    result.append((seed.payload[start:middle],
                   seed.payload[middle:middle + length]))
    start = middle + length
  return result


# Good files.

_STRUCTURES = list(config_lib.COVARIANCES)


def _components(rng, structure, count, size, log_weights=None):
  """Random ones of a structure."""
  scale = np.tile(np.eye(size), [count, 1, 1]) * 0.5
  if structure in ('full', 'tied', 'low_rank'):
    scale += 0.1 * np.tril(np.ones([size, size]), -1)
  if log_weights is None:
    log_weights = np.full(count, -np.log(count))
  return Components(log_weights.astype(np.float32),
                    rng.normal(size=[count, size]).astype(np.float32),
                    scale.astype(np.float32))


def _mixture(rng, latents, model, number):
  """By class, shared by classes, or that of the prior."""
  if latents == 'prior':
    row = models.prior(model)
    return share(np.zeros([2, len(row.loc)]), row, 'prior')
  if latents == 'global':
    structure = _STRUCTURES[number % len(_STRUCTURES)]
    return share(rng.normal(size=[2, 3]), _components(
        rng, structure, 3, model.latent_size), structure)
  structures = [_STRUCTURES[(number + i) % len(_STRUCTURES)] for i in range(3)]
  return stack([_components(rng, structure, count, model.latent_size)
                for structure, count in zip(structures, (1, 3, 2))], structures)


def _decoder(rng, model, image_shape, num_conditions):
  """Random weights, by name."""
  with weightless():
    head = heads.build(model, image_shape)
    decoder = networks.decoder(model, head, num_conditions, batch_norm=False)
    shapes = {f'decoder/{variable.name.split(":")[0]}': variable.shape
              for variable in decoder.weights}
    shapes.update((f'head/{name}', variable.shape)
                  for name, variable in head.weights.items())
  return {name: codec.quantize(rng.normal(size=tuple(shape)), 5)
          for name, shape in shapes.items()}


def small_artifact(number: int, head: str) -> Artifact:
  """One of three numbers of latents, of many kinds for many numbers."""
  rng = np.random.default_rng(number)
  latents = ('by class', 'global', 'prior')[number % 3]
  image_shape = (3, 3, 1) if number % 2 else (2, 2, 3)
  model = for_drawing(config_lib.replace(
      config_lib.ModelConfig(), head=head, latent_size=3, hidden_size=4,
      num_filters=2, grid_filters=number // 4 % 2, prior_num_components=2,
      model='gmm_dae' if latents == 'prior' else ('vae', 'cvae')[number % 2],
      trunk=('dense', 'conv')[number // 2 % 2],
      head_num_components=0 if head == 'maf' else number % 3))
  mixture = _mixture(rng, latents, model, number)
  names = ('a', 'b/\n<b>', '\u00fc')[:len(mixture.logits)]
  num_conditions = len(names) * (model.model == 'cvae')
  tensors = _decoder(rng, model, image_shape, num_conditions)
  tensors.update(packing.pack_mixture(mixture, 8, 1))
  if number % 8 in (0, 3):
    channels = image_shape[-1]
    tensors.update(packing.pack_texture(Texture(
        rng.random([NUM_NODES, channels]),
        rng.normal(size=[KERNEL_SIZE, KERNEL_SIZE, channels, channels]))))
  return Artifact(model, image_shape, names, tuple(range(1, len(names) + 1)),
                  mixture.num_components, mixture.structures, num_conditions,
                  1.0, tensors)


# Whether what was loaded is what the file says.


def differences(artifact: Artifact, file: Seed) -> list[str]:
  """What of an artifact is not as it stands in the file that it was loaded
  from; nothing, if it was loaded identically.

  All of the header has to stand in the artifact, but for settings of training
  in files of the first versions, and each tensor must have the file's shape,
  bits, steps and code.
  """
  header = dict(file.header)
  entries, said = header.pop('tensors'), artifact.to_json()
  result = [key for key, value in header.items()
            if key != 'model' and not _same_json(said.get(key), value)]
  settings = {**OPTIONAL_DRAWING, **said['model']}
  result += [key for key, value in header['model'].items()
             if key not in TRAINING and settings.get(key) != value]
  if [entry[0] for entry in entries] != list(artifact.tensors):
    result.append('names')
    return result
  for (name, shape, bits, _, which, _), (steps, code) in zip(entries,
                                                             codes(file)):
    got = artifact.tensors[name]
    if (list(got.values.shape) != shape or got.bits != bits
        or (got.steps.view(np.uint32) >> 16).astype('<u2').tobytes() != steps
        or not _is_code_of(got, which, code)):
      result.append(name)
  return result


def _same_json(value, other) -> bool:
  return json.dumps(value) == json.dumps(other)  # True is not 1.


def _is_code_of(tensor: codec.Quantized, which: str, code: bytes) -> bool:
  if which != 'lzma':
    return codec.CODECS[which].encode(tensor.values, tensor.bits) == code
  # There are several of the same bytes.
  plain = lzma.decompress(code, lzma.FORMAT_RAW, filters=[
      {'id': lzma.FILTER_LZMA2, 'dict_size': 2**20, 'lc': 0, 'lp': 0, 'pb': 0}])
  symbols = tensor.values.ravel() + 2 ** (tensor.bits - 1)
  low = (symbols & 255).astype(np.uint8).tobytes()
  high = (symbols >> 8).astype(np.uint8).tobytes()
  return plain == (low + high if tensor.bits > 8 else low)
