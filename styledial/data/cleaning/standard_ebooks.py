"""Standard Ebooks' own pages: title page, imprint, colophon, uncopyright and endnotes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from styledial.data.cleaning.ledger import Ledger, Line

_FRONT = 40  # lines before the imprint: the title page
_PAGES = {
    "titlepage": "title page", "imprint": "imprint", "colophon": "colophon",
    "uncopyright": "licence", "endnotes": "notes",
}  # fmt: skip
_WORDS = re.compile(
    r"Standard Ebooks|Project Gutenberg|Internet Archive|HathiTrust|Google Books|public domain|"
    r"\btranscription\b|page scans|copyright|\bCC0\b|standardebooks\.org",
    re.I,
)


def is_standard_ebooks(head: str) -> bool:
    """Whether the first lines hold its imprint."""
    return "Standard Ebooks" in head and re.search(r"(?im)^\W*imprint\W*$", head) is not None


def standard_ebooks(
    lines: Iterable[Line], ledger: Ledger, is_title: Callable[[str], bool]
) -> Iterator[Line]:
    """The book between its pages; the imprint ends where its words do."""
    front: list[Line] | None = []
    reason = ""
    for line in lines:
        text = line.text.strip()
        name = text.lstrip("# ").casefold()
        if name in _PAGES:
            reason, held, front = _PAGES[name], front or [], None
            for before in held:
                _drop(before, "title page", ledger)
        elif front is not None and len(front) < _FRONT:
            front.append(line)
            continue
        elif _ends(reason, text, is_title):
            reason = ""
        if front:
            yield from front
        front = None
        if reason:
            _drop(line, reason, ledger)
        else:
            yield line
    yield from front or ()


def _ends(reason: str, text: str, is_title: Callable[[str], bool]) -> bool:
    if reason == "imprint":
        return bool(text) and not _WORDS.search(text)
    return bool(reason) and text.startswith("#") and is_title(text)


def _drop(line: Line, reason: str, ledger: Ledger) -> None:
    if line.text.strip():
        ledger.drop(line, reason)
