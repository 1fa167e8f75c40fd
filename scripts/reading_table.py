"""A table of small inputs and whether they are read right: python scripts/reading_table.py CASES

CASES holds `texts/NAME/{input.*,expect.json}` with `chapters`, `present` and `absent`, and
`found/{zh,wrap,fp,gutlike,hint}/*.txt`, for which chapters and drops are listed to be looked at.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from styledial.data.cleaning.ledger import Drop, Ledger
from styledial.data.reading.read import Part, read
from styledial.errors import DataError


def cleaned(path: Path) -> tuple[str, int, Counter[str]]:
    """(prose, number of chapters, drops by reason) of one file."""
    drops: list[Drop] = []
    _, stream = read(path, Ledger(listed=drops.append), to_simplified=False)
    parts = [part for part in stream if isinstance(part, Part)]
    chapters = {part.piece.ordinal for part in parts if part.piece.chapter}
    text = "\n".join(part.piece.text for part in parts)
    return text, len(chapters), Counter(drop.reason for drop in drops)


def wrong(folder: Path) -> list[str]:
    """What an input of `texts/` has wrong; empty where it is right."""
    expected = json.loads((folder / "expect.json").read_text("utf-8"))
    text, chapters, _ = cleaned(next(folder.glob("input.*")))
    faults = [f"missing {part!r}" for part in expected.get("present", []) if part not in text]
    faults += [f"kept {part!r}" for part in expected.get("absent", []) if part in text]
    if expected.get("chapters", chapters) != chapters:
        faults.append(f"{chapters} chapters, not {expected['chapters']}")
    return faults


def main(cases: Path) -> None:
    for folder in sorted((cases / "texts").iterdir()):
        try:
            faults = wrong(folder)
        except DataError as error:
            faults = [f"refused: {error}"]
        print(f"| texts/{folder.name} | {'right' if not faults else '; '.join(faults)} |")
    for kind in ("zh", "wrap", "fp", "gutlike", "hint"):
        for path in sorted((cases / "found" / kind).glob("*")):
            try:
                text, chapters, drops = cleaned(path)
                seen = f"{chapters} chapters, {len(text):,} characters, {dict(drops)}"
            except DataError as error:
                seen = f"refused: {error}"
            print(f"| {kind}/{path.name} | {seen} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
