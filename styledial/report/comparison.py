"""Several runs side by side: one row each, the frontier, and whether they can be compared."""

from __future__ import annotations

import os
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from styledial.config import KLMode
from styledial.doctor import overshoot
from styledial.errors import UserError
from styledial.files import write_text
from styledial.language import say
from styledial.report import charts
from styledial.report.frontier import Point, frontier
from styledial.report.numbers import NONE, duration, general, memory_size, number, signed, whole
from styledial.report.page import render
from styledial.report.parts import Figure, Section, Table, Verdict
from styledial.run_folder import layout
from styledial.run_folder.reader import Run, is_number, mapping, read_run


@dataclass(frozen=True)
class Compared:
    """One run: `letter` names it in the figure. NLL differences in nats per token."""

    letter: str
    name: str
    run: Run
    on_frontier: bool = False

    def figure(self, key: str) -> float | None:
        value = mapping(self.run.summary).get(key)
        return float(value) if is_number(value) else None

    def change(self, key: str) -> float | None:
        now, base = self.figure(key), self.figure(f"{key}_base")
        return None if now is None or base is None else now - base

    @property
    def gained(self) -> float | None:
        change = self.change("style_nll")
        return None if change is None else -change

    @property
    def forgotten(self) -> float | None:
        return self.change("general_nll")

    def measured(self, metric: str) -> dict[str, Any]:
        """The metric's entry in evaluation.json; empty where there is none."""
        return mapping(mapping((self.run.evaluation or {}).get("metrics")).get(metric))


def compare(folders: Sequence[Path]) -> list[Compared]:
    """The finished runs in `folders`, in that order. Raises UserError for any other folder."""
    if len(folders) < 2:
        raise UserError(
            "compare: name two runs or more, each by its output_dir.",
            "compare：请写出两个或更多训练的 output_dir。",
        )
    runs = [read_run(folder) for folder in folders]
    for run in runs:
        if run.summary is None:
            raise UserError(
                f"{run.folder}: this run has not finished (no summary.json). Finish it with "
                "--resume, or leave it out.",
                f"{run.folder}：训练尚未完成（没有 summary.json）。请用 --resume 完成，或不列入。",
            )
    found = [
        Compared(letter, name, run)
        for letter, name, run in zip(_letters(len(runs)), _names(runs), runs, strict=True)
    ]
    placed = [each for each in found if point(each) is not None]
    best = {placed[i].letter for i in frontier(points(placed))}
    return [Compared(c.letter, c.name, c.run, c.letter in best) for c in found]


def point(each: Compared) -> Point | None:
    """(forgotten, gained), if the run has both."""
    forgotten, gained = each.forgotten, each.gained
    return None if forgotten is None or gained is None else (forgotten, gained)


def points(runs: Sequence[Compared]) -> list[Point]:
    return [found for found in map(point, runs) if found is not None]


def same_yardstick(runs: Sequence[Compared]) -> bool:
    """Whether all were measured on one base and one text: the base's NLLs then agree."""
    seen = {
        (
            mapping(each.run.summary).get("model"),
            *(
                None if v is None else round(v, 4)
                for v in (each.figure("style_nll_base"), each.figure("general_nll_base"))
            ),
        )
        for each in runs
    }
    return len(seen) == 1


def warnings(runs: Sequence[Compared]) -> list[str]:
    found = list(filter(None, map(_overshoot, runs)))
    if same_yardstick(runs):
        return found
    return [
        *found,
        say(
            "These runs differ in their base or in the text they were measured on (the base's NLLs "
            "differ), so the frontier compares unlike things.",
            "这些训练的基座或度量文本不同（基座的 NLL 不一致），因此前沿并非同类相比。",
        ),
    ]


def _overshoot(each: Compared) -> str | None:
    """That a run is stronger than its budget, if it is."""
    adapter = (each.run.folder / layout.ADAPTER_SETTINGS).is_file()
    times, kl = overshoot(mapping(each.run.summary), adapter=adapter), each.figure("kl_final")
    if times is None or kl is None:
        return None
    budget = number(kl / times, 4)
    return say(
        f"{each.letter} ended at a KL of {number(kl, 4)}, {times:.1f} times its budget {budget}.",
        f"{each.letter} 的 KL 最终为 {number(kl, 4)}，是其预算 {budget} 的 {times:.1f} 倍。",
    )


def table(runs: Sequence[Compared], *, narrow: bool = False) -> Table:
    """`narrow` leaves out what a terminal has no room for; a column without a figure goes too."""
    columns: list[tuple[str, list[str]]] = [
        ("", [c.letter for c in runs]),
        (say("run", "训练"), [c.name for c in runs]),
        (say("frontier", "前沿"),
         [say("yes", "是") if c.on_frontier else "" for c in runs]),
        ("kl_beta", [_beta(c) for c in runs]),
        ("KL", [number(c.figure("kl_final"), 4) for c in runs]),
        (say("style gained", "风格收益"), [number(c.gained) for c in runs]),
        (say("95% interval", "95% 区间"), [_interval(c.measured("style_nll_gain")) for c in runs]),
        (say("forgotten", "遗忘"), [signed(c.forgotten) for c in runs]),
        (say("style score", "风格得分"),
         [general(c.measured("style_score").get("value")) for c in runs]),
        (say("longest copy", "最长照抄"),
         [general(c.measured("longest_copy").get("value")) for c in runs]),
        ("token/s", [whole(c.figure("tokens_per_second")) for c in runs]),
        (say("memory", "内存"), [memory_size(c.figure("peak_memory_bytes")) for c in runs]),
        (say("time", "用时"), [duration(c.figure("wall_seconds")) for c in runs]),
    ]  # fmt: skip
    wide = {say("95% interval", "95% 区间"), say("longest copy", "最长照抄"), say("time", "用时"),
            say("style score", "风格得分")}  # fmt: skip
    shown = [
        (head, cells)
        for head, cells in columns
        if any(cell not in ("", NONE) for cell in cells) and not (narrow and head in wide)
    ]
    names = [head for head, _ in shown]
    words = {"", say("run", "训练"), say("frontier", "前沿")}
    right = frozenset(i for i, head in enumerate(names) if head not in words)
    rows = [list(row) for row in zip(*(cells for _, cells in shown), strict=True)]
    return Table(names, rows, right, say("Runs", "各次训练"))


def as_json(runs: Sequence[Compared]) -> dict[str, Any]:
    keys = ("model", "kl_beta", "kl_mode", "kl_final", "style_nll_base", "style_nll",
            "general_nll_base", "general_nll", "steps", "tokens", "tokens_per_second",
            "peak_memory_bytes", "wall_seconds")  # fmt: skip
    return {
        "same_yardstick": same_yardstick(runs),
        "runs": [
            {
                "run": each.name,
                "folder": str(each.run.folder),
                **{key: mapping(each.run.summary).get(key) for key in keys},
                "style_gained": each.gained,
                "forgotten": each.forgotten,
                "on_frontier": each.on_frontier,
                "evaluation": mapping((each.run.evaluation or {}).get("metrics")),
            }
            for each in runs
        ],
    }


def write_comparison(runs: Sequence[Compared], target: Path) -> None:
    """The table and the figure as one self-contained HTML file."""
    title = say("Style gained against text forgotten", "风格收益与遗忘")
    placed = [each for each in runs if point(each) is not None]
    drawn = charts.frontier_figure(
        points(placed),
        [c.letter for c in placed],
        [c.name for c in placed],
        label=title,
        x_title=say("forgotten", "遗忘"),
        y_title=say("style gained", "风格收益"),
    )
    note = say(
        "Nats per token, held-out text. Up and left is better; the line joins the runs that no "
        "other beats in both.",
        "nats/token，留出文本。越靠左上越好；折线连接没有被其他训练同时胜过的那些。",
    )
    section = Section(
        "runs", say("Runs", "各次训练"), warnings(runs), [Figure(title, drawn, note)], [table(runs)]
    )
    head = Verdict(say("comparison", "比较"), _sentence(runs))
    write_text(target, render("compare.html", verdict=head, section=section))


def _sentence(runs: Sequence[Compared]) -> str:
    best = [each.name for each in runs if each.on_frontier]
    if not best:
        return say(
            "None of these runs says what it gained and forgot.",
            "这些训练都没有收益与遗忘的读数。",
        )
    if len(best) == len(runs):
        return say(
            f"None of these {len(runs)} runs is beaten by another in both style gained and text "
            "forgotten.",
            f"这 {len(runs)} 次训练中，没有一次在风格收益和遗忘上同时不如另一次。",
        )
    listed_en, listed_zh = ", ".join(best), "、".join(best)
    return say(
        f"Of {len(runs)} runs, {len(best)} on the frontier of style gained against text "
        f"forgotten: {listed_en}.",
        f"{len(runs)} 次训练中有 {len(best)} 次在风格收益与遗忘的前沿上：{listed_zh}。",
    )


def _beta(each: Compared) -> str:
    summary = mapping(each.run.summary)
    beta, mode = summary.get("kl_beta"), KLMode.of_summary(summary)
    if not mode.reads_kl:
        return mode.value
    shown = f"{beta:g}" if is_number(beta) else NONE
    return shown if mode.has_target else f"{shown} ({mode.value})"


def _interval(metric: dict[str, Any]) -> str:
    ci = metric.get("ci")
    if isinstance(ci, list) and len(ci) == 2 and all(map(is_number, ci)):
        return f"{number(ci[0])} … {number(ci[1])}"
    return NONE


def _letters(count: int) -> list[str]:
    """A, B, ... Z, then a, b, ..., then #: more runs than letters can't be told apart anyway."""
    return [*string.ascii_uppercase, *string.ascii_lowercase, *["#"] * count][:count]


def _names(runs: Sequence[Run]) -> list[str]:
    """Folder names; paths where two are alike."""
    names = [run.name for run in runs]
    if len(set(names)) == len(names):
        return names
    return [os.path.relpath(run.folder.resolve()) for run in runs]
