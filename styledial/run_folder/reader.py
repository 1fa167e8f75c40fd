"""Reading the files of a run: a missing or damaged one is None."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from styledial.config.show import Setting, shown_settings
from styledial.dial import FILE as DIAL
from styledial.dial import DialPoint, load_dial
from styledial.errors import AdapterError, UserError
from styledial.files import read_json
from styledial.run_folder import layout
from styledial.run_folder.described import runs_near
from styledial.run_folder.metrics import is_number, numbers_in, read_records


@dataclass(frozen=True)
class Run:
    """A run's files. `summary` is None until the run has finished."""

    folder: Path
    name: str
    summary: dict[str, Any] | None
    metrics: list[dict[str, Any]]
    dial: list[DialPoint] | None
    dial_base: tuple[float, float] | None  # style and general NLL of the base, same texts
    evaluation: dict[str, Any] | None
    plan: dict[str, Any] | None
    manifest: dict[str, Any] | None
    samples: dict[str, Any] | None
    settings: list[Setting]
    strength_samples: dict[str, Any] | None
    damaged: list[str]  # "file: what is wrong" for files that are there and can't be read

    def setting(self, name: str) -> str | None:
        """The value of "section.key" as YAML writes it, without quotation marks."""
        found = [s.value.strip('"') for s in self.settings if f"{s.section}.{s.key}" == name]
        return found[0] if found else None


def read_run(folder: Path) -> Run:
    """Raises UserError where `folder` holds neither a finished run nor one under way."""
    run = read_files(folder) if folder.is_dir() else None
    if run is None or (run.summary is None and not run.metrics):
        near = runs_near(folder)
        raise UserError(
            f"{folder}: no run here (summary.json and metrics.jsonl are missing). Name the "
            f"output_dir of a run{near[0]}.",
            f"{folder}：这里没有训练结果（缺少 summary.json 和 metrics.jsonl）。"
            f"请写训练的 output_dir{near[1]}。",
        )
    return run


def read_files(folder: Path) -> Run:
    """All that is in `folder`, be it little or nothing. Reads small files only."""
    damaged: list[str] = []
    return Run(
        folder=folder,
        name=folder.resolve().name,
        summary=_json(folder / layout.SUMMARY, damaged),
        metrics=_metrics(folder / layout.METRICS, damaged),
        dial=_dial(folder),
        dial_base=_dial_base(folder),
        evaluation=_json(folder / layout.EVALUATION, damaged),
        plan=_json(folder / layout.PLAN),
        manifest=_json(folder / layout.DATA_MANIFEST, damaged),
        samples=_json(folder / layout.SAMPLES_DATA),
        settings=shown_settings(folder / layout.SETTINGS),
        strength_samples=_json(folder / layout.STRENGTH_SAMPLES),
        damaged=damaged,
    )


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is what it should be, else an empty one: files can be damaged."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The dicts among the list `value`; none where it isn't a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _json(path: Path, damaged: list[str] | None = None) -> dict[str, Any] | None:
    """The object in `path`; None without one; a fault of the file is added to `damaged`."""
    damaged = [] if damaged is None else damaged
    if not path.is_file():
        return None
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        damaged.append(f"{path.name}: {error}")
        return None
    if not isinstance(content, dict):
        damaged.append(f"{path.name}: not a JSON object")
        return None
    return content


def _metrics(path: Path, damaged: list[str]) -> list[dict[str, Any]]:
    """The whole lines; a line cut short is left out, a file of nothing else is damaged, and one in
    which something else stands for a number."""
    try:
        records = read_records(path)
        found = [numbers_in(record) for record in records]
        for line in records:
            if other := [key for key, value in line.items() if not is_number(value)]:
                damaged.append(
                    f"{path.name}: {other[0]} at step {line['step']:g} is not a finite number"
                )
                break
        written = path.is_file() and path.stat().st_size > 0
    except (OSError, ValueError) as error:
        damaged.append(f"{path.name}: {error}")
        return []
    if written and not found and path.read_text(encoding="utf-8", errors="replace").strip():
        damaged.append(f"{path.name}: no line of it is whole")
    return found


def _dial(folder: Path) -> list[DialPoint] | None:
    try:
        return load_dial(folder)
    except AdapterError:
        return None


def _dial_base(folder: Path) -> tuple[float, float] | None:
    base = mapping((_json(folder / DIAL) or {}).get("base"))
    style, general = base.get("style_nll"), base.get("general_nll")
    return (style, general) if is_number(style) and is_number(general) else None
