"""An adapter's files put on a base: read whole, finite, and of this base."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from styledial import progress
from styledial.errors import AdapterError, ModelError
from styledial.files import read_json
from styledial.language import say
from styledial.models.inspect import check_no_pointers
from styledial.models.policy import quiet_peft
from styledial.models.shards import safetensors_headers
from styledial.run_folder.layout import ADAPTER_SETTINGS, ADAPTER_WEIGHTS

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_UNPICKLING = (
    pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError, LookupError, TypeError,
    AttributeError, ArithmeticError, ImportError,
)  # fmt: skip


def attach_adapter(base: PreTrainedModel, folder: Path, name: str) -> PeftModel:
    """The adapter in `folder` on `base`, which the user calls `name`.

    Raises AdapterError for files that are absent, damaged or incomplete, or of another base.
    """
    with quiet_peft():
        from peft import PeftModel, get_peft_model_state_dict

    weights = folder / ADAPTER_WEIGHTS
    settings = _settings(folder / ADAPTER_SETTINGS)
    _tell_ignored(folder, settings)
    in_pickle = not weights.is_file() and (folder / "adapter_model.bin").is_file()
    if in_pickle:
        _check_pickle(folder / "adapter_model.bin")
    held = set() if in_pickle else set(shapes_of(folder))
    try:
        with quiet_peft():
            model = PeftModel.from_pretrained(base, str(folder))
            wanted = get_peft_model_state_dict(model, save_embedding_layers=False)
    except (RuntimeError, ValueError, OSError, TypeError, KeyError) as error:
        # torch's first line only says that there are errors; the next one is the first.
        why = str(error).strip().split("\n")[:2][-1].strip().rstrip(".")[:200]
        raise AdapterError(
            f"{folder}: this adapter doesn't fit {name}: it was trained on another base ({why}).",
            f"{folder}：适配器与 {name} 不匹配：它是在另一个基座上训练的（{why}）。",
        ) from None
    _check_weights(weights, wanted, held)
    return model


def shapes_of(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of an adapter's weights by PEFT's names, from the header of its file.

    Raises AdapterError where the file is absent or cut short, ModelError for a pointer of Git LFS.
    """
    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        raise _damaged(path, "is missing", "缺失")
    try:
        return {name: header.shape for name, header in safetensors_headers(path).items()}
    except ModelError:
        check_no_pointers(folder)
        raise _damaged(path, "is truncated or damaged", "不完整或已损坏") from None


def _check_pickle(path: Path) -> None:
    """Raises AdapterError unless torch reads weights by name from the file. What unpickling says of
    a damaged one is of many kinds."""
    path.open("rb").close()  # one that may not be read isn't damaged
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNPICKLING:
        content = None
    if not isinstance(content, Mapping) or not all(map(torch.is_tensor, content.values())):
        raise _damaged(path, "is truncated or damaged", "不完整或已损坏")


def _check_weights(path: Path, wanted: Mapping[str, torch.Tensor], held: set[str]) -> None:
    """Raises AdapterError unless those that the file `held` are those `wanted`, and all finite.

    `held` is empty where its names aren't known.
    """
    absent = sorted(set(wanted) - held) if held else []
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise _damaged(
            path, f"is missing {absent[0]}{more}", f"缺少 {absent[0]} 等 {len(absent)} 个权重"
        )
    extra = sorted(name for name in held - set(wanted) if "lora_" in name)
    if extra:
        raise _damaged(
            path,
            f"has {extra[0]}, for which adapter_config.json has no layer",
            f"含有 {extra[0]}，而 adapter_config.json 中没有这一层",
        )
    for name, weight in wanted.items():
        if not torch.isfinite(weight).all():
            raise _damaged(path, f"has NaN or infinity in {name}", f"{name} 中有 NaN 或无穷大")


def _settings(path: Path) -> dict[str, Any]:
    """What adapter_config.json holds. Raises AdapterError unless that is a LoRA."""
    try:
        content: dict[str, Any] = read_json(path)
        kind = content.get("peft_type", "LORA")
        good = kind != "LORA" or (math.isfinite(content["lora_alpha"]) and content["r"] > 0)
    except (ValueError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise _damaged(
            path,
            "is damaged or describes no LoRA (r, lora_alpha)",
            "已损坏，或不是 LoRA 的设置（r、lora_alpha）",
        )
    if kind != "LORA":
        raise AdapterError(
            f"{path}: describes an adapter of the kind {kind}; only LoRA (with rsLoRA and DoRA) is "
            "supported. Merge it with the tool that made it, and use the merged model.",
            f"{path}：其中是 {kind} 适配器；这里只支持 LoRA（含 rsLoRA 与 DoRA）。"
            "请用制作它的工具合并，再使用合并后的模型。",
        )
    return content


def _tell_ignored(folder: Path, settings: Mapping[str, Any]) -> None:
    """Say which settings of a newer PEFT's adapter this one leaves out; those that are off do
    nothing."""
    with quiet_peft():
        from peft import LoraConfig

    known = {field.name for field in dataclasses.fields(LoraConfig)} | {"peft_version"}
    if ignored := [name for name, value in settings.items() if value and name not in known]:
        listed = ", ".join(ignored)
        progress.line(
            say(
                f"Warning: {folder}/{ADAPTER_SETTINGS} has settings that the PEFT installed here "
                f"doesn't know and leaves out ({listed}). If what it writes is wrong: pip install "
                "-U peft.",
                f"警告：{folder}/{ADAPTER_SETTINGS} 中有本机的 PEFT 不认识、因而忽略的设置"
                f"（{listed}）。如果输出不对，请 pip install -U peft。",
            )
        )


def _damaged(path: Path, en: str, zh: str) -> AdapterError:
    return AdapterError(
        f"{path}: {en}; restore it from a copy, or train again.",
        f"{path}：{zh}；请从备份恢复，或重新训练。",
    )
