"""Chinese typography: full-width marks, one form of dots, dashes and spaces.

For Chinese books only. Each rule asks for a Han character or a Chinese mark beside what it
changes, so that a foreign sentence in such a book keeps its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from styledial.data.cleaning.language import HAN
from styledial.data.cleaning.ledger import Line

_SPACES: dict[int, str | int] = {
    ord(c): " " for c in "\t\u00a0\u1680\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
}
_NARROW: dict[int, str | int] = {0xFF10 + i: 0x30 + i for i in range(10)}
_NARROW |= {0xFF21 + i: 0x41 + i for i in range(26)} | {0xFF41 + i: 0x61 + i for i in range(26)}
_FORMS = {
    **_SPACES,
    **_NARROW,
    0x2236: "：",
    0xFE55: "：",
    0xFE52: "。",
    0xFE50: "，",
    0xFF61: "。",
}
_FORMS |= {0xFF62: "「", 0xFF63: "」", 0xFE41: "「", 0xFE42: "」", 0xFE43: "『", 0xFE44: "』"}
_FORMS |= {0x301D: "“", 0x301E: "”", 0xFF02: '"', 0xFF07: "'"}
_TO_FORM = re.compile("[" + "".join(re.escape(chr(c)) for c in _FORMS) + "]")

_WIDE = {",": "，", ";": "；", ":": "：", "?": "？", "!": "！", ".": "。", "(": "（", ")": "）"}
# Each begins with the characters that it looks for and asks what is before them afterwards: a
# pattern that begins with a look back is tried at every place of the line.
_AFTER_HAN = re.compile(
    f'[,;:?!.](?:(?<=[{HAN}”’」』》）][,;:?!])(?!//)|(?<=[{HAN}]\\.)(?=$|[{HAN}“”「」"]))'
)
_BRACKETS = re.compile(f"\\((?=[{HAN}])|(?<=[{HAN}。！？，])\\)")
_DOTS = re.compile(r"\.{3,}|[．。·・]{3,}|…+|⋯+")
_DASHES = re.compile(f"[－—-](?:(?<=[－—])[－—]+|(?<=[{HAN}，。！？”]-)-+)")
_INNER_SPACES = re.compile(
    "[ \u3000](?<=\\S.)(?:(?<= )(?: +|[ ]*\u3000[ \u3000]*)|(?<=\u3000)[ \u3000]*)(?=\\S)"
)
_LOOSE_SPACE = re.compile(f"(?<=[{HAN}，。！？；：、”’」』]) (?=[“‘「『”’」』，。！？；：、])")
_ANY_ASCII_MARK = re.compile(r"[,;:?!.()\-．。·・…⋯－—]")
_CHINESE = re.compile(f"[{HAN}\u3000-\u303f\uff00-\uffef]|[…—．·⋯－]{{2}}|…$")
_SPREAD = re.compile(
    f"(?<=[{HAN}，。！？：；、“”‘’「」『』《》（）])[ \u3000](?=\\S)|"
    f"(?<=\\S)[ \u3000](?=[{HAN}，。！？：；、“”‘’「」『』《》（）])"
)


def in_chinese_form(text: str) -> str:
    """`text` in Chinese typography; a line without anything Chinese stays as it is."""
    if not _CHINESE.search(text):
        return text
    if _TO_FORM.search(text):
        text = text.translate(_FORMS)
    body = text.lstrip(" \u3000")
    indent = text[: len(text) - len(body)]
    if _ANY_ASCII_MARK.search(body):
        body = _DOTS.sub("……", body) if not body.isascii() else body
        body = _DASHES.sub("——", body)
        body = _AFTER_HAN.sub(lambda m: _WIDE[m[0]], body)
        if "(" in body or ")" in body:
            body = _BRACKETS.sub(lambda m: _WIDE[m[0]], body)
    if "  " in body or "\u3000" in body:
        body = _INNER_SPACES.sub("\u3000", body)
    return indent + (_LOOSE_SPACE.sub("", body) if " " in body else body)


def is_spread(sample: Sequence[Line]) -> bool:
    """Whether a space stands between nearly every two characters, as some scans have it."""
    texts = [line.text.strip() for line in sample[:200]]
    chars = sum(len(text.split()) for text in texts)
    lone = sum(len(part) == 1 for text in texts for part in text.split())
    return chars >= 40 and lone > 0.9 * chars


def without_letter_spaces(text: str) -> str:
    """`text` without the single spaces between its Chinese characters."""
    body = text.lstrip(" \u3000")
    return text[: len(text) - len(body)] + _SPREAD.sub("", body)
