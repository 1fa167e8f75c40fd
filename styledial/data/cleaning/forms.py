"""The numbered forms in which a book heads its chapters: 001, (1), （一）, Kafli 3, Day One.

A form is what stands round the number, in any language; nothing has to know the words. It is a
book's form of titles where its numbers rise through the book and stand apart.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from styledial.data.cleaning.decorations import BLANK, undecorated, without_addition
from styledial.data.cleaning.ledger import Line
from styledial.data.cleaning.numerals import (
    ARABIC,
    CIRCLED,
    HAN_DIGITS,
    HAN_NUMBER,
    LETTERS,
    ORDINAL,
    ROMAN,
    value,
)

LONGEST = 60  # characters: no title is longer, but for one that is marked and parted
LONGEST_MARKED = 100
_APART = 400  # characters between the titles of two chapters, at the median

ANY_NUMBER = f"(?:{ARABIC}|{HAN_NUMBER})"
_UNITS = "章回節节卷集部篇幕折话話夜"
PARTED = " \u3000\u00a0:：、.．·—-"
NUMBERED = re.compile(
    rf"(?P<before>(?:正文|[^\s。！？，“”「」]{{1,10}})[\s\u3000·:：]+)?[【\[（(]?第\s?(?P<n>{ANY_NUMBER})\s?(?P<unit>[{_UNITS}])[】\]）)]?(?P<rest>.*)"
)
# The numbered forms of any language: something short, a number, something short, the title.
_FORM = re.compile(
    rf"(?P<before>[^\d\s{HAN_DIGITS}]{{0,14}}?[\s.]?(?:[0-9]{{1,3}}[-–－.])?)(?P<n>{ARABIC}|{HAN_NUMBER}|{ROMAN}|{CIRCLED})"
    r"(?P<after>\s?[章回節节卷集部篇幕折话話夜장화회부편]|"
    r"[)）】\]〕》>]?[、．.,，:：\-—–)/]?)(?P<rest>(?:[\s\u3000].*|(?<=[、．.，/:：)）】\]章回節节]).*)?)"
)
# A number in words, with a word before or after it that stays: Day One, Birinci Bölüm.
_IN_WORDS = re.compile(
    rf"(?P<before>[^\W\d_]{{1,14}}\s)?(?P<n>{ORDINAL}|{LETTERS})(?P<after>\s[^\W\d_]{{1,14}})?[.:]?",
    re.I,
)
# Most lines have none of these, and a look for them costs a tenth of the patterns.
_HAS_NUMBER = re.compile(
    rf"[0-9０-９{HAN_DIGITS}IVXLCivxlcⅠ-ⅿ①-⑳㈠-㈩⑴-⒇](?:[\s章回節节卷集部篇幕折话話夜장화회부편)）】\]〕》>、．.,，:：\-—–/]|$)"
)
_HAS_LETTER = re.compile("[A-Za-z\u00c0-\u06ff]")
_SMALL_WORD = re.compile(r"[a-zà-ÿа-я]{1,9}[\s.]{0,2}[0-9]")  # chapter.001, ch 3
_BRACED_NUMBER = re.compile(rf"[「『《〈<](第\s?{ANY_NUMBER}\s?[{_UNITS}])[」』》〉>]")


class Form(NamedTuple):
    """How a book writes a chapter's number: before it, its kind of numeral, behind it."""

    before: str
    kind: str
    after: str


def is_surely_prose(text: str) -> bool:
    """Most lines of a book, told by a look at their ends: this is asked of each of them."""
    if len(text) > LONGEST_MARKED + 90 or text[-1] in "。，；：,;":
        return True
    if text[-1] == "-" and text[0] != "-":
        return True
    if text[0].islower() and not _SMALL_WORD.match(text):
        return True
    return len(text) > LONGEST and "第" not in text[:24] and text[-1] not in ")）】]0123456789"


def form_of(text: str) -> tuple[Form, int | str] | None:
    """(form, number) of a line that a number heads; None where it has none or is a sentence.

    A number in words stays as it is written: its order is that in which the book has it.
    """
    text = _BRACED_NUMBER.sub(r"\1 ", text) if "第" in text else text
    if "第" in text and (found := NUMBERED.fullmatch(text)):
        rest = found["rest"].strip(PARTED)
        if re.search("[。；：:，,、]$|[。；：:]", rest):
            return None
        return Form("第", "", found["unit"]), value(found["n"])
    found = _FORM.fullmatch(text) if _HAS_NUMBER.search(text) else None
    if found is None or (len(found["before"]) + len(found["after"]) == 0 and not _bare(found)):
        return _in_words(text)
    rest = found["rest"].strip(BLANK)
    if re.search(r"[。；：，,;]|[a-zа-я]\.$|[“”「」\"]", rest) or len(rest) > 40:
        return None
    if rest[:1].islower():
        return None
    before = re.sub("[0-9]+", "0", found["before"].strip().casefold())  # the volume in 2-15
    return Form(before, _kind(found["n"]), found["after"].strip()), value(found["n"])


def _in_words(text: str) -> tuple[Form, int | str] | None:
    found = _IN_WORDS.fullmatch(text) if _HAS_LETTER.search(text) else None
    if found is None:
        return None
    before, after = ((found[name] or "").strip().casefold() for name in ("before", "after"))
    return Form(before, "word", after), found["n"].casefold()


def _bare(found: re.Match[str]) -> bool:
    """Whether a number without any mark may head a chapter: 001, 12, IV, 十二."""
    return not found["rest"] or found["rest"][0] in BLANK


def _kind(numeral: str) -> str:
    if numeral[0].isdigit() and numeral.isascii():
        return "digits"
    return "roman" if numeral[0].isascii() else "han"


def find_forms(sample: Sequence[Line]) -> frozenset[Form]:
    """The numbered forms in which the book heads its chapters: in sequence, and far apart."""
    places: dict[Form, list[tuple[int, int]]] = defaultdict(list)
    order: dict[tuple[Form, str], int] = {}  # of numbers in words, as they come
    chars = 0
    for line in sample:
        text = line.text.strip(BLANK)
        if text and not is_surely_prose(text):
            text = without_addition(undecorated(text))
            found = form_of(text) if text and len(text) <= LONGEST else None
            if found:
                form, number = found
                if isinstance(number, str):
                    number = order.setdefault((form, number), len(order))
                places[form].append((chars, number))
        chars += len(text)
    return frozenset(form for form, found in places.items() if _heads_chapters(form, found, chars))


def _heads_chapters(form: Form, places: list[tuple[int, int]], end: int) -> bool:
    """Whether numbers rise through the book and stand apart; a table of contents before them
    has the same numbers close together, so only the last of each counts."""
    last = {number: at for at, number in places} if _is_listed_first(places) else None
    found = sorted((at, n) for n, at in last.items()) if last else places
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(found)]
    if form.after or form.before or form.kind == "word":
        rising = [gap for gap, step in steps if step > 0]
    else:
        rising = [gap for gap, step in steps if step == 1]
    if len(rising) < 2 or len(rising) < 0.6 * len(steps):
        return False
    return sorted(rising)[len(rising) // 2] >= _APART and end - found[-1][0] >= 20


def _is_listed_first(places: list[tuple[int, int]]) -> bool:
    half = len(places) // 2
    return len(places) >= 6 and {n for _, n in places[:half]} == {n for _, n in places[-half:]}
