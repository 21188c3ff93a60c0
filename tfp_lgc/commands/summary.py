"""What lgc-compress says of a run at its end: as JSON, and as a table."""

import os
from typing import Any, Mapping, Optional

from tfp_lgc.config import Config

__all__ = ['summarize', 'table']


def summarize(config: Config, artifact, output: str,
              sizes: tuple[int, Optional[int]], log,
              accuracies: Mapping[str, Any]) -> dict[str, Any]:
  """The one JSON object of a run; docs/measuring.md says what is in it.

  Args:
    config: of the run.
    artifact: that it made.
    output: where that was saved.
    sizes: bytes of the train split, raw and by gzip; the latter is None where
      it is not to be told.
    log: has `seconds` by stage.
    accuracies: of judges, or empty.
  """
  from tfp_lgc import layout
  raw_num_bytes, gzip_num_bytes = sizes
  num_bytes = os.path.getsize(os.path.join(output, layout.LGC_NAME))
  remaining = 100 * num_bytes / raw_num_bytes
  summary = {
      'model': config.model.model,
      'dataset': config.data.dataset,
      'num_bytes': num_bytes,
      'num_bytes_by_part': artifact.num_bytes_by_part,
      'bits_per_class': round(8 * num_bytes / len(artifact.class_names), 1),
      'saved_model_num_bytes': layout.saved_model_num_bytes(output),
      'raw_num_bytes': raw_num_bytes,
      'gzip_num_bytes': gzip_num_bytes,
      'reduction_percent': round(100 - remaining, 4),
      'compression_ratio': round(raw_num_bytes / num_bytes, 2),
      'num_components': dict(zip(artifact.class_names,
                                 artifact.num_components)),
      'seconds': log.seconds,
      'seed': config.seed,
  }
  if artifact.privacy:
    # A size by gzip tells of the images.
    del summary['gzip_num_bytes']
    summary['privacy'] = artifact.privacy
  if accuracies:
    # The LGC paper's "compression ratio": percent by percent that remain.
    index = 100 * accuracies['tstr_accuracy'] / remaining
    summary.update(published_index=round(index, 2), **accuracies)
  return summary


def table(summary: Mapping[str, Any], output: str) -> list[tuple[str, str]]:
  """The same as rows for people."""
  components = summary['num_components'].values()
  rows = [
      ('raw images and labels', f'{summary["raw_num_bytes"]:,} bytes'),
      *([('gzip -9', f'{summary["gzip_num_bytes"]:,} bytes')]
        if 'gzip_num_bytes' in summary else []),
      ('artifact.lgc', f'{summary["num_bytes"]:,} bytes, '
       f'{100 - summary["reduction_percent"]:.4g} % of raw'),
      ('SavedModel, .tar.gz', f'{summary["saved_model_num_bytes"]:,} bytes'),
      ('components per class', f'{min(components)} to {max(components)}'),
  ]
  if 'tstr_accuracy' in summary:
    rows.append(('judge trained on samples', f'{summary["tstr_accuracy"]:.2%}'))
  if 'real_accuracy' in summary:
    rows.append(('judge trained on real', f'{summary["real_accuracy"]:.2%}'))
  if 'tstr_worst_group' in summary:
    rows += [('its worst group, samples', f'{summary["tstr_worst_group"]:.2%}'),
             ('its worst group, real', f'{summary["real_worst_group"]:.2%}')]
  if said := summary.get('privacy'):
    rows.append(('guarantee', f'epsilon {said["epsilon"]:g}, delta '
                 f'{said["delta"]:g}'))
  total = sum(summary['seconds'].values())
  return [*rows, ('written to', output), ('seconds', f'{total:.1f}')]
