"""Traditional characters as simplified ones, by OpenCC.

The rules name the words of sites and authors in simplified characters: a line is folded before it
is judged, and stays as it is where it is kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

_FEW = 20  # traditional characters in a sample of lines


def simplified(text: str) -> str:
    """`text` in simplified characters, as long as it was: OpenCC's t2s table, phrases first."""
    return text if text.isascii() else _converter().convert(text)


def is_traditional(texts: Iterable[str]) -> bool:
    """Whether the first lines of a book are in traditional characters."""
    changed = 0
    for text in itertools.islice(texts, 200):
        changed += sum(old != new for old, new in zip(text, simplified(text), strict=False))
        if changed >= _FEW:
            return True
    return False


@lru_cache(maxsize=1)
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")
