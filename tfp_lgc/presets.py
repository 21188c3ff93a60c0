"""Settings of the papers by name, for `--preset` and `compress(preset=...)`."""

from typing import Any, Optional

__all__ = ['PRESETS', 'preset']

# What of the paper's loss is 1 of ours: it has 2,000 times the mean squared
# error, our unit normal head half of its sum over H W C numbers.
_GMM_DAE = {
    'model': 'gmm_dae', 'trunk': 'gmm_dae', 'head': 'normal_unit',
    'loc_activation': 'sigmoid', 'num_filters': 128, 'prior_num_components': 10,
    'prior_separation': 2**0.5, 'batch_size': 100, 'epochs': 100,
    'learning_rate': 2e-4, 'learning_rate_schedule': 'constant'}

# S. Ciobanu, Vanilla Probabilistic Autoencoder, CAINE 2021. Of its rows the
# first, MSE; the others are --head=NAME --head_num_components=1 or 10, but for
# maf, which has no mixture. A pixel's scale has hardly a floor.
_VPA = {
    'model': 'ae', 'head': 'mse', 'min_stddev': 1e-6, 'beta': 1.0,
    'batch_size': 128, 'epochs': 20, 'learning_rate': 1e-3,
    'learning_rate_schedule': 'constant'}

# Preset -> settings. The settings of `PRESET:MODEL` are added for that model.
PRESETS: dict[str, dict[str, Any]] = {
    # J. Zhao et al., Latent Gaussian Compression, as its authors run it.
    'lgc': {
        'trunk': 'lgc', 'hidden_size': 128, 'latent_size': 64, 'beta': 1.0,
        'contrastive_form': 'log_of_sums', 'batch_size': 256, 'epochs': 30,
        'learning_rate': 1e-3, 'learning_rate_schedule': 'constant'},
    # Its mean squared error is 1 / 392 of half the sum over 784 pixels, and
    # the contrastive loss weighs 0.1 beside it.
    'lgc:ae': {'head': 'normal_unit', 'loc_activation': 'sigmoid'},
    'lgc:contrastive_ae': {'head': 'normal_unit', 'loc_activation': 'sigmoid',
                           'contrastive_weight': 39.2},
    'lgc:contrastive_vae': {'contrastive_weight': 20.0},
    # A. Saseendran et al., Shape your Space, table 1; coefficients as in its
    # authors' runs, which differ from those of the appendix. Not theirs: the
    # learning rate stays (of SVHN and CelebA they divide it by 10 every 7
    # epochs), and normalization comes before ReLU for CelebA too.
    'gmm_dae_mnist': {**_GMM_DAE, 'latent_size': 10,
                      'prior_weight': 32 * 32 / 4000},
    'gmm_dae_svhn': {**_GMM_DAE, 'latent_size': 100, 'learning_rate': 2e-3,
                     'prior_weight': 32 * 32 * 3 / 4000},
    'gmm_dae_celeba': {**_GMM_DAE, 'latent_size': 64,
                       'prior_num_components': 20, 'learning_rate': 2e-3,
                       'prior_weight': 64 * 64 * 3 / 4000},
    'vpa_mlp': {**_VPA, 'trunk': 'vpa_mlp', 'latent_size': 32},
    'vpa_mlp:vae': {'head': 'normal_diag'},
    'vpa_cnn': {**_VPA, 'trunk': 'vpa_cnn', 'num_filters': 320},
    'vpa_cnn_aligned': {**_VPA, 'trunk': 'vpa_cnn_aligned',
                        'num_filters': 320},
}


def preset(name: str, model: Optional[str] = None, default: str = 'vae',
           ) -> dict[str, Any]:
  """Settings of a preset.

  Args:
    name: a key of `PRESETS`.
    model: that was asked for; None for that of the preset.
    default: the model, if the preset brings none.
  """
  model = model or PRESETS[name].get('model', default)
  return {**PRESETS[name], **PRESETS.get(f'{name}:{model}', {})}
