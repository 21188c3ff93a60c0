"""Accuracy on real test images of judges trained on samples alone (TSTR), and
of judges trained on real images."""

from typing import Any

import numpy as np

from tfp_lgc.metrics import groups, tstr
from tfp_lgc.metrics.subject import Subject

__all__ = ['measure']


def measure(subject: Subject) -> dict[str, Any]:
  """Of judges of what is drawn for each seed, and of the real train split, for
  as many steps.

  Returns:
    `tstr_accuracy` and `real_accuracy`, see `tstr.summarize`; where the test
    images have groups, also `tstr_worst_group` and `real_worst_group`, and
    `tstr_groups` and `real_groups`, means by class and group, None where there
    is no image.
  """
  source = subject.source
  assert source.test is not None
  rights: dict[str, list[np.ndarray]] = {'tstr': [], 'real': []}
  done = 0
  for seed in subject.seeds:
    for name, split in (('tstr', subject.split(seed)), ('real', source.train)):
      right = tstr.right(split, source.test, len(source.class_names),
                         subject.config.evaluate, seed, subject.judging(done))
      rights[name].append(right)
      done += 1
      subject.progress.step(done * subject.config.evaluate.judge_steps,
                            f'{name}_accuracy {right.mean():.4f}')
  result: dict[str, Any] = {f'{name}_accuracy': tstr.summarize(
      [right.mean() for right in values]) for name, values in rights.items()}
  if source.test_groups is not None:
    labels = source.test_labels()
    for name, values in rights.items():
      tables = [groups.accuracies(right, labels, source.test_groups)
                for right in values]
      result[f'{name}_worst_group'] = tstr.summarize(
          [np.nanmin(table) for table in tables])
      result[f'{name}_groups'] = groups.rounded(np.mean(tables, axis=0))
  return result
