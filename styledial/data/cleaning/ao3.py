"""The Archive of Our Own's downloads: labels, summaries and notes round the chapters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from styledial.data.cleaning.ledger import Ledger, Line

_HEADER = 200  # lines
_LONGEST_NOTE = 12  # lines, where no blank line ends it
_LABEL = re.compile(
    r"(?:Rating|Archive Warnings?|Categor(?:y|ies)|Fandoms?|Relationships?|Characters?|"
    r"Additional Tags|Language|Stats|Published|Completed|Updated|Words|Chapters|Series|"
    r"Collections?)\s*:.*",
    re.I,
)
_STATS = re.compile(r"(?:Published|Words|Chapters)\s*:.*|.*\bWords: [\d,]+", re.I)
_NOTES = re.compile(
    r"(?:(?:Chapter )?(?:Summary|Notes|End Notes)|Notes:|Summary:|Chapter (?:Summary|Notes):)", re.I
)
_LINE = re.compile(
    r"Posted originally on the Archive.*|.*archiveofourown\.org.*|Chapter Text|"
    r"\(?See the end of the (?:chapter|work) for.*|Please drop by the Archive.*|"
    r"Afterword|Preface",
    re.I,
)
_BYLINE = re.compile(r"by \S.{0,60}", re.I)


def is_ao3(head: str) -> bool:
    """Whether the first lines name the archive as the place of the work."""
    return "archiveofourown.org" in head or "Archive of Our Own" in head


def ao3(
    lines: Iterable[Line], sample: Sequence[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """Without labels, summaries and notes; a note is the block under its heading."""
    spaced = sum(not line.text.strip() for line in sample) > len(sample) // 10
    rest = _after_header(iter(lines), ledger, is_title)
    note: list[Line] | None = None
    for line in rest:
        text = line.text.strip().lstrip("# ")
        heading = _NOTES.fullmatch(text) is not None
        if note is not None:
            over = heading or _LINE.fullmatch(text) is not None or (text and is_title(line.text))
            if not over and not _is_whole(note, text, spaced):
                note.append(line)
                continue
            yield from _ended(note, bool(over) or spaced, ledger)
            note = None
        if heading:
            note = []
            _drop(line, "author's note", ledger)
        elif _LINE.fullmatch(text):
            _drop(line, "header", ledger)
        else:
            yield line
    yield from _ended(note or [], True, ledger)


def _is_whole(note: list[Line], text: str, spaced: bool) -> bool:
    """Whether the block under a heading of notes has ended before `text`."""
    if spaced:
        return not text and any(line.text.strip() for line in note)
    return len(note) >= _LONGEST_NOTE


def _ended(note: list[Line], known: bool, ledger: Ledger) -> Iterator[Line]:
    """A note goes; where nothing tells its end, only its first line, as prose may follow."""
    certain = len(note) if known else 1
    for line in note[:certain]:
        _drop(line, "author's note", ledger)
    yield from note[certain:]


def _after_header(
    lines: Iterator[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """From the first line after the labels on, without the work's title and its author."""
    ended = False
    held: Line | None = None  # the line before, as a byline may follow the title
    for place, line in enumerate(lines):
        text = line.text.strip().lstrip("# ")
        if place >= _HEADER:
            yield from (held, line) if held else (line,)
            held = None
        elif _LABEL.fullmatch(text) or _LINE.fullmatch(text) or (ended and _STATS.fullmatch(text)):
            ended = ended or text.casefold().startswith("stats") or bool(_STATS.fullmatch(text))
            _drop(line, "header", ledger)
        elif not ended and not _NOTES.fullmatch(text) and not _is_chapter(text, is_title):
            _drop(line, "header", ledger)
        elif _BYLINE.fullmatch(text):
            for page in (held, line):
                _drop(page, "title page", ledger) if page else None
            held, ended = None, True
        else:
            ended = True
            if held:
                yield held
            held = line
    if held:
        yield held


def _is_chapter(text: str, is_title: Callable[[str], bool]) -> bool:
    return text.casefold().startswith("chapter") and is_title(text)


def _drop(line: Line, reason: str, ledger: Ledger) -> None:
    if line.text.strip():
        ledger.drop(line, reason)
