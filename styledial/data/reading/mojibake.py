"""Mojibake: text decoded wrongly and saved; reversed where nothing was lost.

鐨勪竴    UTF-8 read as GBK        -> encode as GBK, decode as UTF-8
µÄÒ»      GBK read as cp1252       -> encode as cp1252, decode as GBK
锟斤拷     U+FFFD read as GBK       -> lost for good: refused
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from styledial.data.reading.encodings import read_as
from styledial.data.reading.letters import best, likelihood
from styledial.data.reading.sample import foreign_bytes, foreign_letters
from styledial.errors import DataError

_SINGLE = ("cp1252", "mac_roman", "cp1251", "cp850", "cp437", "koi8-r", "cp866", "cp1250", "cp1254")
_DOUBLE = ("gb18030", "big5hkscs", "cp932", "cp949", "euc_jp")
# (wrong encoding it was read in, encoding that it was in)
_FIXES = (
    *((wrong, "utf-8") for wrong in (*_SINGLE, *_DOUBLE)),
    *itertools.product(("cp1252", "cp1251", "mac_roman", "cp437", "cp850"), _DOUBLE),
    *((wrong, right) for wrong, right in itertools.permutations(_DOUBLE, 2)),
    *(("cp1252", right) for right in ("cp1251", "koi8-u", "cp866", "cp1253", "cp1250", "cp1256")),
)
CERTAIN = 12  # bytes outside ASCII that aren't valid UTF-8 by chance
_GROUP = 60  # characters outside ASCII that are judged together
_FEW = 0.02  # of the groups: a list of rare names, a line of another language
_MANY = 0.2  # of the groups, beyond which a file that can't be fixed is refused
_DENSE = 0.4  # of the letters: no language writes so many letters with accents
_CHEAPER = 3.0  # bits a character that a fix with losses has to gain before it is named
# What cp1252 shows for the bytes 80-9F, back to the bytes; latin-1 shows them as themselves.
_TO_BYTES = {ord(bytes([b]).decode("cp1252", "ignore") or chr(b)): b for b in range(0x80, 0xA0)}
# A file in cp1252 that was read as latin-1: ’ is U+0092 in it, a control character of no use.
_SHOWN_AS_CONTROLS = "utf-8 (C1 mojibake)"
_C1 = re.compile("[\x80\x82-\x84\x86-\x8c\x8e\x91-\x9c\x9e\x9f]")  # U+0085 may be a line's end
_FROM_C1 = {byte: letter for letter, byte in _TO_BYTES.items() if letter != byte}
_OWN_SCRIPT = {
    "Cyrillic": re.compile("[\u0400-\u052f]"),
    "Greek": re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
    "Hebrew": re.compile("[\u0590-\u05ff]"),
    "Arabic": re.compile("[\u0600-\u077f]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
    "Hangul": re.compile("[\uac00-\ud7a3]"),
}
_ANY_OF_THEM = re.compile("|".join(letters.pattern for letters in _OWN_SCRIPT.values()))


def examine(path: Path, lines: list[str]) -> str | None:
    """None where the lines are text; else how they are fixed: ``utf-8 (cp1252 mojibake)``.

    Raises DataError for text that was damaged beyond that.
    """
    foreign = sum(foreign_letters(line) for line in lines)
    lost = sum(line.count("锟斤拷") * 3 for line in lines)
    if lost > foreign * _FEW:
        raise _lost(path)
    groups = [group for of_script in _by_script(lines) for group in _groups(of_script)]
    if any(map(_C1.search, lines)) and _is_windows(groups):
        return _SHOWN_AS_CONTROLS
    usual = best("\n".join(groups[:4]))
    bad = [group for group in groups if not _is_text(group, usual.language if usual else "")]
    if len(bad) <= len(groups) * _FEW:
        return None
    fixed = [(_gain(bad, wrong, right), wrong, right) for wrong, right in _FIXES]
    gain, wrong, right = max(fixed)
    if gain > 0:
        return f"{right} ({wrong} mojibake)"
    _refuse_garbage(path, bad, len(bad) > len(groups) * _MANY)
    return None


def fix_line(line: str, name: str) -> str:
    """`line` with the fix of `examine`; as it is where the fix doesn't apply to it."""
    if name == _SHOWN_AS_CONTROLS:
        return line.translate(_FROM_C1)
    right, wrong = name.removesuffix(" mojibake)").split(" (")
    return _fixed(line, wrong, right) or line


def read_mixed(raw: bytes, encodings: list[str]) -> str:
    """A line in whichever of the encodings it is likeliest; valid UTF-8 is no accident."""
    if "utf-8" in encodings:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            encodings = [name for name in encodings if name != "utf-8"]
        else:
            if foreign_bytes(raw) >= CERTAIN:
                return text
    found = [reading for name in encodings if (reading := read_as(raw, name))]
    return min(found, key=lambda reading: reading.bits).text


def _is_windows(groups: list[str]) -> bool:
    """Whether the text is sound once U+0091 is read as the quotation mark ‘ that cp1252 has."""
    shown = [group.translate(_FROM_C1) for group in groups]
    usual = best("\n".join(shown[:4]))
    language = usual.language if usual else ""
    bad = sum(not _is_text(group, language) for group in shown)
    return bad <= len(shown) * _FEW


def _by_script(lines: list[str]) -> list[list[str]]:
    """The lines by the script of what is foreign in them: a line of Russian in an English book
    is judged as Russian."""
    found: dict[str, list[str]] = {}
    for line in lines:
        counts = {"": 0}
        if _ANY_OF_THEM.search(line):
            counts = {name: len(letters.findall(line)) for name, letters in _OWN_SCRIPT.items()}
        name = max(counts, key=lambda one: counts[one])
        own = counts[name] * 2 > foreign_letters(line)
        found.setdefault(name if own else "", []).append(line)
    return list(found.values())


def _groups(lines: list[str]) -> Iterator[str]:
    """Lines put together until there is enough to judge."""
    held: list[str] = []
    count = 0
    for line in lines:
        held.append(line)
        count += foreign_letters(line)
        if count >= _GROUP:
            yield "\n".join(held)
            held, count = [], 0
    if count >= _GROUP // 4:
        yield "\n".join(held)


def _is_text(group: str, usual: str) -> bool:
    """Whether a group is text in the book's usual language, or in any."""
    if usual and likelihood(group, usual).plausible:
        return True
    found = best(group)
    return found is None or found.plausible


def _gain(groups: list[str], wrong: str, right: str) -> float:
    """Bits that a fix without loss saves; 0 where it doesn't give text."""
    lines = [line for group in groups[:40] for line in group.split("\n") if foreign_letters(line)]
    fixed = [_fixed(line, wrong, right) for line in lines]
    if sum(foreign_letters(line) for line, new in zip(lines, fixed, strict=True) if new is None) > (
        sum(map(foreign_letters, lines)) * _FEW
    ):
        return 0.0
    before = best("\n".join(lines))
    after = best("\n".join(new or line for line, new in zip(lines, fixed, strict=True)))
    if not before or not after or not after.plausible:
        return 0.0
    return before.bits - after.bits


def _fixed(line: str, wrong: str, right: str) -> str | None:
    try:
        return _as_bytes(line, wrong).decode(right)
    except UnicodeError:
        return None


def _as_bytes(text: str, wrong: str, errors: str = "strict") -> bytes:
    if wrong == "cp1252":
        return text.translate(_TO_BYTES).encode("latin-1", errors)
    return text.encode(wrong, errors)


def _refuse_garbage(path: Path, groups: list[str], many: bool) -> None:
    """Raises DataError where the groups look like damaged text; unknown languages pass."""
    text = "\n".join(groups[:20])
    before = best(text)
    if before is None:
        return
    looks = []
    for wrong, right in _FIXES[: len(_SINGLE) + len(_DOUBLE)]:
        after = best(_as_bytes(text, wrong, "ignore").decode(right, "ignore"))
        if after and after.foreign > before.foreign / 4 and after.mean < before.mean - _CHEAPER:
            looks.append((after.mean, wrong, right))
    if looks:
        _, wrong, right = min(looks)
        raise DataError(
            f"{path}: looks like {right.upper()} that was read as {wrong.upper()} and saved, "
            "with characters lost on the way. Use the original file.",
            f"{path}：像是 {right.upper()} 文本被当作 {wrong.upper()} 打开后另存，"
            "且有字符丢失。请改用原始文件。",
        )
    dense = before.foreign > sum(c.isalpha() for c in text) * _DENSE
    if many and dense and re.search("[\u00a1-\u00ff\u4e00-\u9fff]", text):
        raise DataError(
            f"{path}: is valid UTF-8, but its text is garbled and matches no language. Use the "
            "original file.",
            f"{path}：虽是合法的 UTF-8，但内容是乱码。请改用原始文件。",
        )


def _lost(path: Path) -> DataError:
    return DataError(
        f"{path}: its characters were lost in a conversion (锟斤拷 stands in their place). "
        "Take the original file.",
        f"{path}：文字已在转换中丢失（变成了“锟斤拷”）。请改用原始文件。",
    )
