"""The last block of a run: the verdict, three figures with what they mean, what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size

from styledial.commands import command, next_lines, rows
from styledial.config import KLMode
from styledial.doctor import LastWords
from styledial.files import beside
from styledial.language import say
from styledial.models.merge import merges_into_its_base
from styledial.run.samples import Sample
from styledial.run.strengths import further, within
from styledial.run_folder.layout import REPORT
from styledial.run_folder.metrics import is_number
from styledial.run_folder.outcome import (
    beside_target,
    fell_short,
    general_judged,
    style_judged,
    turned_up,
)
from styledial.run_folder.reader import mapping
from styledial.strength import is_noticeable, verdict
from styledial.units import duration, fixed, percent, signed

_SHOWN = 110  # columns of a sample


def closing_lines(
    summary: dict[str, Any],
    samples: Sequence[Sample],
    folder: Path,
    *,
    evaluation: Mapping[str, Any] | None,
    findings: LastWords,
    is_adapter: bool,
) -> list[str]:
    """`evaluation`: the metrics of evaluation.json, {} where nothing was evaluated, None where it
    was left out for its cost; `findings`: what the doctor has to say; only without it, the general
    way to a stronger style."""
    asked = summary["kl_beta"] if KLMode.of_summary(summary).has_target else None
    lines = ["", verdict(summary["kl_final"], asked)]
    if beside := beside_target(summary):
        more = say(": more than was asked", "，超过目标强度")
        lines[-1] += more if beside > 1 else say(": less than was asked", "，低于目标强度")
        lines += _why_beside(summary)
    if fell_short(summary):
        lines.append(
            say(
                "  The target was not reached; the adapter is saved as strong as it became.",
                "  没学到目标强度，已按实际结果保存。",
            )
        )
        if not findings.found:
            sentence, longer = further(folder)
            lines += [f"  {sentence}", f"    {longer}"]
    lines += rows([_style(summary), _general(summary), *_written(evaluation or {})])
    lines += _shown(samples, answers=summary.get("answers") is True)
    lines += findings.lines
    passed = duration(summary["wall_seconds"])
    lines.append(say(f"Output files: {folder}  ({passed})", f"输出文件：{folder}（用时 {passed}）"))
    lines.append(
        say(
            f"  to read first, in a browser: {folder / REPORT}",
            f"  先看报告（用浏览器打开）：{folder / REPORT}",
        )
    )
    prompt = samples[0].prompt if samples else say("The door opened and", "他推开门，看见")
    advice = _advice(summary, folder, prompt, is_adapter)
    if evaluation is None:
        longer = say(
            "what it writes and copies (left out: more than a tenth of this training)",
            "评估文风与照抄（耗时超过训练的十分之一，未自动进行）",
        )
        advice.insert(1, (longer, command("evaluate", folder)))
    return [*lines, *next_lines(advice)]


def _why_beside(summary: Mapping[str, Any]) -> Iterator[str]:
    """Of an adapter, which is scaled to its budget: on other text than this reading's, and a little
    text differs from another."""
    tokens = summary.get("kl_tokens")
    if is_number(tokens) and "adapter_scale" in summary:
        yield say(
            f"  It was set on one half of the held-out text and measured on the other: {tokens:,} "
            "tokens, so little that the two differ.",
            f"  强度按一半留出文本设定，在另一半上测量：仅 {tokens:,} 个 token，两半相差较大。",
        )


def _style(summary: dict[str, Any]) -> tuple[str, str]:
    """Loss on unseen text of the novels: what was learnt of the style."""
    change = summary["style_nll"] - summary["style_nll_base"]
    word = style_judged(change).word
    figures = f"{fixed(summary['style_nll_base'])} -> {fixed(summary['style_nll'])}"
    return (
        say("style", "风格"),
        say(
            f"{word}: loss on unseen chapters {figures} ({signed(change)})",
            f"{word}：未见章节的损失 {figures}（{signed(change)}）",
        ),
    )


def _general(summary: dict[str, Any]) -> tuple[str, str]:
    """Loss on text that has nothing to do with the novels: what was lost elsewhere."""
    change = summary["general_nll"] - summary["general_nll_base"]
    word = general_judged(change).word
    return (
        say("general", "通用能力"),
        say(
            f"{word}: loss on general text {signed(change)}",
            f"{word}：通用文本损失 {signed(change)}",
        ),
    )


def _written(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How much of what it writes is copied, where that was measured."""
    rate = mapping(metrics.get("long_copy_rate")).get("value")
    if is_number(rate):
        longest = mapping(metrics.get("longest_copy")).get("value")
        none = rate == 0 and longest == 0
        most = f"{longest:.0f}" if is_number(longest) else "?"
        found = say(
            f"{percent(rate)} of passages have long copies of the books; longest: {most} tokens",
            f"{percent(rate)} 的段落有长段照抄；最长 {most} 个 token",
        )
        yield say("copying", "照抄"), say("no copying found", "没有发现照抄") if none else found


def _shown(samples: Sequence[Sample], *, answers: bool) -> list[str]:
    """A continuation behind its opening; an answer below its message."""
    if not samples:
        return []
    first = samples[0]
    head = say("the same opening, before and after:", "相同开头，训练前与训练后：")
    if answers:
        head = say(
            f"answers before and after to: {first.prompt}", f"训练前与训练后的回答：{first.prompt}"
        )
    opening = "" if answers else first.prompt
    return [
        head,
        *rows(
            [
                (say("before", "训练前"), opening + _one_line(first.before)),
                (say("after", "训练后"), opening + _one_line(first.after)),
            ]
        ),
    ]


def _advice(
    summary: dict[str, Any], folder: Path, prompt: str, is_adapter: bool
) -> list[tuple[str, str]]:
    advice = [(say("write with it", "试着续写"), command("generate", folder, "--prompt", prompt))]
    if is_adapter and is_noticeable(summary["kl_final"]):
        names = ",".join(within(turned_up(summary)))
        others = say("other strengths of it", "导出其他强度")
        advice.append((others, command("dial", folder, "--export", names)))
    if is_adapter and merges_into_its_base(folder):
        plain = say("one plain model for other programs", "合并为完整模型，供其他程序使用")
        advice.append((plain, command("merge", folder, "-o", beside(folder, "merged"))))
    return advice


def _one_line(text: str) -> str:
    """Two lines of a terminal at most, the prompt in front of it included."""
    flat = " ".join(text.split())
    return flat if cell_len(flat) <= _SHOWN else set_cell_size(flat, _SHOWN).rstrip() + "..."
