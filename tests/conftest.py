"""Small artifacts, files written by hand after the page about the format
(docs/container.md), a server, and a browser."""

import hashlib
import json
import pathlib
import re
import shutil
import struct
import subprocess
import zlib
from typing import NamedTuple

import numpy as np
import pytest

import tfp_lgc
from tfp_lgc.commands import run

run.use_onednn()  # As commands do.
MAGIC = b'\x89LGC\r\n\x1a\n'


@pytest.fixture(scope='session')
def dictionary():
  """What a header refers to, from the page that describes the format."""
  page = pathlib.Path(__file__).parent.parent / 'docs/container.md'
  [text] = re.findall(r'```text\n(.*?)```', page.read_text(), re.DOTALL)
  return text.replace('\n', '').encode()


@pytest.fixture(scope='session')
def lgc_file(dictionary):
  """A function that makes a file with a right checksum out of anything."""
  def make(header, payload=b'', version=1, text=None, packed=None,
           packed_size=None, text_size=None):
    if text is None:
      text = json.dumps(header).encode()
    if version > 2:
      if packed is None:
        packer = zlib.compressobj(wbits=-15, zdict=dictionary)
        packed = packer.compress(text) + packer.flush()
      body = MAGIC + struct.pack('<H', version) + packed + payload
      return body + hashlib.sha256(body).digest()
    if packed is None:
      packed = zlib.compress(text)
    body = MAGIC + struct.pack(
        '<HII', version, len(packed) if packed_size is None else packed_size,
        len(text) if text_size is None else text_size) + packed + payload
    return body + hashlib.sha256(body).digest()
  return make


def _images():
  """64 images whose brightness tells their class; one class has one image."""
  rng = np.random.default_rng(0)
  names = np.array(['ape', 'cat', 'emu'])
  labels = np.arange(64) % 2 * 2
  labels[-1] = 1
  images = rng.integers(0, 100, [64, 7, 6, 3]) + 70 * labels[:, None, None,
                                                             None]
  return images.astype(np.uint8), names[labels]


@pytest.fixture(scope='session')
def artifact():
  """Of 3 classes, RGB, with a conv decoder and two latents, neither dead."""
  return tfp_lgc.compress(
      _images(), model='ae', trunk='conv', head='normal_diag', epochs=2,
      batch_size=16, latent_size=2, hidden_size=4, num_filters=2,
      num_components_max=3)


@pytest.fixture(scope='session')
def saved(artifact, tmp_path_factory):
  """The directory of the same, saved. Not to be written to."""
  directory = tmp_path_factory.mktemp('saved') / 'out'
  artifact.save(directory, metrics=[{'event': 'a'}, {'event': 'b'}])
  return directory


@pytest.fixture(scope='session')
def digits_run(tmp_path_factory):
  """The directory that bin/compress makes of digits. Not to be written to."""
  from command_lines import DIGITS_FLAGS, main  # Which import TensorFlow.
  directory = tmp_path_factory.mktemp('digits') / 'lgc_artifact'
  assert main('compress', *DIGITS_FLAGS, f'--output={directory}') == 0
  return directory


@pytest.fixture(scope='session')
def short_run(tmp_path_factory):
  """The directory of a run on digits whose EM takes few steps."""
  directory = tmp_path_factory.mktemp('run') / 'out'
  tfp_lgc.compress('digits', epochs=1, hidden_size=8, latent_size=3,
                   num_components_max=2, num_restarts=1, max_iterations=4,
                   tolerance=0.05).save(directory)
  return directory


@pytest.fixture
def place(tmp_path, monkeypatch):
  """An empty working directory but for images of noise, in two classes."""
  monkeypatch.chdir(tmp_path)
  images = np.random.default_rng(0).integers(0, 256, [60, 6, 5], np.uint8)
  np.savez('two.npz', x_train=images, y_train=np.arange(60) % 2)
  np.savez('one.npz', x_train=images)
  return tmp_path


@pytest.fixture(scope='module')
def server(artifact):
  """A server of that artifact in this process, with `servers.CONFIG`."""
  import servers  # What it needs, an environment for Apache Beam has not.
  with servers.Running(artifact, servers.CONFIG) as running:
    yield running


class Seen(NamedTuple):
  """What a browser says of a page: its images, those that were loaded, how wide
  it and the window are, in pixels, and its log."""
  images: int
  loaded: int
  wide: int
  inner: int
  log: str


@pytest.fixture
def in_browser(tmp_path):
  """A function `(page, width) -> Seen`, by headless Chromium. The page says of
  itself, in a frame of that width, how wide it is."""
  browser = next(filter(None, map(shutil.which, (
      'chromium', 'chromium-browser', 'google-chrome'))), None)
  if not browser:
    pytest.skip('no Chromium on this machine')

  def look(page, width):
    text = page.read_text()
    assert '</body>' in text
    (tmp_path / 'inner.html').write_text(text.replace('</body>', '''<script>
      addEventListener('load', () => {
        const all = [...document.images];
        parent.postMessage([
          all.length, all.filter(i => i.complete && i.naturalWidth).length,
          document.documentElement.scrollWidth, innerWidth].join(' '), '*');
      })</script></body>'''))
    outer = tmp_path / 'outer.html'
    outer.write_text(f'''<script>
      addEventListener('message', m => document.title = m.data)</script>
      <iframe src="inner.html" style="width: {width}px; border: 0"></iframe>
      ''')
    run = subprocess.run(
        [browser, '--headless', '--no-sandbox', '--disable-gpu',
         f'--user-data-dir={tmp_path}/profile', '--window-size=1600,900',
         '--enable-logging=stderr', '--virtual-time-budget=20000', '--dump-dom',
         outer.as_uri()],
        capture_output=True, text=True, timeout=120, check=True)
    numbers = re.search('<title>([^<]*)</title>', run.stdout).group(1).split()
    return Seen(*map(int, numbers), run.stderr)
  return look
