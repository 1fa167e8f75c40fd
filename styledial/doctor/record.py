"""What the rules judge a run by: figures derived from the files that run_folder.reader reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from styledial.config import Config, resolve
from styledial.dial import FILE as DIAL
from styledial.dial import DialPoint, load_dial
from styledial.errors import UserError
from styledial.run_folder.described import runs_near, summary_of
from styledial.run_folder.layout import DATA_MANIFEST, EVALUATION, METRICS, SETTINGS, SUMMARY
from styledial.run_folder.metrics import is_number, seconds_of
from styledial.run_folder.reader import Run, read_files


@dataclass(frozen=True)
class Metric:
    """Of the tuned model, of the base, and of the books where they have one."""

    value: float
    base: float
    books: float | None

    @property
    def highest(self) -> float:
        """The larger of the base's and the books' value."""
        return self.base if self.books is None else max(self.base, self.books)

    @property
    def lowest(self) -> float:
        """The smaller of the base's and the books' value."""
        return self.base if self.books is None else min(self.base, self.books)


@dataclass(frozen=True)
class Record:
    """`summary` and `evaluation` are empty and `dial` is () where the run has none yet."""

    folder: Path
    config: Config
    lines: Sequence[dict[str, Any]]
    summary: dict[str, Any]
    evaluation: dict[str, dict[str, Any]]
    tokens: dict[str, int]
    dial: Sequence[DialPoint]

    @cached_property
    def updates(self) -> list[dict[str, Any]]:
        """Lines of metrics.jsonl with what the updates did."""
        wanted = {"train/nll", "train/learning_rate"}
        return [line for line in self.lines if wanted <= set(line)]

    @cached_property
    def readings(self) -> list[dict[str, Any]]:
        """Lines with a reading of held-out text."""
        wanted = {"val/nll", "val/nll_base", "val/kl"}  # non-finite values were not written
        return [line for line in self.lines if wanted <= set(line)]

    @cached_property
    def timed(self) -> dict[str, float]:
        """Seconds per phase over the whole run; empty where the run kept no time."""
        return seconds_of(self.lines)

    def share(self, phase: str) -> float:
        """Of the run's time, 0 to 1."""
        return self.timed.get(phase, 0.0) / sum(self.timed.values())

    @property
    def budget(self) -> float | None:
        """KL that training aims at, in nats per token; None without a target."""
        return self.config.training.kl_target

    @cached_property
    def kl(self) -> float:
        """Held-out KL that training reached, before the adapter was scaled to the budget."""
        if "kl_before_landing" in self.summary:
            return float(self.summary["kl_before_landing"])
        return float(self.readings[-1]["val/kl"])

    @property
    def kl_now(self) -> float:
        """Of the finished adapter: after landing."""
        return float(self.summary.get("kl_final", self.kl))

    @cached_property
    def gains(self) -> list[float]:
        """How much better than the base held-out text was predicted at each reading (nats)."""
        return [line["val/nll_base"] - line["val/nll"] for line in self.readings]

    @property
    def gain(self) -> float:
        """Of the finished adapter on held-out text, else of the last reading."""
        if "style_nll" in self.summary:
            return float(self.summary["style_nll_base"] - self.summary["style_nll"])
        return self.gains[-1]

    @property
    def steps(self) -> int:
        """Updates made."""
        return int(self.lines[-1]["step"]) if self.lines else 0

    @property
    def epochs(self) -> float:
        """Passes made over the style rows."""
        return float(self.lines[-1]["epoch"]) if self.lines else 0.0

    def metric(self, name: str) -> Metric | None:
        """Of evaluation.json; None where it or the base's value isn't there."""
        found = self.evaluation.get(name, {})
        value, base = found.get("value"), found.get("base")
        if value is None or base is None:
            return None
        books = found.get("books")
        return Metric(float(value), float(base), None if books is None else float(books))

    def has(self, part: str) -> bool:
        """Whether the run has what a rule needs; `part` is a key of MISSING."""
        return bool(
            {
                "summary": self.summary,
                "updates": self.updates,
                "readings": self.readings,
                "passages": self.metric("base_perplexity"),
                "tokens": {"train", "heldout"} <= self.tokens.keys(),
                "time": self.timed,
                "memory": self.summary.get("memory_bytes"),
            }[part]
        )


# What makes a part that a run doesn't have; {} is the run's folder.
MISSING = {
    "summary": ("the run is not finished (go on with --resume)", "训练未完成（用 --resume 继续）"),
    "updates": ("no update was logged", "没有任何一步的记录"),
    "readings": (
        "held-out text was not read during the run (train with this version)",
        "训练中没有读取留出文本（请用当前版本训练）",
    ),
    "passages": (
        "nothing that it writes was measured: `styledial evaluate {}`",
        "尚未评估它写出的文字：`styledial evaluate {}`",
    ),
    "tokens": ("the run is not finished (go on with --resume)", "训练未完成（用 --resume 继续）"),
    "time": (
        "the run kept no record of its time (train with this version)",
        "没有耗时记录（请用当前版本训练）",
    ),
    "memory": ("memory was not recorded", "没有显存记录"),
}


def read_record(folder: Path) -> Record:
    """Raises UserError where `folder` isn't what a run writes, or its files can't be read."""
    origin = summary_of(folder).get("taken_from")
    if isinstance(origin, dict):
        raise UserError(
            f"{folder}: holds an adapter that was taken over from another base; nothing was "
            f"trained here. Name the run that it comes from, {origin.get('run')}.",
            f"{folder}：其中的适配器来自另一个基座上的训练，此处没有训练过程。"
            f"请写它所来自的训练：{origin.get('run')}。",
        )
    if missing := [name for name in (SETTINGS, METRICS) if not (folder / name).is_file()]:
        near, are = runs_near(folder), "are" if len(missing) > 1 else "is"
        raise UserError(
            f"{folder}: no run here ({' and '.join(missing)} {are} missing). Name the output_dir "
            f"of a run{near[0]}.",
            f"{folder}：这里没有训练（缺少 {'、'.join(missing)}）。"
            f"请写训练的 output_dir{near[1]}。",
        )
    run = read_files(folder)
    if problem := _first_problem(run):
        raise UserError(
            f"{folder}: a file of this run cannot be read ({problem}); restore it, or train again.",
            f"{folder}：训练文件无法读取（{problem}）；请恢复该文件，或重新训练。",
        )
    return Record(
        folder=folder,
        config=resolve(folder / SETTINGS),
        lines=run.metrics,
        summary=run.summary or {},
        evaluation=(run.evaluation or {}).get("metrics", {}),
        tokens=(run.manifest or {}).get("tokens", {}),
        dial=load_dial(folder) if (folder / DIAL).is_file() else [],
    )


# Of a finished run's summary, what rules take for granted, and what they take for a number.
_SUMMARY_KEYS = ("kl_before_landing", "kl_final", "style_nll_base", "style_nll",
                 "general_nll_base", "general_nll")  # fmt: skip
_NUMBERS = (*_SUMMARY_KEYS, "peak_memory_bytes", "memory_bytes", "train_nll_base",
            "train_nll", "trainable_parameters")  # fmt: skip


def _first_problem(run: Run) -> str:
    """What keeps the rules from judging `run`, or nothing."""
    if run.damaged:
        return run.damaged[0]
    lacking = [key for key in _SUMMARY_KEYS if run.summary and key not in run.summary]
    if lacking:
        return f"{SUMMARY}: without {', '.join(lacking)}"
    summary = run.summary or {}
    if wrong := [key for key in _NUMBERS if key in summary and not is_number(summary[key])]:
        return f"{SUMMARY}: {wrong[0]} is not a finite number"
    if not all("epoch" in line for line in run.metrics):
        return f"{METRICS}: a line without epoch"
    if not _are_numbers((run.manifest or {}).get("tokens", {})):
        return f"{DATA_MANIFEST}: tokens"
    found = (run.evaluation or {}).get("metrics", {})
    if not isinstance(found, dict) or not all(map(_is_metric, found.values())):
        return f"{EVALUATION}: metrics"
    return ""


def _are_numbers(values: Any) -> bool:
    return isinstance(values, dict) and all(map(is_number, values.values()))


def _is_metric(found: Any) -> bool:
    if not isinstance(found, dict):
        return False
    return all(
        found.get(key) is None or is_number(found[key]) for key in ("value", "base", "books")
    )
