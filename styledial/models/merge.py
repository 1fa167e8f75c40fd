"""Adapter + base -> one plain model that needs neither PEFT nor StyleDial."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from styledial.errors import AdapterError, ModelError
from styledial.files import folder_written_aside
from styledial.hub.home import require_space
from styledial.language import say
from styledial.models.base_files import copy_model_files, copy_tokenizer, has_tokenizer
from styledial.models.identity import FILE as BASE
from styledial.models.identity import remembered_base
from styledial.models.inspect import read_config
from styledial.models.locate import find_base
from styledial.models.prequantised import method_of, saved_as_plain, stays_packed
from styledial.models.rounding import by_chance
from styledial.progress import stage
from styledial.run_folder.described import check_adapter, check_target


def merge_adapter(
    adapter: Path,
    target: Path,
    *,
    base: str | None = None,
    dtype: str = "auto",
    scale: float = 1.0,
    trust_remote_code: bool = False,
) -> Path:
    """Write W + scale alpha/r B A with the base's own files as the new folder `target`.

    `base` says where the adapter's base is now. An adapter of a quantised base is merged into
    the unquantised one. dtype "auto" keeps the precision of the base's files. Costs one copy of
    the weights in memory. Raises AdapterError or ModelError for what can't be merged, UserError
    if `target` is there already.
    """
    check_target(target)
    check_adapter(adapter)
    from styledial.models.adapter import base_of
    from styledial.models.attach import attach_adapter
    from styledial.models.load import load_base
    from styledial.models.quantise import is_quantised
    from styledial.models.tied import check_merges_exactly

    found = base_of(adapter, base)
    _check_dequantises(found.model)
    with folder_written_aside(target) as aside:
        model = load_base(
            found.model,
            dtype=dtype,
            keep_file_dtype=dtype == "auto",
            trust_remote_code=trust_remote_code or bool(found.loading.get("trust_remote_code")),
        )
        if is_quantised(model):  # its own files are; what an adapter is merged into is not
            model = saved_as_plain(model.dequantize())
        require_space(target, _size(model), ("the merged model", "合并后的模型"))
        source, precision = model.base_folder, str(model.dtype).removeprefix("torch.")
        with stage(say("merging", "合并")):
            tuned = attach_adapter(model, adapter, found.model)
            check_merges_exactly(tuned, adapter)
            merged = _merged(tuned, scale)
        with stage(say("writing the model", "写出模型")):
            merged.save_pretrained(aside)
            copy_model_files(source, aside, dtype=precision)
        # Another tool may have trained with a chat template or tokens of its own.
        if not (adapter / BASE).is_file() and has_tokenizer(adapter):
            copy_tokenizer(adapter, aside)
    return target


def merges_into_its_base(adapter: Path) -> bool:
    """Whether the adapter's own base can be merged into: not where it is GPTQ or AWQ."""
    base = remembered_base(adapter)
    return base is None or not stays_packed(_config_of(base.model))


def _config_of(base: str) -> dict[str, Any]:
    """config.json of a base; {} where it isn't here or can't be read, which loading it says."""
    try:
        folder = Path(find_base(base))
        return read_config(folder) if folder.is_dir() else {}
    except ModelError:
        return {}


def _check_dequantises(base: str) -> None:
    """Raises ModelError for files that transformers can't dequantise."""
    if stays_packed(_config_of(base)):
        raise ModelError(
            f"{base}: its weights are quantised (GPTQ or AWQ), and nothing can be merged into "
            "those. Use the adapter as it is (`styledial generate`), or take it over to the "
            "unquantised model (`styledial dial ADAPTER --base NAME --export medium`) and merge "
            "what that writes.",
            f"{base}：权重已量化（GPTQ 或 AWQ），无法并入。"
            "可直接使用适配器（`styledial generate`），或先把它移到未量化的模型上"
            "（`styledial dial 适配器 --base 模型名 --export medium`），再合并导出的结果。",
        )


def left_by_merge(adapter: Path) -> tuple[str, str] | None:
    """What a merge of a run on a quantised base leaves, in English and Chinese; None of others."""
    base = remembered_base(adapter)
    loading = base.loading if base else {}
    bits = next((n for n in (4, 8) if loading.get(f"load_in_{n}bit")), None)
    if base is None or bits is None:
        return None
    if method_of(_config_of(base.model)) is not None:
        return (
            f"The base's own files are in {bits} bits; the merge is of the same weights, "
            f"dequantised, and needs about {16 // bits} times the memory to run.",
            f"基座文件本身是 {bits} 位量化的；合并结果为反量化后的同一权重，"
            f"运行时约需 {16 // bits} 倍显存。",
        )
    return (
        f"The run trained and measured on its base in {bits} bits; the merge is of the unquantised "
        f"base. It needs about {16 // bits} times the memory to run, and its text and KL differ a "
        "little from the run's (KL 0.0501 became 0.0511 in one trial). Quantised again, it is "
        "near the run but not the same; the adapter on the quantised base is.",
        f"训练和测量用的是 {bits} 位量化的基座，合并用的是未量化的基座：运行时约需 {16 // bits} 倍"
        "显存，文字和 KL 与训练结果略有不同（一次试验中 KL 由 0.0501 变为 0.0511）。"
        "再次量化后与训练结果接近但不相同；要完全一致，请在量化基座上使用适配器。",
    )


def _merged(tuned: Any, scale: float) -> Any:
    """The merged model: each layer in float32, then rounded stochastically to its own precision."""
    from peft.helpers import rescale_adapter_scale
    from peft.tuners.tuners_utils import BaseTunerLayer

    from styledial.models.dora import scale_norms

    scale_norms(tuned, scale)
    generator = torch.Generator().manual_seed(0)  # the same merge each time
    with rescale_adapter_scale(tuned, scale), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="All adapters are already merged")
        try:
            for layer in tuned.modules():
                if isinstance(layer, BaseTunerLayer):
                    _merge_layer(layer, generator)
            return tuned.merge_and_unload(safe_merge=True)  # what isn't a layer: whole modules
        except ValueError as error:  # weights that are NaN or infinite once merged
            raise AdapterError(
                f"the adapter can't be merged ({str(error).strip().rstrip('.')}); its weights are "
                "damaged: restore them from a copy, or train again.",
                f"适配器无法合并（{str(error).strip().rstrip('.')}）；"
                "其权重已损坏，请从备份恢复，或重新训练。",
            ) from None


def _merge_layer(layer: Any, generator: torch.Generator) -> None:
    weights = dict(layer.get_base_layer().named_parameters())
    before = {name: weight.dtype for name, weight in weights.items()}
    for weight in weights.values():
        weight.data = weight.data.float()
    layer.merge(safe_merge=True)
    for name, weight in weights.items():
        weight.data = by_chance(weight.data, before[name], generator)


def _size(model: Any) -> int:
    return sum(weight.nbytes for weight in model.parameters())
