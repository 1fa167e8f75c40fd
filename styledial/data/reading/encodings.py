"""Encoding detection: every candidate decodes the bytes, the most likely text wins.

Success of decoding proves nothing: any bytes decode as cp1251, every Big5 file as GB18030. So
each reading is priced in the language that it would be (letters.py), and the cheapest is taken if
it is text at all and clearly cheaper than the next that reads otherwise.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from math import inf

from styledial.data.reading.letters import SAME, Likelihood, best, likelihood
from styledial.data.reading.sample import foreign_letters

# (encoding, bits against it: how much rarer it is than the first ones)
CANDIDATES = (
    ("gb18030", 0), ("big5hkscs", 1), ("cp932", 2), ("euc_jp", 4), ("cp949", 2),
    ("cp1252", 1), ("iso8859-15", 7), ("mac_roman", 5), ("cp850", 5), ("cp437", 7),
    ("cp1250", 3), ("iso8859-2", 5), ("cp852", 5), ("mac_latin2", 7),
    ("cp1251", 1), ("koi8-u", 3), ("koi8-r", 3), ("cp866", 4), ("mac_cyrillic", 5),
    ("iso8859-5", 6),
    ("cp1253", 3), ("iso8859-7", 4), ("mac_greek", 7), ("cp737", 7), ("cp869", 8),
    ("cp1254", 3), ("iso8859-9", 4), ("cp857", 6), ("mac_turkish", 7), ("iso8859-3", 8),
    ("cp1255", 3), ("iso8859-8", 4), ("cp862", 7), ("cp1256", 3), ("iso8859-6", 5), ("cp720", 8),
    ("cp1257", 4), ("iso8859-13", 6), ("iso8859-4", 6), ("cp775", 7), ("iso8859-10", 8),
    ("cp860", 8),
    ("cp1258", 4), ("cp874", 3), ("johab", 8), ("iso8859-16", 7),
)  # fmt: skip
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")

MARGIN = 9.0  # bits: the next reading is 500 times less likely
_FIRST = 3000  # bytes on which the candidates are thinned out
_FAR = 250.0  # bits behind the first, after which a candidate isn't tried further
CHINESE = ("gb18030", "big5hkscs")
_COMMON_HAN, _MARGIN_OF_HAN = 15.0, 5.0
_FOR_HAN = 10.0  # bits in favour of Chinese characters and nothing else: a name, a title
_ONLY_HAN = re.compile("[\u3001-\u3011\u4e00-\u9fff\uff01-\uff1f\\s]+")
_FEWEST = 3  # characters outside ASCII needed to recognise an alphabet
_MOST_BAD = 0.05  # bytes that are not valid, per character outside ASCII


@dataclass(frozen=True)
class Reading:
    """The bytes under one encoding. `bits` is the price of the text, `bad` the invalid places."""

    encoding: str
    text: str
    bits: float
    bad: int
    likelihood: Likelihood | None

    @property
    def plausible(self) -> bool:
        """Whether the text reads as language, with few invalid bytes and few NULs."""
        foreign = foreign_letters(self.text)
        if self.likelihood is None or self.bad > max(2, foreign * _MOST_BAD):
            return False
        return self.likelihood.plausible and self.text.count("\0") <= len(self.text) // 50


def read_as(
    raw: bytes, encoding: str, against: float = 0.0, language: str = "", most: float = inf
) -> Reading | None:
    """`raw` under `encoding`, priced in `language` if given, else in the one where it is the
    cheapest; None where the encoding can't be tried, or costs more than `most` for certain."""
    try:
        text = raw.decode(encoding, "replace")
    except (UnicodeError, LookupError):
        return None
    found = likelihood(text, language) if language else best(text, most)
    if found and not found.language:
        return None
    bits = found.bits if found else float(len(raw)) * 8
    if encoding in CHINESE and _ONLY_HAN.fullmatch(text):
        against -= _FOR_HAN
    return Reading(encoding, text, bits + against, text.count("\ufffd"), found)


def readings(raw: bytes) -> list[Reading]:
    """`raw` under every candidate that isn't far behind, the likeliest first."""
    start = _whole_lines(raw, _FIRST)
    tried: list[Reading] = []
    most = inf
    for name, against in CANDIDATES:
        if reading := read_as(start, name, against, most=most):
            tried.append(reading)
            most = min(most, reading.bits + _FAR)
    first = sorted(tried, key=lambda r: r.bits)
    near = [r.encoding for r in first if r.bits < first[0].bits + _FAR]
    if len(start) == len(raw):
        return [r for r in first if r.encoding in near]
    again = [read_as(raw, name, against) for name, against in CANDIDATES if name in near]
    return sorted((r for r in again if r), key=lambda r: r.bits)


def decide(found: list[Reading]) -> Reading | None:
    """The first of `found` if it is text and no other reading comes near it; else None."""
    if not found or not found[0].plausible or not _enough(found[0]):
        return None
    first = found[0]
    margin = _margin(first)
    for other in found[1:]:
        near = other.bits - first.bits < margin
        if near and _letters(other.text) != _letters(first.text):
            return None
    return first


def _margin(reading: Reading) -> float:
    """A few common Chinese characters and nothing else are taken for what they are."""
    found = reading.likelihood
    if not found or found.language not in ("zh", "ja", "ko"):
        return MARGIN
    common = found.language == "zh" and found.mean < _COMMON_HAN
    return _MARGIN_OF_HAN if common and reading.encoding in CHINESE else 1.5 * MARGIN


def _enough(reading: Reading) -> bool:
    """One å in a page of English is as well one ε or б."""
    likelihood = reading.likelihood
    assert likelihood
    few = foreign_letters(reading.text) < _FEWEST
    return not few or likelihood.language in ("zh", "ja", "ko")


def wide(raw: bytes) -> Reading | None:
    """UTF-16 or UTF-32 without a mark at the start, where the bytes are that."""
    tried = [read_as(raw[: len(raw) // 4 * 4], name) for name in WIDE]
    tried += [read_as(raw[: len(raw) // 2 * 2], name) for name in WIDE[:2]]
    found = sorted((r for r in tried if r), key=lambda r: r.bits)
    if not found or not found[0].plausible or "\0" in found[0].text:
        return _by_form(raw)
    narrow = readings(raw)
    return found[0] if not narrow or found[0].bits + MARGIN < narrow[0].bits else None


def _by_form(raw: bytes) -> Reading | None:
    """UTF-16 of a language that has no table: its letters are of one block, its spaces ASCII."""
    for name in WIDE[:2]:
        try:
            text = raw[: len(raw) // 2 * 2].decode(name)
        except UnicodeError:
            continue
        kinds = Counter(unicodedata.category(c)[0] for c in text if c not in "\t\r\n")
        blocks = Counter(ord(c) >> 8 for c in text if ord(c) > 0x7F)
        spaces = text.count(" ") + text.count("\n")
        one_script = blocks and max(blocks.values()) > 0.9 * blocks.total()
        if one_script and not kinds["C"] and 0.03 < spaces / len(text) < 0.4:
            return Reading(name, text, 0.0, 0, None)
    return None


def names(found: list[Reading], count: int = 4) -> str:
    """What the bytes may be, for a sentence: ``cp1251 (ru), koi8-r (ru)``."""
    named = [f"{r.encoding} ({r.likelihood.language})" for r in found if r.likelihood]
    return ", ".join(named[:count])


def _letters(text: str) -> str:
    return re.sub(r"[\W_\d]+", " ", text.translate(SAME))


def _whole_lines(raw: bytes, length: int) -> bytes:
    """About the first `length` bytes, up to a line end where one is near."""
    if len(raw) <= length:
        return raw
    end = raw.find(b"\n", length, 2 * length)
    return raw[: end + 1] if end >= 0 else raw[:length]
