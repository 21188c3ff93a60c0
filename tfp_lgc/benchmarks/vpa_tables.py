"""Rows of tables 1 and 2 of the Vanilla Probabilistic Autoencoder.

S. Ciobanu, Vanilla Probabilistic Autoencoder, CAINE 2021. The paper's "FID" is
the distance of images from uniform noise, so that lower is not better; it is
quoted and not measured. The suite heads measures the rest.
"""

from typing import NamedTuple, Optional

__all__ = ['MSE', 'ROWS', 'Row']

# The floor of scales that the paper has.
_PAPER_MIN_STDDEV = 1e-6


class Row(NamedTuple):
  """A row of the tables, and what the paper has there for MNIST.

  Attributes:
    preset: vpa_mlp (table 1), vpa_cnn (table 2), or our form of the latter.
    head: of the decoder; for `vae` that of the VAE.
    num_components: K; 0 where the paper has no mixture.
    l2: percent.
    seconds: an epoch, on the paper's GPU.
    fid: the paper's, see above; None where it cannot be read.
    model: ae or vae.
    min_stddev: floor of scales, or None for that of the run.
  """
  preset: str
  head: str
  num_components: int
  l2: Optional[float] = None
  seconds: Optional[float] = None
  fid: Optional[float] = None
  model: str = 'ae'
  min_stddev: Optional[float] = None

  @property
  def label(self) -> str:
    """preset/head/K, with `vae` or the floor where those are not the usual."""
    extra = [self.model] if self.model != 'ae' else []
    extra += [f'{self.min_stddev:g}'] if self.min_stddev else []
    return '/'.join([self.preset, self.head, str(self.num_components), *extra])

  def published(self) -> dict[str, float]:
    """What the paper has, as rows of the suite say it."""
    paper = {'paper_l2_percent': self.l2, 'paper_fid': self.fid,
             'paper_ratio': self.seconds and MSE.seconds and round(
                 self.seconds / MSE.seconds, 2)}
    return {key: value for key, value in paper.items() if value}


# Head, and for K = 1 and K = 10: L2, seconds, FID.
_TABLE_1 = {
    'normal_unit': ((1.587, 4.325, 521.217), (1.163, 4.97, 500.474)),
    'normal_diag': ((5.299, 4.667, 507.615), (4.575, 10.6, 465.341)),
    'normal_full': ((9.808, 60.116, 447.789), None),
    'student_t_unit': ((1.623, 5.83, 523.926), (7.671, 51.9, 528.223)),
    'student_t_diag': ((5.037, 7.655, 496.185), (4.975, 56.9, 518.133)),
    'student_t_full': ((4.303, 57.132, 544.819), None),
    'matrix_normal_unit': ((1.668, 2.601, 521.807), (1.208, 9.07, 501.229)),
    'matrix_normal_diag': ((5.685, 3.503, 619.038), (4.795, 17.8, 547.99)),
    'matrix_normal_full': ((6.207, 4.824, 553.959), (5.98, 33.2, 596.754)),
    'matrix_t_unit': ((1.706, 5.749, 524.907), (7.953, 53.1, 496.058)),
    'matrix_t_diag': ((4.571, 6.46, 558.429), (5.149, 62.9, 544.661)),
    'matrix_t_full': ((5.61, 7.94, 585.251), (5.677, 79.6, 578.372))}
# Head, and L2 for K = 1 and K = 10.
_TABLE_2 = {
    'matrix_normal_unit': (8.047, 8.498), 'matrix_normal_diag': (8.778, 9.503),
    'matrix_normal_full': (9.825, 9.907), 'matrix_t_unit': (8.074, 8.682),
    'matrix_t_diag': (8.192, 11.093), 'matrix_t_full': (47.054, 17.739)}

ROWS = [Row('vpa_mlp', 'mse', 0, 1.585, 2.563, 520.167)]
ROWS += [Row('vpa_mlp', head, k, *values)
         for head, pair in _TABLE_1.items()
         for k, values in zip((1, 10), pair) if values]
ROWS += [Row('vpa_mlp', 'maf', 0, 1.869, 93.599, 524.118),
         Row('vpa_mlp', 'normal_diag', 0, 5.412, 4.39, 444.135, 'vae')]
# What the paper's floor does to scales that are learned.
ROWS += [Row('vpa_mlp', head, 1, *_TABLE_1[head][0], 'ae', _PAPER_MIN_STDDEV)
         for head in ('normal_diag', 'matrix_normal_diag', 'matrix_t_diag')]
ROWS += [Row(preset, head, k, l2 if preset == 'vpa_cnn' else None)
         for preset in ('vpa_cnn', 'vpa_cnn_aligned')
         for head, pair in _TABLE_2.items() for k, l2 in zip((1, 10), pair)]
MSE = ROWS[0]
