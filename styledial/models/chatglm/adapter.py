"""A LoRA adapter of a converted ChatGLM3 -> one for the original layout.

The original has one matrix where the conversion has three, and three adapters side by side are
one of thrice the rank:

    | Bq      |   | Aq |            r' = 3 r, alpha' chosen so that the scale stays what it was:
    |    Bk   | x | Ak |            alpha / r        -> alpha' = 3 alpha
    |      Bv |   | Av |            alpha / sqrt(r)  -> alpha' = sqrt(3) alpha   (rsLoRA)

Exact: the tuned weights are the same to the last bit of their sums.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from styledial.errors import AdapterError, UserError
from styledial.files import read_json, write_json, written_aside
from styledial.models.chatglm.weights import FUSED, ORIGINAL_PART, SPLIT
from styledial.run_folder.layout import ADAPTER_SETTINGS, ADAPTER_WEIGHTS

_PREFIX = "base_model.model."
_KEY = re.compile(
    r"base_model\.model\.model\.layers\.(\d+)\.([\w.]+?)\.(lora_[AB]\.weight|lora_magnitude_vector.*)$"
)


def adapter_to_original(folder: Path, target: Path) -> Path:
    """Write `folder`'s adapter for the original THUDM/chatglm3-6b into the new folder `target`.

    Raises AdapterError if it isn't a LoRA of a converted ChatGLM3, UserError if `target` exists.
    """
    from safetensors.torch import load_file, save_file

    settings_file, weights_file = (
        folder / ADAPTER_SETTINGS,
        folder / ADAPTER_WEIGHTS,
    )
    for path in (settings_file, weights_file):
        if not path.is_file():
            raise AdapterError(
                f"{folder}: {path.name} is missing, so it is no adapter folder. Name a run's "
                "output folder.",
                f"{folder}：缺少 {path.name}，不是适配器文件夹。请写训练结果所在的文件夹。",
            )
    if target.exists() and any(target.iterdir()):
        raise UserError(
            f"{target}: is not empty. Choose another folder with -o.",
            f"{target}：不是空文件夹。请用 -o 另选。",
        )
    settings = read_json(settings_file)
    weights = original_adapter(load_file(weights_file))
    target.mkdir(parents=True, exist_ok=True)
    with written_aside(target / weights_file.name) as aside:
        save_file(weights, aside, metadata={"format": "pt"})
    write_json(target / settings_file.name, _original_settings(settings, weights))
    return target


def original_adapter(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """PEFT's LoRA (or DoRA) weights under the original layout's names.

    Raises AdapterError for weights that a converted ChatGLM3 doesn't have.
    """
    groups: dict[tuple[str, str], dict[str, Tensor]] = {}
    result: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        found = _KEY.match(name)
        if found is None or found[2] not in ORIGINAL_PART:
            raise AdapterError(
                f"{name}: is not a weight of a ChatGLM3 adapter, so the adapter can't be mapped "
                "back. Its base must be a converted THUDM/chatglm3-6b.",
                f"{name}：不是 ChatGLM3 适配器的权重，无法映射回原格式。"
                "其基座必须是转换后的 THUDM/chatglm3-6b。",
            )
        layer, part, kind = found.groups()
        if part in SPLIT:
            groups.setdefault((layer, kind), {})[part] = tensor
        else:
            result[_original_key(layer, part, kind)] = tensor
    for (layer, kind), parts in groups.items():
        if set(parts) != set(SPLIT):
            raise AdapterError(
                f"layer {layer}: the adapter covers {', '.join(sorted(parts))} only; the original "
                "has Q, K and V in one matrix, so all three are needed.",
                f"第 {layer} 层：适配器只覆盖 {', '.join(sorted(parts))}；"
                "原格式的 Q、K、V 是一个矩阵，三者缺一不可。",
            )
        ordered = [parts[part] for part in SPLIT]
        joined = torch.block_diag(*ordered) if kind.startswith("lora_B") else torch.cat(ordered)
        result[_original_key(layer, SPLIT[0], kind)] = joined
    return result


def _original_key(layer: str, part: str, kind: str) -> str:
    return f"{_PREFIX}transformer.encoder.layers.{layer}.{ORIGINAL_PART[part]}.{kind}"


def _original_settings(settings: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Any]:
    rank, alpha = settings["r"], settings["lora_alpha"]
    targets = sorted({key.split(".lora_")[0].rpartition(".")[2] for key in weights})
    fused = FUSED.rpartition(".")[2]
    changed = {
        "base_model_name_or_path": "THUDM/chatglm3-6b",
        "target_modules": targets,
        "rank_pattern": {fused: 3 * rank} if fused in targets else {},
        "alpha_pattern": {fused: alpha * (math.sqrt(3) if settings.get("use_rslora") else 3)}
        if fused in targets
        else {},
    }
    return settings | changed
