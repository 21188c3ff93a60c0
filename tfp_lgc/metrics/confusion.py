"""Which classes a judge takes for which others."""

from typing import Any

import numpy as np
from sklearn import metrics

from tfp_lgc.metrics import tstr
from tfp_lgc.metrics.subject import Subject

__all__ = ['measure']


def measure(subject: Subject) -> dict[str, Any]:
  """Of the judge of `--judge`, trained only on samples, on the test images.

  Returns:
    `per_class_accuracy`, by class name what `tstr.summarize` returns (classes
    without a test image are left out), and `confusion_matrix`, `[C, C]`, test
    images by class and by what they are called, summed over the judges.
  """
  assert subject.source.test is not None
  num_classes = len(subject.class_names)
  labels, matrices = subject.source.test_labels(), []
  for i, seed in enumerate(subject.seeds):
    predicted = tstr.predicted(subject.split(seed), subject.source.test,
                               num_classes, subject.config.evaluate, seed,
                               subject.judging(i))
    matrices.append(metrics.confusion_matrix(
        labels, predicted, labels=np.arange(num_classes)))
    subject.progress.step((i + 1) * subject.config.evaluate.judge_steps)
  counts = matrices[0].sum(axis=1)
  accuracies = {
      name: tstr.summarize([matrix[i, i] / counts[i] for matrix in matrices])
      for i, name in enumerate(subject.class_names) if counts[i]}
  return {'per_class_accuracy': accuracies,
          'confusion_matrix': np.sum(matrices, axis=0).tolist()}
