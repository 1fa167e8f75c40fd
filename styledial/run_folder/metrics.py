"""metrics.jsonl: one line per logged update, appended during the run."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

from styledial.files import write_text


class MetricsFile:
    """Appends records; a run that resumes at step S first drops what was logged after S.

    `tell` is called once if a line cannot be written; training continues without its log.
    """

    def __init__(
        self,
        path: Path,
        resumed_at: int = 0,
        tell: Callable[[str, str], None] | None = None,
        write: Callable[[str], None] | None = None,
    ) -> None:
        """`write` replaces `path` by the lines that are kept, under the run folder's rules."""
        self.path, self._tell = path, tell
        kept = [record for record in read_metrics(path) if record["step"] <= resumed_at]
        (write or partial(write_text, path))("".join(map(_line, kept)))

    def write(self, record: dict[str, Any]) -> None:
        """Append a line. Non-finite values are left out: JSON has no value for them."""
        whole = {k: v for k, v in record.items() if not isinstance(v, float) or math.isfinite(v)}
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(whole))
        except OSError as error:
            if self._tell:
                self._tell(
                    f"Warning: {self.path} cannot be written ({error.strerror}); training "
                    "continues, and that file will lack lines.",
                    f"警告：{self.path} 无法写入（{error.strerror}）；训练继续，该文件会缺行。",
                )
            self._tell = None


def is_number(value: Any) -> TypeGuard[float]:
    """Whether `value` is a finite number; a bool is not one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole records of a metrics file; a line cut short by a crash is left out, and so is
    what isn't a finite number: nothing else is written there."""
    return [numbers_in(record) for record in read_records(path)]


def numbers_in(record: dict[str, Any]) -> dict[str, Any]:
    """What of a record is a finite number."""
    return {key: value for key, value in record.items() if is_number(value)}


def read_records(path: Path) -> list[dict[str, Any]]:
    """The same with every value as it stands."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and is_number(record.get("step")):
                found.append(record)
    return found


def seconds_of(lines: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Seconds per phase over some lines; empty where no time was kept."""
    found: dict[str, float] = {}
    for line in lines:
        for key, share in line.items():
            if key.startswith("time/") and key != "time/seconds" and "time/seconds" in line:
                phase = key.removeprefix("time/")
                found[phase] = found.get(phase, 0.0) + share * line["time/seconds"]
    return found if sum(found.values()) > 0 else {}


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
