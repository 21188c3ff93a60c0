"""What makes hostile files of good ones.

All is drawn from a NumPy generator, so that a seed is a file. The checksum is
right in nearly all of them: what is wrong behind it is to be found.
"""

import copy
import hashlib
import json
import zlib
from typing import Any, Callable

import numpy as np
from fuzzing import codes, Seed

from tfp_lgc import codec

# What may stand anywhere in a header.
_HOSTILE = [
    None, True, False, -1, 0, 1, 2, 3, 7, 2**16, 2**24, 2**31, 2**53, 2**63,
    10**400, 0.5, -0.0, 1e-320, 1e308, float('nan'), float('inf'), '', 'x',
    'full', 'prior', 'diag', 'gmm_dae', 'conv', 'maf', 'normal_full', 'lzma',
    'ans', '\ud800', '\0', '../..', '\U0001F600' * 50, 'e' * 5000, [], [[]], {},
    {'model': {}}, [1] * 50, ['full'] * 3, [3, 3, 1], [2**13, 2**13, 1]]


def _at(rng, seed: Seed):
  """A random place in a header: what holds it, and key or position."""
  place = copy.deepcopy(seed.header)
  top = place
  while True:
    key: Any = (rng.choice(list(place)) if isinstance(place, dict)
                else int(rng.integers(len(place))))
    key = str(key) if isinstance(place, dict) else key
    inner = place[key]
    if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.2:
      return top, place, key
    place = inner


def _pick(rng, values):
  return values[int(rng.integers(len(values)))]


def header_value(rng, seed, make, others):
  """Something else in one place."""
  top, place, key = _at(rng, seed)
  value = place[key]
  if isinstance(value, (int, float)) and rng.random() < 0.5:
    place[key] = _pick(rng, [value + 1, value - 1, 2 * value, -value,
                             float(value), str(value), 2**40 * value])
  else:
    place[key] = _pick(rng, _HOSTILE)
  return make(top, seed.payload, seed.version)


def header_shape(rng, seed, make, others):
  """Something less, more, twice or elsewhere."""
  top, place, key = _at(rng, seed)
  which = rng.integers(4)
  if isinstance(place, dict):
    value = place.pop(key)
    if which:
      place[_pick(rng, ['', 'no_such', 'config', 'preset', 'self', 'beta',
                        'texture', 'tensors', key.upper()])] = value
  elif which == 0:
    del place[key]
  elif which == 1:
    place.insert(key, place[key])
  elif which == 2:
    other = int(rng.integers(len(place)))
    place[key], place[other] = place[other], place[key]
  else:
    place += place
  return make(top, seed.payload, seed.version)


def header_text(rng, seed, make, others):
  """JSON that is none, or that is read in two ways."""
  text = json.dumps(seed.header)
  text = _pick(rng, [
      lambda: text[:-1] + ', "temperature": 0.5}',  # Twice.
      lambda: text.replace('"model": ', '"model": {}, "model": ', 1),
      lambda: text.replace('1', '1' * 5000, 1),
      lambda: text.replace('1', 'Infinity', 1),
      lambda: text[:-1] + ', "deep": ' + '[' * 50_000 + ']' * 50_000 + '}',
      lambda: text[:-1] + ', "deep": ' + '{"a":' * 9000 + '0' + '}' * 9001,
      lambda: '\ufeff' + text,
      lambda: text + ' ' * int(rng.integers(5000)),
      lambda: text.replace('"', "'"),
      lambda: text.replace(', ', ',\n\t')])()
  kind = _pick(rng, ['utf-8'] * 6 + ['utf-16-le', 'utf-16-be', 'utf-32'])
  return make(None, seed.payload, seed.version, text=text.encode(kind))


def _other_part(rng, part: bytes, other: bytes) -> bytes:
  which = int(rng.integers(9))
  if which == 0:
    return bytes(byte ^ 1 << int(rng.integers(8)) for byte in part[:1]
                 ) + part[1:]
  if which == 1:
    return rng.bytes(len(part))
  if which == 8:
    return part + rng.bytes(3)
  return [b'', part + part, part[::-1], bytes(len(part)), b'\xff' * len(part),
          other][which - 2]


def _mutated(rng, data: bytes, others: bytes = b'') -> bytes:
  """Bytes that are flipped, inserted, deleted, doubled, swapped or cut."""
  for _ in range(_pick(rng, [1, 1, 1, 2, 5])):
    i, j = sorted(int(k) for k in rng.integers(0, len(data) + 1, 2))
    j = min(j, i + _pick(rng, [1, 2, 8, len(data)]))
    data = data[:i] + _other_part(rng, data[i:j], others[i:j]) + data[j:]
    if rng.random() < 0.1:
      data = data[:j] if rng.random() < 0.5 else data + rng.bytes(9)
  return data


def any_bytes(rng, seed, make, others):
  """All but the checksum."""
  content = make(seed.header, seed.payload, seed.version)
  body = content[:8] + _mutated(rng, content[8:-32], others.payload)
  return body + hashlib.sha256(body).digest()


def no_checksum(rng, seed, make, others):
  """A file that was damaged on its way."""
  content = make(seed.header, seed.payload, seed.version)
  other = _mutated(rng, content)
  return other if other != content else content + b'\0'


def payload_bytes(rng, seed, make, others):
  """Steps and codes."""
  return make(seed.header, _mutated(rng, seed.payload, others.payload),
              seed.version)


def text_bytes(rng, seed, make, others):
  """The text of the header."""
  text = _mutated(rng, json.dumps(seed.header).encode())
  return make(None, seed.payload, seed.version, text=text)


def code_values(rng, seed, make, others):
  """A byte of a code is another, which most codes survive."""
  payload = bytearray(seed.payload)
  payload[int(rng.integers(len(payload)))] = int(rng.integers(256))
  return make(seed.header, bytes(payload), seed.version)


def lengths(rng, seed, make, others):
  """Sizes of the first versions; of others, headers that are packed oddly."""
  text = json.dumps(seed.header).encode()
  if seed.version < 3:
    size = _pick(rng, [0, 1, len(text) - 1, len(text) + 1, 2**24, 2**32 - 1,
                       len(text) << 16])
    return make(None, seed.payload, seed.version, text=text,
                **{_pick(rng, ['packed_size', 'text_size']): size})
  packer = zlib.compressobj(int(rng.integers(10)), zlib.DEFLATED, -15)
  packed = packer.compress(text) + packer.flush(
      _pick(rng, [zlib.Z_FINISH, zlib.Z_FINISH, zlib.Z_SYNC_FLUSH]))
  return make(None, seed.payload, seed.version, packed=packed)


def wrong_endian(rng, seed, make, others):
  """The version, or all that has two bytes."""
  if rng.random() < 0.3:
    return make(seed.header, seed.payload, seed.version << 8)
  payload = b''.join(
      np.frombuffer(steps, '<u2').astype('>u2').tobytes() + code
      for steps, code in codes(seed))
  return make(seed.header, payload, seed.version)


# Not finite, denormal, none, below zero, largest, smallest: as bfloat16.
_STEPS = [0x7F80, 0xFF80, 0x7FC0, 0xFFFF, 1, 0x8000, 0, 0x0080, 0xBF80, 0x7F7F,
          0xFF7F, 0x3F80]


def special_steps(rng, seed, make, others):
  """In one tensor, one of them or all."""
  parts = codes(seed)
  i = int(rng.integers(len(parts)))
  steps = np.frombuffer(parts[i][0], '<u2').copy()
  steps[int(rng.integers(len(steps))):] = _pick(rng, _STEPS)
  parts[i] = steps.tobytes(), parts[i][1]
  return make(seed.header, b''.join(map(b''.join, parts)), seed.version)


def tensors(rng, seed, make, others):
  """Names, codes or whole tensors that change places; names that overlap."""
  header, parts = copy.deepcopy(seed.header), codes(seed)
  entries = header['tensors']
  i, j = (int(k) for k in rng.integers(0, len(parts), 2))
  which = rng.integers(6)
  if which == 0:  # Order is free.
    entries[i], entries[j] = entries[j], entries[i]
    parts[i], parts[j] = parts[j], parts[i]
  elif which == 1:
    entries[i][0], entries[j][0] = entries[j][0], entries[i][0]
  elif which == 2:
    parts[i], parts[j] = parts[j], parts[i]
    entries[i][5], entries[j][5] = entries[j][5], entries[i][5]
  elif which == 3:
    entries.append(list(entries[i]))
    parts.append(parts[i])
  elif which == 4:
    entries[i][1] = entries[i][1][::-1]
  else:
    entries[i][4] = _pick(rng, list(codec.CODECS))
  return make(header, b''.join(map(b''.join, parts)), seed.version)


def recoded(rng, seed, make, others):
  """The same numbers in another code: a good file."""
  header, parts = copy.deepcopy(seed.header), []
  for entry, (steps, code) in zip(header['tensors'], codes(seed)):
    _, shape, bits, _, old, _ = entry
    values = codec.CODECS[old].decode(code, tuple(shape), bits)
    # Of many contexts there may be too many.
    entry[4] = _pick(rng, [name for name in codec.CODECS
                           if codec.num_contexts(name, shape) <= 8])
    code = codec.CODECS[entry[4]].encode(values, bits)
    entry[5] = len(code)
    parts += [steps, code]
  return make(header, b''.join(parts), seed.version)


def other_payload(rng, seed, make, others):
  """A header of one file and the numbers of another."""
  return make(seed.header, others.payload, seed.version)


MUTATORS: list[Callable] = [
    header_value, header_value, header_value, header_shape, header_text,
    any_bytes, no_checksum, payload_bytes, text_bytes, code_values, lengths,
    wrong_endian, special_steps, tensors, tensors, recoded, other_payload]


# A few bytes that stand for a great deal.


def _with(seed, make, shapes, changes=(), which='lzma', bits=8, **model):
  """A file whose tensors of these names are zeros of other shapes."""
  header = copy.deepcopy(seed.header)
  header.update(changes)
  header['model'].update(model)
  old = {entry[0]: (entry, code)
         for entry, code in zip(header['tensors'], codes(seed))}
  for name, shape in shapes.items():
    values = np.zeros(shape, np.int32)
    code = codec.CODECS[which].encode(values, bits)
    old[name] = ([name, list(shape), bits, 1, which, len(code)],
                 (b'\x80\x3f', code))
  header['tensors'] = [entry for entry, _ in old.values()]
  parts = [part for _, pair in old.values() for part in pair]
  return make(header, b''.join(parts), 4)


def _zeros(which, bits, *shape):
  return lambda seed, make: _with(seed, make, {'decoder/x': shape},
                                  which=which, bits=bits)


def _contexts(contexts):
  """A file of nearly 16,000 bytes, whose limit is 375 of them."""
  def bomb(seed, make):
    content = _zeros('ans_columns', 10, 40, contexts)(seed, make)
    header, payload = copy.deepcopy(seed.header), seed.payload
    values = np.zeros([40, contexts], np.int32)
    code = codec.CODECS['ans_columns'].encode(values, 10)
    filling = bytes(b'\x55' * (15_850 - len(content)))
    header['tensors'] += [
        ['decoder/x', [40, contexts], 10, 1, 'ans_columns', len(code)],
        ['decoder/y', [len(filling)], 8, 1, 'packed', len(filling)]]
    return make(header, payload + b'\x80\x3f' + code + b'\x80\x3f' + filling, 4)
  return bomb


def _mixture_bomb(num_classes, largest, size, structure):
  counts = [largest] + [1] * (num_classes - 1)
  total = sum(counts)
  if structure == 'tied':
    scales = {'mixture/log_scale_tied': (num_classes, size),
              'mixture/unit_tied': (num_classes, size * (size - 1) // 2)}
  else:
    scales = {f'mixture/scale_{structure}': (
        total, size if structure == 'diag' else 1)}
  changes = {'class_names': [str(i) for i in range(num_classes)],
             'class_counts': [1] * num_classes, 'num_components': counts,
             'structures': [structure] * num_classes, 'num_conditions': 0}
  loc = 'mixture/white_loc_tied' if structure == 'tied' else 'mixture/loc'
  return lambda seed, make: _with(seed, make, {
      'mixture/log_weights': (total,), loc: (total, size), **scales}, changes,
                                  latent_size=size)


def _text_bomb(more):
  return lambda seed, make: make(
      None, seed.payload, 4,
      text=(json.dumps(seed.header)[:-1] + more + '}').encode())


# Name -> (a good file of version 4, `lgc_file`) -> file. Some are just allowed,
# some just not.
BOMBS: dict[str, Callable] = {
    f'text of {name}': _text_bomb(more) for name, more in {
        'spaces': ' ' * 2**22, 'lists': ',"a":[' + '[],' * 85_000 + '0]',
        'dicts': ',"a":[' + '{"":0},' * 36_000 + '0]',
        'many lists': ',"a":[' + '[],' * 2**20 + '0]',
        'keys': ',"a":{' + ','.join(f'"{i}":{{}}'
                                    for i in range(5_000)) + '}',
        'a long name': ',"a":"' + 'x' * 250_000 + '\U0001F600"',
        'digits': ',"a":[' + ','.join(['9' * 4000] * 60) + ']'}.items()}
BOMBS.update({
    f'{size} zeros of {bits} bits by {which}': _zeros(which, bits, size)
    for which, bits, size in (('lzma', 8, 2_050_000), ('lzma', 16, 2_050_000),
                              ('lzma', 8, 2**24), ('ans', 4, 255_000),
                              ('ans', 4, 400_000), ('ans_deltas', 4, 255_000))})
BOMBS.update({
    f'zeros {rows} x {columns} of {bits} bits by {which}':
    _zeros(which, bits, rows, columns)
    for which, bits, rows, columns in (
        ('ans_columns', 4, 1800, 145), ('ans_rows', 4, 140, 1800))})
BOMBS.update({
    f'{contexts} contexts of 10 bits': _contexts(contexts)
    for contexts in (370, 380)})
BOMBS.update({
    f'{count} classes of {largest} {structure} in {size}':
    _mixture_bomb(count, largest, size, structure)
    for count, largest, size, structure in (
        (30, 60, 32, 'diag'), (2, 2, 700, 'low_rank'), (1, 2, 1000, 'diag'),
        (2000, 1, 3, 'spherical'), (20, 200, 32, 'diag'),
        (2, 64, 1000, 'low_rank'), (9, 1000, 16, 'spherical'),
        (20, 6000, 16, 'tied'), (20, 6500, 16, 'tied'),
        (2, 10_000, 96, 'tied'), (2, 2, 1000, 'tied'))})
