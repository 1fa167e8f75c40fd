"""Tables of contents: their heading, their entries with leaders and the number of a page."""

from __future__ import annotations

import re

from styledial.data.cleaning.form import LONGEST
from styledial.data.cleaning.numerals import ARABIC, HAN_NUMBER

_MANY = re.compile(rf"第\s?(?:{ARABIC}|{HAN_NUMBER})\s?[章回節节卷]")
_LEADERS = re.compile(r".{1,60}?(?:[.…·．]{3,}|\s{3,})\s*\d{1,4}")
_PAGED = re.compile(r"(?:.{1,60}?(?:[.…·．]{2,}|\s{2,})\s*|[IVXLC]{1,7}\.?\s)\d{1,4}")
_PAGE = re.compile(r"(?:[.…·．]{2,}|\s{2,})[\s.…·．]*(?:\d{1,4}|Frontispiece)$")
_HEADING = re.compile(
    r"[\s【\[]*(?:目\s*录|目\s*錄|目\s*次|차\s*례|목\s*차|contents|table(?: of contents| "
    r"des matières)?|inhalt|"
    r"inhaltsverzeichnis|índice|indice|оглавление|содержание|mục lục|สารบัญ)[\s】\]:：.]*",
    re.I,
)


def is_contents_heading(text: str) -> bool:
    """Whether a line is 目录 or Contents and nothing else."""
    return _HEADING.fullmatch(text) is not None


def is_entry(text: str) -> bool:
    """Whether a line below such a heading ends in the number of a page."""
    return _PAGED.fullmatch(text) is not None


def without_page(text: str) -> str:
    """An entry without its leaders and the number of its page."""
    return _PAGE.sub("", text).strip(" .…·．\t\u3000")


def named_with_page(text: str) -> str:
    """What stands before leaders and the number of a page; nothing where there are none."""
    if not text[-1].isdecimal() or not _LEADERS.fullmatch(text):
        return ""
    return re.split(r"[.…·．]{3,}|\s{3,}", text)[0]


def lists_many(text: str) -> bool:
    """A table of contents run together into one line."""
    return len(text) > LONGEST and "。" not in text and len(_MANY.findall(text)) >= 4
