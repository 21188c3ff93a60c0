"""Data sets in an .npz file, and files that are refused."""

import io

import numpy as np
import pytest
from data_sets import load, short, TEST, TRAIN

from tfp_lgc.errors import DataError


def _npz_content(save=np.savez, **arrays):
  buffer = io.BytesIO()
  save(buffer, **arrays)
  return buffer.getvalue()


def _npy_content():
  buffer = io.BytesIO()
  np.save(buffer, TRAIN[0])
  return buffer.getvalue()


def _of_a_later_zip():
  """The version that is needed to extract, in the central directory."""
  content = bytearray(_npz_content(x_train=TRAIN[0]))
  content[content.index(b'PK\1\2') + 6] = 99
  return bytes(content)


def _encrypted_zip():
  content = bytearray(_npz_content(x_train=TRAIN[0]))
  content[content.index(b'PK\1\2') + 8] |= 1
  content[content.index(b'PK\3\4') + 6] |= 1
  return bytes(content)


GOOD_NPZ = _npz_content(x_train=TRAIN[0], y_train=TRAIN[1])


@pytest.mark.parametrize('content, words', [
    (b'', 'cannot be read as .npz'),
    (b'no zip', 'cannot be read as .npz'),
    (GOOD_NPZ[:-10], 'cannot be read as .npz'),
    (GOOD_NPZ[:100] + b'!' + GOOD_NPZ[101:], 'cannot be read as .npz'),
    (_npy_content(), 'cannot be read as .npz'),
    (_of_a_later_zip(), 'cannot be read as .npz'),
    (_encrypted_zip(), 'cannot be read as .npz'),
    # Loading these would execute what is in them.
    (_npz_content(x_train=TRAIN[0], y_train=np.array([{}] * 24)),
     'cannot be read as .npz'),
    (_npz_content(), 'no array'),
    (_npz_content(train=TRAIN[0]), 'has train; must have x_train'),
    (_npz_content(x_train=np.where(TRAIN[0] > 9, TRAIN[0], np.nan)),
     'x_train: holds nan'),
    (_npz_content(x_train=TRAIN[0] / 255), 'x_train: got float64'),
    (_npz_content(x_train=TRAIN[0], y_train=TRAIN[1][:-1]), 'y_train: got'),
    (_npz_content(x_train=TRAIN[0], y_train=TRAIN[1], x_test=TEST[0]),
     'y_test'),
    (_npz_content(x_train=TRAIN[0], y_train=TRAIN[1], x_test=TEST[0],
                  y_test=TEST[1] + 1), "y_test: class '3'"),
    (_npz_content(x_train=TRAIN[0], x_test=np.array(3)), 'x_test'),
    (_npz_content(x_train=TRAIN[0][:0]), 'no image'),
], ids=short)
def test_an_npz_that_is_refused_is_named(content, words, tmp_path):
  (tmp_path / 'x.npz').write_bytes(content)
  with pytest.raises(DataError, match=words) as error:
    load(tmp_path / 'x.npz')
  assert 'x.npz' in str(error.value)


def test_a_folder_that_is_called_npz_is_refused(tmp_path):
  (tmp_path / 'x.npz').mkdir()
  with pytest.raises(DataError, match='x.npz: cannot be read'):
    load(tmp_path / 'x.npz')


def test_an_npz_without_labels_is_one_class(tmp_path):
  np.savez_compressed(tmp_path / 'x.npz', x_train=TRAIN[0], x_test=TEST[0])
  source = load(tmp_path / 'x.npz')
  assert source.class_names == ('all',)
  assert (source.train.num_examples, source.test.num_examples) == (24, 9)
