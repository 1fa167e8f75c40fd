"""Quotation marks in one form through a book, and the right way round.

A book keeps the form it mostly uses: “ ” or 「 」. Straight marks, and those of the other form
in the same book, become that form; in text made simplified it is “ ”.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from styledial.data.chapters import Paragraph
from styledial.data.ledger import Line

Form = Literal["curved", "corner"]

_CURVED = str.maketrans("「」『』", "“”‘’")
_CORNER = str.maketrans("“”‘’", "「」『』")
_MARKED = re.compile('[“”‘’「」『』"]')
_HAN = re.compile("[\u3400-\u9fff]")
_PAIRS = {"curved": ("“", "”"), "corner": ("「", "」")}


def find_form(sample: Sequence[Line]) -> Form:
    """The form most of the sample is in."""
    corner = sum(line.text.count("「") for line in sample)
    curved = sum(line.text.count("“") + line.text.count('"') // 2 for line in sample)
    return "corner" if corner > curved else "curved"


def unify_quotes(paragraphs: Iterable[Paragraph], form: Form) -> Iterator[Paragraph]:
    """Paragraphs with their marks in `form`; text without Chinese is left alone."""
    table, others = (_CURVED, "「」『』") if form == "curved" else (_CORNER, "“”‘’")
    opening, closing = _PAIRS[form]
    for paragraph in paragraphs:
        text = paragraph.line.text
        if _MARKED.search(text) and _HAN.search(text):
            if any(mark in text for mark in others):
                text = text.translate(table)
            if '"' in text:
                text = _straight_to(text, opening, closing)
            text = _turned(text, opening, closing)
            paragraph = paragraph._replace(line=Line(paragraph.line.number, text))
        yield paragraph


def _straight_to(text: str, opening: str, closing: str) -> str:
    """Straight double marks, which open and close by turns within a paragraph."""
    inside = False

    def by_turn(found: re.Match[str]) -> str:
        nonlocal inside
        mark = found[0]
        if mark == '"':
            mark = closing if inside else opening
        inside = mark == opening
        return mark

    return re.sub(f'["{opening}{closing}]', by_turn, text)


def _turned(text: str, opening: str, closing: str) -> str:
    """Marks that an earlier conversion turned round: 。「 at an end closes, ：」 opens.

    Only a mark that breaks the turns (two openings, or a closing with nothing open) and that
    its neighbour explains is turned; everything else is the author's.
    """
    inside = False

    def right_way(found: re.Match[str]) -> str:
        nonlocal inside
        mark = found[0]
        before = text[found.start() - 1] if found.start() else "："
        if mark == opening and inside and before in "。？！…，；":
            mark = closing
        elif mark == closing and not inside and before in "：:":
            mark = opening
        inside = mark == opening
        return mark

    return re.sub(f"[{opening}{closing}]", right_way, text)
