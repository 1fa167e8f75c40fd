"""compare.html: the same prompt by each run, then what each gained and what it cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from styledial.files import write_text
from styledial.language import say, typed
from styledial.report import charts
from styledial.report.comparison import (
    Compared,
    point,
    points,
    same_yardstick,
    strength_of,
    table,
    warnings,
)
from styledial.report.drawing import NARROW, WIDE
from styledial.report.page import render
from styledial.report.parts import Figure, Section, Step, Verdict, Written
from styledial.report.writing import base_sample, marks, own_sample, prompts_of
from styledial.run_folder.described import prompt_of
from styledial.run_folder.layout import REPORT
from styledial.run_folder.outcome import UNCHANGED

# Nats per token: the last digit but one of the table.
_EQUALLY_CLOSE = 0.005


def write_comparison(runs: Sequence[Compared], target: Path) -> None:
    """What each run writes, the figure and the table as one self-contained HTML file."""
    texts = side_by_side(runs)
    page = render(
        "compare.html",
        verdict=Verdict(say("comparison", "比较"), _sentence(runs)),
        cautions=warnings(runs),
        written=texts,
        marks=marks()
        if any(w.level for each in texts for v in each.versions for w in v.words)
        else "",
        steps=_steps(runs),
        section=Section(
            "runs",
            say("Gain and cost", "收益与代价"),
            (),
            [_frontier(runs)],
            [table(runs, "main"), table(runs, "more")],
        ),
    )
    write_text(target, page)


def side_by_side(runs: Sequence[Compared]) -> list[Written]:
    """Each prompt of two runs or more; with the base's text where all have one base."""
    found = []
    for prompt in dict.fromkeys(prompt for each in runs for prompt in prompts_of(each.run)):
        versions = []
        for each in runs:
            sample = own_sample(each.run, prompt)
            if sample:
                remark = " · ".join(filter(None, (each.name, strength_of(each))))
                versions.append(replace(sample, name=each.letter, remark=remark))
        before = base_sample(runs[0].run, prompt) if same_yardstick(runs) else None
        if len(versions) > 1:
            found.append(Written(prompt, [*([before] if before else []), *versions]))
    return found


def _frontier(runs: Sequence[Compared]) -> Figure:
    title = say("Closer to the novels, at what cost", "更像原著，代价多大")
    placed = [each for each in runs if point(each) is not None]
    narrow, wide = (
        charts.frontier_figure(
            points(placed),
            [c.letter for c in placed],
            [c.name for c in placed],
            label=title,
            x_title=say("change of loss on general text", "通用文本损失的变化"),
            y_title=say("gained on the novels", "风格收益"),
            unit=say("nats per token", "nats/token"),
            size=size,
        )
        for size in (NARROW, WIDE)
    )
    note = say(
        "Up: closer to the novels. Left: less lost on general text. Filled dots, joined by a line, "
        "are the frontier: runs that no other beats in both.",
        "越高越像原著，越左通用文本损失越小。实心点及其连线为前沿：没有别的训练在两方面都更好。",
    )
    return Figure(title, narrow, note, wide=wide)


def _sentence(runs: Sequence[Compared]) -> str:
    """Which run is closest to the novels, and which keeps general ability best."""
    placed = [each for each in runs if each.gained is not None and each.forgotten is not None]
    if not placed:
        return say(
            "None of these runs was measured on both the novels and general text.",
            "这些训练都没有在小说和通用文本上同时测量。",
        )
    closest = max(placed, key=lambda each: each.gained or 0.0)
    mildest = min(placed, key=lambda each: each.forgotten or 0.0)
    alike = _spread([each.gained or 0.0 for each in placed]) < _EQUALLY_CLOSE
    kept = _spread([each.forgotten or 0.0 for each in placed]) < UNCHANGED
    if closest is mildest and not alike and not kept:
        return say(
            f"{_named(closest)} is closest to the novels and keeps general ability best.",
            f"{_named(closest)}最像原著，通用能力也保持得最好。",
        )
    style = (
        say("All are equally close to the novels.", "与原著的接近程度没有差别，")
        if alike and len(placed) > 1
        else say(f"Closest to the novels: {_named(closest)}.", f"最像原著的是 {_named(closest)}，")
    )
    ability = (
        say(" General ability is about the same in all.", "各次训练的通用能力相差无几。")
        if kept
        else say(
            f" General ability best kept: {_named(mildest)}.",
            f"通用能力保持得最好的是 {_named(mildest)}。",
        )
    )
    return style + ability


def _steps(runs: Sequence[Compared]) -> list[Step]:
    """What to type or open for the run that is closest to the novels."""
    best = max(runs, key=lambda each: each.gained or -math.inf)
    folder = best.run.folder
    prompt = typed(prompt_of(folder))
    write = f"`styledial generate {typed(folder)} --prompt {prompt}`"
    report = f"`{typed(folder / REPORT)}`"
    return [
        Step(say(f"Write with {_named(best)}: {write}.", f"用 {_named(best)}续写：{write}。")),
        Step(
            say(
                f"Read its report, which says what could be better: {report}.",
                f"查看它的报告，其中写有可以改进之处：{report}。",
            )
        ),
    ]


def _spread(values: list[float]) -> float:
    return max(values) - min(values)


def _named(each: Compared) -> str:
    return say(f"{each.letter} ({each.name})", f"{each.letter}（{each.name}）")
