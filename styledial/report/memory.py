"""Memory: what was planned before the run, and what it took."""

from __future__ import annotations

from typing import Any

from styledial.report.numbers import is_number, memory_size
from styledial.report.parts import Section, Table
from styledial.report.run_folder import Run, mapping
from styledial.words import say


def section(run: Run) -> Section:
    name, title = "memory", say("Memory", "内存")
    taken = (run.summary or {}).get("peak_memory_bytes")
    if not run.plan:
        return Section(name, title, [say(
            f"The run held {memory_size(taken)} at its peak. There was no plan for it: "
            "plan.json is missing.",
            f"训练峰值占用 {memory_size(taken)}。没有事先的估算：缺少 plan.json。",
        )])  # fmt: skip
    return Section(name, title, [_sentence(run.plan, taken)], tables=_tables(run.plan, taken))


def _sentence(plan: dict[str, Any], taken: Any) -> str:
    planned = plan.get("allocated_bytes")
    if not (is_number(planned) and is_number(taken)) or not taken:
        return say("The plan made before the run.", "训练前的估算。")
    off = planned / taken - 1
    over = say("above", "高于") if off >= 0 else say("below", "低于")
    return say(
        f"Planned {memory_size(planned)}, taken {memory_size(taken)} at the peak: the plan was "
        f"{abs(off):.0%} {over} what was needed.",
        f"估算 {memory_size(planned)}，实际峰值 {memory_size(taken)}："
        f"估算{over}实际 {abs(off):.0%}。",
    )


def _tables(plan: dict[str, Any], taken: Any) -> list[Table]:
    head = ["", say("memory", "内存")]
    totals = [
        [say("planned: allocated", "估算：已分配"), memory_size(plan.get("allocated_bytes"))],
        [say("planned: reserved", "估算：已保留"), memory_size(plan.get("reserved_bytes"))],
        [say("planned: in all", "估算：总计"), memory_size(plan.get("total_bytes"))],
        [say("measured: peak allocated", "实测：已分配峰值"), memory_size(taken)],
    ]
    tables = [Table(head, totals, frozenset({1}), say("Plan and measurement", "估算与实测"))]
    parts = mapping(plan.get("breakdown"))
    if parts:
        rows = [[str(part), memory_size(size)] for part, size in parts.items() if is_number(size)]
        where = " ".join(str(plan.get(k)) for k in ("peak_phase", "peak_op") if plan.get(k))
        title = say("What it is made of", "构成") + (f" ({where})" if where else "")
        tables.append(Table(head, rows, frozenset({1}), title))
    return tables
