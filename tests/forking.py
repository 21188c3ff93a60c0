"""Runs of bin/compress that a test can kill, without an import for each.

A program that has imported all that the command needs, but made nothing with
it, forks for each line that it reads: a JSON list of arguments. It answers with
the process number, and with the wait status at the end. A fork inherits no
other thread: the one that an allocator has beside Python's own is made anew.
"""

import json
import os
import pathlib
import sys
import traceback

ALLOCATORS = {'jemalloc_bg_thd'}


def _serve():
  import sklearn.cluster  # noqa: F401
  import sklearn.linear_model  # noqa: F401
  import tf_keras  # noqa: F401

  import tfp_lgc.compression  # noqa: F401
  import tfp_lgc.evaluation  # noqa: F401
  from tfp_lgc.commands import compress
  for line in sys.stdin:
    threads = [pathlib.Path(f'/proc/self/task/{task}/comm').read_text().strip()
               for task in os.listdir('/proc/self/task')]
    assert len([name for name in threads if name not in ALLOCATORS]) == 1, (
        threads)
    child = os.fork()
    if not child:
      _run(compress.main, json.loads(line))
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)


def _run(main, arguments):
  """Never returns."""
  status = 1
  try:
    os.dup2(os.open('/dev/null', os.O_RDONLY), 0)
    said = os.open(arguments[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    status = main(['lgc-compress', *arguments[1:]])
  except BaseException:
    traceback.print_exc()
  finally:
    sys.stdout.flush()
    os._exit(status)


if __name__ == '__main__':
  _serve()
