"""Two chapters of prose in English and in Chinese, and what reading leaves of a file with them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from data_samples import novel

from styledial.data.cleaning.ledger import Drop, Ledger
from styledial.data.reading.read import Part, read

_EN = (
    "The rain came down upon the slates of the old mill, and nobody in the village slept.",
    "“You will not go,” said Martha, and she put the lamp upon the table beside his face.",
    "He went all the same, along the wet lane and over the stile, until the lights were lost.",
    "When he came to the bridge there was a man on it, who looked down into the water.",
)
ONE, TWO = ([f"{row[:-1]} ({k}-{i})." for i, row in enumerate(_EN * 3)] for k in ("one", "two"))
_ZH = [row.strip("　") for row in novel(3, 2, 12).split("\n") if row and not row.startswith("第")]
YI, ER = _ZH[:12], _ZH[12:]


def paragraphs(rows: list[str]) -> str:
    return "".join(f"<p>{row}</p>\n" for row in rows)


def cleaned(path: Path) -> tuple[list[str], list[str | None], Counter[str]]:
    """(rows of prose, chapters, drops by reason)."""
    drops: list[Drop] = []
    _, stream = read(path, Ledger(listed=drops.append), to_simplified=False)
    pieces = [part.piece for part in stream if isinstance(part, Part)]
    rows = [row for piece in pieces for row in piece.text.split("\n") if row]
    chapters = list({piece.ordinal: piece.chapter for piece in pieces}.values())
    return rows, chapters, Counter(drop.reason for drop in drops)


def holds(path: Path, wanted: list[str], chapters: list[str | None], reasons: set[str]) -> None:
    found = cleaned(path)
    assert found[0] == wanted
    assert found[1] == chapters
    assert reasons <= set(found[2])


def page(path: Path, body: str) -> Path:
    path.write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return path


def text(path: Path, body: str) -> Path:
    path.write_text(body, encoding="utf-8")
    return path
