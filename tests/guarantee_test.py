"""What would break the guarantee is refused, and what is said of it is true."""

import dataclasses
import json
import types

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc import (
  accounting,
  data,
  evaluation,
  guarantee,
  guaranteed,
  memory,
  private,
  train,
)
from tfp_lgc import config as config_lib
from tfp_lgc.accounting import Mechanism
from tfp_lgc.arrays import from_arrays
from tfp_lgc.commands import compress
from tfp_lgc.errors import ArtifactError, ConfigError
from tfp_lgc.progress import Progress

CONFIG = config_lib.replace(config_lib.Config(), dp_epsilon=20.0, dp_delta=1e-3,
                            dp_steps=5, dp_sampling_rate=0.5)
# Cheap to train.
SMALL = {'latent_size': 2, 'hidden_size': 4}


def _images(count=400):
  rng = np.random.default_rng(0)
  labels = np.arange(count) % 2
  images = rng.integers(0, 100, [count, 5, 4]) + 150 * labels[:, None, None]
  return images.astype(np.uint8), labels


def _source():
  return from_arrays(_images())


@pytest.fixture(scope='module')
def made():
  """An artifact, and what was recorded."""
  progress = Progress()
  artifact = tfp_lgc.compress(_images(), CONFIG, progress=progress,
                              dp_pretraining_steps=2, **SMALL)
  return artifact, progress.records


@pytest.mark.parametrize('name, value', [
    ('model', 'contrastive_vae'), ('model', 'gmm_dae'), ('model', 'ae'),
    ('model', 'center_vae'), ('latent_model', 'global'),
    ('covariance', 'auto'), ('selection', 'bytes'), ('finetune_steps', 10),
    ('teacher_weight', 1.0), ('adversarial_weight', 1.0),
    ('texture', 'residual'), ('hard_copies', 2), ('validation_fraction', 0.1),
    ('epochs', 3), ('batch_size', 64),
    ('skip_bad_images', True)])
def test_what_looks_at_images_without_noise_is_refused(name, value):
  with pytest.raises(ConfigError, match=f'^{name} = {value}: is not allowed'):
    tfp_lgc.compress(_images(), CONFIG, **{name: value})


def test_other_devices_are_refused():
  with pytest.raises(ConfigError, match='^strategy = mirrored: is not allowed'):
    guarantee.check(config_lib.replace(CONFIG, strategy='mirrored'))


@pytest.mark.slow
def test_attacks_make_others_by_the_same_mechanism():
  settings = {'dp_pretraining_steps': 2, **SMALL}
  images = from_arrays(_images()).train.to_memory(('0', '1'))
  for steps in (0, 5):
    made = tfp_lgc.compress(_images(), CONFIG, dp_steps=steps, **settings)
    other = evaluation.compress_as(made)(images, 1, 3)
    assert (other.privacy['training'] is None) == (steps == 0)


def test_every_setting_is_known_to_be_harmless_or_refused():
  """Whoever adds a setting has to say here that it does not look at images."""
  harmless = {
      *(field for field in config_lib.settings(config_lib.DataConfig())),
      *(field for field in config_lib.settings(config_lib.PrivacyConfig())),
      *(field for field in config_lib.settings(config_lib.EvaluateConfig())),
      'seed', 'decoder_bits', 'mixture_bits', 'rate_weight', 'learning_rate',
      'learning_rate_schedule',
      # Sizes, layers and losses of each image by itself; batch normalization
      # is refused where it is built.
      'trunk', 'head', 'head_num_components', 'loc_activation', 'latent_size',
      'hidden_size', 'num_filters', 'grid_filters', 'width', 'beta',
      'noise_stddev', 'min_stddev', 'max_head_params',
      # Of models and latent models that are refused.
      'contrastive_weight', 'contrastive_form', 'contrastive_temperature',
      'center_weight', 'prior_weight', 'prior_num_components',
      'prior_separation', 'labeled_fraction', 'num_components_max',
      'num_restarts', 'max_iterations', 'tolerance',
      # Of a budget, and of hard images, which are refused.
      'num_autoencoders', 'hard_share',
      # Of noised sums, or of what is made of them.
      'latent_statistic', 'temperature', 'covariance_rank', 'covariance_floor'}
  assert set(config_lib.settings(CONFIG)) == harmless | set(guarantee._WANTED)


def test_what_bypasses_the_mechanisms_is_refused():
  with pytest.raises(ConfigError, match='budget = 9kB: .*dp_epsilon'):
    tfp_lgc.compress(_images(), CONFIG, budget='9kB')
  with pytest.raises(ConfigError, match='callbacks: '):
    guaranteed.fit(_source(), CONFIG, Progress(), [object()])
  with pytest.raises(ConfigError, match='dp_epsilon = 20: '):
    train.fit(CONFIG, _source().train, 2)
  with pytest.raises(ConfigError, match='trunk: has batch normalization'):
    guaranteed.fit(_source(), config_lib.replace(CONFIG, trunk='gmm_dae'),
                   Progress())


@pytest.mark.parametrize('name', ['.resume', '..resume.tfp_lgc_done',
                                  'tensorboard'])
def test_the_command_refuses_results_without_noise_beside_it(name, tmp_path,
                                                             capsys):
  (tmp_path / name).mkdir()
  (tmp_path / name / 'latents').write_text('exact')
  assert compress.main(['lgc-compress', '--dp_epsilon=20', '--dp_delta=1e-3',
                        '--overwrite', f'--output={tmp_path}']) == 2
  error = capsys.readouterr().err
  assert f'{name} holds results without noise; remove it' in error
  assert error.count('\n') == 1
  assert [path.name for path in tmp_path.iterdir()] == [name]


def test_without_steps_networks_do_not_depend_on_images():
  settings = {'dp_steps': 0, 'dp_pretraining_steps': 3, **SMALL}
  images, labels = _images()
  one, other = [tfp_lgc.compress((some, labels), CONFIG, **settings)
                for some in (images, images[::-1])]
  differ = {name for name, tensor in one.tensors.items()
            if not np.array_equal(tensor.values, other.tensors[name].values)}
  assert 'mixture/loc' in differ
  assert all(name.startswith('mixture/') for name in differ)
  for a, b in zip(one.encoder.model.encoder.get_weights(),
                  other.encoder.model.encoder.get_weights()):
    np.testing.assert_array_equal(a, b)
  assert one.privacy['training'] is None


@pytest.mark.parametrize('settings, words', [
    ({}, 'leaves the networks untrained'),
    ({'dp_pretraining_steps': 1, 'latent_model': 'prior', 'model': 'cvae'},
     'nothing would be learned')])
def test_what_learns_nothing_is_refused(settings, words):
  with pytest.raises(ConfigError, match=f'dp_steps = 0: .*{words}'):
    guarantee.check(config_lib.replace(CONFIG, dp_steps=0, **settings))


@pytest.mark.parametrize('flag', ['--budget=9kB', '--report', '--tensorboard'])
def test_the_command_refuses_them_too(flag, tmp_path, capsys):
  assert compress.main(['lgc-compress', '--dp_epsilon=1', flag,
                        f'--output={tmp_path / "out"}']) == 2
  error = capsys.readouterr().err
  assert 'is not allowed with dp_epsilon' in error and error.count('\n') == 1
  assert not (tmp_path / 'out').exists()


def test_without_the_accountant_it_says_so(monkeypatch):
  monkeypatch.setattr(accounting.importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(ConfigError, match='dp-accounting.*extra'):
    guarantee.check(CONFIG)


@pytest.mark.parametrize('settings', [
    {}, {'dp_num_components': 3}, {'model': 'cvae', 'latent_model': 'prior'},
    {'dp_steps': 0, 'dp_pretraining_steps': 5}])
def test_all_mechanisms_together_keep_within_the_budget(settings):
  plan = guarantee.plan(config_lib.replace(CONFIG, **settings))
  said = guarantee.described(plan)
  guarantee.check_described(json.loads(json.dumps(said)))
  mechanisms = [Mechanism(*said[name])
                for name in ('counts', 'training', 'mixture') if said[name]]
  assert len(mechanisms) == (3 if settings.keys() <= {'dp_num_components'}
                             else 2)
  spent = accounting.epsilon(mechanisms, said['delta'])
  assert 0.95 * 20.0 < spent <= said['epsilon'] + 1e-4
  assert said['epsilon'] <= 20.0


def test_the_artifact_says_what_was_spent(made):
  artifact, records = made
  said = artifact.privacy
  assert said == guarantee.described(guarantee.plan(CONFIG))
  again = tfp_lgc.Artifact.from_bytes(artifact.to_bytes())
  assert again.privacy == said
  assert {'event': 'privacy', **said} in records
  # No loss, no BIC, nothing else that was seen of the images.
  assert {row['event'] for row in records} == {'privacy'}


@pytest.mark.parametrize('where', ['dp_pretraining_steps', 'dp_steps'])
def test_divergence_is_said_at_once_and_names_what_to_change(where,
                                                             monkeypatch):
  def diverge(model, *unused):
    model.decoder.weights[0].assign(np.nan + model.decoder.weights[0])

  noise = Mechanism(1.0)
  monkeypatch.setattr(guarantee, 'plan', lambda config: guarantee.Plan(
      noise, noise, noise, 1.0, 20.0, 1e-3))
  early = where == 'dp_pretraining_steps'
  monkeypatch.setattr(guaranteed, '_pretrain',
                      diverge if early else lambda *unused: None)
  monkeypatch.setattr(guaranteed.dpsgd, 'train', None if early else diverge)
  monkeypatch.setattr(guaranteed, '_mixture', None)  # Is not come to.
  with pytest.raises(FloatingPointError,
                     match=f'within {where} = .*lower --learning_rate'):
    tfp_lgc.compress(_images(), CONFIG, dp_pretraining_steps=2, **SMALL)


def test_memory_is_asked_for_before_anything_is_computed(monkeypatch):
  monkeypatch.setattr(guaranteed.guarantee, 'plan', None)
  bound = memory.limits('1.5GB')._replace(split=100)
  source = data.bounded(_source(), bound)
  with pytest.raises(ConfigError, match='max_memory: training with dp_epsilon '
                     'holds 8,000 bytes'):
    guaranteed.fit(source, config_lib.replace(CONFIG, **SMALL), Progress())


def test_delta_is_one_that_the_noise_can_hold():
  # Of 53 bits: sqrt(2 * 53 * log(2)) standard deviations are the farthest draw.
  with pytest.raises(ConfigError, match='dp_delta'):
    config_lib.replace(CONFIG, dp_delta=1e-9)


def test_without_a_guarantee_a_file_has_no_word_of_it(artifact):
  assert artifact.privacy is None
  assert 'privacy' not in artifact.to_json()


def test_class_counts_have_noise(made, monkeypatch):
  artifact, _ = made
  noise = artifact.privacy['counts'][0]
  entropy = guaranteed.Entropy()
  labels = np.repeat(np.arange(3), 1000)
  counts = np.stack([guaranteed._counts(labels, 3, noise, entropy)
                     for _ in range(300)])
  assert counts.std() == pytest.approx(noise, rel=0.25)
  assert counts.mean() == pytest.approx(1000, abs=noise)


def test_the_same_seed_does_not_give_the_same_noise(made):
  artifact, _ = made
  again = tfp_lgc.compress(_images(), CONFIG, dp_pretraining_steps=2, **SMALL)
  assert again.to_bytes() != artifact.to_bytes()
  assert again.privacy == artifact.privacy


def test_the_card_says_it_for_people_and_programs(made, tmp_path):
  artifact, _ = made
  artifact.save(tmp_path / 'out')
  said = artifact.privacy
  text = (tmp_path / 'out' / 'README.md').read_text()
  assert 'measured, not guaranteed' not in text.lower()
  words = f'(epsilon, delta) = ({said["epsilon"]:g}, {said["delta"]:g})'
  assert words in text and 'training images, with noise' in text
  assert str(said['training'][0]) in text
  card = json.loads((tmp_path / 'out' / 'metadata.json').read_text())
  assert words in card['description']


@pytest.mark.parametrize('is_private', [True, False])
def test_the_page_about_runs_says_it_too(made, is_private, monkeypatch):
  artifact, _ = made
  if not is_private:
    artifact = dataclasses.replace(artifact, privacy=None)
  monkeypatch.setattr(private, '_closest', lambda view: 'pictures')
  run = types.SimpleNamespace(artifact=artifact, evaluation={}, unmeasured='')
  text = private.section(types.SimpleNamespace(run=run))[0]
  assert text.startswith(guarantee.sentence(made[0].privacy) if is_private
                         else 'Measured, not guaranteed')
  assert ('not guaranteed' in text) != is_private


def test_what_is_made_of_it_keeps_the_guarantee_and_new_images_end_it(made):
  artifact, _ = made
  assert artifact.without_class('0').privacy == artifact.privacy
  assert artifact.reweighted({'0': 2.0}).privacy == artifact.privacy
  images, labels = _images(40)
  updated = artifact.updated(images, labels)
  assert updated.privacy is None


@pytest.mark.parametrize('change', [
    {'epsilon': -1.0}, {'epsilon': '1'}, {'delta': 2.0}, {'neighbors': 'any'},
    {'training': [1.0, 0.1]}, {'mixture': [1.0, 2.0, 3]}, {'more': 1}])
def test_a_file_that_says_something_else_is_refused(made, change):
  said = {**made[0].privacy, **change}
  with pytest.raises(ArtifactError, match='privacy'):
    guarantee.check_described(said)


@pytest.mark.slow
def test_the_command_writes_nothing_else_of_the_images(tmp_path, capsys):
  out = tmp_path / 'out'
  assert compress.main([
      'lgc-compress', '--dp_epsilon=20', '--dp_delta=1e-3', '--dp_steps=2',
      '--dp_sampling_rate=0.1', '--latent_size=2', '--hidden_size=4',
      '--judge_steps=2', f'--output={out}']) == 0
  summary = json.loads(capsys.readouterr().out.splitlines()[-1])
  assert set(summary) == {
      'model', 'dataset', 'num_bytes', 'num_bytes_by_part', 'bits_per_class',
      'saved_model_num_bytes', 'raw_num_bytes', 'reduction_percent',
      'compression_ratio', 'num_components', 'seconds', 'seed', 'privacy',
      'published_index', 'tstr_accuracy'}
  artifact = tfp_lgc.load(out)
  assert summary['privacy'] == artifact.privacy
  # Of as many images as the noised counts say, 8 x 8, and their labels.
  assert summary['raw_num_bytes'] == 65 * sum(artifact.class_counts)
  rows = [json.loads(line) for line in
          (out / 'metrics.jsonl').read_text().splitlines()]
  assert [row['event'] for row in rows] == ['config', 'privacy', 'summary']
  summary.pop('seconds')  # They depend on the number of images.
  assert rows[-1] == {'event': 'summary', **summary}
  text = (out / 'README.md').read_text()
  assert 'gzip' not in text and 'trained on the real images' not in text
