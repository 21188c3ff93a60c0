"""How much an artifact.lgc may describe, whatever it says of itself.

A few bytes can stand for a great deal: a megabyte of zeros takes 160 of LZMA,
and a million equal symbols 700 of `ans`. So what a file may describe depends on
how long it is, and reading it takes no more time and memory than follows. What
has some information in it comes nowhere near.
"""

from typing import NamedTuple

__all__ = ['Limits', 'MAX_ANS_SYMBOLS', 'MAX_BLOCK_NUMBERS', 'MAX_CLASSES',
           'MAX_CONTEXTS', 'MAX_ELEMENTS', 'MAX_HEADER_NUM_BYTES',
           'MAX_NUM_BYTES', 'MAX_TENSORS', 'limits']

# Of the text of a header.
MAX_HEADER_NUM_BYTES = 2**24
MAX_TENSORS = 10_000
MAX_CLASSES = 2**16
# Numbers of all tensors.
MAX_ELEMENTS = 2**26
# Of them by `ans`: Python takes seconds for a million.
MAX_ANS_SYMBOLS = 2**21
# Contexts of these symbols: each has frequencies that have to be made.
MAX_CONTEXTS = 2**12
# Longer than the longest header and the most numbers, whatever their code.
MAX_NUM_BYTES = 2**28
# That one layer of a decoder makes for the images of one block: 4 GB.
MAX_BLOCK_NUMBERS = 2**30


class Limits(NamedTuple):
  """How much a file may describe.

  Attributes:
    header: bytes of the header's text.
    numbers: in all tensors.
    symbols: of them by `ans`, with contexts or without.
    contexts: of all tensors by `ans_rows` and `ans_columns`.
    padded: numbers of the mixture in memory, see `Header.check_padding`.
  """
  header: int
  numbers: int
  symbols: int
  contexts: int
  padded: int


def limits(num_bytes: int) -> Limits:
  """Of a file of so many bytes.

  ```python
  limits(1000).numbers   # 2^21 + 32,000
  ```
  """
  return Limits(min(MAX_HEADER_NUM_BYTES, 2**18 + 64 * num_bytes),
                min(MAX_ELEMENTS, 2**21 + 32 * num_bytes),
                min(MAX_ANS_SYMBOLS, 2**18 + 16 * num_bytes),
                min(MAX_CONTEXTS, 2**7 + num_bytes // 64),
                min(MAX_ELEMENTS, 2**21 + 256 * num_bytes))
