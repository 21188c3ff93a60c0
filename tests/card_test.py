"""The dataset card says what the artifact is, to people and to programs."""

import dataclasses
import hashlib
import json
import logging
import re

import mlcroissant
import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import card as card_lib

SUMMARY = {'event': 'summary', 'raw_num_bytes': 8128, 'gzip_num_bytes': 7001,
           'saved_model_num_bytes': 40000, 'tstr_accuracy': 0.875,
           'real_accuracy': 0.96875}


@pytest.fixture(scope='module')
def described(artifact, tmp_path_factory):
  """A folder with the card of a run that was judged."""
  directory = tmp_path_factory.mktemp('card')
  artifact.write_metrics(directory, [{'event': 'train'}, SUMMARY],
                         source='pets', license='CC0-1.0')
  (directory / 'artifact.lgc').write_bytes(artifact.to_bytes())
  return directory


@pytest.fixture(scope='module')
def readme(described):
  return (described / 'README.md').read_text()


def test_people_read_what_they_need(readme, artifact):
  for line in ('| source | pets |', '| license | CC0-1.0 |',
               f'| artifact.lgc | {artifact.num_bytes:,} |',
               '| the images and labels, raw | 8,128 |',
               '| the same by gzip -9 | 7,001 |',
               '| a classifier trained only on samples | 87.50 % |',
               '| autoencoder | ae |', '| layers | conv |'):
    assert line in readme
  for part, size in artifact.num_bytes_by_part.items():
    assert f'| of it {part} | {size:,} |' in readme
  for row in zip(artifact.class_names, artifact.class_counts,
                 artifact.num_components):
    assert '| {} | {} | {} |'.format(*row) in readme
  assert 'measured, not guaranteed' in readme.lower()
  digest = hashlib.sha256(artifact.to_bytes()).hexdigest()
  assert f'| {digest} |' in readme


def test_headings_are_one_title_and_what_is_below(readme):
  levels = [len(marks) for marks in re.findall('^(#+) ', readme.split('```')[0],
                                               re.MULTILINE)]
  assert levels[0] == 1 and set(levels[1:]) == {2}


def test_the_five_lines_sample(readme, described, artifact, monkeypatch):
  [code] = re.findall('```python\n(.*?)```', readme, re.DOTALL)
  assert len(code.splitlines()) == 5
  monkeypatch.chdir(described)
  names = {}
  exec(code, names)
  drawn = names['drawn']
  shape = eval(re.search(r'uint8 (\[.*\])', code).group(1))
  assert drawn.images.shape == tuple(shape) and drawn.images.dtype == np.uint8
  assert drawn.class_names == artifact.class_names
  np.testing.assert_array_equal(
      drawn.images, tfp_lgc.sample(artifact, 1000, seed=1).images)


def test_croissant_takes_the_metadata(described, artifact, caplog):
  """Its own checks, and what it reads back."""
  with caplog.at_level(logging.WARNING):
    dataset = mlcroissant.Dataset(described / 'metadata.json')
  assert not dataset.metadata.ctx.issues.errors
  # What it recommends beside and nobody told.
  advice = dataset.metadata.ctx.issues.warnings
  assert all(re.search('citeAs|datePublished|version', line)
             for line in advice)
  assert 'not standard' not in caplog.text
  rows = list(dataset.records('classes'))
  assert [(row['classes/name'], row['classes/count'],
           row['classes/num_components']) for row in rows] == list(zip(
               artifact.class_names, artifact.class_counts,
               artifact.num_components))
  [file] = dataset.metadata.distribution
  content = (described / file.content_url).read_bytes()
  assert file.sha256 == hashlib.sha256(content).hexdigest()
  assert file.content_size == f'{len(content)} B'
  assert dataset.metadata.license == ['CC0-1.0']


def test_it_says_what_it_does_not_know(artifact, tmp_path):
  artifact.write_metrics(tmp_path, [])
  text = (tmp_path / 'README.md').read_text()
  assert '| license | unknown |' in text and 'Not measured.' in text
  mlcroissant.Dataset(tmp_path / 'metadata.json')


def test_names_of_any_kind_stay_in_their_cells(artifact, tmp_path):
  names = ('a | b', '<b>`x`', 'two\nlines')
  dataclasses.replace(artifact, class_names=names).write_metrics(tmp_path, [])
  text = (tmp_path / 'README.md').read_text()
  assert r'| a \| b |' in text and '| two lines |' in text
  assert '<b>' not in text.replace(r'\<', '')
  dataset = mlcroissant.Dataset(tmp_path / 'metadata.json')
  assert [row['classes/name']
          for row in dataset.records('classes')] == list(names)


def test_many_classes_are_all_in_the_metadata(artifact, tmp_path):
  count = card_lib.MAX_CLASSES + 1
  many = dataclasses.replace(
      artifact, class_names=tuple(f'c{i}' for i in range(count)),
      class_counts=(1,) * count, num_components=(1,) * count)
  card = card_lib.Card(many, b'x', {}, 1.0, {}, 'x', 'y')
  assert 'and 1 more' in card_lib.readme(card)
  [records] = card_lib.croissant(card)['recordSet']
  assert len(records['data']) == count


def test_the_smallest_component_by_hand(artifact):
  """Weights times counts; shared components take of all classes."""
  mixture = artifact.mixture
  counts = np.array(artifact.class_counts)
  by_hand = min(np.exp(logit) * n for row, n in zip(mixture.logits, counts)
                for logit in row if np.isfinite(logit) and n)
  assert card_lib.smallest_component(mixture, counts) == pytest.approx(by_hand)
  shared = dataclasses.replace(
      mixture, logits=np.log([[0.5, 0.5], [0.25, 0.75]]),
      loc=mixture.loc[:1, :1].repeat(2, 1),
      scale_tril=mixture.scale_tril[:1, :1].repeat(2, 1))
  assert card_lib.smallest_component(shared, (10, 4)) == pytest.approx(6.0)


@pytest.mark.parametrize('dataset, name', [
    ('mnist', 'mnist'), ('emnist/letters', 'emnist/letters'),
    ('digits', 'digits'), ('some/where/x.npz', 'x.npz'),
    ('./secret/pets/', 'pets')])
def test_where_a_file_lay_is_not_told(dataset, name):
  assert card_lib.public_name(dataset) == name


def test_the_metadata_is_json_that_others_read(described):
  text = (described / 'metadata.json').read_text()
  assert json.loads(text)['conformsTo'].endswith('croissant/1.0')
