"""vLLM: an adapter of each strength, served under a name of its own.

vLLM isn't part of the tests: its rules are those of its own loader as published (peft_helper.py,
config/lora.py of version 0.27).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from styledial.commands import command
from styledial.errors import AdapterError
from styledial.export.source import At, Source
from styledial.files import read_json
from styledial.language import typed
from styledial.models.shards import safetensors_headers
from styledial.run_folder.layout import ADAPTER_SETTINGS, ADAPTER_WEIGHTS

# --max-lora-rank takes these alone; newer versions also 1.
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
# Settings that vLLM refuses, or reads over: then the strength would be another.
# Experts (target_parameters) it takes of some families, and in some versions silently reads over.
_UNKNOWN = (
    "use_dora", "modules_to_save", "alpha_pattern", "rank_pattern", "layer_replication",
    "target_parameters",
)  # fmt: skip


# Layers that are one in transformers and, to vLLM's model of the family, an adapter of two each:
# seen in its loader (docs/export.md). Phi-3's model there has them as one too.
_FUSED = {"glm4": ("gate_up_proj",)}


def check(adapter: Path, family: str = "") -> int:
    """The --max-lora-rank for this adapter of a base of the model type `family`; raises
    AdapterError where vLLM wouldn't take it."""
    settings = read_json(adapter / ADAPTER_SETTINGS)
    if fused := _fused(adapter, family):
        raise AdapterError(
            f"{adapter}: vLLM's model of {family} takes {fused} as two layers, and refuses an "
            "adapter that has it as one. Merge it into its base instead: "
            f"{command('export', adapter, '--to', 'merged')}; or train again with "
            "model.lora_target_modules that leave it out.",
            f"{adapter}：vLLM 的 {family} 模型把 {fused} 分成两层，会拒绝把它作为一层的适配器。"
            f"请改为并入基座：{command('export', adapter, '--to', 'merged')}；"
            "或重新训练，在 model.lora_target_modules 中去掉这一层。",
        )
    wrong = [name for name in _UNKNOWN if settings.get(name)]
    if settings.get("bias", "none") != "none":
        wrong.append("bias")
    rank = next((each for each in _RANKS if settings["r"] <= each), None)
    if wrong or rank is None:
        what = ", ".join(wrong) or f"r {settings['r']}"
        raise AdapterError(
            f"{adapter}: vLLM doesn't serve adapters with {what}. Merge it into its base instead: "
            f"styledial export {adapter} --to merged.",
            f"{adapter}：vLLM 不支持带有 {what} 的适配器。请改为并入基座："
            f"styledial export {adapter} --to merged。",
        )
    return rank


def _fused(adapter: Path, family: str) -> str | None:
    weights = adapter / ADAPTER_WEIGHTS
    names = " ".join(safetensors_headers(weights)) if weights.is_file() else ""
    return next((layer for layer in _FUSED.get(family, ()) if f".{layer}." in names), None)


def launch_line(source: Source, wanted: list[At], folder: Path, rank: int) -> str:
    """`vllm serve` with each strength as a model of its own, on this machine alone."""
    modules = [f"{at.name}={typed(folder / at.name)}" for at in wanted]
    return " ".join(
        [
            f"vllm serve {typed(source.base_folder)}",
            *_quantised(source.base.loading),
            "--enable-lora",
            f"--max-loras {len(wanted)}",
            f"--max-lora-rank {rank}",
            f"--lora-modules {' '.join(modules)}",
            "--host 127.0.0.1",
        ]
    )


def _quantised(loading: Mapping[str, Any]) -> list[str]:
    """A run on a 4-bit base was measured there; vLLM quantises in the same way when it loads."""
    return ["--quantization bitsandbytes"] if loading.get("load_in_4bit") else []
