"""An adapter as a GGUF LoRA, for llama.cpp and what is built on it: Ollama, LM Studio, koboldcpp.

    PEFT    base_model.model.model.layers.3.self_attn.q_proj.lora_B.weight    [out, r]
    GGUF    blk.3.attn_q.weight.lora_b                                         [out, r]

llama.cpp computes W x + scale * alpha / r * B (A x), alpha once a file, r of each pair. Names are
those of the `gguf` package. A family whose converter changes weights beyond names needs the same
change in B; the families below are compared with transformers in tests/test_gguf_lora.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.errors import AdapterError, UserError
from styledial.files import read_json
from styledial.models.inspect import read_config
from styledial.run_folder.layout import ADAPTER_SETTINGS

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

# config.json's model_type -> llama.cpp's name of the architecture.
_FAMILIES = {
    "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3",
    "gemma": "gemma", "gemma2": "gemma2", "gemma3_text": "gemma3",
}  # fmt: skip
# llama.cpp rotates neighbouring rows of these, transformers the two halves of a head.
_INTERLEAVED = {"llama", "mistral"}
_PART = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])\.weight")


def write_gguf_lora(
    adapter: Path, base: Path, target: Path, *, name: str, scale: float = 1.0
) -> None:
    """Write the adapter times `scale` as `target`, in float32; `base` is its base's folder.

    rsLoRA's scaling and PEFT's patterns of alpha and rank are multiplied into B. Costs reading
    the adapter; the base's weights aren't needed. Raises AdapterError for what GGUF has no place
    for, UserError without the package gguf.
    """
    gguf = _package()
    settings = read_json(adapter / ADAPTER_SETTINGS)
    config = read_config(base)
    family = check_fits_gguf(adapter, settings, config)
    alpha = float(settings["lora_alpha"])
    writer = gguf.GGUFWriter(target, family)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(name)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    for tensor, values in _tensors(gguf, adapter, settings, config, family, scale):
        writer.add_tensor(tensor, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_fits_gguf(adapter: Path, settings: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """llama.cpp's name of the family; raises AdapterError for what a GGUF LoRA can't hold."""
    if settings.get("use_dora"):
        raise _merge_instead(
            adapter,
            "is a DoRA adapter, and a GGUF LoRA has no place for DoRA's row norms",
            "是 DoRA 适配器，而 GGUF LoRA 无法保存 DoRA 的行范数",
        )
    if settings.get("bias", "none") != "none" or settings.get("modules_to_save"):
        raise _merge_instead(
            adapter,
            "also holds whole layers or biases (modules_to_save, bias), which a GGUF LoRA can't",
            "还含有完整的层或偏置（modules_to_save、bias），GGUF LoRA 无法保存",
        )
    family = _FAMILIES.get(str(config.get("model_type")))
    if family is None:
        raise _merge_instead(
            adapter,
            f"its base is of the family {config.get('model_type')}; GGUF LoRAs are tested for "
            f"{', '.join(_FAMILIES)} only",
            f"其基座属于 {config.get('model_type')}；GGUF LoRA 只对 {'、'.join(_FAMILIES)} 测试过",
        )
    return family


def _tensors(
    gguf: Any,
    adapter: Path,
    settings: Mapping[str, Any],
    config: Mapping[str, Any],
    family: str,
    scale: float,
) -> Iterator[tuple[str, np.ndarray]]:
    """(name, values) of every A [r, in] and B [out, r] by GGUF's names, with the scaling in B."""
    arch = next(key for key, word in gguf.MODEL_ARCH_NAMES.items() if word == family)
    names = gguf.get_tensor_name_map(arch, int(config["num_hidden_layers"]))
    for module, parts in sorted(_pairs(adapter).items()):
        name = names.get_name(module)
        if name is None or set(parts) != {"A", "B"} or _is_end(module, config):
            raise _merge_instead(
                adapter,
                f"llama.cpp has no place for an adapter on {module}",
                f"llama.cpp 不支持 {module} 上的适配器",
            )
        a, b = parts["A"].float(), parts["B"].float()
        b = b * (scale * _baked(module, a.shape[0], settings))
        if str(config["model_type"]) in _INTERLEAVED:
            b = _interleaved(module, b, config)
        yield f"{name}.weight.lora_a", a.contiguous().numpy()
        yield f"{name}.weight.lora_b", b.contiguous().numpy()


def _pairs(adapter: Path) -> dict[str, dict[str, Tensor]]:
    """Module -> {"A": [r, in], "B": [out, r]}."""
    from peft import load_peft_weights

    found: dict[str, dict[str, Tensor]] = {}
    for name, weight in load_peft_weights(str(adapter), device="cpu").items():
        known = _PART.fullmatch(name)
        if known is None:
            raise _merge_instead(
                adapter,
                f"holds {name}, which a GGUF LoRA has no place for",
                f"含有 {name}，GGUF LoRA 无法保存",
            )
        found.setdefault(known[1], {})[known[2]] = weight
    return found


def _is_end(module: str, config: Mapping[str, Any]) -> bool:
    """Embeddings, and a head that shares its weight with them."""
    if module.endswith("embed_tokens"):
        return True
    return module.endswith("lm_head") and bool(config.get("tie_word_embeddings"))


def _baked(module: str, rank: int, settings: Mapping[str, Any]) -> float:
    """PEFT's scaling of this pair over the one that llama.cpp takes, the file's alpha / rank."""
    alpha = float(_by_pattern(module, settings.get("alpha_pattern"), settings["lora_alpha"]))
    scaling = alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)
    return scaling / (float(settings["lora_alpha"]) / rank)


def _by_pattern(module: str, patterns: Mapping[str, Any] | None, otherwise: Any) -> Any:
    """PEFT's rule: the first pattern that a module's name ends with, at a dot."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return otherwise


def _interleaved(module: str, b: Tensor, config: Mapping[str, Any]) -> Tensor:
    """Rows of q and k in llama.cpp's order: the halves of each head take turns. [out, r]."""
    heads = {
        "q_proj": config["num_attention_heads"],
        "k_proj": config.get("num_key_value_heads") or config["num_attention_heads"],
    }.get(module.rpartition(".")[2])
    if heads is None:
        return b
    out, rank = b.shape
    return b.view(heads, 2, out // heads // 2, rank).transpose(1, 2).reshape(out, rank)


def _merge_instead(adapter: Path, en: str, zh: str) -> AdapterError:
    return AdapterError(
        f"{adapter}: {en}. Merge it into its base instead: styledial export {adapter} --to gguf.",
        f"{adapter}：{zh}。请改为并入基座：styledial export {adapter} --to gguf。",
    )


def _package() -> Any:
    try:
        import gguf
    except ImportError:
        raise UserError(
            "GGUF files need the package gguf; install it: pip install 'styledial[gguf]'.",
            "写 GGUF 文件需要 gguf 程序包；请安装：pip install 'styledial[gguf]'。",
        ) from None
    return gguf
