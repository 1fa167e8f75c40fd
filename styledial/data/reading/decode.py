"""Bytes -> text: which encoding a file is in, and its lines.

    bytes  --valid UTF-8?  else a sample under every candidate, priced-->  one Encoding, or refusal
    bytes  --that encoding, a block at a time-->  lines

Memory: one block of the file, or its longest line up to LONGEST characters.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from styledial.data.reading.codes import refuse_codes, refuse_lost
from styledial.data.reading.encodings import Reading, decide, names, read_as, readings, wide
from styledial.data.reading.mojibake import CERTAIN, examine, fix_line, read_mixed
from styledial.data.reading.sample import BLOCK, as_stored, foreign_bytes, foreign_lines, is_utf8
from styledial.data.reading.score import ASCII, CONTROL, score, tally
from styledial.errors import DataError

LONGEST = 1 << 20  # characters; a longer line is broken after a sentence

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEAST = 0.0  # a score below this is mostly broken or control characters
_MOST_BAD = 0.05  # bad bytes per character outside ASCII, beyond which it is another encoding
_A_PART = 0.05  # of the bytes outside ASCII: less in another encoding is damage
_TELLING = 24  # bytes outside ASCII by which one line alone can be judged
_WIDE_SAMPLE = 1 << 13
_LOOSE_ACCENTS = "cp1258"  # writes the tones of Vietnamese as characters of their own
_LONGEST_BYTES = 1 << 24


@dataclass(frozen=True)
class Encoding:
    """How a file is to be read; `bad` counts the places that are not valid in it."""

    name: str
    bad: int
    score: float


def detect(path: Path) -> Encoding:
    """The encoding under which the whole of `path` reads most like text.

    Cost: one pass for UTF-8, two for anything else. Raises DataError for a file that is no text,
    whose text is damaged, or that could be in several encodings; OSError where it can't be read.
    """
    with path.open("rb") as file:
        head = file.read(BLOCK)
    if not head:
        raise DataError(f"{path}: is empty.", f"{path}：文件为空。")
    for bom, name in _BOMS:
        if head.startswith(bom):
            return _sound(path, _accept(path, _try(path, name)))
    if known := _unmarked(path, head):
        return _accept(path, _try(path, known))
    first = _try(path, "utf-8")
    if first and not first.bad:
        return _sound(path, first)
    name = _guess(path, first)
    return _sound(path, first) if first and name == "utf-8" else _accept(path, _try(path, name))


def as_named(path: Path, name: str) -> Encoding:
    """The encoding that the user names for a file. Raises DataError where it plainly isn't."""
    found = _try(path, name)
    if found is None:
        raise DataError(
            f"{path}: isn't {name}, which data.encoding names for it. Name another, or take the "
            "line out.",
            f"{path}：不是 data.encoding 为它指定的 {name}。请改为其他编码，或删去该项。",
        )
    return found


def lines(path: Path, encoding: Encoding, longest: int | None = LONGEST) -> Iterator[str]:
    """The lines of `path` without their ends; \\r\\n and \\r end lines too.

    A line of more than `longest` characters comes in parts.
    """
    rest: list[str] = []
    held = 0
    for text in _unify_ends(_blocks(path, encoding.name)):
        *whole, last = text.split("\n")
        if whole:
            yield from _broken("".join([*rest, whole[0]]), longest)
            for line in whole[1:]:
                yield from _broken(line, longest)
            rest, held = [], 0
        rest.append(last)
        held += len(last)
        if longest and held > longest:
            *whole, last = _broken("".join(rest), longest)
            yield from whole
            rest, held = [last], len(last)
    if last_line := "".join(rest):
        yield from _broken(last_line, longest)


def _unify_ends(blocks: Iterator[str]) -> Iterator[str]:
    """Every line end as \\n, also where \\r\\n lies across two blocks."""
    carried = ""
    for block in blocks:
        text = carried + block
        carried = "\r" if text.endswith("\r") else ""
        text = text[: len(text) - len(carried)]
        yield text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    if carried:
        yield "\n"


def _broken(line: str, longest: int | None) -> Iterator[str]:
    """`line`, in parts that end with a sentence where it is longer than any paragraph."""
    while longest and len(line) > longest:
        part = line[:longest]
        ends = [m.end() for m in re.finditer(r"[。！？!?]+[”」』\"]?|\. ", part)]
        cut = ends[-1] if ends else longest
        yield line[:cut]
        line = line[cut:]
    yield line


def _blocks(path: Path, name: str) -> Iterator[str]:
    """Decoded blocks; what is not valid becomes U+FFFD."""
    if " + " in name or name.endswith("mojibake)") or name == _LOOSE_ACCENTS:
        yield from _line_by_line(path, name)
        return
    decoder = codecs.getincrementaldecoder(name)("replace")
    with path.open("rb") as file:
        while raw := file.read(BLOCK):
            yield decoder.decode(as_stored(raw))
    yield decoder.decode(b"", final=True)


def _line_by_line(path: Path, name: str) -> Iterator[str]:
    """Files whose lines are in several encodings, were decoded wrongly once, or need composing."""
    mixed = name.split(" + ")
    with path.open("rb") as file:
        while raw := file.readline(_LONGEST_BYTES):
            if name == _LOOSE_ACCENTS:
                yield unicodedata.normalize("NFC", raw.decode(name, "replace"))
                continue
            yield read_mixed(raw, mixed) if len(mixed) > 1 else fix_line(raw.decode(), name)


def _try(path: Path, name: str) -> Encoding | None:
    """The whole file under one encoding, or None where it plainly isn't in it."""
    counts = np.zeros(1, dtype=np.int64)
    broken = read = 0
    try:
        for text in _blocks(path, name):
            counts = counts + tally(text)
            broken += text.count("\ufffd")
            read += len(text)
            if read > BLOCK // 8 and broken > read // 5:
                return None
    except (UnicodeError, LookupError):
        return None  # utf-16 ending in half a unit, a codec this Python lacks
    controls = counts[CONTROL] > read * 0.02
    if not read or (controls and name != "utf-8"):
        return None
    foreign = int(counts.sum() - counts[ASCII])
    bad = max(0, broken - _own_replacements(path, name)) if broken else 0
    if foreign and bad > max(2, foreign * _MOST_BAD):
        return None
    if controls:  # of the first kind, or 80-9F as latin-1 shows GBK: the second may be undone
        return None if bad else Encoding(name, bad, -1.0)
    return Encoding(name, bad, score(counts) if foreign else 1.0)


def _own_replacements(path: Path, name: str) -> int:
    """Broken characters that the file itself carries, from an earlier conversion."""
    try:
        mark = "\ufffd".encode("utf-16-le" if name == "utf-16" else name.replace("-sig", ""))
    except (UnicodeEncodeError, LookupError):
        return 0
    with path.open("rb") as file:
        return sum(raw.count(mark) for raw in iter(lambda: file.read(BLOCK), b""))


def _unmarked(path: Path, head: bytes) -> str | None:
    """Encodings recognised by their form: UTF-16 and UTF-32 without a mark, ISO-2022, HZ."""
    start = as_stored(head[:_WIDE_SAMPLE])
    if b"\0" in start and (reading := wide(start)):
        return reading.encoding
    refuse_lost(path, start)
    if not start.isascii():
        return None
    for sign, name in ((b"\x1b$", "iso2022_jp_ext"), (b"\x1b$)C", "iso2022_kr"), (b"~{", "hz")):
        if sign in start and (shifted := read_as(start, name)) and shifted.plausible:
            return name
    refuse_codes(path, start)
    return None


def _guess(path: Path, utf8: Encoding | None) -> str:
    """The encoding of what isn't valid UTF-8, or the two of a mixed file."""
    sample = foreign_lines(path)
    valid = [line for line in sample if is_utf8(line)]
    rest = b"\n".join(line for line in sample if not is_utf8(line))
    found = readings(rest)
    as_utf8 = read_as(rest, "utf-8") if utf8 else None
    if as_utf8 and (not found or as_utf8.bits < found[0].bits):
        return "utf-8"
    chosen = decide(found)
    if chosen is None:
        if utf8 and utf8.bad <= 2:
            return "utf-8"
        return _wide_or_refused(path, found)
    if any(foreign_bytes(line) >= CERTAIN for line in valid):
        return f"utf-8 + {chosen.encoding}"
    return _with_other_parts(path, rest, chosen)


def _with_other_parts(path: Path, raw: bytes, chosen: Reading) -> str:
    """The encoding, or it and a second one where a part of the lines is no text in the first."""
    encoding = chosen.encoding
    odd = [line for line in raw.split(b"\n") if not _reads(line, chosen)]
    if sum(map(len, odd)) <= len(raw) * _A_PART:
        return encoding
    found = readings(b"\n".join(odd))
    other = decide(found)
    if other is None or other.encoding == encoding:
        raise DataError(
            f"{path}: is partly {encoding} and partly not (possibly "
            f"{names(found) or 'damaged'}). Save it as UTF-8.",
            f"{path}：一部分是 {encoding}，另一部分不是（可能是 {names(found) or '已损坏'}）。"
            "请另存为 UTF-8。",
        )
    return f"{encoding} + {other.encoding}"


def _reads(line: bytes, chosen: Reading) -> bool:
    """Whether a line is text in the book's language, which most are, or in any other."""
    if foreign_bytes(line) < _TELLING:
        return True
    usual = chosen.likelihood.language if chosen.likelihood else ""
    tried = (read_as(line, chosen.encoding, language=language) for language in (usual, ""))
    return any(reading is not None and reading.plausible for reading in tried)


def _wide_or_refused(path: Path, found: list[Reading]) -> str:
    with path.open("rb") as file:
        reading = wide(file.read(_WIDE_SAMPLE))
    if not reading:
        _refuse(path, names([r for r in found if r.plausible]))
    return reading.encoding


def _sound(path: Path, encoding: Encoding) -> Encoding:
    """`encoding`, with the fix for text that had been decoded wrongly before it was saved.

    Raises DataError where it can't be fixed for certain.
    """
    if encoding.name.startswith("utf-16") or encoding.name.startswith("utf-32"):
        return encoding
    sample = [line.decode("utf-8", "replace") for line in foreign_lines(path)]
    fix = examine(path, sample)
    return _accept(path, _try(path, fix) if fix else encoding)


def _accept(path: Path, found: Encoding | None) -> Encoding:
    if found is None or found.score < _LEAST:
        _refuse(path, "")
    return found


def _refuse(path: Path, candidates: str) -> NoReturn:
    if candidates:
        raise DataError(
            f"{path}: its encoding is uncertain; it may be {candidates}. Save it as UTF-8.",
            f"{path}：无法确定编码，可能是 {candidates}。请另存为 UTF-8。",
        )
    raise DataError(
        f"{path}: is not text in any encoding or language that can be recognised. Save it as "
        "UTF-8 text, or remove it from the folder.",
        f"{path}：无法识别其编码或语言。请另存为 UTF-8 文本，或移出文件夹。",
    )
