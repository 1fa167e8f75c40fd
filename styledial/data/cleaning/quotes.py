"""Quotation marks in one form through a book, and the right way round.

A book keeps the form it mostly uses: “ ” or 「 」. Straight marks, and those of the other form
in the same book, become that form; in text made simplified it is “ ”.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from styledial.data.cleaning.chapters import Paragraph
from styledial.data.cleaning.ledger import Line

Form = Literal["curved", "corner"]

_CURVED = str.maketrans("「」『』", "“”‘’")
_CORNER = str.maketrans("“”‘’", "「」『』")
_MARKED = re.compile('[“”‘’「」『』"]')
_HAN = re.compile("[\u3400-\u9fff]")
_IN_ORDER = {  # opened and closed by turns, the last perhaps in the next paragraph
    "“": "[^“”]*(?:“[^“”]*”[^“”]*)*(?:“[^“”]+)?",
    "「": "[^「」]*(?:「[^「」]*」[^「」]*)*(?:「[^「」]+)?",
}
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
    last: Paragraph | None = None
    for paragraph in paragraphs:
        text = paragraph.line.text
        if _MARKED.search(text) and _HAN.search(text):
            if any(mark in text for mark in others):
                text = text.translate(table)
            if '"' in text:
                text = _straight_to(text, opening, closing)
            text = _turned(text, opening, closing)
            if text[0] == closing and last is not None:
                # It closes the paragraph before, from which a line break had parted it.
                if last.line.text.count(opening) > last.line.text.count(closing):
                    last = _with(last, last.line.text + closing)
                text = text[1:]
            paragraph = _with(paragraph, text)
        if last is not None and _opens_speech(last, paragraph, opening):
            paragraph, last = _with(last, last.line.text + paragraph.line.text), None
        if last is not None:
            yield last
        last = paragraph
    if last is not None:
        yield last


def _opens_speech(one: Paragraph, other: Paragraph, opening: str) -> bool:
    """Whether what is said was parted from its mark: 他说：“ on a line, the words on the next."""
    return one.chapter == other.chapter and one.line.text[-2:] in ("：" + opening, ":" + opening)


def _with(paragraph: Paragraph, text: str) -> Paragraph:
    return paragraph._replace(line=Line(paragraph.line.number, text))


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
    """Marks that an earlier conversion turned round: 他说：」走。「 becomes 他说：「走。」

    Turned are only marks that no author writes: one that closes after a colon or opens at the
    very end; and of two openings in a row the one that stands after a sentence.
    """
    if re.fullmatch(_IN_ORDER[opening], text) and f"：{closing}" not in text:
        return text
    marks = [found.start() for found in re.finditer(f"[{opening}{closing}]", text)]
    kinds = [text[at] for at in marks]
    for i, at in enumerate(marks):
        if kinds[i] == closing and at and text[at - 1] in "：:":
            kinds[i] = opening
        elif kinds[i] == opening and at == len(text) - 1:
            kinds[i] = closing
    for i in range(len(marks) - 1):
        before = text[marks[i] - 1] if marks[i] else "。"
        two_openings = kinds[i] == kinds[i + 1] == opening and before in "。？！…，；"
        if two_openings and (marks[i] or text[marks[i + 1] - 1] in "：:"):
            kinds[i] = closing
    if kinds[-2:] == [opening, opening] and text[marks[-1] - 1] in "。？！…":
        kinds[-1] = closing
    out = list(text)
    for at, kind in zip(marks, kinds, strict=True):
        out[at] = kind
    return "".join(out)
