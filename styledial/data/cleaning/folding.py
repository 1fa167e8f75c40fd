"""Letters without accents and in small letters, one for one: ΚΕΦΆΛΑΙΟ and Κεφάλαιο are alike."""

from __future__ import annotations

import re
import unicodedata

_LONE = {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ς": "σ", "’": "'", "ʼ": "'", "\u00a0": " "}
_ACCENTED = ((0, 0x590), (0x1E00, 0x2000))  # elsewhere a mark is a letter of its own


class _Plain(dict[int, str]):
    """What each character becomes, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if any(low <= code < high for low, high in _ACCENTED):
            letter = unicodedata.normalize("NFD", letter)[0]
        small = letter.lower()[0]
        self[code] = plain = _LONE.get(small, small)
        return plain


_PLAIN = _Plain({ord(letter): plain for letter, plain in _LONE.items()})


def fold(text: str) -> str:
    """`text` in small letters without accents, as long as before: İKİNCİ gives ikinci."""
    return text.translate(_PLAIN)


def fold_title(text: str) -> str:
    """A title as it is compared with the names in a list of contents: without its full stop."""
    return fold(text).rstrip(".")


def any_of(words: str) -> str:
    """A pattern for any of these words in folded text, the longest first; `_` is a space."""
    found = {fold(word).replace("_", " ") for word in words.split()}
    return "|".join(sorted(map(re.escape, found), key=len, reverse=True))
