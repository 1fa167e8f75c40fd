"""What is known of each UTF-16 unit whatever the language: its script, case and usual cost.

Arrays of 65,536, one entry a unit, made once.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np

SCRIPTS = (
    "none", "other", "latin", "cyrillic", "greek", "hebrew", "arabic", "thai", "han",
    "kana", "hangul",
)  # fmt: skip
# Costs in bits of what a language's own table doesn't list.
FOREIGN_LETTER = 15.0
_LATIN_ABROAD = 6.0  # an ASCII letter in a text of another script
_WESTERN_ABROAD = 13.5  # é in English, ö in Polish: names and loan words
_SYMBOL, _MARK, _PRIVATE, _CONTROL, _LOST = 13.0, 5.0, 20.0, 25.0, 24.0
_MARKS = "“”‘’„‚«»‹›–—…·¿¡°§№\u00a0\u00ad\u200c\u200d\ufeff\u3000"
_MARKS += "、。，！？；：「」『』（）《》【】〜～・"


def is_letter(character: str) -> bool:
    """A letter, or a mark that belongs to one."""
    return unicodedata.category(character)[0] in "LM"


@lru_cache(maxsize=1)
def cases() -> np.ndarray:
    """1 for capitals, 2 for small letters."""
    return np.array(
        [1 if chr(c).isupper() else 2 if chr(c).islower() else 0 for c in range(0x10000)], np.uint8
    )


@lru_cache(maxsize=1)
def strange_places() -> np.ndarray:
    """Marks outside ASCII that don't open a word (1) or stand inside one (2).

    gro§e is große; ’λλος is Άλλος, as one byte is ’ in iso8859-7 and Ά in cp1253.
    """
    table = np.where(letters(), 0, 3).astype(np.uint8)
    table[:0x80] = 0
    for bit, fitting in ((1, "“‘«„‚‹¿¡…—–"), (2, "’ʼ·—–…\u00a0\u00ad\u200c\u200d")):
        table[[ord(c) for c in fitting]] &= 3 - bit
    return table


@lru_cache(maxsize=1)
def letters() -> np.ndarray:
    """Whether each unit is a letter, or a mark that belongs to one."""
    return np.array([is_letter(chr(c)) for c in range(0x10000)])


@lru_cache(maxsize=1)
def scripts() -> np.ndarray:
    """The script of each letter, as a place in SCRIPTS."""
    table = np.where(letters(), 1, 0).astype(np.uint8)
    for low, high, script in (
        (0x41, 0x250, "latin"),
        (0x1E00, 0x1F00, "latin"),
        (0x370, 0x400, "greek"),
        (0x400, 0x530, "cyrillic"),
        (0x590, 0x600, "hebrew"),
        (0x600, 0x780, "arabic"),
        (0xE00, 0xE80, "thai"),
        (0x3040, 0x3100, "kana"),
        (0x3400, 0xA000, "han"),
        (0xAC00, 0xD7A4, "hangul"),
        (0xF900, 0xFB00, "han"),
        (0xFF61, 0xFFA0, "kana"),
    ):
        table[low:high] = np.where(table[low:high], SCRIPTS.index(script), 0)
    return table


@lru_cache(maxsize=1)
def other_costs() -> np.ndarray:
    """What each unit costs where a language's own table says nothing of it."""
    cost = np.where(letters(), FOREIGN_LETTER, _SYMBOL)
    cost[:0x80] = 3.0
    cost[ord("A") : ord("Z") + 1] = cost[ord("a") : ord("z") + 1] = _LATIN_ABROAD
    cost[0xC0:0x100] = np.where(letters()[0xC0:0x100], _WESTERN_ABROAD, _SYMBOL)
    cost[[ord(mark) for mark in _MARKS]] = _MARK
    cost[0xD800:0xE000] = cost[0xE000:0xF900] = _PRIVATE
    cost[[c for c in range(0x20) if c not in (9, 10, 12, 13)]] = _CONTROL
    cost[0x7F:0xA0] = _CONTROL
    cost[0xFFFD] = _LOST
    unassigned = [c for c in range(0x80, 0x10000) if unicodedata.category(chr(c)) == "Cn"]
    cost[unassigned] = _LOST
    cost[0xFF01:0xFF5F] = 9.0  # full-width forms
    return cost
