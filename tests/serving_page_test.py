"""The page of the HTTP server, as people meet it."""

import base64
import io
import json

import browser as browser_lib
import numpy as np
import pytest
from PIL import Image
from servers import CLASSES

import tfp_lgc
from tfp_lgc import serving
from tfp_lgc.errors import LgcError


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
  if not browser_lib.found():
    pytest.skip('no Chromium on this machine')
  with browser_lib.Browser(tmp_path_factory.mktemp('browser')) as running:
    yield running


_STATUS = "(document.getElementById('status')?.textContent ?? '')"
_PIXELS = """[...document.querySelectorAll('canvas')].map(c => [
  ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data])"""


def _shown(browser, text):
  browser.wait(f'{_STATUS}.includes({json.dumps(text)})')


@pytest.mark.parametrize('width', [400, 1400])
@pytest.mark.parametrize('dark', [False, True], ids=['light', 'dark'])
def test_the_page_shows_the_samples(width, dark, browser, server, artifact):
  browser.open(f'http://127.0.0.1:{server.port}/', width, dark=dark)
  _shown(browser, '24 samples of all classes, seed 3, temperature 1')
  drawn = tfp_lgc.sample(artifact, 24, seed=3)
  pixels = np.array(browser.run(_PIXELS)).reshape([24, 7, 6, 4])
  np.testing.assert_array_equal(pixels[..., :3], drawn.images)
  assert browser.run("[...document.querySelectorAll('li')]"
                     ".map(item => item.textContent)") == [
      CLASSES[label] for label in drawn.labels]
  assert browser.run('document.documentElement.scrollWidth') <= width
  image = np.asarray(Image.open(io.BytesIO(base64.b64decode(
      browser.screenshot()))).convert('L'))
  assert (np.median(image) < 64) == dark
  assert not browser.messages


def test_the_page_is_used_by_keyboard(browser, server, artifact):
  browser.open(f'http://127.0.0.1:{server.port}/')
  _shown(browser, '24 samples')
  visited = []
  for _ in range(6):
    browser.press('Tab', 9)
    visited.append(browser.run('document.activeElement.id'))
    if visited[-1] == 'label':
      browser.press('e', 69, 'e')  # Chooses emu.
      _shown(browser, '24 samples of emu, seed 3')
    if visited[-1] == 'temperature':
      browser.run('document.activeElement.select()')
      for key in '0.5':
        browser.press(key, 0, key)
      browser.press('Enter', 13, '\r')
      _shown(browser, 'temperature 0.5')
  browser.press('Enter', 13, '\r')
  _shown(browser, '24 samples of emu, seed 4, temperature 0.5')
  assert visited == ['label', 'n', 'seed', 'temperature', 'draw', 'next']
  drawn = tfp_lgc.sample(artifact, 24, 'emu', 4, temperature=0.5)
  pixels = np.array(browser.run(_PIXELS)).reshape([24, 7, 6, 4])
  np.testing.assert_array_equal(pixels[..., :3], drawn.images)


def test_every_control_and_picture_has_a_name_for_screen_readers(
    browser, server, artifact):
  browser.open(f'http://127.0.0.1:{server.port}/')
  _shown(browser, '24 samples')
  names = {}
  for node in browser.call('Accessibility.getFullAXTree')['nodes']:
    role = node.get('role', {}).get('value')
    names.setdefault(role, []).append(node.get('name', {}).get('value'))
  assert names['combobox'] == ['Class']
  assert names['spinbutton'] == ['Images', 'Seed', 'Temperature']
  assert names['button'] == ['Draw', 'Next seed']
  drawn = tfp_lgc.sample(artifact, 24, seed=3)
  assert names['image'] == [f'sample {i + 1}, class {CLASSES[label]}'
                            for i, label in enumerate(drawn.labels)]


def test_an_error_is_shown_and_read_out(browser, server, monkeypatch):
  browser.open(f'http://127.0.0.1:{server.port}/')
  _shown(browser, '24 samples')

  def fail(*args):
    raise LgcError('n: nothing is left')
  monkeypatch.setattr(serving, 'draw_of', fail)
  browser.run("document.getElementById('draw').click()")
  browser.wait("document.querySelector('[role=alert]').textContent"
               " === 'n: nothing is left'")
  browser.messages.clear()  # The browser notes the 400 of its own accord.


def test_an_error_in_plain_text_is_shown_too(browser, server):
  browser.open(f'http://127.0.0.1:{server.port}/')
  _shown(browser, '24 samples')
  browser.run('''window.fetch = async () => new Response(
      'Service Unavailable', {status: 503})''')
  browser.run("document.getElementById('draw').click()")
  browser.wait("document.querySelector('[role=alert]').textContent"
               " === 'Service Unavailable'")
