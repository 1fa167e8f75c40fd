"""Chapter titles, tables of contents, front matter: a book's structure, taken out of its prose."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from styledial.data.cleaning.ledger import Ledger, Line

_NUM = r"(?:[0-9]{1,4}|[零〇○一二三四五六七八九十百千两兩廿卅卌]{1,8})"
_ROMAN = (
    r"(?:[IVXLC]{1,8}|[0-9]{1,3}|(?:the )?(?:one|two|three|four|five|six|seven|eight|nine|ten|"
    r"eleven|twelve|first|second|third|last))"
)
_PROSE = "[。；：:]"
_NUMBERED = re.compile(
    rf"(?:(?:正文|[^\s。！？，“”「」]{{1,10}})[\s\u3000·:：]+)?[【\[（(]?第\s?{_NUM}\s?(?P<unit>[章回節节卷集部篇幕折话話])[】\]）)]?(?P<rest>.*)"
)
_NAMED = re.compile(
    r"(?:楔子|引子|引首|序章|序幕|序言|序|前言|尾声|尾聲|后记|後記|跋|终章|終章|番外(?:篇|之?.{0,8})?|内容简介|內容簡介|出版说明)(?:[\s\u3000:：·]+[^。，；！？“”「」]{1,40})?"
)
_ENGLISH = re.compile(
    rf"(?:(?:chapter|book|part|act|volume|canto|letter)\s+{_ROMAN}|prologue|epilogue|scene\s+{_ROMAN})(?:\s*[.:—–-]\s*.{{0,70}}|\s+[A-Z].{{0,70}})?\.?",
    re.I,
)
_COUNTED = re.compile(
    r"(?P<n>[0-9]{1,3}|[零〇一二三四五六七八九十百廿卅卌]{1,6})[、．.]\s*(?P<title>[^。，；！？“”「」：:]{0,24})"
)
_MANY = re.compile(rf"第\s?{_NUM}\s?[章回節节卷]")
_LEADERS = re.compile(r".{1,60}?(?:[.…·．]{3,}|\s{3,})\s*\d{1,4}")
_CONTENTS = re.compile(r"[\s【\[]*(?:目\s*录|目\s*錄|contents|table of contents)[\s】\]:：]*", re.I)
_SIZE = 60  # characters: no title is longer


class Paragraph(NamedTuple):
    """A paragraph of prose under the chapter it stands in; blank ones are stanza breaks."""

    chapter: str | None
    line: Line


class Titles:
    """Recognises titles of one book; `counted` allows the bare form 卅一、 where the book
    was seen to number its chapters that way."""

    def __init__(self, sample: Sequence[Line], markdown: bool = False) -> None:
        self.markdown = markdown
        self.counted = _numbers_its_chapters(sample)

    def __call__(self, text: str) -> bool:
        return self.read(text) is not None

    def read(self, text: str) -> str | None:
        """The title in one spelling, or None where the line is prose."""
        text = text.strip(" \u3000")
        if not text or len(text) > _SIZE:
            return None
        if self.markdown and (heading := re.fullmatch(r"#{1,4}\s+(.+?)\s*#*", text)):
            return heading[1]
        found = _NUMBERED.fullmatch(text)
        if found:
            good = _reads_as_title(found["rest"], found["unit"])
        else:
            good = bool(_NAMED.fullmatch(text) or _ENGLISH.fullmatch(text))
        if not good and self.counted:
            good = _COUNTED.fullmatch(text) is not None
        return re.sub(r"[\s\u3000]+", " ", text) if good else None


def _reads_as_title(rest: str, unit: str) -> bool:
    """What follows 第一回: prose goes on without a space, or has a sentence in it."""
    if not rest.strip():
        return True
    parted = rest[0] in " \u3000:：、.．·—-"
    body = rest.strip(" \u3000:：、.．·—-")
    if re.search(_PROSE, body) or not body or len(body) > 44:
        return False
    halves = body.split("，")
    if parted:  # one comma may part the two halves of a couplet, a quotation may be in it
        return len(halves) == 1 or (len(halves) == 2 and abs(len(halves[0]) - len(halves[1])) <= 1)
    # A title run on without a space has no such marks; 第一章程, 第二部分, 第三回合 are words.
    if re.search("[！？…，“”「」]", body) or body[0] in "程分子队隊人":
        return False
    return unit not in "部篇话話" and not (body[0] == "合" and len(body) < 8)


def _numbers_its_chapters(sample: Sequence[Line]) -> bool:
    """Whether 一、 二、 三、 stand so far apart, in sequence, that they head chapters."""
    places: list[tuple[int, int]] = []
    chars = 0
    for line in sample:
        text = line.text.strip(" \u3000")
        if len(text) <= _SIZE and (found := _COUNTED.fullmatch(text)):
            places.append((chars, _value(found["n"])))
        chars += len(text)
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(places)]
    rising = [gap for gap, step in steps if step == 1]
    return len(rising) >= 2 and sorted(rising)[len(rising) // 2] >= 400


def _value(numeral: str) -> int:
    if numeral.isascii():
        return int(numeral)
    total = digit = 0
    for c in numeral:
        if c in "廿卅卌":
            total += 20 + 10 * "廿卅卌".index(c)
        elif c in "十百":
            total += (digit or 1) * (10 if c == "十" else 100)
            digit = 0
        else:
            digit = "零一二三四五六七八九".find(c.replace("〇", "零"))
    return total + digit


def structure(lines: Iterable[Line], titles: Titles, ledger: Ledger) -> Iterator[Paragraph]:
    """Prose under its chapter titles; titles and tables of contents are counted as dropped.

    Four titles or more with no prose between them are a table of contents; fewer are a volume
    and its first chapter, and stand together.
    """
    chapter: str | None = None
    waiting: list[tuple[Line, str]] = []
    for line in lines:
        if not line.text:
            if not waiting:
                yield Paragraph(chapter, line)
            continue
        title = titles.read(line.text)
        if title is None and waiting and _is_second_half(waiting[-1][1], line.text):
            title = re.sub(r"[\s\u3000]+", " ", line.text)
            waiting[-1:] = [(waiting[-1][0], waiting[-1][1] + " " + title)]
            ledger.drop(line, "title")
            continue
        if title:
            waiting.append((line, title))
            continue
        if _CONTENTS.fullmatch(line.text) or _lists_many(line.text):
            ledger.drop(line, "contents")
            continue
        if _LEADERS.fullmatch(line.text) and titles(re.split(r"[.…·．]{3,}|\s{3,}", line.text)[0]):
            ledger.drop(line, "contents")
            continue
        if waiting:
            chapter = _settle(waiting, ledger)
            waiting = []
        yield Paragraph(chapter, line)
    _settle(waiting, ledger)


def _lists_many(text: str) -> bool:
    """A table of contents run together into one line."""
    return len(text) > _SIZE and "。" not in text and len(_MANY.findall(text)) >= 4


def _is_second_half(title: str, text: str) -> bool:
    """第一回 on a line of its own, the couplet that names it on the next."""
    bare = re.fullmatch(rf"第\s?{_NUM}\s?[章回節节卷集部篇]", title) is not None
    couplet = re.fullmatch(
        r"[^\s。，！？：；“”「」…]{2,16}[\s\u3000]+[^\s。，！？：；“”「」…]{2,16}", text
    )
    return bare and couplet is not None


def _settle(waiting: list[tuple[Line, str]], ledger: Ledger) -> str | None:
    """The title that stands after a run of them; the rest are contents."""
    if not waiting:
        return None
    listed = waiting[:-1] if len(waiting) >= 4 else []
    for line, _ in listed:
        ledger.drop(line, "contents")
    for line, _ in waiting[len(listed) :]:
        ledger.drop(line, "title")
    return " ".join(dict.fromkeys(title for _, title in waiting[len(listed) :]))
