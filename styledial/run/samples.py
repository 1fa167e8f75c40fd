"""What a run says at its end: samples, the manifest of its text, versions, closing lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from styledial.config import KLMode
from styledial.files import write_json, write_text
from styledial.language import say
from styledial.run_folder.layout import DATA_MANIFEST, SAMPLES, SAMPLES_DATA


@dataclass(frozen=True)
class Sample:
    """The same prompt and seed, before and after training."""

    prompt: str
    before: str
    after: str


def write_samples(folder: Path, samples: Sequence[Sample], *, seed: int, tokens: int) -> None:
    """samples.md for people and samples.json for programs: each at most `tokens` new tokens."""
    write_json(
        folder / SAMPLES_DATA,
        {"seed": seed, "max_new_tokens": tokens, "samples": [asdict(s) for s in samples]},
    )
    parts = [say("# Samples: same prompt, same seed", "# 样例：相同开头，相同随机种子"), ""]
    for sample in samples:
        parts += [
            f"## {sample.prompt}", "",
            say("Before", "训练前"), "", *_quoted(sample.before), "",
            say("After", "训练后"), "", *_quoted(sample.after), "",
        ]  # fmt: skip
    write_text(folder / SAMPLES, "\n".join(parts))


def _quoted(text: str) -> list[str]:
    return [f"> {line}" for line in text.split("\n")]


def write_data_manifest(folder: Path, manifest: Path, more: dict[str, Any]) -> None:
    """data_manifest.json: what each file of the novels gave, and `more`, such as token counts.

    `manifest` is the record that reading the novels left (data.manifest).
    """
    read = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    write_json(folder / DATA_MANIFEST, {**more, **read})


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
            f"(forgotten: {lost:+.3f})",
            f"通用文本 NLL {summary['general_nll_base']:.3f} -> {summary['general_nll']:.3f}"
            f"（遗忘 {lost:+.3f}）",
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
