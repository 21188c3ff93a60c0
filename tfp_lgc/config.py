"""All settings of a run together, and how they are changed.

config_sections.py describes each. Standard library only: `bin/compress --help`
must not wait for TensorFlow.
"""

import dataclasses
import difflib
import json
from typing import Any, Optional, TypeVar

from tfp_lgc import presets
from tfp_lgc.config_sections import (
  BASELINES,
  CodecConfig,
  COVARIANCES,
  DataConfig,
  DIFFICULTIES,
  EvaluateConfig,
  HEADS,
  JUDGES,
  LATENT_MODELS,
  MixtureConfig,
  ModelConfig,
  MODELS,
  Preset,
  PrivacyConfig,
  TrainConfig,
  TRUNKS,
)
from tfp_lgc.errors import ConfigError
from tfp_lgc.setting import check, setting

__all__ = [
    'BASELINES',
    'CodecConfig',
    'Config',
    'COVARIANCES',
    'DataConfig',
    'DIFFICULTIES',
    'EvaluateConfig',
    'HEADS',
    'JUDGES',
    'LATENT_MODELS',
    'MixtureConfig',
    'ModelConfig',
    'MODELS',
    'Preset',
    'PrivacyConfig',
    'replace',
    'settings',
    'TrainConfig',
    'TRUNKS',
]

AnyConfig = TypeVar('AnyConfig')


@dataclasses.dataclass(frozen=True)
class Config:
  """All settings of `bin/compress`.

  ```python
  config = replace(Config(), model='ae', latent_size=8, seed=1)
  assert Config.from_json(config.to_json()) == config
  ```
  """
  data: DataConfig = dataclasses.field(default_factory=DataConfig)
  model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
  train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
  mixture: MixtureConfig = dataclasses.field(default_factory=MixtureConfig)
  codec: CodecConfig = dataclasses.field(default_factory=CodecConfig)
  evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
  privacy: PrivacyConfig = dataclasses.field(default_factory=PrivacyConfig)
  seed: int = setting(
      0, 'Same seed, same machine, same bytes.', low=0, high=2**31 - 1)

  def to_json(self) -> str:
    return json.dumps(dataclasses.asdict(self))

  @classmethod
  def from_json(cls, text: str) -> 'Config':
    flat = {}
    for name, value in json.loads(text).items():
      flat.update(value if isinstance(value, dict) else {name: value})
    return replace(cls(), **flat)


def settings(config) -> dict[str, tuple[Optional[str], dataclasses.Field]]:
  """Setting name -> (name of its section or None, its dataclass field)."""
  result: dict[str, tuple[Optional[str], dataclasses.Field]] = {}
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if dataclasses.is_dataclass(value):
      for inner in dataclasses.fields(value):
        result[inner.name] = (field.name, inner)
    else:
      result[field.name] = (None, field)
  return result


def replace(config: AnyConfig, **overrides) -> AnyConfig:
  """A copy of `config` with the named settings changed, whatever section.

  Args:
    config: where the other settings come from; `Config`, or one section.
    **overrides: flat setting names, e.g. `latent_size=8, seed=1`; `preset`
      stands for the settings of a paper, which the others override.

  Raises:
    ConfigError: for an unknown name or a value that is not allowed.
  """
  known = settings(config)
  [field] = dataclasses.fields(Preset)
  preset = check(field, overrides.pop('preset', 'none'))
  if preset != 'none':
    default = (config if isinstance(config, Config) else Config()).model.model
    overrides = {**presets.preset(preset, overrides.get('model'), default),
                 **overrides}
  top: dict[str, Any] = {}
  by_section: dict[str, dict[str, Any]] = {}
  for name, value in overrides.items():
    if name not in known:
      near = difflib.get_close_matches(name, known, n=1)
      hint = f'; did you mean {near[0]}?' if near else ''
      raise ConfigError(f'there is no setting {name!r}{hint}')
    section, field = known[name]
    values = by_section.setdefault(section, {}) if section else top
    values[name] = check(field, value)
  for section, values in by_section.items():
    top[section] = dataclasses.replace(getattr(config, section), **values)
  return dataclasses.replace(config, **top)  # type: ignore[type-var]
