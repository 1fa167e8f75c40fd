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


def heads_notes(text: str) -> bool:
    """Whether a line is FOOTNOTES: or TRANSCRIBER'S NOTES."""
    return _FOOTNOTES.fullmatch(text) is not None


def without_notes(
    lines: Iterable[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """Lines without what stands under `FOOTNOTES:` or TRANSCRIBER'S NOTES, to the next title."""
    held: list[Line] | None = None
    for line in lines:
        text = line.text.strip()
        if _FOOTNOTES.fullmatch(text):
            yield from _notes(held, ledger)
            held = [line]
        elif held is None or is_title(text):
            yield from _notes(held, ledger)
            held = None
            yield line
        else:
            held.append(line)
    yield from _notes(held, ledger)


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
