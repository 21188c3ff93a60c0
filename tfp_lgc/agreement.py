"""Whether all processes of a job do the same, before they begin.

Who has other settings would wait for sums that nobody else makes; who has other
images or versions would spoil the sums of all.
"""

import dataclasses
import hashlib
import json

import numpy as np

from tfp_lgc import resuming
from tfp_lgc.config import Config
from tfp_lgc.data import Source
from tfp_lgc.distribution import Distribution
from tfp_lgc.errors import DifferenceError
from tfp_lgc.version import __version__

__all__ = ['check', 'digests']


def digests(source: Source, config: Config, its: Distribution,
            ) -> dict[str, bytes]:
  """What has to be the same in all processes -> its SHA-256.

  Args:
    source: every image and label of the train split is read.
    config: all but where the data lie counts.
    its: the processes.
  """
  settings, train = dataclasses.asdict(config), source.train
  del settings['data']
  settings['bound'] = train.bound and list(train.bound)
  said = {'the settings': settings,
          'the number of devices': its.num_own,
          'the versions of packages': {
              'tfp_lgc': __version__, **resuming.versions()}}
  result = {name: hashlib.sha256(json.dumps(
      value, sort_keys=True).encode()) for name, value in said.items()}
  # Beside numbers, for the code that is not released yet.
  result['the versions of packages'].update(resuming.code())
  images = hashlib.sha256(json.dumps([
      train.num_examples, train.image_shape, source.class_names]).encode())
  resuming.add_examples(images, train)
  return {**{name: value.digest() for name, value in result.items()},
          'the images and labels': images.digest()}


def check(source: Source, config: Config, its: Distribution) -> None:
  """Refuses a job whose processes differ, in each of them.

  ```python
  with its.watched():
    agreement.check(source, config, its)
  ```

  Args:
    source: see `digests`, as for the next.
    config: of this process.
    its: who takes part; all make this call.

  Raises:
    DifferenceError: which names what differs, and in which workers.
  """
  if its.num_workers == 1:
    return
  mine = digests(source, config, its)
  content = its.broadcast(b''.join(mine.values()))
  differs = np.zeros([its.num_workers, len(mine)], np.int64)
  for i, digest in enumerate(mine.values()):
    differs[its.worker, i] = digest != content[i * 32:(i + 1) * 32]
  differs = its.sum(differs)
  wrong = [f'{name} of worker {", ".join(map(str, np.flatnonzero(column)))}'
           for name, column in zip(mine, differs.T) if column.any()]
  if wrong:
    raise DifferenceError(
        f'strategy = {config.train.strategy}: {" and ".join(wrong)} differ '
        'from those of worker 0, the chief; give all the same settings, data '
        'and versions, and start all of them again')
