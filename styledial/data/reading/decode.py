"""Bytes -> text: which encoding a file is in, and its lines.

    bytes  --each candidate over the whole file-->  tallies  --score-->  one Encoding, or refusal
    bytes  --that encoding, a block at a time---->  lines

Memory: one block of the file, or its longest line up to LONGEST characters.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from styledial.data.reading.score import ASCII, CONTROL, LETTER, PRIVATE, SYMBOL, score, tally
from styledial.errors import DataError

BLOCK = 1 << 18  # bytes read at once
LONGEST = 1 << 20  # characters; a longer line is broken after a sentence
MOJIBAKE = "utf-8 (cp1252 mojibake)"

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEAST = 0.25  # a score below this is no text that this program knows
_MOST_BAD = 0.05  # bad bytes per character outside ASCII, beyond which it is another encoding
# What cp1252 shows for the bytes 80-9F, back to the bytes; latin-1 shows them as themselves.
_TO_BYTES = {ord(bytes([b]).decode("cp1252", "ignore") or chr(b)): b for b in range(0x80, 0xA0)}


@dataclass(frozen=True)
class Encoding:
    """How a file is to be read; `bad` counts the places that are not valid in it."""

    name: str
    bad: int
    score: float


def detect(path: Path) -> Encoding:
    """The encoding under which the whole of `path` reads most like text.

    Cost: one pass for clean UTF-8, up to eight for anything else. Raises DataError for a file
    that is no text, and OSError where it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(BLOCK)
    if not head:
        raise DataError(f"{path}: is empty.", f"{path}：文件为空。")
    for bom, name in _BOMS:
        if head.startswith(bom):
            found = _try(path, name)
            return _accept(path, [found] if found else [])
    first = _try(path, "utf-8")
    tried = [first]
    if not (first and first.bad == 0 and first.score >= 0.5) and head.count(0) <= len(head) // 50:
        tried += [_try(path, name) for name in ("gb18030", "big5hkscs", MOJIBAKE, "cp1252")]
    if b"\0" in head or not any(t and t.score >= 0.5 for t in tried):
        tried += [_try(path, name) for name in ("utf-16-le", "utf-16-be")]
    if not any(t and t.score >= 0.45 for t in tried) and head.count(0) < 8:
        tried.append(_ask_charset_normalizer(path, head))
    return _accept(path, [t for t in tried if t])


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
    decoder = codecs.getincrementaldecoder("utf-8" if name == MOJIBAKE else name)("replace")
    again = codecs.getincrementaldecoder("utf-8")("replace") if name == MOJIBAKE else None
    with path.open("rb") as file:
        while raw := file.read(BLOCK):
            text = decoder.decode(raw)
            yield _read_again(text, again) if again else text
    text = decoder.decode(b"", final=True)
    yield _read_again(text, again, final=True) if again else text


def _read_again(text: str, decoder: codecs.IncrementalDecoder, final: bool = False) -> str:
    # What no single byte stands for becomes FF, which UTF-8 counts as broken.
    raw = re.sub("[^\0-\xff]", "\xff", text.translate(_TO_BYTES)).encode("latin-1")
    return decoder.decode(raw, final)


def _try(path: Path, name: str) -> Encoding | None:
    """The file under one encoding, or None where it plainly isn't in it."""
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
    if not read or counts[CONTROL] > read * 0.02:
        return None
    foreign = int(counts.sum() - counts[ASCII])
    bad = max(0, broken - _own_replacements(path, name)) if broken else 0
    value = score(counts)
    if name.startswith("utf-8") and not bad:
        # Valid UTF-8 of any length is no accident; text that reads as "Ã©â€œ" is twice encoded.
        twice = counts[LETTER] + counts[SYMBOL] > foreign * 0.5 and name != MOJIBAKE
        value += 0.3 * min(1.0, foreign / 12) * (0.3 if twice else 1.0)
    if foreign and bad > max(2, foreign * _MOST_BAD):
        return None
    if name == "cp1252" and foreign > read * 0.25:
        return None  # no language writes every fourth letter with an accent
    if name in ("utf-16-le", "utf-16-be"):
        if counts[PRIVATE] > read * 0.01:
            return None
        value -= 0.0 if counts[ASCII] else 0.25  # text has line ends and spaces, as NUL pairs
    return Encoding(name, bad, value if foreign else (1.0 if counts[ASCII] else 0.0))


def _own_replacements(path: Path, name: str) -> int:
    """Broken characters that the file itself carries, from an earlier conversion."""
    try:
        mark = "\ufffd".encode("utf-16-le" if name == "utf-16" else name.replace("-sig", ""))
    except (UnicodeEncodeError, LookupError):
        return 0
    with path.open("rb") as file:
        return sum(raw.count(mark) for raw in iter(lambda: file.read(BLOCK), b""))


def _ask_charset_normalizer(path: Path, head: bytes) -> Encoding | None:
    """Text that is not Chinese: the library proposes, the score over the whole file decides."""
    from charset_normalizer import from_bytes

    proposal = from_bytes(head[: 1 << 16]).best()
    return _try(path, proposal.encoding) if proposal else None


def _accept(path: Path, tried: list[Encoding]) -> Encoding:
    best = max(tried, key=lambda e: e.score, default=None)
    if best is None or best.score < _LEAST:
        raise DataError(
            f"{path}: is not text in an encoding known here (UTF-8, GB18030, Big5, UTF-16, "
            "cp1252). Remove it from the folder, or save it as UTF-8 text.",
            f"{path}：不是可识别编码（UTF-8、GB18030、Big5、UTF-16、cp1252）的文本。"
            "请移出文件夹，或另存为 UTF-8 文本。",
        )
    return best
