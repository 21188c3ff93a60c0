"""Images in memory that baselines are tested with."""

import numpy as np
from PIL import Image

from tfp_lgc import sources
from tfp_lgc.config import DataConfig
from tfp_lgc.data import Images


def digits() -> Images:
  """1,437 real ones, 8 x 8."""
  source = sources.load(DataConfig(dataset='digits'))
  return source.train.to_memory(source.class_names)


def noise() -> Images:
  """300 images, no two the same; class 1 has only one of them."""
  rng = np.random.default_rng(0)
  labels = np.arange(300, dtype=np.int32) % 2 * 2
  labels[7] = 1
  return Images(rng.integers(0, 256, [300, 5, 6, 1]).astype(np.uint8), labels,
                ('ape', 'cat', 'emu'))


def colored() -> Images:
  """90 smooth images in RGB, of odd sides; class dog has none."""
  rng = np.random.default_rng(1)
  coarse = rng.integers(0, 256, [90, 3, 4, 3]).astype(np.uint8)
  grown = np.stack([np.asarray(Image.fromarray(image).resize((13, 9)))
                    for image in coarse])
  return Images(grown, np.arange(90, dtype=np.int32) % 3,
                ('ape', 'cat', 'emu', 'dog'))


def rows(images: Images) -> set[tuple[bytes, int]]:
  """Which images, and their labels."""
  return {(image.tobytes(), int(label))
          for image, label in zip(images.images, images.labels)}
