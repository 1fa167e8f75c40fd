"""What a run left in its folder, read leniently: a file that is missing or torn is None."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from styledial.dial import FILE as DIAL
from styledial.dial import DialPoint, load_dial
from styledial.errors import AdapterError, UserError
from styledial.run_folder.layout import DATA_MANIFEST, SAMPLES_DATA
from styledial.run_folder.metrics import read_metrics


@dataclass(frozen=True)
class Setting:
    """One line of the run's train_config.yaml; `source` is "default" or where it was set."""

    section: str
    key: str
    value: str
    source: str


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

    def setting(self, name: str) -> str | None:
        """The value of "section.key" as YAML writes it, without quotation marks."""
        found = [s.value.strip('"') for s in self.settings if f"{s.section}.{s.key}" == name]
        return found[0] if found else None


def read_run(folder: Path) -> Run:
    """Raises UserError where `folder` holds neither a finished run nor one under way."""
    if not folder.is_dir():
        raise _no_run(folder)
    run = Run(
        folder=folder,
        name=folder.resolve().name,
        summary=_json(folder / "summary.json"),
        metrics=_metrics(folder / "metrics.jsonl"),
        dial=_dial(folder),
        dial_base=_dial_base(folder),
        evaluation=_json(folder / "evaluation.json"),
        plan=_json(folder / "plan.json"),
        manifest=_json(folder / DATA_MANIFEST),
        samples=_json(folder / SAMPLES_DATA),
        settings=_settings(folder / "train_config.yaml"),
    )
    if run.summary is None and not run.metrics:
        raise _no_run(folder)
    return run


def is_number(value: Any) -> TypeGuard[float]:
    """Whether `value` is a finite number; a bool is not one."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _no_run(folder: Path) -> UserError:
    return UserError(
        f"{folder}: no run here (summary.json and metrics.jsonl are missing). Name the "
        "output_dir of a run.",
        f"{folder}：这里没有训练结果（缺少 summary.json 和 metrics.jsonl）。"
        "请写训练的 output_dir。",
    )


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is what it should be, else an empty one: files can be damaged."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _metrics(path: Path) -> list[dict[str, Any]]:
    try:
        return [r for r in mappings(read_metrics(path)) if is_number(r.get("step"))]
    except (OSError, ValueError):
        return []


def _dial(folder: Path) -> list[DialPoint] | None:
    try:
        return load_dial(folder)
    except AdapterError:
        return None


def _dial_base(folder: Path) -> tuple[float, float] | None:
    base = mapping((_json(folder / DIAL) or {}).get("base"))
    style, general = base.get("style_nll"), base.get("general_nll")
    return (style, general) if is_number(style) and is_number(general) else None


def _settings(path: Path) -> list[Setting]:
    """The lines that config.show.as_file wrote: "  key: value  # source" under "section:"."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return []
    found, section = [], ""
    for line in lines:
        if line and not line.startswith((" ", "#")):
            section = line.rstrip(":")
        elif ": " in line:
            content, _, source = line.rpartition("  # ")
            key, _, value = (content or line).strip().partition(": ")
            found.append(Setting(section, key, value, source if content else ""))
    return found
