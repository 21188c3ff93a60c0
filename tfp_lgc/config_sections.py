"""Every setting of a run: its name, default, allowed values and help text.

The command line flags and the Python keywords are both derived from these
dataclasses, so that a setting is described exactly once. Standard library
only: `bin/compress --help` must not wait for TensorFlow.
"""

import dataclasses

from tfp_lgc import presets
from tfp_lgc.setting import setting

__all__ = [
    'CodecConfig',
    'DataConfig',
    'EvaluateConfig',
    'MixtureConfig',
    'ModelConfig',
    'Preset',
    'PrivacyConfig',
    'TrainConfig',
]

MODELS = ('ae', 'vae', 'contrastive_ae', 'contrastive_vae', 'cvae',
          'center_vae', 'gmm_dae')
TRUNKS = ('dense', 'conv', 'lgc', 'gmm_dae', 'vpa_mlp', 'vpa_cnn',
          'vpa_cnn_aligned')
HEADS = ('bernoulli', 'continuous_bernoulli', 'mse', 'normal_unit',
         'normal_diag', 'normal_full', 'student_t_unit', 'student_t_diag',
         'student_t_full', 'matrix_normal_unit', 'matrix_normal_diag',
         'matrix_normal_full', 'matrix_t_unit', 'matrix_t_diag',
         'matrix_t_full', 'maf')
JUDGES = ('cnn', 'lgc_cnn', 'mlp', 'resnet', 'logistic_regression',
          'random_forest')
LATENT_MODELS = ('gmm', 'global', 'prior')
BASELINES = (
    'random_subset', 'lossless', 'gzip', 'xz', 'png', 'webp_lossless',
    'thumbnails', *(f'thumbnails_{size}_{bits}bit'
                    for size in ('full', 'half', 'quarter')
                    for bits in (1, 2, 4, 8) if (size, bits) != ('full', 8)),
    'jpeg', 'webp', 'avif', 'coreset_class', 'coreset', 'coreset_greedy',
    'coreset_weighted', 'kmeans', 'pca_gmm')
DIFFICULTIES = ('magnitude_large', 'magnitude_medium', 'magnitude_small',
                'variance_low', 'variance_medium', 'variance_high')
COVARIANCES = ('full', 'low_rank', 'tied', 'diag', 'spherical')


@dataclasses.dataclass(frozen=True)
class Preset:
  """Settings of a paper."""
  preset: str = setting(
      'none', 'Settings that replace the defaults of all others: those of a '
      'paper.', choices=('none', *(name for name in presets.PRESETS
                                   if ':' not in name)))


@dataclasses.dataclass(frozen=True)
class DataConfig:
  """Which images."""
  dataset: str = setting(
      'digits', "What to compress: digits (embedded), a TFDS name (mnist), "
      'spuco (digits on colors that nearly tell their class), or a path: '
      'x.npz, a folder of IDX files, a folder of images by class. A path needs '
      'a slash or the ending .npz.')
  data_dir: str = setting(
      '', 'Where TFDS keeps prepared data sets; empty for its own default.')
  test_fraction: float = setting(
      0.2, 'Share of the images held out as the test split where the data set '
      'brings none.', low=0.01, high=0.9)
  validation_fraction: float = setting(
      0.0, 'Share of the train split that is held out and takes the place of '
      'the test split: what settings are to be chosen by.', low=0.0, high=0.9)
  max_memory: str = setting(
      '', 'Memory that the process may take at the most, as 2GB; 1.5GB is the '
      'least, for what does not depend on the data. Images and latents that '
      'do not fit are read from the disk in each pass (.npz, folders, TFDS), '
      'which is slower. What has to hold all images (IDX files, arrays, spuco, '
      'validation_fraction, budget, which holds latents, too, report, metrics '
      'but accuracy, judges of scikit-learn) is refused if they do not fit, '
      'and so is strategy=multi_worker. Empty: no bound.')
  value_range: str = setting(
      '', 'Black and white of the pixels of an .npz file (or of arrays) that '
      'are not whole numbers from 0 to 255: 0,1 or -1,1 or 0,255 or 0,65535. '
      'They are rounded to 256 levels. Has to be given for floats and uint16.')
  skip_bad_images: bool = setting(
      False, 'Leave out the files of a folder of images that are damaged, of '
      'another size than most or otherwise not to be used, and list them; '
      'without it the first one ends the run.')
  spurious_base: str = setting(
      'mnist', 'Gray data set that spuco colors: a name or path as in '
      '--dataset.')
  spurious_strength: float = setting(
      0.995, 'Share of the training images of spuco that have the color of '
      'their class; in the test split all colors are equally frequent.',
      low=0.0, high=1.0)
  spurious_difficulty: str = setting(
      'magnitude_large', 'Which pixels spuco colors: the whole background '
      '(magnitude_large), a corner of 4 x 4 or 2 x 2 (medium, small) or 7 x 7 '
      '(variance_low), or 49 that differ from image to image.',
      choices=DIFFICULTIES)
  spurious_group_size: int = setting(
      1, 'Successive classes that are one class of spuco, with one color.',
      low=1, high=1000)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
  """The autoencoder."""
  model: str = setting('vae', 'Autoencoder.', choices=MODELS)
  trunk: str = setting(
      'dense', 'Layers of encoder and decoder; those that are named after a '
      'paper are its networks.', choices=TRUNKS)
  head: str = setting(
      'bernoulli', 'Likelihood p(x | z): the distribution over an image whose '
      'parameters the decoder returns. mse is normal_unit.', choices=HEADS)
  head_num_components: int = setting(
      0, 'Components of a mixture of such distributions over an image, with '
      'learned weights; 0: none, one distribution without a weight.', low=0,
      high=1000)
  loc_activation: str = setting(
      'linear', 'Activation of the location of the normal, student_t and '
      'matrix heads.', choices=('linear', 'sigmoid'))
  latent_size: int = setting(
      16, 'Dimensions of the latent space.', low=1, high=1024)
  hidden_size: int = setting(
      128, 'Units of the hidden layers of the dense trunk.', low=1, high=65536)
  num_filters: int = setting(
      24, 'Filters of the conv trunk at its smallest resolution.', low=2,
      high=4096)
  grid_filters: int = setting(
      0, 'Filters of the maps that the decoder of the conv trunk begins with, '
      'of which a convolution makes num_filters. 0: it begins with '
      'num_filters, for which the dense layer before takes more numbers.',
      low=0, high=4096)
  width: float = setting(
      1.0, 'Multiplies hidden_size, num_filters and grid_filters.', low=1e-3,
      high=1e3)
  beta: float = setting(
      0.1, 'Weight of the KL divergence from the posterior q(z | x) to the '
      'prior N(0, I) in the loss of a vae; 1 is the ELBO.', low=0.0, high=1e6)
  contrastive_weight: float = setting(
      20.0, 'Weight of the supervised contrastive loss.', low=0.0, high=1e6)
  contrastive_form: str = setting(
      'mean_of_logs', 'The contrastive loss as the LGC paper prints it, or '
      'log_of_sums, as its authors run it.',
      choices=('mean_of_logs', 'log_of_sums'))
  contrastive_temperature: float = setting(
      0.5, 'Divides the cosines of the contrastive loss.', low=1e-3, high=1e3)
  center_weight: float = setting(
      1.0, 'Weight of the center loss.', low=0.0, high=1e6)
  prior_weight: float = setting(
      0.25, 'Weight of each of the two regularizers of gmm_dae, which are 1 '
      'where latents follow the prior.', low=0.0, high=1e6)
  prior_num_components: int = setting(
      10, 'Components of the prior of gmm_dae, at most latent_size.', low=1,
      high=1000)
  prior_separation: float = setting(
      6.0, 'Distance of any two means of the prior of gmm_dae, whose scale is '
      '1; the paper has 1.4142 (one-hot means).', low=0.0, high=1e3)
  noise_stddev: float = setting(
      0.0, 'Scale of the normal noise on the images that the encoder sees '
      '(pixels are in 0..1): a denoising autoencoder.', low=0.0, high=10.0)
  min_stddev: float = setting(
      0.05, 'Floor of the learned scale of a pixel (pixels are in 0..1), for '
      'every head that learns one.', low=1e-6, high=10.0)
  texture: str = setting(
      'none', 'What is added to the image that stands for p(x | z) when images '
      'are drawn: nothing, or noise like the residuals of the training images, '
      'its scale by brightness and its correlations by distance.',
      choices=('none', 'residual'))
  max_head_params: int = setting(
      2**18, 'A head that takes more numbers an image than this and more than '
      'four a pixel is refused.', low=1, high=2**26)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
  """How the autoencoder is trained."""
  epochs: int = setting(
      0, 'Passes over the training split; 0: as many as make 8,000 steps.',
      low=0, high=1_000_000)
  batch_size: int = setting(128, 'Images per step.', low=1, high=65536)
  learning_rate: float = setting(
      2e-3, 'Of Adam, at the start.', low=1e-8, high=10.0)
  teacher_weight: float = setting(
      0.0, 'Weight of the distance of reconstructions from images in the '
      'features of a classifier that is trained before; nothing of it is '
      'stored. 0: none.', low=0.0, high=1e6)
  num_autoencoders: int = setting(
      1, 'How many autoencoders that fit into a budget are trained, one after '
      'the other; a judge takes the best, and n of them take about n times as '
      'long. More than one needs --budget.', low=1, high=20)
  learning_rate_schedule: str = setting(
      'cosine', 'How the learning rate falls to zero, or constant.',
      choices=('cosine', 'constant'))
  strategy: str = setting(
      'none', 'What training, encoding and EM are spread over: all devices of '
      'this process (mirrored), or all processes that the environment variable '
      'TF_CONFIG names, each started with the same arguments (multi_worker). '
      'none: one device.', choices=('none', 'mirrored', 'multi_worker'))


@dataclasses.dataclass(frozen=True)
class MixtureConfig:
  """The Gaussian mixtures in latent space."""
  latent_model: str = setting(
      'gmm', 'What latents are drawn from: gmm, a mixture per class; global, '
      'one mixture whose components are given to the classes afterwards; '
      "prior, the model's own, which takes no bytes but its weights by class.",
      choices=LATENT_MODELS)
  latent_statistic: str = setting(
      'draw', 'What of the posterior q(z | x) the mixture is fitted to: a draw '
      'or its mean.', choices=('draw', 'mean'))
  labeled_fraction: float = setting(
      1.0, 'Share of the labels that the latent model global is shown.',
      low=1e-6, high=1.0)
  temperature: float = setting(
      1.0, 'Covariances are multiplied by it when latents are drawn.', low=0.0,
      high=100.0)
  hard_copies: int = setting(
      1, 'How often the images of a class that a teacher finds hard count when '
      'its mixture is fitted, so that so many more of their kind are drawn; 1: '
      'as often as others. Images that are added later count once.', low=1,
      high=100)
  hard_share: float = setting(
      0.3, 'Share of the images of a class that --hard_copies is about.',
      low=1e-3, high=1.0)
  covariance: str = setting(
      'full', 'Structure of the covariances; auto lets --selection choose one '
      'for each class.', choices=(*COVARIANCES, 'auto'))
  covariance_rank: int = setting(
      4, 'Directions that a low_rank covariance has beside its noise.', low=0,
      high=1024)
  selection: str = setting(
      'bic', 'What chooses the number of components of each class, and their '
      'structure where that is left to it: the Bayesian information criterion, '
      'or bytes, the shortest description of latents and mixture together, '
      'the mixture as long as it is in the file.', choices=('bic', 'bytes'))
  num_components_max: int = setting(
      10, 'The number of components, of each class or of the latent model '
      'global, is chosen from 1 to this.', low=1, high=2000)
  num_restarts: int = setting(
      2, 'EM runs per number of components; the most likely fit is kept.',
      low=1, high=100)
  max_iterations: int = setting(
      200, 'EM iterations at the most.', low=1, high=100_000)
  tolerance: float = setting(
      1e-3, 'EM ends when the mean log-likelihood (nats per image) gains less '
      'than this in an iteration.', low=0.0, high=1.0)
  covariance_floor: float = setting(
      1e-3, 'Added to the diagonal of every covariance, in units of the mean '
      'variance of the latents.', low=1e-9, high=1.0)


@dataclasses.dataclass(frozen=True)
class CodecConfig:
  """How numbers become bytes."""
  decoder_bits: int = setting(
      7, 'Bits of a decoder weight before entropy coding; a bias has one more. '
      'Fine-tuning begins with them and changes them.', low=2, high=16)
  mixture_bits: int = setting(
      8, 'Bits of a mixture parameter before entropy coding; a log-weight has '
      'one more. Means of tied components have a step of 2^(5.5 - bits) of '
      'their standard deviations.', low=2, high=16)
  finetune_steps: int = setting(
      0, 'Steps in which the decoder is trained on with its weights rounded, '
      'and the bits that they take in the loss, but no penalty of latents; 0: '
      'none.', low=0, high=10_000_000)
  rate_weight: float = setting(
      1e-4, 'Weight of a bit of the decoder in the loss of that fine-tuning, '
      'beside -log p(x | z) in nats an image and penalties of images.', low=0.0,
      high=1.0)
  adversarial_weight: float = setting(
      0.0, 'Weight, in that fine-tuning, of how well a network that learns '
      'beside it tells reconstructions from images: sharper images, and a '
      'decoder of more bytes. Nothing of it is stored. 0: none; else it needs '
      'fine-tuning, which a budget has.', low=0.0, high=1e6)


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
  """How a judge is trained (TSTR: train on synthetic, test on real)."""
  judge: str = setting(
      'cnn', 'Classifier that is trained: ours, that of the LGC paper, a dense '
      'or a residual network; or one of scikit-learn, for which steps and '
      'batches do not count.', choices=JUDGES)
  judge_steps: int = setting(
      2000, 'Training steps of the judge, the same on samples and on real '
      'images.', low=1, high=10_000_000)
  judge_batch_size: int = setting(
      128, 'Images per step of the judge.', low=1, high=65536)
  judge_samples: int = setting(
      0, 'Samples that a judge of samples is trained on, of which a small data '
      'set may need more than it has images; 0: as many as there are real '
      'images to train on.', low=0, high=10_000_000)
  judge_augmentation: str = setting(
      'none', 'What the judge sees of its training images, samples and real '
      'ones alike: they themselves, or each shifted by up to two pixels in '
      'either direction, anew in every step.', choices=('none', 'shift'))


@dataclasses.dataclass(frozen=True)
class PrivacyConfig:
  """Differential privacy of the train split."""
  dp_epsilon: float = setting(
      0.0, 'Budget that training and mixtures spend together, for data sets '
      'that differ by one image more or less; 0: no guarantee. The noise is '
      'new in each run, whatever the seed.', low=0.0, high=1000.0)
  dp_delta: float = setting(
      1e-5, 'Delta of that budget; it has to be far below one by the number of '
      'images.', low=1e-8, high=0.01)
  dp_mixture_share: float = setting(
      0.2, 'Share of dp_epsilon that the mixtures would spend alone; what they '
      'leave of the budget is for training. Without dp_steps they have all of '
      'it.', low=0.001, high=0.95)
  dp_num_components: int = setting(
      1, 'Components of each class, whatever its images are.', low=1, high=100)
  dp_clip_norm: float = setting(
      1.0, 'Norm that the gradient of an image is clipped to.', low=1e-6,
      high=1e6)
  dp_sampling_rate: float = setting(
      0.03, 'Probability with which an image takes part in a step of training, '
      'each by itself.', low=1e-6, high=1.0)
  dp_steps: int = setting(
      1000, 'Steps of training; 0: none but those of dp_pretraining_steps.',
      low=0, high=1_000_000)
  dp_pretraining_steps: int = setting(
      0, 'Steps before, without noise and without any image of the data set: '
      'on lines that a program draws.', low=0, high=1_000_000)
