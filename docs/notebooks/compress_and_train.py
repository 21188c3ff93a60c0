# %% [markdown]
# # Compress and train
#
# A data set goes in, a few kilobytes come out, and a classifier that has seen
# nothing but samples of them is tested on real images. The data are the
# 1,797 real handwritten digits of 8 x 8 pixels that come with scikit-learn.

# %%
import pathlib
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import tf_keras as tfk

import tfp_lgc
from tfp_lgc import config, sources

source = sources.load(config.DataConfig(dataset='digits'))
real, test = [split.to_memory(source.class_names)
              for split in (source.train, source.test)]
print(f'{len(real)} images to compress, {len(test)} to test on')

# %% [markdown]
# ## Compress
#
# `compress` trains a variational autoencoder, fits a Gaussian mixture to the
# latents of each class and rounds decoder and mixtures. 150 passes over the
# images take seconds; the default takes five times as many steps.

# %%
artifact = tfp_lgc.compress('digits', model='vae', epochs=150)
out = pathlib.Path(tempfile.mkdtemp()) / 'out'
artifact.save(out)

print(f'{artifact.num_bytes:,} bytes: {artifact.num_bytes_by_part}')
print(f'raw {source.train.num_raw_bytes(10):,}; components of each class: '
      f'{artifact.num_components}')

# %% [markdown]
# The size is that of the file, and its parts add up to it.

# %%
assert artifact.num_bytes == (out / 'artifact.lgc').stat().st_size
assert artifact.num_bytes == sum(artifact.num_bytes_by_part.values())
assert artifact.num_bytes < source.train.num_raw_bytes(10) / 5

# %% [markdown]
# ## Draw
#
# An image depends on the seed and its position alone: the first images of a
# large sample are those of a small one, and a file draws what the artifact in
# memory draws.

# %%
drawn = tfp_lgc.sample(out, n=len(real), seed=1)
few = tfp_lgc.sample(artifact, n=40, seed=1)
np.testing.assert_array_equal(few.images, drawn.images[:40])
np.testing.assert_array_equal(few.labels, drawn.labels[:40])

figure, axes = plt.subplots(2, 10, figsize=(10, 2.4))
for label in range(10):
  for row, images in enumerate((real, drawn)):
    image = images.images[images.labels == label][0]
    axes[row, label].imshow(image[..., 0], cmap='gray')
    axes[row, label].axis('off')
figure.suptitle('real images (above) and samples (below)')
plt.show()

# %% [markdown]
# ## Train on samples, test on real images
#
# The classifier is any Keras model. It is trained twice, from the same weights,
# for as many steps: once on samples, once on the real images.


# %%
def trained(images, labels):
  tfk.utils.set_random_seed(0)
  model = tfk.Sequential([
      tfk.layers.Rescaling(1 / 255), tfk.layers.Flatten(),
      tfk.layers.Dense(128, 'relu'), tfk.layers.Dense(10)])
  model.compile('adam', tfk.losses.SparseCategoricalCrossentropy(True),
                metrics=['accuracy'])
  model.fit(images, labels, batch_size=64, epochs=30, verbose=0)
  return model


accuracy = {
    name: trained(images.images, images.labels).evaluate(
        test.images, test.labels, verbose=0)[1]
    for name, images in (('samples', drawn), ('real images', real))}
print(accuracy)

# %% [markdown]
# Which of the two is better is no law. But far more than one in ten is, for a
# classifier that has learned anything of ten classes.

# %%
assert min(accuracy.values()) > 0.8
