"""The pictures of an artifact, and the page that shows them."""

import base64
import html.parser
import io
import shutil

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import tfp_lgc
from tfp_lgc import pictures, reporting
from tfp_lgc.errors import ConfigError, LgcError

SETTINGS = dict(epochs=2, batch_size=16, latent_size=2, hidden_size=8,
                num_components_max=1)
NAMES = ['reconstructions', 'components', 'samples', 'latents',
         'interpolations']


def _data(seed=0, channels=1):
  rng = np.random.default_rng(seed)
  labels = np.array(['cat', 'dog & <b>'])[np.arange(40) % 2]
  images = rng.integers(0, 120, [40, 6, 5, channels]) + 100 * (
      labels != 'cat')[:, None, None, None]
  return images.astype(np.uint8), labels


class _Page(html.parser.HTMLParser):
  """Headings, targets and embedded images of a page."""

  def __init__(self, text):
    super().__init__()
    self.images, self.links, self.ids, self.attributes = [], [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    self.attributes += attrs.items()
    if tag == 'img':
      self.images.append(attrs)
    if tag == 'a':
      self.links.append(attrs['href'])
    if tag == 'section':
      self.ids.append(attrs['id'])


@pytest.fixture(scope='module')
def artifact():
  return tfp_lgc.compress(_data(), head='student_t_diag', head_num_components=3,
                          **SETTINGS)


@pytest.fixture(scope='module')
def page(artifact, tmp_path_factory):
  """The folder of a report. Not to be written to."""
  directory = tmp_path_factory.mktemp('report') / 'new' / 'page'
  artifact.save(directory.parent / 'out')
  tfp_lgc.report(directory.parent / 'out', _data(), directory, test=_data(1))
  return directory


def test_the_page_holds_every_picture_and_needs_no_other_file(page):
  assert {path.name for path in page.iterdir()} == {
      'index.html', *(f'{name}.png' for name in NAMES)}
  parsed = _Page((page / 'index.html').read_text())
  assert parsed.ids == NAMES
  assert parsed.links == [f'#{name}' for name in NAMES]
  for name, image in zip(NAMES, parsed.images):
    head, content = image['src'].split(',')
    assert head == 'data:image/png;base64'
    assert base64.b64decode(content) == (page / f'{name}.png').read_bytes()
    assert image['alt']
  for key, value in parsed.attributes:
    assert not (key in ('src', 'href')
                and value.startswith(('http', '//', '/')))


def test_no_picture_is_blank(page):
  for name in NAMES:
    with Image.open(page / f'{name}.png') as image:
      pixels = np.asarray(image.convert('L'))
    assert (pixels == 255).mean() > 0.1
    assert (pixels < 200).mean() > 0.003
  assert not plt.get_fignums()


def test_the_page_says_what_is_shown(page, artifact):
  text = (page / 'index.html').read_text()
  assert f'{artifact.num_bytes:,} bytes' in text
  assert 'test split' in text and 'student_t_diag' in text


def test_the_same_seed_makes_the_same_page(page, artifact, tmp_path):
  tfp_lgc.report(artifact, _data(), tmp_path / 'again', test=_data(1))
  for name in NAMES:
    assert ((tmp_path / 'again' / f'{name}.png').read_bytes()
            == (page / f'{name}.png').read_bytes())


@pytest.mark.parametrize('settings, channels, missing', [
    ({'model': 'cvae', 'trunk': 'conv'}, 3, 'components'),
    ({'model': 'ae', 'head': 'maf', 'head_num_components': 2}, 1,
     'components'),
    ({'model': 'ae', 'head': 'matrix_t_full', 'latent_size': 1}, 3,
     'components')])
def test_every_kind_of_artifact_has_a_page(settings, channels, missing,
                                           tmp_path):
  dataset = _data(channels=channels)
  artifact = tfp_lgc.compress(dataset, **{**SETTINGS, **settings})
  tfp_lgc.report(artifact, dataset, tmp_path / 'page')
  names = {path.stem for path in (tmp_path / 'page').glob('*.png')}
  assert names == {*NAMES} - {missing}
  assert 'train split' in (tmp_path / 'page/index.html').read_text()


def test_what_stands_is_not_replaced_unless_asked(artifact, tmp_path):
  (tmp_path / 'page').mkdir()
  (tmp_path / 'page/mine.txt').write_text('kept')
  with pytest.raises(ConfigError, match='--overwrite'):
    tfp_lgc.report(artifact, _data(), tmp_path / 'page')
  assert [path.name for path in (tmp_path / 'page').iterdir()] == ['mine.txt']
  tfp_lgc.report(artifact, _data(), tmp_path / 'page', overwrite=True)
  assert (tmp_path / 'page/mine.txt').read_text() == 'kept'
  assert (tmp_path / 'page/index.html').exists()


def test_a_picture_that_there_no_longer_is_goes_away(page, tmp_path):
  shutil.copytree(page, tmp_path / 'page')
  plain = tfp_lgc.compress(_data(), **SETTINGS)
  tfp_lgc.report(plain, _data(), tmp_path / 'page', overwrite=True)
  assert not (tmp_path / 'page/components.png').exists()


@pytest.mark.slow
@pytest.mark.parametrize('num_classes', [1, 20])
def test_one_class_and_many_of_a_few_images(num_classes, tmp_path):
  """Of a decoder that is told the class, which has to be the same."""
  images = np.random.default_rng(0).integers(0, 256, [20, 4, 4, 1], np.uint8)
  dataset = images, np.arange(20) % num_classes
  artifact = tfp_lgc.compress(dataset, model='cvae', **SETTINGS)
  tfp_lgc.report(artifact, dataset, tmp_path / 'page')
  assert (tmp_path / 'page/interpolations.png').exists() == (num_classes == 1)


def test_another_data_set_is_refused(artifact, tmp_path):
  images, labels = _data()
  with pytest.raises(LgcError, match=r'images of shape \(5, 5, 1\)'):
    tfp_lgc.report(artifact, (images[:, 1:], labels), tmp_path / 'page')
  # Of which another part was held out.
  with pytest.raises(LgcError, match='has 30 train images'):
    tfp_lgc.report(artifact, (images[:30], labels[:30]), tmp_path / 'page')
  assert not list(tmp_path.iterdir())


# Pictures.


def _pixels(figure):
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png')
  return np.asarray(Image.open(buffer).convert('RGB')).astype(int)


def test_what_has_no_variance_is_red():
  image = np.zeros([1, 4, 4, 3], np.uint8)
  variances = np.full([1, 4, 4, 3], 0.5)

  def red(variances):
    r, g, b = np.moveaxis(_pixels(pictures.reconstructions(
        image, image, variances, ['a'])), -1, 0)
    return ((r > 190) & (g < 70) & (b < 70)).sum()

  assert red(variances) == 0
  variances[0, 0, 0, 0] = np.nan  # The other channels still have one.
  assert red(variances) == 0
  variances[0, 0, 0] = np.nan
  one = red(variances)
  assert one > 0
  assert red(np.full_like(variances, np.nan)) == pytest.approx(16 * one,
                                                               rel=0.3)


def test_a_contact_sheet_has_images_in_their_places():
  images = np.arange(7, dtype=np.uint8)[:, None, None, None] + np.zeros(
      [7, 2, 3, 3], np.uint8)
  sheet = pictures._sheet(images, 4)
  assert sheet.shape == (2 * 3, 4 * 4, 3)
  for i, image in enumerate(images):
    top, left = 3 * (i // 4), 4 * (i % 4)
    np.testing.assert_array_equal(sheet[top:top + 2, left:left + 3], image)
  assert (sheet[3:, 12:] == 255).all()


def test_components_go_from_the_densest_on():
  points = np.array([0, 100, 250], np.uint8)[:, None, None, None] + np.zeros(
      [3, 2, 2, 1], np.uint8)
  figure = pictures.components(points[0], points, np.array([-5.0, -1.0, -3.0]))
  titles = [ax.get_title() for ax in figure.axes]
  assert titles == ['image', '-1.0', '-3.0', '-5.0']
  shown = [ax.images[0].get_array()[0, 0] for ax in figure.axes]
  assert shown == [0, 100, 250, 0]


def test_pairs_are_of_one_class_where_the_decoder_is_told_it():
  labels = np.array([2, 0, 0, 1, 2, 2, 1, 0])
  for first, last in reporting._pairs(labels, True):
    assert labels[first] == labels[last] and first != last
  many = np.arange(100) % 40  # All pairs of a class are of other classes.
  pairs = reporting._pairs(many, True)
  assert len({many[first] for first, _ in pairs}) == len(pairs) == 8
  assert any(labels[first] != labels[last]
             for first, last in reporting._pairs(labels, False))


@pytest.mark.parametrize('width', [400, 1400])
def test_a_browser_shows_all_and_nothing_overflows(width, page, in_browser):
  seen = in_browser(page / 'index.html', width)
  assert seen.images == seen.loaded == len(NAMES)
  assert seen.wide <= seen.inner == width
  assert 'CONSOLE' not in seen.log
