"""The summary lines printed at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from styledial.config import KLMode
from styledial.language import say
from styledial.run.samples import Sample


def closing_lines(summary: dict[str, Any], samples: Sequence[Sample], folder: Path) -> list[str]:
    """What changed, in a few lines: KL against budget, style gain, forgetting, a sample."""
    gain = summary["style_nll_base"] - summary["style_nll"]
    lost = summary["general_nll"] - summary["general_nll_base"]
    if KLMode.of_summary(summary).has_target:
        asked = (f" of {summary['kl_beta']:g}", f"，预算 {summary['kl_beta']:g}")
    else:
        asked = ("", "")
    better = say("better", "改善") if gain >= 0 else say("worse", "变差")
    lines = [
        say(
            f"KL {summary['kl_final']:.4f}{asked[0]} nats per token (held-out style text)",
            f"KL {summary['kl_final']:.4f}{asked[1]} nats/token（留出的风格文本）",
        ),
        say(
            f"style NLL {summary['style_nll_base']:.3f} -> {summary['style_nll']:.3f} "
            f"({better} by {abs(gain):.3f})",
            f"风格文本 NLL {summary['style_nll_base']:.3f} -> {summary['style_nll']:.3f}"
            f"（{better} {abs(gain):.3f}）",
        ),
        say(
            f"general NLL {summary['general_nll_base']:.3f} -> {summary['general_nll']:.3f} "
            f"({lost:+.3f}; a rise is forgetting)",
            f"通用文本 NLL {summary['general_nll_base']:.3f} -> "
            f"{summary['general_nll']:.3f}（{lost:+.3f}，上升即遗忘）",
        ),
    ]
    if samples:
        first = samples[0]
        lines += [
            say(f"before: {first.prompt}", f"训练前：{first.prompt}") + _one_line(first.before),
            say(f"after:  {first.prompt}", f"训练后：{first.prompt}") + _one_line(first.after),
        ]
    lines.append(say(f"files: {folder}", f"文件：{folder}"))
    return lines


def _one_line(text: str, most: int = 120) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[:most] + "..."
