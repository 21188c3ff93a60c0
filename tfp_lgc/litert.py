"""The sampler as a LiteRT model, for phones and browsers.

It needs LiteRT's built-in operations and nothing else. A call draws one block
of 256 images, as `tfp_lgc.sample` draws them; arithmetic that rounds another
way makes a pixel differ by one level at the most, now and then.
"""

import pathlib
import tempfile

import tensorflow as tf

from tfp_lgc import philox
from tfp_lgc.errors import LgcError
from tfp_lgc.sampler import BLOCK_SIZE, Random, Sampler

__all__ = ['convert']

_BLOCK = tf.TensorSpec([], tf.int32, 'block')
_SEED = tf.TensorSpec([2], tf.int32, 'seed')
_TEMPERATURE = tf.TensorSpec([], tf.float32, 'temperature')
_LABEL = tf.TensorSpec([BLOCK_SIZE], tf.int32, 'label')

_RANDOM = Random(philox.split, philox.fold_in, philox.uniform, philox.normal,
                 philox.categorical)


def convert(sampler: Sampler) -> bytes:
  """The content of a .tflite file.

  Its signatures: `sample` (block int32 [], seed int32 [2], temperature float32
  [], -1 for what the artifact was made with) and `sample_class` (the same, and
  label int32 [256]) -> image uint8 [256, H, W, C], label int32 [256], latent
  float32 [256, d]; `decode` (latent float32 [256, d]; label int32 [256] if the
  decoder is told it) -> image.

  ```python
  from ai_edge_litert.interpreter import Interpreter
  interpreter = Interpreter(model_content=convert(artifact.sampler))
  drawn = interpreter.get_signature_runner('sample')(
      block=np.int32(0), seed=np.int32([0, 1]), temperature=np.float32(-1))
  ```

  Args:
    sampler: what it does.

  Raises:
    LgcError: if LiteRT has no operations for the head.
  """
  with tempfile.TemporaryDirectory() as directory:
    path = str(pathlib.Path(directory) / 'model')
    signatures = _signatures(sampler.with_constants(_RANDOM))
    holder = tf.Module()
    holder.parameters = sampler.parameters
    tf.saved_model.save(holder, path, signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        path, signature_keys=list(signatures))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
      return converter.convert()
    except Exception as error:
      if type(error).__name__ != 'ConverterError':  # Is of a private module.
        raise
      raise LgcError('export = litert: LiteRT has no operations for what this '
                     'head or trunk computes; try --head=bernoulli') from error


def _signatures(sampler: Sampler) -> dict:
  @tf.function(input_signature=[_BLOCK, _SEED, _TEMPERATURE])
  def sample(block, seed, temperature):
    return sampler.block(block, seed, sampler.scale(temperature))

  @tf.function(input_signature=[_LABEL, _BLOCK, _SEED, _TEMPERATURE])
  def sample_class(label, block, seed, temperature):
    return sampler.block(block, seed, sampler.scale(temperature), label)

  latent = tf.TensorSpec([BLOCK_SIZE, sampler.loc.shape[-1]], tf.float32,
                         'latent')
  decoded = [latent] + [_LABEL] * bool(sampler.num_conditions)
  return {'sample': sample, 'sample_class': sample_class,
          'decode': sampler.decode.get_concrete_function(*decoded)}
