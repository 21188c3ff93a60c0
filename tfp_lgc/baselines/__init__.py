"""What else could be sent in as many bytes.

A baseline is a function `(images, num_bytes, seed) -> Compressed`.
"""

from tfp_lgc.baselines.subset import Compressed, random_subset

__all__ = ['BASELINES', 'Compressed']

BASELINES = {'random_subset': random_subset}
