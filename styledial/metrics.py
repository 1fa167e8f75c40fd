"""metrics.jsonl: one line per logged update, added to as the run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from styledial.files import write_text


class MetricsFile:
    """Appends records; a run that resumes at step S first drops what was logged after S."""

    def __init__(self, path: Path, resumed_at: int = 0) -> None:
        self.path = path
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= resumed_at]
        write_text(path, "".join(line + "\n" for line in kept))

    def write(self, record: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole records of a metrics file; an unfinished last line is left out."""
    return [json.loads(line) for line in _lines(path)]


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line for line in lines[:-1] if line]
