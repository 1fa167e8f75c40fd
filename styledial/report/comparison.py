"""Several runs side by side: one row each, the frontier, and whether they can be compared."""

from __future__ import annotations

import os
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from styledial import units
from styledial.config import KLMode
from styledial.doctor import overshoot
from styledial.errors import UserError
from styledial.language import say
from styledial.report.frontier import Point, frontier
from styledial.report.lights import change_of
from styledial.report.numbers import (
    NONE,
    duration,
    general,
    memory_size,
    number,
    out_of_100,
    signed,
    whole,
)
from styledial.report.parts import Table
from styledial.run_folder import layout
from styledial.run_folder.metrics import is_number
from styledial.run_folder.reader import Run, mapping, read_run
from styledial.strength import name_of


@dataclass(frozen=True)
class Compared:
    """One run: `letter` names it in the figure. NLL differences in nats per token."""

    letter: str
    name: str
    run: Run
    on_frontier: bool = False

    def figure(self, key: str) -> float | None:
        """A number of summary.json; None where it isn't one."""
        value = mapping(self.run.summary).get(key)
        return float(value) if is_number(value) else None

    @property
    def gained(self) -> float | None:
        """How far the loss on the novels fell."""
        change = change_of(mapping(self.run.summary), "style_nll")
        return None if change is None else -change

    @property
    def forgotten(self) -> float | None:
        """How far the loss on general text rose; below 0 it fell."""
        return change_of(mapping(self.run.summary), "general_nll")

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
    """(forgotten, gained) of the runs that have both."""
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
    """Why these runs can't be compared, if so."""
    found = list(filter(None, map(_overshoot, runs)))
    if same_yardstick(runs):
        return found
    return [
        *found,
        say(
            "These runs differ in their base or in the text they were measured on (their bases' "
            "losses differ), so this compares unlike things. Only bits per character compare "
            "across bases, where the novels held out are the same.",
            "这些训练的基座或测量文本不同（基座的损失不一致），不能直接比较。留出的小说相同时，"
            "只有「比特/字」可以跨基座比较。",
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


# Where a table is shown: a terminal has room for few columns; on the page `main` has what one
# chooses by, and `more` is folded.
Place = Literal["terminal", "main", "more"]


def table(runs: Sequence[Compared], place: Place) -> Table:
    """A row a run; a column without any figure is left out."""
    shown = [
        (head, cells)
        for head, cells, places in _columns(runs)
        if place in places and any(cell not in ("", NONE) for cell in cells)
    ]
    names = [head for head, _ in shown]
    right = frozenset(i for i, head in enumerate(names) if head not in _words())
    rows = [list(row) for row in zip(*(cells for _, cells in shown), strict=True)]
    titles = {"more": say("Settings, speed and memory", "设置、速度与内存")}
    return Table(names, rows, right, titles.get(place, say("Runs", "各次训练")), place == "more")


def _columns(runs: Sequence[Compared]) -> list[tuple[str, list[str], tuple[Place, ...]]]:
    """(head, a cell for each run, where it is shown)."""
    every: tuple[Place, ...] = ("terminal", "main", "more")
    both: tuple[Place, ...] = ("terminal", "main")
    more: tuple[Place, ...] = ("terminal", "more")
    yes = say("yes", "是")
    intervals = [_interval(c.measured("style_nll_gain")) for c in runs]
    bits = [number(c.figure("style_bits_per_character")) for c in runs]
    scores = [out_of_100(c.measured("style_score").get("value")) for c in runs]
    copies = [general(c.measured("longest_copy").get("value")) for c in runs]
    return [
        ("", [c.letter for c in runs], every),
        (say("run", "训练"), [c.name for c in runs], every),
        (say("frontier", "前沿"), [yes if c.on_frontier else "" for c in runs], both),
        (say("strength", "强度"), [strength_of(c) for c in runs], ("main",)),
        (say("target", "目标"), [_beta(c) for c in runs], more),
        (say("reached", "实测"), [_reached(c) for c in runs], more),
        (say("style gained", "风格收益"), [number(c.gained) for c in runs], both),
        (say("95% interval", "95% 区间"), intervals, ("main",)),
        (say("bits per char.", "比特/字"), bits, both),
        (say("general loss", "通用损失"), [signed(c.forgotten) for c in runs], both),
        (say("style score", "风格得分"), scores, ("main",)),
        (say("longest copy", "最长照抄"), copies, ("main",)),
        ("token/s", [whole(c.figure("tokens_per_second")) for c in runs], more),
        (say("memory", "内存"), [memory_size(c.figure("peak_memory_bytes")) for c in runs], more),
        (say("time", "用时"), [duration(c.figure("wall_seconds")) for c in runs], ("more",)),
    ]


def _words() -> set[str]:
    """Heads of columns that hold words, set flush left."""
    return {"", say("run", "训练"), say("frontier", "前沿"), say("strength", "强度")}


def as_json(runs: Sequence[Compared]) -> dict[str, Any]:
    """The summaries' figures, gain, loss and evaluation of each run; not in anyone's language."""
    keys = ("model", "kl_beta", "kl_mode", "kl_final", "style_nll_base", "style_nll",
            "style_bits_per_character_base", "style_bits_per_character", "general_nll_base",
            "general_nll", "steps", "tokens", "tokens_per_second", "peak_memory_bytes",
            "wall_seconds")  # fmt: skip
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


def strength_of(each: Compared) -> str:
    """The run's strength in a word; nothing where its KL isn't known."""
    kl = each.figure("kl_final")
    return "" if kl is None else name_of(kl)


def _reached(each: Compared) -> str:
    kl = each.figure("kl_final")
    return NONE if kl is None else units.strength(kl)


def _beta(each: Compared) -> str:
    summary = mapping(each.run.summary)
    beta, mode = summary.get("kl_beta"), KLMode.of_summary(summary)
    if mode is KLMode.OFF:
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
