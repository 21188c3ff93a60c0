"""What drawing images does not need is folded into the decoder's weights.

Two things: latents that say nothing, and batch normalization. A latent that is
the same for all images makes a covariance singular; one that is noise makes it
large for nothing. Both hardly change what is decoded, so the decoder's first
layer takes their mean into its bias.
"""

import numpy as np
import tf_keras as tfk

__all__ = ['decoder_weights', 'live']

# A latent is dead if less than this share of its variance is that of the
# posterior means, the rest being posterior noise; Y. Burda, R. Grosse,
# R. Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016, call a unit
# of a VAE, whose latents have a variance of about 1, inactive by this bound.
MIN_SIGNAL = 0.01
# It is constant if its variance is less than this share of the largest one.
MIN_VARIANCE = 1e-6


def live(draws: np.ndarray, means: np.ndarray) -> np.ndarray:
  """Which latents tell images apart.

  Args:
    draws: `[N, d]`, a draw from each posterior.
    means: `[N, d]`, their means; equal to the draws for a deterministic model.

  Returns:
    bool `[d]`, at least one True.
  """
  variance = draws.var(axis=0, dtype=np.float64)
  signal = means.var(axis=0, dtype=np.float64)
  kept = ((signal >= MIN_SIGNAL * variance)
          & (variance > MIN_VARIANCE * variance.max()))
  if not kept.any():  # A single image, or many equal ones.
    kept[variance.argmax()] = True
  return kept


def decoder_weights(decoder: tfk.Model, kept: np.ndarray, fill: np.ndarray,
                    ) -> dict[str, np.ndarray]:
  """Weights of the decoder that takes only the kept latents and has no batch
  normalization.

  Args:
    decoder: its first layer is a `Dense` one; what `LAYER_norm` normalizes is
      the output of LAYER, which is linear.
    kept: bool `[d]`.
    fill: `[d]`, what stands for the others.

  Returns:
    LAYER/kernel or LAYER/bias -> array.
  """
  weights = {_name(variable): variable.numpy()
             for layer in decoder.layers for variable in layer.weights
             if not isinstance(layer, tfk.layers.BatchNormalization)}
  for layer in decoder.layers:
    if isinstance(layer, tfk.layers.BatchNormalization):
      _fold_norm(layer, decoder.get_layer(layer.name.removesuffix('_norm')),
                 weights)
  kernel, bias = [_name(variable) for variable in decoder.layers[1].weights]
  dropped = np.flatnonzero(~kept)
  weights[bias] = (weights[bias] + fill[dropped] @ weights[kernel][dropped]
                   ).astype(np.float32)
  # Rows of the one-hot label, if there are any, follow those of the latents.
  weights[kernel] = np.delete(weights[kernel], dropped, axis=0)
  return weights


def _name(variable) -> str:
  return variable.name.split(':')[0]


def _fold_norm(norm: tfk.layers.BatchNormalization, layer: tfk.layers.Layer,
               weights: dict[str, np.ndarray]) -> None:
  """gamma (x - mean) / sqrt(variance + epsilon) + beta, x being linear."""
  gamma, beta, mean, variance = norm.get_weights()
  scale = gamma / np.sqrt(variance + norm.epsilon)
  kernel, bias = [_name(variable) for variable in layer.weights]
  weights[bias] = scale * (weights[bias] - mean) + beta
  # The axis of outputs is the last but one of a transposed convolution.
  shape = ([-1, 1] if isinstance(layer, tfk.layers.Conv2DTranspose) else [-1])
  weights[kernel] = weights[kernel] * scale.reshape(shape)
