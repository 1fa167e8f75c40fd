"""How findings and the state of a run read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from styledial.doctor.change import resuming
from styledial.doctor.examine import examine, limit
from styledial.doctor.finding import Finding
from styledial.doctor.record import Record, read_record
from styledial.doctor.titles import TITLES
from styledial.language import say, typed
from styledial.units import epochs, strength

# How many findings a run names at its end; `styledial doctor` has them all.
_AT_END = 2
_PHASES = {
    "data": ("data", "数据"),
    "reference": ("base's forward pass", "基座前向"),
    "forward": ("forward", "前向"),
    "loss": ("loss", "损失"),
    "backward": ("backward", "反向"),
    "optimizer": ("optimizer", "优化器"),
    "heldout": ("reading held-out text", "读取留出文本"),
    "checkpoint": ("checkpoints", "检查点"),
}


def state_line(run: Record) -> str:
    """Where the run is, in one line."""
    passes = epochs(run.epochs)
    en = f"{run.folder}: {run.steps} updates, {passes[0]}"
    zh = f"{run.folder}：{run.steps} 步，{passes[1]}"
    if run.summary or run.readings:
        of = (f" of {run.budget:g}", f"，预算 {run.budget:g}") if run.budget else ("", "")
        en += f"; KL {strength(run.kl_now)}{of[0]}, style gained {run.gain:.3f} nats per token"
        zh += f"；KL {strength(run.kl_now)}{of[1]}，风格改善 {run.gain:.3f} nats/token"
    if not run.summary:
        en, zh = en + "; not finished", zh + "；未完成"
    return say(en + ".", zh + "。")


def time_line(run: Record) -> str:
    """What the time went on, the largest first."""
    parts = [
        say(*_PHASES.get(phase, (phase, phase))) + f" {run.share(phase):.0%}"
        for phase in sorted(run.timed, key=run.share, reverse=True)
        if run.share(phase) >= 0.01
    ]
    return say("Time: ", "耗时：") + say(", ", "，").join(parts) + say(".", "。")


def first_thing(run: Record, findings: Sequence[Finding]) -> str:
    """The one thing to do, in a line or two: the advice of the first finding."""
    if findings:
        first = findings[0]
        fine = first.severity == "info"
        leading = (
            ("No problems found. ", "没有发现问题。") if fine else ("Do this first: ", "最该做的：")
        )
        lines = [say(*leading) + say(*first.advice)]
        return "\n".join([*lines, *([f"  {first.command}"] if first.command else [])])
    if not run.summary:
        words = say("Do this first: finish the run:", "最该做的：完成训练：")
        return f"{words}\n  {resuming(run)}"
    return say("Nothing needs to be done: no problems found.", "无需处理：没有发现问题。")


def finding_lines(finding: Finding) -> list[str]:
    """A finding for the terminal: what it is, the figures, the next step."""
    kinds = {"warning": ("warning", "警告"), "advice": ("advice", "建议"), "info": ("info", "提示")}
    title = say(*TITLES[finding.rule])
    return [
        f"[{say(*kinds[finding.severity])}] {title}{say(' (', '（')}{finding.rule}{say(')', '）')}",
        f"  {say(*finding.evidence)}",
        f"  {say('Next: ', '下一步：')}{say(*finding.advice)}",
        *([f"    {finding.command}"] if finding.command else []),
    ]


class LastWords(NamedTuple):
    """Lines for the end of a run; `found`: whether they are findings with advice."""

    lines: list[str]
    found: bool


def last_words(folder: Path) -> LastWords:
    """Two or three lines for the end of a run; errors here never fail a finished run."""
    try:
        run = read_record(folder)
        findings = examine(run)
        lines = _lines(findings, folder)
        more = limit(run) if len(lines) == 1 else None
        return LastWords([*lines, say(*more)] if more else lines, bool(findings))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        said = say(
            f"styledial doctor could not read this run ({reason}).",
            f"styledial doctor 无法读取这次训练（{reason}）。",
        )
        return LastWords([said], found=False)


def _lines(findings: Sequence[Finding], folder: Path) -> list[str]:
    if not findings:
        return [say("doctor: no problems found.", "doctor：没有发现问题。")]
    lines = []
    for finding in findings[:_AT_END]:
        title, evidence, advice = TITLES[finding.rule], finding.evidence, finding.advice
        lines.append(
            say(
                f"doctor: {title[0]}. {evidence[0]} {advice[0]}",
                f"doctor：{title[1]}。{evidence[1]}{advice[1]}",
            )
        )
        if finding.command and finding.severity != "info":
            lines.append(f"    {finding.command}")
    if len(findings) > _AT_END:
        more = len(findings) - _AT_END
        lines.append(
            say(
                f"{more} more: styledial doctor {typed(folder)}",
                f"另有 {more} 条：styledial doctor {typed(folder)}",
            )
        )
    return lines
