"""Requests that TensorFlow Serving makes to itself before it takes any.

It replays `assets.extra/tf_serving_warmup_requests`, a TFRecord of
PredictionLog, so that the first client does not wait for what TensorFlow does
at the first run of a graph. The messages are those of the package
tensorflow-serving-api, which is in the extra `serving`.

Source: tensorflow.org/tfx/serving/saved_model_warmup
"""

import importlib.util
import pathlib
from typing import Mapping, Optional

import numpy as np
import tensorflow as tf

__all__ = ['NAME', 'missing', 'write']

NAME = 'tf_serving_warmup_requests'


def missing() -> Optional[str]:
  """What keeps warm-up requests from being written, or None."""
  if importlib.util.find_spec('tensorflow_serving'):
    return None
  return ('no warm-up requests for TensorFlow Serving: they take '
          "tensorflow-serving-api, python3 -m pip install 'tfp_lgc[serving]'")


def write(path: pathlib.Path,
          examples: Mapping[str, Mapping[str, np.ndarray]]) -> None:
  """Writes one request per signature.

  Args:
    path: the file, `NAME` in `assets.extra`.
    examples: signature -> inputs by name.

  Raises:
    ImportError: if something is `missing`.
  """
  from tensorflow_serving.apis import prediction_log_pb2
  with tf.io.TFRecordWriter(str(path)) as writer:
    for name, inputs in examples.items():
      log = prediction_log_pb2.PredictionLog()
      request = log.predict_log.request
      # The server takes its own model for it, whatever the name.
      request.model_spec.name = 'default'
      request.model_spec.signature_name = name
      for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
      writer.write(log.SerializeToString(deterministic=True))
