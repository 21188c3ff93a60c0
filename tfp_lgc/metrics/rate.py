"""What is sent, by image."""

from typing import Any

from tfp_lgc.metrics.subject import Subject

__all__ = ['measure']


def measure(subject: Subject) -> dict[str, Any]:
  """Bits that are sent, by what they stand for.

  Returns:
    `bits_per_image` of the train split, `bits_per_pixel` (a pixel of three
    colors is one), `bits_per_class`, and `raw_bits_per_image`, of uint8 pixels
    and the label.
  """
  train, num_classes = subject.source.train, len(subject.class_names)
  height, width, _ = train.image_shape
  bits = 8 * subject.num_bytes()
  per_image = bits / train.num_examples
  return {'bits_per_image': round(per_image, 3),
          'bits_per_pixel': round(per_image / (height * width), 6),
          'bits_per_class': round(bits / num_classes, 1),
          'raw_bits_per_image': 8 * train.num_raw_bytes(num_classes)
                                // train.num_examples}
