"""Files that StyleDial wrote about novels: they may be replaced, and are no novels themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MANIFEST = ".manifest.json"
# What is in the manifest, in a passage's line, in a dialogue's.
_KEYS = ({"books", "notes"}, {"text", "book", "chapter", "split"}, {"messages", "book", "split"})
_LONGEST = 1 << 20  # characters of a first line; no passage has more
_RECORDS, _PAGES = (".json", ".jsonl"), (".html", ".htm")


def is_page(path: Path) -> bool:
    """Whether `path` is a page of StyleDial's: a report, a comparison, what prepare found."""
    try:
        with path.open(encoding="utf-8") as file:
            start = file.read(2000)
    except (OSError, UnicodeDecodeError):
        return False
    return start.startswith("<!doctype html>") and "StyleDial" in start


def prepared(path: Path) -> dict[str, Any] | None:
    """The manifest that `styledial prepare` wrote, or the first line of its passages or dialogues;
    None of any other file."""
    try:
        with path.open(encoding="utf-8") as file:
            whole = path.name.endswith(MANIFEST)
            first = json.loads(file.read() if whole else file.readline(_LONGEST))
        return first if set(first) in _KEYS else None
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def is_no_novel(path: Path, folder: Path) -> bool:
    """Whether StyleDial wrote the file, of the very novels in `folder`: reading it too would read
    them twice, and the held-out part with them."""
    kind = path.suffix.lower()
    if kind in _PAGES:
        return is_page(path)
    record = prepared(path) if kind in _RECORDS else None
    if record is None:
        return False
    try:
        books = [record["book"]] if "book" in record else [each["file"] for each in record["books"]]
        return any(_is_there(folder, str(book)) for book in books)
    except (TypeError, KeyError):
        return False


def _is_there(folder: Path, book: str) -> bool:
    """Whether `book`, by its path in the folder, is there; of one in an archive, the archive."""
    parts = Path(book).parts
    return any(folder.joinpath(*parts[: end + 1]).is_file() for end in range(len(parts)))
