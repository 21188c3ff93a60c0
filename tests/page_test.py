"""One file about runs: what it says, and that anyone can read it."""

import html.parser
import json
import re
import shutil
import types

import numpy as np
import pytest
from scipy import stats
from sklearn import neighbors

import tfp_lgc
from tfp_lgc import charts, data, private, runs, sections
from tfp_lgc.arrays import from_arrays
from tfp_lgc.benchmarks import frontier_table
from tfp_lgc.commands import report as command
from tfp_lgc.errors import ConfigError, LgcError
from tfp_lgc.progress import Progress
from tfp_lgc.sections import SECTIONS

JUDGE = frontier_table.JUDGES[0]
VOID = {'meta', 'link', 'img', 'br', 'hr', 'input'}


def _data():
  """Of two classes, one of which has a name that HTML has to escape."""
  rng = np.random.default_rng(0)
  labels = np.array(['cat', 'dog & <b>'])[np.arange(60) % 2]
  images = rng.integers(0, 120, [60, 6, 5]) + 100 * (
      labels != 'cat')[:, None, None]
  return images.astype(np.uint8), labels


class _Page(html.parser.HTMLParser):
  """Elements of a page as (tag, attributes, those around it), and its text."""

  def __init__(self, text):
    super().__init__()
    self.elements, self.words, self.open = [], [], []
    self.feed(text)
    assert not self.open

  def handle_starttag(self, tag, attrs):
    self.elements.append((tag, dict(attrs), tuple(self.open)))
    if tag not in VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    if 'style' not in self.open:
      self.words.append(data)

  @property
  def text(self):
    return ' '.join(' '.join(self.words).split())

  def all(self, tag):
    return [attrs for name, attrs, _ in self.elements if name == tag]


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """The folder of a run, as bin/compress leaves it, that was evaluated. Not to
  be written to."""
  log = Progress()
  artifact = tfp_lgc.compress(
      _data(), model='ae', epochs=3, batch_size=16, latent_size=2,
      hidden_size=8, num_components_max=2, progress=log)
  directory = tmp_path_factory.mktemp('page') / 'my run'
  artifact.save(directory, [
      *log.records, {'event': 'summary', 'dataset': 'pets',
                     'raw_num_bytes': 60 * 31, 'gzip_num_bytes': 1777,
                     'tstr_accuracy': 0.5}])
  attack = {'auc': 0.625, 'auc_interval': [0.5, 0.75],
            'tpr_at_fpr_0.001': 0.0125, 'tpr_at_fpr_0.01': 0.03}
  (directory / 'evaluation.json').write_text(json.dumps({
      'num_bytes': artifact.num_bytes,
      'tstr_accuracy': {'mean': 0.8125, 'stddev': 0.03125, 'runs': [0, 1, 2]},
      'confusion': {'confusion_matrix': [[3, 1], [0, 6]]},
      'privacy': {'dcr': {'nearer_to_train': 0.5625},
                  'membership': {'reconstruction': attack}}}))
  return directory


@pytest.fixture(scope='module')
def rows(tmp_path_factory):
  """Of a frontier whose hull goes through two of three points."""
  path = tmp_path_factory.mktemp('rows') / 'x.jsonl'
  path.write_text(''.join(json.dumps({
      'name': f'frontier/pets/{method}/{size}', 'num_runs': 3, 'budget': size,
      'num_bytes': size, 'accuracies': {JUDGE: accuracy}, 'stddevs': {}}) + '\n'
      for method, size, accuracy in (
          ('lgc', 1000, 0.875), ('lgc', 4000, 0.9375), ('webp', 2000, 0.25),
          ('real', 0, 0.96875))))
  return path


@pytest.fixture(scope='module')
def path(run, rows, tmp_path_factory):
  output = tmp_path_factory.mktemp('out') / 'report.html'
  tfp_lgc.report_runs([run], output, dataset=_data(), frontier=str(rows))
  return output


@pytest.fixture(scope='module')
def page(path):
  return _Page(path.read_text())


def test_it_is_one_small_file_that_needs_no_other(page, path):
  assert [child.name for child in path.parent.iterdir()] == ['report.html']
  assert path.stat().st_size < 3_000_000
  for _, attrs, _ in page.elements:
    for key in {'src', 'href'} & set(attrs):
      assert attrs[key].startswith(('#', 'data:'))
  assert not page.all('script')
  assert not re.search(r'url\(|@import', path.read_text())


def test_keyboard_and_screen_reader_find_their_way(page, path):
  assert page.all('html')[0]['lang'] == 'en'
  for tag in ('main', 'header', 'nav', 'footer', 'h1', 'title'):
    assert len(page.all(tag)) == 1
  levels = [int(tag[1]) for tag, *_ in page.elements
            if re.fullmatch('h[1-6]', tag)]
  assert levels[0] == 1
  assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))
  ids = [attrs['id'] for _, attrs, _ in page.elements if 'id' in attrs]
  assert len(ids) == len(set(ids))
  links = [attrs['href'][1:] for attrs in page.all('a')]
  assert links[0] == 'main' and set(links) <= set(ids)
  for section in page.all('section'):
    assert section['aria-labelledby'] in ids
  for image in page.all('img'):
    assert len(image['alt']) > 40
  for tag, attrs, around in page.elements:
    if tag == 'th':
      assert attrs['scope'] == ('col' if 'thead' in around else 'row')
    if tag == 'table':  # What scrolls can be reached and has a name.
      assert around[-1] == 'div'
  for box in page.all('div'):
    assert box['tabindex'] == '0' and box['aria-label']
  assert len(page.all('caption')) == len(page.all('table')) > 5
  assert ':focus-visible' in path.read_text()
  assert 'prefers-color-scheme: dark' in path.read_text()


def _luminance(color):
  """WCAG 2.2, relative luminance of #rgb or #rrggbb."""
  digits = color[1:] if len(color) == 7 else ''.join(2 * x for x in color[1:])
  parts = np.array([int(digits[i:i + 2], 16) for i in (0, 2, 4)]) / 255
  linear = np.where(parts <= 0.04045, parts / 12.92,
                    ((parts + 0.055) / 1.055) ** 2.4)
  return linear @ [0.2126, 0.7152, 0.0722]


def test_text_can_be_read_in_light_and_dark(path):
  """At the contrast that WCAG asks for at level AA."""
  schemes = re.findall(r':root {(.*?)}', path.read_text(), re.DOTALL)
  assert len(schemes) == 2
  for scheme in schemes:
    colors = dict(re.findall(r'--(\w+): (#\w+);', scheme))
    for ink in ('ink', 'soft', 'link'):
      for paper in ('paper', 'band'):
        low, high = sorted(_luminance(colors[x]) for x in (ink, paper))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_it_has_every_section_and_the_measured_numbers(page, run):
  headings = [tag for tag, *_ in page.elements if tag == 'h3']
  assert len(headings) == len(SECTIONS)
  size = (run / 'artifact.lgc').stat().st_size
  for text in (f'artifact.lgc {size:,}', 'gzip -9 1,777', 'of it mixture',
               'best lossless code', '81.25% 3.12% 3', 'cat 4 75.00%',
               'dog & <b> (25.00%)', '0.5625', '0.625 0.5 to 0.75', '0.0125',
               'measured, not guaranteed', 'latent_size 2', 'my run'):
    assert text in page.text
  # Of sizes, accuracy and settings are tables alone; there is no mixture of
  # distributions over images; the frontier is one more.
  assert len(page.all('img')) == len(SECTIONS) - 3 - 1 + 1
  assert str(run.parent) not in page.text


def test_the_frontier_is_a_picture_and_a_table(page):
  for text in ('webp 2,000 25.00% 3', 'lgc 1,000 87.50% 3',
               'real 0 96.88% 3', 'convex hull'):
    assert text in page.text


def test_what_cannot_be_shown_is_told_in_a_sentence(run, tmp_path):
  """Neither images nor encoder, nor anything that was recorded or measured."""
  folder = tmp_path / 'sent'
  folder.mkdir()
  shutil.copy(run / 'artifact.lgc', folder)
  tfp_lgc.report_runs([folder], tmp_path / 'x.html')
  page = _Page((tmp_path / 'x.html').read_text())
  for text in ('does not name the data set', 'there is no evaluation.json',
               'No rows were given', 'has no losses', 'no BIC curves',
               'No judge was trained', 'metrics.jsonl has no summary',
               'Neither metrics.jsonl nor the encoder'):
    assert text in page.text
  assert len(page.all('h3')) == len(SECTIONS)
  assert len(page.all('img')) == 1  # Samples need nothing else.


def test_results_of_another_artifact_are_not_shown(run, tmp_path):
  folder = tmp_path / 'other'
  folder.mkdir()
  shutil.copy(run / 'artifact.lgc', folder)
  (folder / 'evaluation.json').write_text(
      '{"num_bytes": 5, "confusion": {"confusion_matrix": [[1, 0], [0, 1]]}}')
  tfp_lgc.report_runs([folder, run], tmp_path / 'x.html')
  page = _Page((tmp_path / 'x.html').read_text())
  assert 'is of an artifact of 5 bytes' in page.text
  assert 'The runs' in page.text  # Two are compared.
  assert len(page.all('h3')) == 2 * len(SECTIONS)
  ids = [attrs['id'] for _, attrs, _ in page.elements if 'id' in attrs]
  assert len(ids) == len(set(ids))


def test_what_stands_is_not_replaced_unless_asked(run, tmp_path):
  (tmp_path / 'x.html').write_text('precious')
  with pytest.raises(ConfigError, match='--overwrite'):
    tfp_lgc.report_runs([run], tmp_path / 'x.html')
  assert (tmp_path / 'x.html').read_text() == 'precious'


@pytest.mark.parametrize('flags, message', [
    (['--runs=none', '--output=x.html'], "'none' is no directory"),
    (['--runs=.', '--output=x.pdf'], 'must end in .html'),
    (['--runs=,'], 'runs: none is named'),
    (['--runs=.', '--artifact=out'], 'either --runs or --artifact'),
    (['--runs=.', '--test_fraction=0.5'], 'test_fraction: is for the data set'),
    (['--frontier=x.jsonl'], 'name them by --runs'),
    (['--runs={run}', '--frontier=none.jsonl'], 'No such file'),
    (['--runs={run}', '--frontier=bad.jsonl'], 'no row of'),
    (['--runs={run}', '--dataset=two.npz'], 'images of shape')])
def test_what_a_user_can_get_wrong_is_a_line(flags, message, run, tmp_path,
                                             monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'bad.jsonl').write_text('{"a": 1}\n')
  np.savez('two.npz', x_train=np.zeros([9, 3, 3], np.uint8))
  assert command.main(['bin/report', *[
      flag.format(run=run) for flag in flags]]) == 2
  last = capsys.readouterr().err.splitlines()[-1]
  assert last.startswith('report: error:') and message in last
  assert not list(tmp_path.glob('*.html'))


@pytest.mark.parametrize('name', ['metrics.jsonl', 'evaluation.json'])
def test_a_damaged_file_is_named(name, run, tmp_path):
  shutil.copy(run / 'artifact.lgc', tmp_path)
  for content in ('{"a', '[1]'):
    (tmp_path / name).write_text(content)
    with pytest.raises(LgcError, match=name):
      tfp_lgc.report_runs([tmp_path], tmp_path / 'x.html')


@pytest.mark.parametrize('width', [400, 1400])
def test_a_browser_shows_all_and_nothing_overflows(width, path, page,
                                                   in_browser):
  seen = in_browser(path, width)
  assert seen.images == seen.loaded == len(page.all('img'))
  assert seen.wide <= seen.inner == width
  assert 'CONSOLE' not in seen.log


# Parts.


@pytest.mark.parametrize('number, loss', [(0, '3'), (1, '5'), (None, '5')])
def test_curves_are_those_of_the_autoencoder_that_was_taken(number, loss):
  records = [{'event': 'train', 'step': step, 'loss': value} for step, value in
             ((10, 4.0), (20, 3.0), (10, 6.0), (20, 5.0))]
  if number is not None:
    records.append({'event': 'chosen', 'number': number})
  view = types.SimpleNamespace(run=runs.Run(
      'x', None, 0, 0, records, {}, ''))
  [picture] = sections._curves(view)
  assert picture.text.endswith(f'after 20 steps: loss {loss}.')


def test_an_ellipse_holds_what_two_deviations_hold():
  """Of a normal law in the plane: the chi-square law at 4."""
  covariance = np.array([[3.0, -1.2], [-1.2, 1.0]])
  loc = np.array([2.0, -1.0])
  points = np.random.default_rng(0).multivariate_normal(loc, covariance, 20_000)
  figure = charts.latent_plane(
      points[:9], np.zeros(9, int), ['a'],
      [charts.Ellipse(0, loc, covariance)])
  [ellipse] = figure.axes[0].patches
  path = ellipse.get_path().transformed(ellipse.get_patch_transform())
  inside = path.contains_points(points).mean()
  assert inside == pytest.approx(stats.chi2(2).cdf(4), abs=0.01)


def test_rows_of_a_confusion_are_percent_of_their_class():
  figure = charts.confusion(np.array([[3, 1], [0, 0]]), ['a', 'b'])
  shown = figure.axes[0].images[0].get_array()
  np.testing.assert_allclose(shown, [[75, 25], [0, 0]])
  assert [text.get_text() for text in figure.axes[0].texts] == ['75.0', '25.0']


def test_the_nearest_training_images_are_those_of_scikit_learn():
  rng = np.random.default_rng(0)
  train = rng.integers(0, 256, [2300, 4, 3, 1], np.uint8)
  samples = np.concatenate([rng.integers(0, 256, [7, 4, 3, 1], np.uint8),
                            train[2100:2101]])
  found, distances = private.nearest(samples, data.array_split(
      train, np.zeros(2300, int)))
  expected, index = neighbors.NearestNeighbors(n_neighbors=1).fit(
      train.reshape(2300, -1) / 255).kneighbors(samples.reshape(8, -1) / 255)
  np.testing.assert_array_equal(found, train[index[:, 0]])
  np.testing.assert_allclose(distances, expected[:, 0] / np.sqrt(12),
                             atol=1e-6)
  assert distances[-1] == 0


@pytest.mark.slow
def test_what_evaluate_really_found_can_be_shown(run, tmp_path):
  """Where there are few images, as here, much of it is null. BIC curves are
  taken from there, if the run has none."""
  shutil.copytree(run, tmp_path / 'run')
  (tmp_path / 'run/metrics.jsonl').unlink()
  artifact = tfp_lgc.load(tmp_path / 'run')
  result = tfp_lgc.evaluate(
      tmp_path / 'run', from_arrays(_data(), _data()),
      metrics='accuracy,bic,confusion,privacy', judge_steps=5)
  (tmp_path / 'run/evaluation.json').write_text(json.dumps(
      {'num_bytes': artifact.num_bytes, **result}))
  output = tmp_path / 'report.html'
  tfp_lgc.report_runs([tmp_path / 'run'], output, dataset=_data())
  shown = _Page(output.read_text()).text
  assert 'found at 0.1 % of false positives too few images' in shown
  low, high = result['privacy']['dcr']['chance_interval']
  assert f'{low:.4g} to {high:.4g}' in shown
  assert 'BIC by the number of components, had it chosen' in shown
  assert f'{result["tstr_accuracy"]["mean"]:.2%}' in shown
