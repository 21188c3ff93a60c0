"""bin/sample: all its files hold the same samples."""

import numpy as np
import tensorflow_datasets as tfds
from command_lines import main, PROGRESS
from PIL import Image

import tfp_lgc
from tfp_lgc import config as config_lib
from tfp_lgc import sources


def _sampled(digits_run, output, *flags):
  """The arrays of `sample --output=output`, which is an .npz."""
  assert main('sample', f'--artifact={digits_run}', f'--output={output}',
              *flags) == 0
  with np.load(output) as file:
    assert set(file.files) == {'x_train', 'y_train'}
    return file['x_train'], file['y_train']


def test_samples_as_npz_are_a_data_set(digits_run, place, capsys):
  x, y = _sampled(digits_run, 'x.npz', '--n=300')
  out, err = capsys.readouterr()
  assert (x.shape, x.dtype) == ((300, 8, 8, 1), np.uint8)
  assert set(y) == set(range(10))
  assert '300' in out and 'x.npz' in out and err == ''
  assert {path.name for path in place.iterdir()} == {'one.npz', 'two.npz',
                                                     'x.npz'}
  assert sources.load(config_lib.DataConfig('./x.npz')).class_names == tuple(
      '0123456789')


def test_samples_are_those_of_the_seed_whatever_file_they_come_from(
    digits_run, place):
  x, y = _sampled(digits_run, 'a.npz', '--n=20', '--seed=1')
  for i, form in enumerate(('artifact.lgc', 'saved_model', 'saved_model/1')):
    x_again, y_again = _sampled(digits_run / form, f'b{i}.npz', '--n=10',
                                '--seed=1')
    np.testing.assert_array_equal(x_again, x[:10])
    np.testing.assert_array_equal(y_again, y[:10])
  x_other, _ = _sampled(digits_run, 'c.npz', '--n=20', '--seed=2')
  assert (x_other != x).any()


def test_stochastic_samples_are_draws_from_the_head(digits_run, place):
  x, y = _sampled(digits_run, 'a.npz', '--n=20')
  drawn, labels = _sampled(digits_run, 'b.npz', '--n=20', '--stochastic')
  np.testing.assert_array_equal(labels, y)
  assert set(np.unique(drawn)) == {0, 255}  # Bernoulli pixels.
  # As bright as the points on average, which are their probabilities.
  assert abs(drawn.mean() - x.mean()) < 5 * 127 / np.sqrt(x.size)
  assert drawn[x > 127].mean() > drawn[x <= 127].mean()
  np.testing.assert_array_equal(
      drawn, tfp_lgc.sample(digits_run, 20, stochastic=True).images)


def test_samples_of_a_label_are_of_that_class(digits_run, place):
  _, y = _sampled(digits_run, 'x.npz', '--n=9', '--label=3')
  np.testing.assert_array_equal(y, [3] * 9)


def test_samples_as_png_and_as_a_folder_are_those_of_the_npz(digits_run, place):
  x, y = _sampled(digits_run, 'x.npz', '--n=12')
  for output in ('x.png', 'x'):
    assert main('sample', f'--artifact={digits_run}', '--n=12',
                f'--output={output}') == 0
  sheet = np.asarray(Image.open('x.png'))
  columns = sheet.shape[1] // 8
  assert sheet.shape == (8 * -(-12 // columns), 8 * columns)
  for i, image in enumerate(x):
    top, left = 8 * (i // columns), 8 * (i % columns)
    np.testing.assert_array_equal(sheet[top:top + 8, left:left + 8],
                                  image[..., 0])
  files = sorted(place.glob('x/*/*.png'), key=lambda path: path.name)
  assert [path.parent.name for path in files] == [str(label) for label in y]
  for path, image in zip(files, x):
    np.testing.assert_array_equal(np.asarray(Image.open(path)), image[..., 0])


def test_samples_as_a_data_set_of_tfds_are_those_of_the_npz(
    digits_run, place, capsys):
  x, y = _sampled(digits_run, 'x.npz', '--n=300', '--balanced', '--seed=2')
  capsys.readouterr()
  assert main('sample', f'--artifact={digits_run}', '--output=x', '--n=300',
              '--balanced', '--seed=2', '--output_format=tfds',
              '--splits=train:290,test:10') == 0
  out, err = capsys.readouterr()
  assert out == '300 images written to x\n'
  assert not [line for line in err.splitlines() if not PROGRESS.fullmatch(line)]
  assert {path.name for path in place.iterdir()} == {'one.npz', 'two.npz',
                                                     'x.npz', 'x'}
  builder = tfds.builder_from_directory('x')
  rows = [row for name in ('train', 'test') for row in tfds.as_numpy(
      builder.as_dataset(split=name))]
  np.testing.assert_array_equal([row['image'] for row in rows], x)
  assert builder.info.features['label'].names == list('0123456789')
  np.testing.assert_array_equal([row['label'] for row in rows], y)
