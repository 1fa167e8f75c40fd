"""Emphasis marks and footnotes, which belong to an edition rather than to the prose."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from styledial.data.cleaning.chapters import Paragraph
from styledial.data.cleaning.ledger import Ledger, Line

_ITALICS = re.compile(r"(?<![\w_])_(?=[^\s_])([^_\n]{1,600}?)(?<=[^\s_])_(?![\w_])")
_STARS = re.compile(
    r"(?<!\*)\*\*(?=[^\s*])([^*\n]{1,400}?)(?<=[^\s*])\*\*(?!\*)"
    r"|(?<![\w*])\*(?=[^\s*])([^*\n]{1,400}?)(?<=[^\s*])\*(?![\w*])"
)
_PICTURE = re.compile(r"\[(?:Illustration|Image|Abbildung|Картинка)(?::[^\]]{0,300})?\]", re.I)
_FOOTNOTE = re.compile(
    r"\[(?:Footnote|Note|Anmerkung|Nota|Сноска|Примечание)\s*[\w*]{0,4}\s*[:.].*"
    r"|\[(?:\d{1,3}|\*)\][:.]?\s+\S.*|\{\d{1,3}\}\s+\S.*",
    re.I,
)
_MARKER = re.compile(r"(?<=\S)\[(?:\d{1,3}|\*|[A-Z])\]|(?<=\S)\{\d{1,3}\}")
_COUNTED = re.compile(r"(?<=[^\W\d_]|[.,;:!?”’\"'»」』。，；：！？])\[(\d{1,3})\]")
_TRANSCRIBER = re.compile(r"\[Transcriber.?s.? notes?\b.*", re.I)


def has_footnotes(sample: Sequence[Line]) -> bool:
    """Whether the book has notes of the form `[1] …`, so that `[1]` in prose points to one, or
    marks that count from 1 though its notes are far behind them, or gone."""
    numbers: list[int] = []
    for line in sample:
        if "[" in line.text:
            if _FOOTNOTE.fullmatch(line.text.strip()):
                return True
            numbers += map(int, _COUNTED.findall(line.text))
    rising = all(b in (1, a, a + 1) for a, b in itertools.pairwise(numbers))
    return numbers[:1] == [1] and rising


def drop_emphasis(
    paragraphs: Iterable[Paragraph], ledger: Ledger, footnotes: bool, stars: bool
) -> Iterator[Paragraph]:
    """Prose without `_italics_`, `*stars*`, pictures' captions, footnotes and their markers.

    `stars`: whether stars are emphasis; in Chinese files they stand in for lost characters.
    """
    open_note = False
    for paragraph in paragraphs:
        text = paragraph.line.text
        note = open_note or ((footnotes or text[:1] == "{") and _FOOTNOTE.fullmatch(text))
        note = note or (text[:1] == "[" and _TRANSCRIBER.fullmatch(text))
        if text and note:
            ledger.drop(paragraph.line, "footnote")
            bracketed = open_note or re.match(r"\[[A-Za-zА-я]", text) is not None
            open_note = bracketed and not text.rstrip().endswith("]")
            continue
        kept = _plain(paragraph.line, ledger, footnotes, stars)
        if kept is not text:
            paragraph = paragraph._replace(line=Line(paragraph.line.number, kept))
        if kept or not text:
            yield paragraph


def _plain(line: Line, ledger: Ledger, footnotes: bool, stars: bool) -> str:
    text = line.text
    if "[" in text or "{" in text:
        text = _taken(_PICTURE, text, line, "illustration", ledger).strip()
        if footnotes or "{" in text:
            text = _taken(_MARKER, text, line, "footnote", ledger)
    if "_" in text and (found := _ITALICS.findall(text)):
        ledger.drop(line, "emphasis", "__" * len(found))
        text = _ITALICS.sub(r"\1", text)
    if stars and "*" in text:
        bare = _STARS.sub(lambda m: m[1] or m[2], text)
        if bare != text:
            ledger.drop(line, "emphasis", "*" * (len(text) - len(bare)))
            text = bare
    return text


def _taken(pattern: re.Pattern[str], text: str, line: Line, reason: str, ledger: Ledger) -> str:
    for found in pattern.findall(text):
        ledger.drop(line, reason, found)
    return pattern.sub("", text)
