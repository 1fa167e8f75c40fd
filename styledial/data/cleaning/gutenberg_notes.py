"""Project Gutenberg's footnotes and transcriber's notes, which have headings of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from styledial.data.cleaning.ledger import Ledger, Line

_FOOTNOTES = re.compile(
    r"#*\s*(?:foot|end)notes?\s*[:.]?|"
    r"(?P<credits>#*\s*(?:transcriber.?s.? notes?(?: to .{1,30})?|anmerkungen zur transkription|"
    r"notes? (?:sur la transcription|(?:de|du) transcript(?:ion|eur))|"
    r"notas? del transcriptor)\s*[:.]?)",
    re.I,
)
_LONGEST_NOTES = 20_000  # characters; more under such a heading may be something else
_GAP = 3  # blank lines, as only stand before another part of the book
_IS_NOTE = re.compile(r"\W*(?:\d|[A-Z]\]|p(?:age|\.|g)|foot|note|line|chapter|vol)", re.I)


def heads_notes(text: str) -> bool:
    """Whether a line is FOOTNOTES: or TRANSCRIBER'S NOTES."""
    return _FOOTNOTES.fullmatch(text) is not None


def without_notes(
    lines: Iterable[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """Lines without what stands under `FOOTNOTES:` or TRANSCRIBER'S NOTES, to the next title or to
    a larger gap: THE FERRY is a title that nothing else may tell."""
    held: list[Line] | None = None
    gap = 0
    for line in lines:
        text = line.text.strip()
        apart = gap >= (_GAP - 1 if text.isupper() else _GAP)
        gap = 0 if text else gap + 1
        if _FOOTNOTES.fullmatch(text):
            yield from _notes(held, ledger)
            held = [line]
        elif held is None or is_title(text) or (apart and _is_other(text, held)):
            yield from _notes(held, ledger)
            held = None
            yield line
        else:
            held.append(line)
    yield from _notes(held, ledger)


def _is_other(text: str, held: list[Line]) -> bool:
    """Whether a line behind a gap is none of the notes; the first of them may stand apart."""
    return bool(text) and any(line.text.strip() for line in held[1:]) and not _IS_NOTE.match(text)


def _notes(held: list[Line] | None, ledger: Ledger) -> list[Line]:
    """`held` where it is too long to be notes; else nothing, and it is dropped."""
    if not held or sum(len(line.text) for line in held) > _LONGEST_NOTES:
        return held or []
    heading = _FOOTNOTES.fullmatch(held[0].text.strip())
    reason = "credits" if heading and heading["credits"] else "footnote"
    for line in held:
        if line.text.strip():
            ledger.drop(line, reason)
    return []
