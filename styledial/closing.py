"""What a run says at its end: samples, the manifest of its text, versions, closing lines."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from styledial import __version__
from styledial.files import write_json, write_text
from styledial.words import say

SAMPLES, SAMPLES_DATA, DATA_MANIFEST = "samples.md", "samples.json", "data_manifest.json"
_PACKAGES = ("torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors")


@dataclass(frozen=True)
class Sample:
    """The same prompt and seed, before and after training."""

    prompt: str
    before: str
    after: str


def versions() -> dict[str, str]:
    """Of ourselves, Python and the libraries that decide a run's figures."""
    found = {"styledial": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    if torch.cuda.is_available():
        found["cuda"] = torch.version.cuda or "none"
        found["device"] = torch.cuda.get_device_name()
    return found


def peak_memory_bytes() -> int:
    """The most this process has held: GPU memory allocated, or resident memory on a CPU."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows has no such module and no cheap equivalent.
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def memory_bytes() -> int:
    """What the GPU, or without one this machine, has in all; 0 where that can't be asked."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 0


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
    if summary.get("kl_mode", "budget") == "budget":
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
