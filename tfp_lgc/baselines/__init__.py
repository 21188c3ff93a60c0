"""What else could be sent in as many bytes.

A baseline is a function `(images, num_bytes, seed) -> Compressed`, or the best
of several by a judge, `BestOf`; `compress` knows both.
"""

from tfp_lgc.baselines import (
  coreset,
  image_codecs,
  kmeans,
  lossless,
  pca_gmm,
  stored,
  subset,
  thumbnails,
)
from tfp_lgc.baselines.compressed import Compressed
from tfp_lgc.baselines.tuning import Baseline, BestOf, compress

__all__ = ['BASELINES', 'Baseline', 'BestOf', 'Compressed', 'compress',
           'decode']

BASELINES: dict[str, Baseline] = {
    'random_subset': subset.random_subset,
    **lossless.MEMBERS,
    **thumbnails.MEMBERS,
    **image_codecs.MEMBERS,
    **coreset.MEMBERS,
    **kmeans.MEMBERS,
    **pca_gmm.MEMBERS,
}

_READ = {stored.FORMAT: stored.read, pca_gmm.FORMAT: pca_gmm.read}


def decode(content: bytes, image_shape: tuple[int, int, int],
           class_names: tuple[str, ...]) -> Compressed:
  """What a receiver makes of the content that any baseline sends.

  ```python
  sent = compress(BASELINES['jpeg'], images, 32_000, seed=0).content
  received = decode(sent, images.images.shape[1:], images.class_names)
  received.images, received.weights
  ```

  Args:
    content: `Compressed.content`; no bytes are no images.
    image_shape: `(H, W, C)`.
    class_names: of all classes.
  """
  # What is neither is the .xz file of `random_subset`.
  read = _READ.get(content[0], subset.read) if content else subset.read
  return read(content, image_shape, class_names)
