"""Memory: what was planned before the run, and what it took."""

from __future__ import annotations

from typing import Any

from styledial.language import say
from styledial.memory.part_names import part_name, phase_name
from styledial.report.numbers import NONE, memory_size
from styledial.report.parts import Section, Table
from styledial.run_folder.metrics import is_number
from styledial.run_folder.reader import Run, mapping


def section(run: Run) -> Section:
    """plan.json beside the peak of summary.json; either may be missing."""
    name, title = "memory", say("Memory", "内存")
    taken = (run.summary or {}).get("peak_memory_bytes")
    if run.plan:
        return Section(name, title, _sentences(run.plan, taken), tables=_tables(run.plan, taken))
    held = (
        ""
        if memory_size(taken) == NONE
        else say(
            f"The run held {memory_size(taken)} at its peak. ",
            f"训练峰值占用 {memory_size(taken)}。",
        )
    )
    return Section(
        name,
        title,
        [
            held
            + say(
                "It was not planned: plan.json is made where there is a GPU to plan for. "
                "`styledial plan` makes one for a GPU that you name.",
                "没有事先的估算：有 GPU 可供估算时才会写出 plan.json。"
                "`styledial plan` 可为指定的 GPU 估算。",
            )
        ],
    )


def _sentences(plan: dict[str, Any], taken: Any) -> list[str]:
    planned = plan.get("allocated_bytes")
    if not (is_number(planned) and is_number(taken)) or not taken:
        return [say("Planned before the run.", "训练前的估算。")]
    off = planned / taken - 1
    over = say("above", "高于") if off >= 0 else say("below", "低于")
    return [
        say(
            f"Tensors were planned to take {memory_size(planned)} and took {memory_size(taken)} at "
            f"the peak: the plan was {abs(off):.0%} {over} what was needed.",
            f"张量估算占 {memory_size(planned)}，实际峰值 {memory_size(taken)}："
            f"估算{over}实际 {abs(off):.0%}。",
        )
    ]


def _tables(plan: dict[str, Any], taken: Any) -> list[Table]:
    sizes = [say("planned", "估算"), say("measured", "实测")]
    totals = [
        [say("tensors", "张量"), memory_size(plan.get("allocated_bytes")), memory_size(taken)],
        [say("held by the allocator", "分配器保留"), memory_size(plan.get("reserved_bytes")), NONE],
        [say("in all", "总计"), memory_size(plan.get("total_bytes")), NONE],
    ]
    title = say("Plan and measurement", "估算与实测")
    tables = [Table(["", *sizes], totals, frozenset({1, 2}), title)]
    parts = {**mapping(plan.get("breakdown")), **mapping(plan.get("extras"))}
    rows = [
        [part_name(part), memory_size(size)]
        for part, size in parts.items()
        if is_number(size) and size > 0
    ]
    if rows:
        rows.append([say("in all", "总计"), memory_size(plan.get("total_bytes"))])
        tables.append(Table(["", sizes[0]], rows, frozenset({1}), _when(plan)))
    return tables


def _when(plan: dict[str, Any]) -> str:
    title = say("What it is made of", "构成")
    phase = plan.get("peak_phase")
    if not isinstance(phase, str):
        return title
    at = phase_name(phase)
    return title + say(f", at the peak {at}", f"（峰值出现在{at}）")
