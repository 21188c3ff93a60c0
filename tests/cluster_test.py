"""TF_CONFIG as others write it, and wrong in every part."""

import json

import pytest
import tensorflow as tf

from tfp_lgc import cluster
from tfp_lgc.errors import ConfigError

TWO = ['10.0.0.1:2222', '10.0.0.2:2222']


def _text(task, **jobs):
  return json.dumps({'cluster': jobs, 'task': task})


@pytest.mark.parametrize('jobs, task, expected', [
    ({'worker': TWO}, {'type': 'worker', 'index': 0}, (2, 0)),
    ({'worker': TWO}, {'type': 'worker', 'index': 1}, (2, 1)),
    ({'worker': TWO}, {'type': 'worker', 'index': '1'}, (2, 1)),
    ({'worker': ['localhost:1']}, {'type': 'worker', 'index': 0}, (1, 0)),
    ({'chief': ['a:1'], 'worker': TWO}, {'type': 'chief', 'index': 0}, (3, 0)),
    ({'chief': ['a:1'], 'worker': TWO}, {'type': 'worker', 'index': 1},
     (3, 2)),
])
def test_who_is_who_is_as_tensorflow_has_it(jobs, task, expected):
  text = _text(task, **jobs)
  assert cluster.members(text) == expected
  # The same of TensorFlow's own reader.
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('TF_CONFIG', text)
    theirs = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    spec = theirs.cluster_spec()
    assert sum(map(spec.num_tasks, spec.jobs)) == expected[0]
    before = spec.num_tasks('chief') if (
        'chief' in spec.jobs and theirs.task_type == 'worker') else 0
    assert before + theirs.task_id == expected[1]


@pytest.mark.parametrize('text, why', [
    (None, 'needs the environment variable TF_CONFIG'),
    ('', 'needs the environment variable TF_CONFIG'),
    ('{', 'TF_CONFIG = '),
    ('3', 'TF_CONFIG = '),
    ('{}', "'cluster' is missing"),
    (json.dumps({'cluster': {'worker': TWO}}), "'task' is missing"),
    (_text({'type': 'worker', 'index': 2}, worker=TWO),
     'no worker of index 2'),
    (_text({'type': 'chief', 'index': 0}, worker=TWO), 'no chief of index 0'),
    (_text({'type': 'worker', 'index': 'x'}, worker=TWO), 'TF_CONFIG = '),
    (_text({'type': 'worker'}, worker=TWO), "'index' is missing"),
    (_text({'type': 'worker', 'index': 0}, worker='10.0.0.1:2222'),
     'is no list of "HOST:PORT"'),
    (_text({'type': 'worker', 'index': 0}, worker=['10.0.0.1']),
     'is no list of "HOST:PORT"'),
    (_text({'type': 'worker', 'index': 0}, worker=['a:65536']),
     'is no list of "HOST:PORT"'),
    (_text({'type': 'worker', 'index': 0}, worker=[2222]),
     'is no list of "HOST:PORT"'),
    (_text({'type': 'worker', 'index': 0}, worker=TWO, ps=TWO), "no 'ps'"),
    (_text({'type': 'worker', 'index': 0}, worker=TWO,
           chief=['a:1', 'a:2']), 'more than one chief'),
    ('{"cluster": ["a:1"], "task": {"type": "worker", "index": 0}}',
     'TF_CONFIG = '),
    ('{"cluster": {"worker": ["a:1"]}, "task": ["worker", 0]}',
     'TF_CONFIG = '),
    ('{"cluster": {"worker": ["a:1"]}, '
     '"task": {"type": "worker", "index": Infinity}}', 'TF_CONFIG = '),
    ('{"cluster": {"worker": ["a:1"]}, '
     '"task": {"type": ["worker"], "index": 0}}', 'no '),
    (_text({'type': 'worker', 'index': 0}, worker=['a:\u00b2']),
     'is no list of "HOST:PORT"'),
    (_text({'type': 'worker', 'index': 0}, worker=[TWO[0], TWO[0]]),
     "'10.0.0.1:2222' is there more than once"),
    (_text({'type': 'chief', 'index': 0}, chief=TWO[:1], worker=TWO),
     "'10.0.0.1:2222' is there more than once"),
    ('[' * 100_000, 'TF_CONFIG = '),
])
def test_what_is_wrong_is_said(text, why):
  with pytest.raises(ConfigError) as caught:
    cluster.members(text)
  assert why in str(caught.value)
  assert '"task": {"type": "worker", "index": 0}' in str(caught.value)
