"""A program with two logical devices: what one replica and two make of the
same, as an .npz file. For distribution_test.py."""

import sys

import numpy as np
import tensorflow as tf

from tfp_lgc import config as config_lib
from tfp_lgc import (
  data,
  distributed_em,
  distribution,
  mixture,
  teacher,
  train,
)

NUM_EXAMPLES = 90
SETTINGS = {'hidden_size': 16, 'latent_size': 3, 'epochs': 1, 'batch_size': 32,
            'noise_stddev': 0.1, 'seed': 3, 'num_components_max': 3,
            'num_restarts': 2}


def split():
  rng = np.random.default_rng(0)
  labels = np.arange(NUM_EXAMPLES) % 2
  images = 150 * labels[:, None, None, None] + rng.integers(
      0, 50, [NUM_EXAMPLES, 5, 4, 1])
  return data.array_split(images.astype(np.uint8), labels)


def points():
  """Three clusters, of which two lie close together; an odd number."""
  rng = np.random.default_rng(1)
  return np.concatenate([
      rng.normal(size=[18_001, 3]) * [1.0, 0.3, 2.0] + center
      for center in ([0, 0, 0], [2, 1, 0], [9, -5, 4])]).astype(np.float32)


def one_step(model, strategy):
  """Weights after one step, and terms of its loss."""
  config = config_lib.replace(config_lib.Config(), model=model,
                              strategy=strategy, **SETTINGS)
  heard = []
  schedule, train.schedule = train.schedule, lambda *_: (1, 1)
  try:
    fitted = train.fit(config, split(), 2,
                       on_round=lambda i, terms: heard.append(terms))
  finally:
    train.schedule = schedule
  return {**{f'weight{i}': weight.numpy() for i, weight
             in enumerate(fitted.trainable_variables)}, **heard[0]}


def normalized():
  """A model of batch normalization and a teacher, whose moving averages differ
  from replica to replica: the mean over replicas, and what is left of it."""
  config = config_lib.replace(
      config_lib.Config(), model='gmm_dae', trunk='gmm_dae', latent_size=4,
      prior_num_components=2, batch_size=32, epochs=1, teacher_weight=1.0,
      num_filters=4, hidden_size=8, width=0.1, strategy='mirrored')
  rng, kept = np.random.default_rng(0), []
  images = rng.integers(0, 255, [64, 8, 8, 1]).astype(np.uint8)
  weights, train._weights = train._weights, lambda model: (
      kept.append([its.read_value().numpy() for its in weights(model)])
      or weights(model))
  steps, teacher.TEACHER_STEPS = teacher.TEACHER_STEPS, 2
  heard = []
  try:
    alone = train.fit(config, data.array_split(images, np.arange(64) % 2), 2,
                      on_round=lambda i, terms: heard.append(terms))
  finally:
    train._weights, teacher.TEACHER_STEPS = weights, steps
  result = {'loss': heard[-1]['loss'], 'teacher': heard[-1]['teacher'],
            'num_penalties': len(alone.image_penalties)}
  for i, (trained, variable) in enumerate(zip(kept[-1], weights(alone))):
    result[f'trained{i}'] = trained
    result[f'alone{i}'] = variable.numpy()
    result[f'moving{i}'] = 'moving' in variable.name
  return result


def em_of(strategy, structure):
  config = config_lib.replace(config_lib.Config(), strategy=strategy,
                              covariance=structure, **SETTINGS)
  x, floor = points(), 1e-4
  if strategy != 'none':
    spread = distributed_em.SpreadPoints(x, config, floor,
                                         distribution.of(strategy))
    fit = spread.fit(structure, 3)
  else:
    fit = mixture.most_likely(x, 3, structure, config.mixture, floor,
                              config.seed)
  return {**fit.components._asdict(), 'log_likelihood': fit.log_likelihood,
          'num_iterations': fit.num_iterations}


def main(path):
  cpu = tf.config.list_physical_devices('CPU')[0]
  tf.config.set_logical_device_configuration(
      cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
  found = {}
  for strategy in ('none', 'mirrored'):
    for model in ('ae', 'vae', 'center_vae'):
      found.update({f'{strategy}:step:{model}:{name}': value for
                    name, value in one_step(model, strategy).items()})
    for structure in ('full', 'diag'):
      found.update({f'{strategy}:em:{structure}:{name}': value
                    for name, value in em_of(strategy, structure).items()})
  found.update({f'normalized:{name}': value
                for name, value in normalized().items()})
  assert distribution.of('mirrored').num_replicas == 2
  np.savez(path, **found)


if __name__ == '__main__':
  main(sys.argv[1])
