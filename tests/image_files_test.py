"""Files that Pillow writes against definitions in NumPy, a row of the table of
image_files.py each; and files that somebody made on purpose."""

import io
import pathlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tfp_lgc import compression, data, image_files, pipeline, sources
from tfp_lgc.arrays import from_arrays
from tfp_lgc.config import Config, DataConfig
from tfp_lgc.errors import DataError
from tfp_lgc.pipeline import Fitted, tell_skipped
from tfp_lgc.progress import Progress

_RNG = np.random.default_rng(0)
GRAY = _RNG.integers(0, 256, [5, 4], np.uint8)
RGB = _RNG.integers(0, 256, [5, 4, 3], np.uint8)


@pytest.fixture
def read(tmp_path):
  """What `read` makes of an image, or of the bytes of a file."""
  def write_and_read(image, name='x.png', **settings):
    path = tmp_path / name
    if isinstance(image, bytes):
      path.write_bytes(image)
    else:
      image.save(path, **settings)
    return image_files.read(path)
  return write_and_read


def _chunk(kind, content):
  return (struct.pack('>I', len(content)) + kind + content
          + struct.pack('>I', zlib.crc32(kind + content)))


def _png(pixels: bytes, width, height, depth, color, *more):
  """A PNG by hand, of rows without a filter."""
  rows = len(pixels) // height
  raw = b''.join(b'\0' + pixels[i * rows:(i + 1) * rows]
                 for i in range(height))
  return (b'\x89PNG\r\n\x1a\n'
          + _chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, color,
                                        0, 0, 0))
          + b''.join(more) + _chunk(b'IDAT', zlib.compress(raw))
          + _chunk(b'IEND', b''))


def test_8_bits_are_as_they_are(read):
  np.testing.assert_array_equal(read(Image.fromarray(GRAY)), GRAY[..., None])
  np.testing.assert_array_equal(read(Image.fromarray(RGB)), RGB)
  np.testing.assert_array_equal(read(_png(RGB.tobytes(), 4, 5, 8, 2)), RGB)


def test_one_bit_is_black_or_white(read):
  bits = GRAY > 127
  np.testing.assert_array_equal(
      read(Image.fromarray(bits))[..., 0], 255 * bits)


def test_a_palette_has_the_colors_that_it_names(read):
  palette = _RNG.integers(0, 256, [16, 3], np.uint8)
  indices = GRAY % 16
  image = Image.fromarray(indices, 'P')
  image.putpalette(palette.ravel().tolist())
  np.testing.assert_array_equal(read(image), palette[indices])


def test_cmyk_is_ink_on_white(read):
  cmyk = _RNG.integers(0, 256, [8, 8, 4], np.uint8)
  image = Image.fromarray(cmyk, 'CMYK')
  # A JPEG is what comes back from it.
  buffer = io.BytesIO()
  image.save(buffer, 'JPEG', quality=100)
  ink = np.asarray(Image.open(buffer)).astype(int)
  expected = (255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255
  got = read(buffer.getvalue(), 'x.jpg')
  assert got.shape == (8, 8, 3)
  assert np.abs(got - expected).max() <= 1


def test_ycbcr_is_rgb_by_the_formula_of_jfif(read):
  flat = np.tile(np.uint8([200, 40, 90]), [16, 16, 1])  # Nothing to be lost.
  got = read(Image.fromarray(flat), 'x.jpg', quality=100)
  assert np.abs(got.astype(int) - flat).max() <= 2


@pytest.mark.parametrize('pixels', [GRAY[..., None], RGB], ids=['gray', 'rgb'])
def test_alpha_that_hides_nothing_is_dropped(pixels, read):
  opaque = np.concatenate([pixels, np.full([5, 4, 1], 255, np.uint8)], axis=-1)
  np.testing.assert_array_equal(read(Image.fromarray(opaque)), pixels)
  opaque[2, 3, -1] = 254
  with pytest.raises(DataError, match='x.png: is transparent in 1 pixels'):
    read(Image.fromarray(opaque))


def test_a_transparent_color_is_alpha_too(read):
  indices = GRAY % 4
  image = Image.fromarray(indices, 'P')
  image.putpalette(list(range(12)))
  count = int((indices == 2).sum())
  assert count
  with pytest.raises(DataError, match=f'is transparent in {count} pixels'):
    read(image, transparency=2)
  # Of a color that no pixel has.
  image = Image.fromarray(GRAY // 2)
  np.testing.assert_array_equal(read(image, transparency=255)[..., 0],
                                GRAY // 2)


@pytest.mark.parametrize('color, channels', [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bits_are_refused_in_every_color(color, channels, read):
  """Pillow opens most of them as if they were of 8."""
  pixels = _RNG.integers(0, 2**16, [5, 4, channels]).astype('>u2')
  with pytest.raises(DataError, match='x.png: has pixels of kind .*16'):
    read(_png(pixels.tobytes(), 4, 5, 16, color))


def test_floats_and_formats_that_pillow_has_programs_for_are_refused(read):
  buffer = io.BytesIO()
  Image.fromarray(np.ones([4, 4], np.float32)).save(buffer, 'TIFF')
  postscript = io.BytesIO()
  Image.fromarray(RGB).save(postscript, 'EPS')
  gif = io.BytesIO()
  Image.fromarray(GRAY).save(gif, 'GIF')
  for content in (buffer, postscript, gif):
    with pytest.raises(DataError, match='x.png: cannot be read as an image'):
      read(content.getvalue())


@pytest.mark.parametrize('name', ['x.png', 'x.webp'])
def test_what_is_animated_is_refused(name, read):
  frames = [Image.fromarray(np.roll(RGB, i, axis=0)) for i in range(3)]
  with pytest.raises(DataError, match=f'{name}: is animated, 3 frames'):
    read(frames[0], name, save_all=True, append_images=frames[1:])


def test_the_first_picture_of_a_jpeg_with_more(read, tmp_path):
  pixels = np.tile(RGB[:1, :1], [16, 16, 1])
  got = read(Image.fromarray(pixels), 'x.jpg', format='MPO', save_all=True,
             append_images=[Image.fromarray(255 - pixels)])
  with Image.open(tmp_path / 'x.jpg') as image:
    assert image.n_frames == 2
  assert np.abs(got.astype(int) - pixels).max() <= 8


# What undoes the orientation that EXIF names, by its numbers there.
_TURNS = {1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2),
          4: np.flipud, 5: lambda x: x.swapaxes(0, 1),
          6: lambda x: np.rot90(x, -1), 7: lambda x: np.rot90(x, 2).swapaxes(
              0, 1), 8: np.rot90}


@pytest.mark.parametrize('orientation', _TURNS)
def test_an_image_that_exif_turns_is_turned(orientation, read):
  exif = Image.Exif()
  exif[0x0112] = orientation
  np.testing.assert_array_equal(
      read(Image.fromarray(RGB), exif=exif), _TURNS[orientation](RGB))


def test_a_bomb_is_refused_by_its_header(read, recwarn):
  """However few bytes it takes, and without a warning."""
  for side, words in ((4097, 'x.png: has 4097 x 4097 pixels; at most 16777216'),
                      (12_000, 'x.png: has 12000 x 12000 pixels; at most'),
                      # So many that Pillow refuses them.
                      (20_000, 'x.png: cannot be .*400000000 pixels')):
    # There is no more than a header and a palette of one color.
    content = _png(b'', side, side, 8, 3, _chunk(b'PLTE', bytes(3)))[:60]
    with pytest.raises(DataError, match=words):
      read(content)
  assert not [warning for warning in recwarn
              if 'DecompressionBomb' in str(warning.category)]


def _encoded(form, image=None, **settings):
  buffer = io.BytesIO()
  (image or Image.fromarray(np.tile(RGB, [8, 8, 1]))).save(buffer, form,
                                                           **settings)
  return buffer.getvalue()


FORMS = {'PNG': 'x.png', 'JPEG': 'x.jpg', 'BMP': 'x.bmp', 'WEBP': 'x.webp'}


def test_every_format_is_tried():
  assert set(FORMS) == set(image_files.FORMATS)
  assert {pathlib.Path(name).suffix for name in FORMS.values()} <= set(
      image_files.SUFFIXES)


@pytest.mark.parametrize('form', FORMS)
def test_what_is_truncated_is_refused(form, read):
  content = _encoded(form)
  assert read(content, FORMS[form]).shape == (40, 32, 3)
  for share in (0, 0.1, 0.5, 0.9):
    with pytest.raises(DataError, match=f'{FORMS[form]}: cannot be read'):
      read(content[:int(share * len(content))], FORMS[form])


def test_a_png_is_whole_to_its_end(read):
  """But for the checksum of its end, which says nothing."""
  content = _encoded('PNG')
  for size in range(len(content) - 20, len(content) - 4):
    with pytest.raises(DataError, match='x.png: cannot be read'):
      read(content[:size])
  start = content.index(b'IDAT') + 4
  for i in range(start, start + 40, 3):
    bad = content[:i] + bytes([content[i] ^ 4]) + content[i + 1:]
    with pytest.raises(DataError, match='x.png: cannot be read'):
      read(bad)


@pytest.mark.parametrize('form', FORMS)
def test_hostile_bytes_are_pixels_or_refused_by_name(form, read):
  rng = np.random.default_rng(0)
  content, refused = _encoded(form), 0
  for _ in range(100):
    bad = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
      bad[int(rng.integers(min(len(bad), 200)))] = int(rng.integers(256))
    try:
      pixels = read(bytes(bad), FORMS[form])
    except DataError as error:
      assert FORMS[form] in str(error)
      refused += 1
    else:
      assert pixels.dtype == np.uint8 and pixels.shape[-1] in (1, 3)
  assert refused


# Folders that have some.


def _folder(path):
  """12 good images of 3 classes, and a bad one of each sort in class b."""
  for i in range(12):
    (path / 'abc'[i % 3]).mkdir(exist_ok=True)
    Image.fromarray(np.roll(GRAY, i)).save(path / 'abc'[i % 3] / f'{i}.png')
  (path / 'b/cut.png').write_bytes(_encoded('PNG')[:60])
  Image.fromarray(GRAY[1:]).save(path / 'b/odd.png')
  # Or one that is left out would make all of them RGB.
  transparent = np.dstack([RGB, GRAY])
  Image.fromarray(transparent).save(path / 'b/alpha.png')
  Image.fromarray(RGB[1:]).save(path / 'a/0odd.png')
  return sources.load(DataConfig(f'{path}/', skip_bad_images=True,
                                 test_fraction=0.25))


BAD = ['a/0odd.png: is 4 x 4, another image 5 x 4', 'b/alpha.png: is transp',
       'b/cut.png: cannot be read', 'b/odd.png: is 4 x 4, another image 5 x 4']


@pytest.mark.parametrize('limit', [0, 2**30], ids=['streamed', 'in memory'])
def test_bad_images_are_skipped_and_labels_stay(limit, tmp_path, monkeypatch):
  monkeypatch.setattr(data, 'CACHE_NUM_BYTES', limit)
  source = _folder(tmp_path)
  assert len(source.skipped) == 4
  for line, expected in zip(source.skipped, BAD):
    assert line.startswith(f'{tmp_path}/{expected}')
  assert source.train.image_shape == (5, 4, 1)
  got = {}
  for split in (source.train, source.test):
    images = split.to_memory(source.class_names)
    assert len(images) == split.num_examples
    got.update(zip((image.tobytes() for image in images.images),
                   images.labels))
  assert got == {np.roll(GRAY, i).tobytes(): i % 3 for i in range(12)}


def test_without_the_flag_the_first_bad_one_is_named_with_a_hint(tmp_path):
  _folder(tmp_path)
  (tmp_path / 'a/0odd.png').unlink()
  (tmp_path / 'b/odd.png').unlink()
  with pytest.raises(DataError, match='b/alpha.png: is transparent.*'
                                      '--skip_bad_images leaves'):
    sources.load(DataConfig(f'{tmp_path}/'))


def test_a_class_is_not_lost(tmp_path):
  _folder(tmp_path)
  for path in (tmp_path / 'c').iterdir():
    path.write_bytes(b'no image')
  with pytest.raises(DataError, match="no image of class 'c' can be used; of "
                                      'all images 8 cannot, the first: '):
    sources.load(DataConfig(f'{tmp_path}/', skip_bad_images=True))
  for path in tmp_path.glob('*/*'):
    path.write_bytes(b'no image')
  with pytest.raises(DataError, match='png: cannot be read .*all other images'):
    sources.load(DataConfig(f'{tmp_path}/', skip_bad_images=True))


def test_a_validation_part_knows_what_was_skipped(tmp_path):
  source = _folder(tmp_path)
  assert data.validation(source, 0.5).skipped == source.skipped


def test_what_was_skipped_is_said_and_recorded():
  images = np.zeros([3, 2, 2, 1], np.uint8)
  source = from_arrays((images, None))
  said = []
  tell_skipped(source, Progress(said.append))
  assert not said
  skipped = tuple(f'{i}.png: is bad' for i in range(12))
  progress = Progress(said.append)
  tell_skipped(data.Source('x', source.train, None, ('all',), skipped=skipped),
               progress)
  assert said == ['12 images are left out:',
                  *(f'  {line}' for line in skipped[:10]), '  ... and 2 more']
  assert progress.records == [{'event': 'skipped_images', 'count': 12,
                               'first': list(skipped[:10])}]


def test_compress_tells_of_them(tmp_path, monkeypatch):
  """Once, and before it begins."""
  _folder(tmp_path)
  monkeypatch.setattr(pipeline, 'fit', lambda source, *_: Fitted(
      source.train.num_examples, None, None, None, None))
  progress = Progress()
  assert compression.compress(f'{tmp_path}/', skip_bad_images=True,
                              progress=progress) == 12
  [row] = progress.records
  assert (row['event'], row['count']) == ('skipped_images', 4)


def test_the_flag_is_off_by_default():
  assert not Config().data.skip_bad_images
