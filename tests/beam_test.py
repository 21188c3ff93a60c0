"""Pipelines on Beam's DirectRunner do what one process does."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

beam = pytest.importorskip(
    'apache_beam', reason='Apache Beam is not installed; see extra beam')

import tensorflow_datasets as tfds  # noqa: E402
from apache_beam.internal import pickler  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402
from sklearn import mixture as sk_mixture  # noqa: E402
from stepwise_test import points, settings  # noqa: E402

import tfp_lgc  # noqa: E402
from tfp_lgc import (  # noqa: E402
  beam_em,
  beam_encode,
  beam_files,
  beam_sample,
  beam_start,
  beam_state,
  config,
  em,
  latent,
  mixture,
  sources,
  stepwise,
  tfds_writer,
)
from tfp_lgc.commands import beam as command  # noqa: E402
from tfp_lgc.errors import ArtifactError, ConfigError, LgcError  # noqa: E402
from tfp_lgc.progress import Progress  # noqa: E402

DIGITS = config.DataConfig(dataset='digits')
OPTIONS = PipelineOptions(['--runner=DirectRunner'])


def write_latents(directory, x, labels, piece_size=100):
  """As `encode` leaves them."""
  directory = str(directory)
  beam_files.claim(directory, {
      'artifact': '', 'class_names': ['a', 'b'], 'num_images': len(x),
      'piece_size': piece_size})
  for piece in beam_encode.pieces_of(directory, len(x), piece_size):
    with tf.io.TFRecordWriter(piece.path) as writer:
      part = slice(piece.first, piece.stop)
      for label in np.unique(labels[part]):
        [rows] = np.nonzero(labels[part] == label)
        writer.write(beam_files.to_record(beam_files.Latents(
            int(label), piece.first + rows, x[part][rows])))
  return directory


def covariances(components):
  return components.scale_tril @ np.swapaxes(components.scale_tril, 1, 2)


def assert_same(a, b, tolerance=1e-5):
  """Of components."""
  np.testing.assert_allclose(np.exp(a.log_weights), np.exp(b.log_weights),
                             atol=tolerance)
  np.testing.assert_allclose(a.loc, b.loc, atol=tolerance)
  np.testing.assert_allclose(covariances(a), covariances(b), atol=tolerance)


# EM.


@pytest.fixture(scope='module')
def fitted(tmp_path_factory):
  """All structures, two sizes, from given starts, in the same pipelines."""
  x, labels = points()
  folder = tmp_path_factory.mktemp('em')
  its = settings(covariance='auto', covariance_rank=1, max_iterations=4,
                 tolerance=0.02)
  added = latent.floor(x, its)
  starts = {label: [(structure, em.kmeans_start(
      x[labels == label], k, added, 7, structure, 1))
                    for structure in em.COVARIANCES for k in (2, 3)]
            for label in (0, 1)}
  found = beam_em.fit(write_latents(folder / 'latents', x, labels),
                      str(folder / 'em'), its, OPTIONS, starts)
  return x, labels, added, starts, found, its


def test_em_is_that_of_one_process(fitted):
  x, labels, added, starts, found, _ = fitted
  assert set(found.fits) == {
      (label, structure, k) for label in (0, 1)
      for structure in em.COVARIANCES for k in (2, 3)}
  ended, moved = set(), []
  for label in (0, 1):
    for structure, start in starts[label]:
      ours = found.fits[label, structure, len(start.loc)]
      other = em.fit_em(x[labels == label], start, added, 4, 0.02, structure, 1)
      assert_same(ours.components, other.components)
      assert ours.log_likelihood == pytest.approx(other.log_likelihood,
                                                  abs=1e-5)
      assert ours[2:] == other[2:]  # Iterations, and whether it converged.
      ended.add(other.num_iterations)
      moved.append(np.abs(ours.components.loc - start.loc).max())
  assert len(ended) > 1, 'some runs are to end before others'
  assert np.median(moved) > 0.01, 'most are to go somewhere'


@pytest.mark.filterwarnings('ignore:Best performing', 'ignore:Initialization')
@pytest.mark.parametrize('structure', ['full', 'tied'])
def test_em_is_that_of_scikit_learn(fitted, structure):
  x, labels, added, starts, found, _ = fitted
  [start] = [its for name, its in starts[0]
             if name == structure and len(its.loc) == 3]
  ours = found.fits[0, structure, 3]
  weights, precisions = np.exp(start.log_weights), np.linalg.inv(
      covariances(start))
  theirs = sk_mixture.GaussianMixture(
      3, covariance_type=structure, max_iter=ours.num_iterations, tol=0.0,
      reg_covar=added, weights_init=weights / weights.sum(),
      means_init=start.loc, precisions_init=(
          precisions if structure == 'full' else precisions[0]))
  own = x[labels == 0].astype(np.float64)  # Or its sums were float32.
  theirs.fit(own)
  np.testing.assert_allclose(ours.components.loc, theirs.means_, atol=1e-5)
  np.testing.assert_allclose(np.exp(ours.components.log_weights),
                             theirs.weights_, atol=1e-5)
  expected = np.broadcast_to(theirs.covariances_, [3, 3, 3])
  np.testing.assert_allclose(covariances(ours.components), expected, atol=1e-5)
  assert ours.log_likelihood == pytest.approx(
      theirs.score(own), abs=1e-5)


def test_bic_chooses_as_in_one_process(tmp_path):
  """With the starts of k-means, which sees all points of a class in the order
  of their positions."""
  x, labels = points()
  its = settings(num_components_max=3, max_iterations=3, num_restarts=2)
  found = beam_em.fit(write_latents(tmp_path / 'latents', x, labels),
                      str(tmp_path / 'em'), its, OPTIONS)
  added = latent.floor(x, its)
  for label in (0, 1):
    ours = found.selections[label]
    other = mixture.select(x[labels == label], its.mixture, added, its.seed)
    assert ours.structure == other.structure
    assert_same(ours.components, other.components)
    assert ours.bics['full'] == pytest.approx(other.bics['full'], abs=1e-3)
  assert found.counts.tolist() == [120, 120]
  assert found.mixture.num_components == tuple(
      len(found.selections[label].components.loc) for label in (0, 1))


def test_no_run_is_given_the_sums_of_another(tmp_path, monkeypatch):
  x, labels = points()
  latents = write_latents(tmp_path / 'latents', x, labels)
  sums = beam_em._sums

  def lost(*arguments):
    found = sums(*arguments)
    del found[0]  # Others come after it.
    return found

  monkeypatch.setattr(beam_em, '_sums', lost)
  with pytest.raises(KeyError):
    beam_em.fit(latents, str(tmp_path / 'em'),
                settings(num_components_max=2, num_restarts=1), OPTIONS)


def test_a_killed_run_goes_on(tmp_path, monkeypatch):
  x, labels = points()
  latents = write_latents(tmp_path / 'latents', x, labels)
  its = settings(num_components_max=2, num_restarts=1, max_iterations=3,
                 tolerance=0.0)
  save, sums, passes = beam_em._save, beam_em._sums, []

  def killed(state, working, iteration):
    if iteration == 2:
      raise KeyboardInterrupt
    save(state, working, iteration)

  def counted(*arguments):
    passes.append(arguments)
    return sums(*arguments)

  working = str(tmp_path / 'em')
  with monkeypatch.context() as patch:
    patch.setattr(beam_em, '_save', killed)
    with pytest.raises(KeyboardInterrupt):
      beam_em.fit(latents, working, its, OPTIONS)
  monkeypatch.setattr(beam_em, '_sums', counted)
  again = beam_em.fit(latents, working, its, OPTIONS)
  assert len(passes) == 3  # Of four: three steps and the last likelihood.
  # Nothing is left to do.
  once_more = beam_em.fit(latents, working, its, OPTIONS)
  assert len(passes) == 3
  undisturbed = beam_em.fit(latents, str(tmp_path / 'other'), its, OPTIONS)
  assert len(passes) == 7
  for found in (again, once_more):
    for key, expected in undisturbed.fits.items():
      assert_same(found.fits[key].components, expected.components, 1e-12)
      assert found.fits[key][2:] == expected[2:]
  with pytest.raises(ConfigError, match='another mixture'):
    beam_em.fit(latents, working, settings(num_components_max=3), OPTIONS)


def test_sums_of_parts_are_those_of_the_whole():
  x, _ = points()
  start = em.kmeans_start(x, 3, 1e-6, seed=0)
  frame = em.Frame(x.mean(axis=0), float(x.std(axis=0).max()))

  def statistics(part):
    return stepwise.batch_statistics(frame.rows(part), frame.inside(start))
  total = beam_em.Sum()
  accumulators = [total.create_accumulator() for _ in range(3)]
  for i, part in enumerate(np.array_split(x, 5)):
    accumulators[i % 2] = total.add_input(accumulators[i % 2],
                                          statistics(part))
  for ours, expected in zip(total.extract_output(
      total.merge_accumulators(accumulators)), statistics(x)):
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)


def test_a_state_comes_back():
  x, _ = points()
  components = [em.kmeans_start(x, k, 1e-6, seed=0) for k in (1, 3)]
  runs = (stepwise.Run(4, 'tied', 0, components[0]),
          stepwise.Run(4, 'full', 1, components[1], -3.5, 0.25, 9, True,
                         stepwise.LAST, True, em.kmeans_start(
                             x, 3, 1e-6, seed=1)))
  state = stepwise.State(np.array([4]), np.array([7]), np.ones([1, 3]),
                           np.array([2.5]), 1e-3, runs)
  again = beam_state.from_bytes(beam_state.to_bytes(state))
  for a, b in zip(again.runs, runs):
    assert (a._replace(components=None, previous=None)
            == b._replace(components=None, previous=None))
    assert_same(a.components, b.components, 0)
  assert again.runs[0].previous is None
  assert_same(again.runs[1].previous, runs[1].previous, 0)
  assert again.floor == 1e-3
  assert again.frames()[4].unit == 2.5
  other = state._replace(labels=np.array([2]), runs=runs[:1])
  both = stepwise.joined([state, other])
  assert both.labels.tolist() == [2, 4] and both.runs[1:] == runs


# Where EM starts.


def test_moments_are_those_of_numpy_and_the_sample_is_of_no_order():
  x, _ = points()
  parts = [beam_start.summary(beam_files.Latents(
      0, np.arange(first, first + 40), x[first:first + 40]), seed=3)
           for first in range(0, 240, 40)]
  orders = [range(6), [5, 3, 1, 0, 2, 4]]
  results = []
  for order in orders:
    merge = beam_start._Merge(50)
    accumulators = [merge.create_accumulator() for _ in range(3)]
    for i in order:
      accumulators[i % 2] = merge.add_input(accumulators[i % 2], parts[i])
    results.append(merge.extract_output(
        merge.merge_accumulators(accumulators)))
  for its in results:
    assert its.num_points == 240 and len(its.points) == 50
    np.testing.assert_allclose(its.mean, x.astype(float).mean(axis=0),
                               rtol=1e-12)
    np.testing.assert_allclose(its.squares / 240, x.astype(float).var(axis=0),
                               rtol=1e-12)
    np.testing.assert_array_equal(its.points, x[its.positions])
  np.testing.assert_array_equal(results[0].positions, results[1].positions)
  # Of all places: about as many in each half.
  assert 12 < (results[0].positions < 120).sum() < 38
  everything = beam_start.merged(parts[0], parts[1], 1000)
  assert sorted(everything.positions) == list(range(80))


def test_a_record_comes_back():
  x, _ = points()
  its = beam_files.Latents(65_000, np.arange(240) + 2**40, x)
  again = beam_files.from_record(beam_files.to_record(its))
  assert again.label == its.label
  np.testing.assert_array_equal(again.positions, its.positions)
  np.testing.assert_array_equal(again.points, its.points)


# Digits.


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """The directory of a small run on digits."""
  directory = tmp_path_factory.mktemp('run') / 'out'
  tfp_lgc.compress('digits', epochs=1, hidden_size=8, latent_size=3,
                   num_components_max=2, num_restarts=1, max_iterations=4,
                   tolerance=0.05).save(directory)
  return directory


@pytest.fixture(scope='module')
def artifact(run):
  return tfp_lgc.load_with_encoder(run)


@pytest.fixture(scope='module')
def latents(artifact, tmp_path_factory):
  """Of digits, in two pieces."""
  output = tmp_path_factory.mktemp('latents') / 'out'
  beam_encode.encode(artifact, DIGITS, str(output), OPTIONS, piece_size=1000)
  return output


def test_latents_are_those_of_one_process(artifact, latents):
  train = sources.load(DIGITS).train
  encoded = artifact.encoder.model.encode_all(train)
  ours, labels = beam_encode.latents_of(str(latents))
  np.testing.assert_array_equal(labels, encoded.labels)
  # Draws, whose seeds go on from piece to piece.
  assert artifact.encoder.config.mixture.latent_statistic == 'draw'
  np.testing.assert_allclose(ours, encoded.draw[:, artifact.encoder.kept],
                             atol=1e-6)
  assert np.abs(ours - encoded.mean[:, artifact.encoder.kept]).max() > 1e-3
  assert {path.name for path in latents.iterdir()} == {
      'settings.json', 'latents-00000-of-00002.tfrecord',
      'latents-00001-of-00002.tfrecord'}


def test_encoding_goes_on_where_it_was_killed(artifact, latents, tmp_path):
  output = tmp_path / 'latents'
  beam_encode.encode(artifact, DIGITS, str(output), OPTIONS, piece_size=1000)
  first, second = [output / path.name
                   for path in sorted(latents.glob('*.tfrecord'))]
  content = second.read_bytes()
  first.write_bytes(b'as it was')
  second.unlink()
  with pytest.raises(ConfigError, match='00001-of-00002.tfrecord is missing'):
    beam_em.fit(str(output), str(tmp_path / 'em'), settings(), OPTIONS)
  beam_encode.encode(artifact, DIGITS, str(output), OPTIONS, piece_size=1000)
  assert first.read_bytes() == b'as it was'
  assert second.read_bytes() == content
  with pytest.raises(ConfigError, match='another piece_size'):
    beam_encode.encode(artifact, DIGITS, str(output), OPTIONS, piece_size=2000)


def test_the_artifact_is_that_of_one_process(artifact, tmp_path):
  """Of other images, some of a class that is new."""
  images = sources.load(DIGITS)
  train = images.train.to_memory(images.class_names)
  x, names = train.images[:600], np.array(train.class_names)[train.labels[:600]]
  names[names == '3'] = '9'
  names[names == '5'] = 'x'
  np.savez(tmp_path / 'x.npz', x_train=x, y_train=names, x_test=x,
           y_test=names)
  beam_encode.encode(artifact, config.DataConfig(
      dataset=str(tmp_path / 'x.npz')), str(tmp_path / 'latents'), OPTIONS)
  ours = beam_em.refit(artifact, str(tmp_path / 'latents'),
                       str(tmp_path / 'em'), OPTIONS)
  expected = artifact.updated(x, names)
  assert ours.class_names == expected.class_names == (
      *artifact.class_names, 'x')
  assert ours.class_counts == expected.class_counts
  assert ours.class_counts[3:6] == artifact.class_counts[3:4] + (
      (names == '4').sum(), artifact.class_counts[5])
  assert ours.num_components == expected.num_components
  for name, tensor in expected.tensors.items():
    # Rounded to integers, of which the last bit may turn.
    assert np.abs(ours.tensors[name].values - tensor.values).max() <= 1, name
    np.testing.assert_array_equal(ours.tensors[name].steps, tensor.steps)


def test_what_does_not_fit_is_refused(artifact, latents, tmp_path, monkeypatch):
  output = str(tmp_path / 'x')
  with pytest.raises(ArtifactError, match='without its encoder'):
    beam_encode.encode(tfp_lgc.Artifact.from_bytes(artifact.to_bytes()), DIGITS,
                       output)
  with pytest.raises(ConfigError, match='multiple of 1000'):
    beam_encode.encode(artifact, DIGITS, output, piece_size=1500)
  np.savez(tmp_path / 'x.npz', x_train=np.zeros([9, 3, 3], np.uint8),
           y_train=np.arange(9) % 3)
  with pytest.raises(LgcError, match=r'images are \(3, 3, 1\); must be \(8'):
    beam_encode.encode(artifact, config.DataConfig(
        dataset=str(tmp_path / 'x.npz')), output)
  with pytest.raises(ConfigError, match='encoded for another artifact'):
    beam_em.refit(artifact.without_class('3'), str(latents), output)
  with pytest.raises(ConfigError, match='by bic alone'):
    beam_em.fit(str(latents), output, settings(selection='bytes'))
  with pytest.raises(ConfigError, match='no such file'):
    beam_em.fit(str(tmp_path), output, settings())
  assert not (tmp_path / 'x').exists()


# Drawing.


@pytest.fixture
def small_shards(monkeypatch):
  monkeypatch.setattr(tfds_writer, 'SHARD_NUM_IMAGES', 256)


def content(directory):
  return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_files_are_those_of_one_process(artifact, tmp_path, small_shards):
  how = {'seed': 5, 'temperature': 0.5}
  splits = {'train': 600, 'test': 30}
  beam_sample.sample(artifact, 630, str(tmp_path / 'ours'), OPTIONS, splits,
                     **how)
  drawing = tfp_lgc.sampling.drawing(artifact, 630, **how)
  tfds_writer.write_tfds(drawing.portions, splits, artifact.image_shape,
                         artifact.class_names, str(tmp_path / 'expected'),
                         {}, Progress())
  assert content(tmp_path / 'ours') == content(tmp_path / 'expected')
  assert len(content(tmp_path / 'ours')) == 3 + 1 + 3
  assert {path.name for path in tmp_path.iterdir()} == {'ours', 'expected'}
  rows = list(tfds.as_numpy(tfds.builder_from_directory(
      tmp_path / 'ours').as_dataset(
          split='train',
          read_config=tfds.ReadConfig(interleave_cycle_length=1))))
  images = tfp_lgc.sample(artifact, 600, **how)
  np.testing.assert_array_equal([row['image'] for row in rows], images.images)
  np.testing.assert_array_equal([row['label'] for row in rows], images.labels)


def test_drawing_goes_on_where_it_was_killed(artifact, tmp_path, monkeypatch,
                                             small_shards):
  output = tmp_path / 'x'

  def killed(*arguments):
    raise KeyboardInterrupt
  with monkeypatch.context() as patch:
    patch.setattr(tfds_writer, 'write_metadata', killed)
    with pytest.raises(KeyboardInterrupt):
      beam_sample.sample(artifact, 300, str(output), OPTIONS)
  before = content(output)
  with pytest.raises(ConfigError, match='another seed'):
    beam_sample.sample(artifact, 300, str(output), OPTIONS, seed=1)
  first, second = sorted(output.iterdir())
  first.write_bytes(b'as it was')
  second.unlink()
  beam_sample.sample(artifact, 300, str(output), OPTIONS)
  assert content(output)[first.name] == b'as it was'
  assert content(output)[second.name] == before[second.name]
  assert 'dataset_info.json' in content(output)
  assert [path.name for path in tmp_path.iterdir()] == ['x']
  with pytest.raises(ConfigError, match='is not empty'):
    beam_sample.sample(artifact, 300, str(output), OPTIONS)


# Workers and runners.


def test_pickles_need_nothing_but_the_package(artifact, tmp_path):
  """A worker's process knows no main session and no test."""
  settings_, weights = artifact.encoder.to_parts()
  functions = [beam_encode._Encode(settings_, weights, DIGITS, 'x'),
               beam_em._Statistics('x'), beam_em.Sum(),
               beam_start._Merge(3), beam_start._Start(settings(), None),
               beam_sample._Draw(artifact.to_bytes(), 'x', {})]
  (tmp_path / 'pickle').write_bytes(pickler.dumps(functions))
  program = f'''
import pathlib, sys
from apache_beam.internal import pickler
found = pickler.loads(pathlib.Path({str(tmp_path / 'pickle')!r}).read_bytes())
found[-1].setup()
print(*[type(function).__name__ for function in found])
'''
  done = subprocess.run([sys.executable, '-c', program], text=True,
                        capture_output=True, check=True,
                        cwd=pathlib.Path(__file__).parent.parent)
  assert done.stdout.split() == ['_Encode', '_Statistics', 'Sum', '_Merge',
                                 '_Start', '_Draw']


@pytest.mark.slow
def test_workers_in_other_processes(artifact, latents, tmp_path):
  options = PipelineOptions([
      '--runner=DirectRunner', '--direct_running_mode=multi_processing',
      '--direct_num_workers=2'])
  its = settings(num_components_max=1, max_iterations=1)
  ours, expected = [beam_em.fit(str(latents), str(tmp_path / name), its, how)
                    for name, how in (('a', options), ('b', OPTIONS))]
  for key, fit in expected.fits.items():
    assert_same(ours.fits[key].components, fit.components, 1e-9)


def main(*arguments):
  return command.main(['lgc-beam', *map(str, arguments)])


@pytest.mark.slow
def test_the_three_jobs(run, tmp_path, capsys):
  where = [f'--artifact={run}', f'--latents={tmp_path}/latents',
           f'--working={tmp_path}/em']
  assert main('--job=encode', *where, '--dataset=digits') == 0
  assert main('--job=fit', *where, f'--output={tmp_path}/new') == 0
  assert main('--job=fit', *where, f'--output={tmp_path}/new') == 2
  assert 'holds another artifact' in capsys.readouterr().err
  assert main('--job=sample', f'--artifact={tmp_path}/new', '--n=20',
              f'--output={tmp_path}/samples', '--label=3',
              '--direct_num_workers=1') == 0
  builder = tfds.builder_from_directory(tmp_path / 'samples')
  images = tfp_lgc.sample(tmp_path / 'new', 20, labels='3')
  rows = list(tfds.as_numpy(builder.as_dataset(split='train')))
  np.testing.assert_array_equal([row['image'] for row in rows], images.images)


@pytest.mark.parametrize('arguments, message', [
    (['--datset=x'], '--datset: is neither a flag of lgc-beam'),
    (['--direct_num_workers=x'], 'direct_num_workers: invalid int value'),
    (['3'], "unexpected argument '3'"),
    (['--n=0'], 'n = 0: must be at least 1'),
    (['--artifact=none'], 'there is no artifact.lgc'),
])
def test_a_wrong_flag_is_one_line(arguments, message, capsys):
  assert main(*arguments) == 2
  out, err = capsys.readouterr()
  assert out == '' and err.count('\n') == 1
  assert err.startswith('lgc-beam: error: ') and message in err


def test_flags_of_beam_go_to_beam():
  options = command._pipeline_options(
      'FlinkRunner', ['--flink_master=host:8081', '--parallelism=8'])
  known = options.get_all_options(drop_default=True)
  assert known['runner'] == 'FlinkRunner'
  assert known['flink_master'] == 'host:8081'
