"""Judges: the classifiers that samples are measured by.

A network is a function `(image_shape, num_classes, seed) -> tfk.Model` of
images in 0..1 `[B, H, W, C]` -> logits `[B, num_classes]`. Each works from
1 x 1 pixels on. An estimator is a function `seed -> ` scikit-learn classifier
of pixels in 0..1 `[N, H W C]`. None of them guides any training, see
`networks.teacher`.
"""

import tensorflow as tf
import tf_keras as tfk
from sklearn import ensemble, linear_model

from tfp_lgc import trunks
from tfp_lgc.trunks import Layers

__all__ = ['ESTIMATORS', 'NETWORKS', 'cnn', 'lgc_cnn', 'mlp', 'resnet']

# Smaller images than these have nothing left after `lgc_cnn`'s layers.
LGC_MIN_SIDE = 18


def cnn(image_shape, num_classes: int, seed: int = 0) -> tfk.Model:
  """The default: two convolutions of 16 and 32 filters, each with ReLU and
  pooling, and a dense layer of 64."""
  layers = Layers(seed)
  x = inputs = tfk.Input(image_shape)
  for i, filters in enumerate((16, 32)):
    x = layers.conv(x, filters, f'conv_{i}', 'relu', size=3, strides=1)
    x = tfk.layers.MaxPool2D(2, padding='same', name=f'pool_{i}')(x)
  x = layers.dense(trunks.flat(x), 64, 'hidden', 'relu')
  logits = layers.dense(x, num_classes, 'logits')
  return tfk.Model(inputs, logits, name='judge')


def lgc_cnn(image_shape, num_classes: int, seed: int = 0) -> tfk.Model:
  """That of the LGC paper: 5,254 parameters for MNIST.

  Convolutions of 6 filters of 3 x 3 and 16 of 5 x 5, pooling once after the
  first and twice after the second, dense layers of 32 and 16, all with ReLU.
  Convolutions look at no pixel beyond the border; of images of a side under 18
  they do, or nothing would be left.
  """
  padding = 'valid' if min(image_shape[:2]) >= LGC_MIN_SIDE else 'same'
  layers = Layers(seed)
  x = inputs = tfk.Input(image_shape)
  for i, (filters, size, num_pools) in enumerate(((6, 3, 1), (16, 5, 2))):
    x = layers.conv(x, filters, f'conv_{i}', 'relu', size, 1, padding)
    for _ in range(num_pools):
      x = tfk.layers.MaxPool2D(2, padding=padding)(x)
  x = trunks.flat(x)
  for i, units in enumerate((32, 16)):
    x = layers.dense(x, units, f'hidden_{i}', 'relu')
  logits = layers.dense(x, num_classes, 'logits')
  return tfk.Model(inputs, logits, name='judge')


def mlp(image_shape, num_classes: int, seed: int = 0) -> tfk.Model:
  """Two dense layers of 256 with ReLU: it knows nothing of neighbors."""
  layers = Layers(seed)
  x = inputs = tfk.Input(image_shape)
  x = trunks.flat(x)
  for i in range(2):
    x = layers.dense(x, 256, f'hidden_{i}', 'relu')
  logits = layers.dense(x, num_classes, 'logits')
  return tfk.Model(inputs, logits, name='judge')


def resnet(image_shape, num_classes: int, seed: int = 0) -> tfk.Model:
  """A small residual network with batch normalization.

  A convolution of 24 filters and stride 2, residual blocks of 24 and, with
  stride 2, 48 filters, the mean over the maps. K. He et al., Deep Residual
  Learning for Image Recognition, CVPR 2016.
  """
  layers = Layers(seed)
  inputs = tfk.Input(image_shape)
  x = _normalized(layers.conv(inputs, 24, 'stem', size=3), 'stem')
  for i, (filters, strides) in enumerate(((24, 1), (48, 2))):
    x = _block(x, filters, strides, f'block_{i}', layers)
  logits = layers.dense(trunks.pooled(x), num_classes, 'logits')
  return tfk.Model(inputs, logits, name='judge')


def _block(x: tf.Tensor, filters: int, strides: int, name: str,
           layers: Layers) -> tf.Tensor:
  """Two convolutions beside a shortcut, which has a convolution of its own
  where the shape changes."""
  y = _normalized(layers.conv(x, filters, f'{name}_conv_0', None, 3, strides),
                  f'{name}_0')
  y = _normalized(layers.conv(y, filters, f'{name}_conv_1', None, 3, 1),
                  f'{name}_1', activation=None)
  if strides > 1 or x.shape[-1] != filters:
    x = layers.conv(x, filters, f'{name}_shortcut', None, 1, strides)
  return tfk.layers.ReLU()(x + y)


def _normalized(x: tf.Tensor, name: str, activation='relu') -> tf.Tensor:
  # 0.9: a judge may have no more than a few hundred steps.
  x = tfk.layers.BatchNormalization(momentum=0.9, name=f'{name}_norm')(x)
  return tfk.layers.Activation(activation)(x) if activation else x


NETWORKS = {'cnn': cnn, 'lgc_cnn': lgc_cnn, 'mlp': mlp, 'resnet': resnet}
ESTIMATORS = {
    'logistic_regression': lambda seed: linear_model.LogisticRegression(
        max_iter=200, random_state=seed),
    'random_forest': lambda seed: ensemble.RandomForestClassifier(
        random_state=seed)}
