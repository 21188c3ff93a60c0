"""A real browser without a window, told what to do through a pipe.

It speaks the Chrome DevTools Protocol: JSON objects that end in a zero byte,
in at file descriptor 3 and out at 4.
"""

import fcntl
import json
import os
import shutil
import subprocess
import time

NAMES = 'chromium', 'chromium-browser', 'google-chrome'


def found():
  """The program, or None where there is none."""
  return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
  """One page.

  ```python
  with Browser(tmp_path) as browser:
    browser.open('http://127.0.0.1:8000/', width=400)
    browser.wait('document.images.length > 0')
    browser.press('Tab')
  ```
  """

  def __init__(self, directory):
    to_read, self._write = os.pipe()
    self._read, to_write = os.pipe()
    # Copies that are neither 3 nor 4, or one would overwrite the other.
    ours = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
            for end in (to_read, to_write)]

    def descriptors():
      os.dup2(ours[0], 3)
      os.dup2(ours[1], 4)

    self._process = subprocess.Popen(
        [found(), '--headless', '--no-sandbox', '--disable-gpu',
         '--remote-debugging-pipe', f'--user-data-dir={directory}/profile'],
        preexec_fn=descriptors, close_fds=False, stderr=subprocess.DEVNULL)
    for end in (to_read, to_write, *ours):
      os.close(end)
    self._buffer, self._id, self._session = b'', 0, None
    self.messages = []  # What the page wrote to its console, and its errors.
    target = self.call('Target.createTarget', url='about:blank')['targetId']
    self._session = self.call('Target.attachToTarget', targetId=target,
                              flatten=True)['sessionId']
    for domain in ('Page', 'Runtime', 'Log'):
      self.call(f'{domain}.enable')

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._process.terminate()
    self._process.wait()
    os.close(self._read)
    os.close(self._write)

  def call(self, method, **params):
    """The result of a method of the protocol."""
    self._id += 1
    message = {'id': self._id, 'method': method, 'params': params}
    if self._session:
      message['sessionId'] = self._session
    os.write(self._write, json.dumps(message).encode() + b'\0')
    while (answer := self._next()).get('id') != self._id:
      if answer['method'] in ('Runtime.exceptionThrown', 'Log.entryAdded',
                              'Runtime.consoleAPICalled'):
        self.messages.append(answer['params'])
    assert 'error' not in answer, answer
    return answer['result']

  def _next(self):
    while b'\0' not in self._buffer:
      part = os.read(self._read, 2**16)
      assert part, 'the browser ended'
      self._buffer += part
    message, self._buffer = self._buffer.split(b'\0', 1)
    return json.loads(message)

  def open(self, url, width=1400, height=900, dark=False):
    self.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
              deviceScaleFactor=1, mobile=False)
    self.call('Emulation.setEmulatedMedia', features=[
        {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])
    self.call('Page.navigate', url=url)

  def run(self, expression):
    """The value of a JavaScript expression, awaited if it is a promise."""
    result = self.call('Runtime.evaluate', expression=expression,
                       returnByValue=True, awaitPromise=True)
    assert 'exceptionDetails' not in result, result
    return result['result'].get('value')

  def wait(self, expression, seconds=60):
    """Until a JavaScript expression is true."""
    end = time.monotonic() + seconds
    while not self.run(expression):
      assert time.monotonic() < end, f'{expression} is not true'
      time.sleep(0.05)

  def press(self, key, code=0, text=''):
    """A key, as from a keyboard; `code` is its Windows virtual key code."""
    for kind in ('keyDown', 'keyUp'):
      self.call('Input.dispatchKeyEvent', type=kind, key=key,
                windowsVirtualKeyCode=code,
                **({'text': text} if text and kind == 'keyDown' else {}))

  def screenshot(self):
    """PNG, in base64."""
    return self.call('Page.captureScreenshot')['data']
