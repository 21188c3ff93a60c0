# %% [markdown]
# # Heads and uncertainty
#
# A decoder gives numbers; a *head* makes of them a distribution over images,
# $p(x \mid z)$. Which one it is decides what the model can say of its own
# errors. Here are a normal distribution of one scale for all pixels, one that
# learns a scale for each pixel, and a mixture of three.

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

from tfp_lgc import config, heads, sources, train

source = sources.load(config.DataConfig(dataset='digits'))
test = source.test.to_memory(source.class_names)
x = tf.constant(test.images / np.float32(255))
shape = source.train.image_shape
size = np.prod(shape)

# %% [markdown]
# ## What a head is
#
# `head(params)` is a distribution of TensorFlow Probability. Of scale I its
# log-density is minus half the squared error and a constant, so training it
# minimizes the squared error:
#
# ```math
# -\log \mathcal{N}(x; \mu, I)
#   = \tfrac{1}{2} \left\lVert x - \mu \right\rVert^2 + \tfrac{n}{2} \log 2 \pi
# ```

# %%
head = heads.build(config.ModelConfig(head='normal_unit'), shape)
params = tf.random.stateless_normal([len(x), head.params_size], seed=(0, 1))
squared_error = tf.reduce_sum((x - head(params).mean())**2, axis=(1, 2, 3))
np.testing.assert_allclose(-head(params).log_prob(x),
                           squared_error / 2 + size / 2 * np.log(2 * np.pi),
                           rtol=1e-4)

# %% [markdown]
# A mixture has weights $w_k$, means $\mu_k$ and variances $\sigma_k^2$ of each
# pixel. By the law of total variance its own variance is what the components
# have and what they differ by:
#
# ```math
# \operatorname{Var} x = \sum_k w_k \sigma_k^2
#   + \sum_k w_k (\mu_k - \bar\mu)^2, \quad \bar\mu = \sum_k w_k \mu_k
# ```
#
# `variance_image` knows that; so do draws of the distribution, as far as two
# thousand of them do.

# %%
mixture = heads.build(
    config.ModelConfig(head='normal_diag', head_num_components=3), shape)
params = tf.random.stateless_normal([1, mixture.params_size], seed=(0, 2))
draws = mixture(params).sample(2000, seed=(0, 3))
measured = tf.math.reduce_variance(draws, axis=0)
ratio = tf.reduce_mean(measured / mixture.variance_image(params))
print(f'variance of draws / variance of the head: {ratio:.3f}')
assert abs(ratio - 1) < 0.05

# %% [markdown]
# ## Trained
#
# Three autoencoders that differ in nothing but the head. Of each: the squared
# error of the image that stands for $p(x \mid z)$, and the negative
# log-density of test images given their latents, in nats a pixel.


# %%
def fitted(**settings):
  return train.fit(
      config.replace(config.Config(), model='ae', latent_size=8, epochs=120,
                     **settings),
      source.train, len(source.class_names))


models = {
    'one scale': fitted(head='normal_unit'),
    'a scale for each pixel': fitted(head='normal_diag'),
    'three of those': fitted(head='normal_diag', head_num_components=3)}
params_of = {name: model.decoder(model.encode(x).mean())
             for name, model in models.items()}
for name, model in models.items():
  point = model.head.point_image(params_of[name])
  nll = -model.head(params_of[name]).log_prob(x) / size
  print(f'{name:24s} squared error of a pixel '
        f'{tf.reduce_mean((x - point)**2):.4f}, '
        f'negative log-density {tf.reduce_mean(nll):6.3f}')

# %% [markdown]
# One scale says nothing of where the errors are. What the second model says can
# be checked: the error of a pixel, divided by the scale that the model gives
# it, has a mean square of 1 if the scales are right, and lies within two in
# 95 % of all cases if errors are normal. Pixels are from 0 to 1 here, and no
# scale falls below `min_stddev` = 0.05, so that pixels that are always black
# are surer than the model may say.

# %%
name = 'a scale for each pixel'
distribution = models[name].head(params_of[name])
scale = distribution.stddev().numpy()
z_score = ((x - distribution.mean()) / scale).numpy()
free = scale > 0.06
print(f'{free.mean():.0%} of the pixels are above the floor; of them '
      f'mean square {np.mean(z_score[free]**2):.2f}, '
      f'within two scales {np.mean(np.abs(z_score[free]) < 2):.1%}')
assert scale.min() >= 0.05

# %% [markdown]
# Scales are larger where the error is larger: a model that knew nothing would
# have a rank correlation of 0.

# %%
from scipy import stats  # noqa: E402

error = np.abs(x - distribution.mean())
correlation = stats.spearmanr(scale.ravel(), error.ravel()).statistic
print(f'rank correlation of scale and error: {correlation:.2f}')
assert correlation > 0.2

figure, axes = plt.subplots(3, 8, figsize=(9, 3.6))
for column in range(8):
  for row, image in enumerate((x, distribution.mean(), scale)):
    axes[row, column].imshow(np.asarray(image)[column, ..., 0], cmap='gray')
    axes[row, column].axis('off')
figure.suptitle('test images, means, and scales (bright: unsure)')
plt.show()
