"""Bases whose own files are quantised, and how each kind is loaded.

    bitsandbytes           as it is, in 4 or 8 bits: like an unquantised base with load_in_4bit
    fp8, mxfp4             dequantised as it is read; the weights then have the run's precision
    compressed-tensors     the same (package compressed-tensors)
    gptq, awq              as it is (package gptqmodel)
    any other              refused

What was dequantised is an ordinary model from there on: trained, merged and saved as such.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from styledial.errors import ModelError
from styledial.language import say
from styledial.models.quantise import INSTALL, device_of_quantised, is_quantised
from styledial.progress import line

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

Words = tuple[str, str]  # in English and Chinese
KEY = "quantization_config"
_DEQUANTISED = {"fp8": "FP8", "mxfp4": "MXFP4", "compressed-tensors": "compressed-tensors"}
_BY_GPTQMODEL = {"gptq": "GPTQ", "awq": "AWQ"}


def method_of(config: Mapping[str, Any]) -> str | None:
    """How the files are quantised, in transformers' word; None where they aren't."""
    found = config.get(KEY)
    if not found:
        return None
    settings = _settings(found)
    if settings.get("load_in_4bit") or settings.get("load_in_8bit"):
        return "bitsandbytes"
    return str(settings.get("quant_method") or "quantised")


def _settings(found: Any) -> dict[str, Any]:
    """As a mapping; {} of what is neither one nor transformers' object, a damaged file."""
    if isinstance(found, Mapping):
        return dict(found)
    return dict(found.to_dict()) if hasattr(found, "to_dict") else {}


def settings_in(shape: PretrainedConfig) -> dict[str, Any]:
    """Of transformers' configuration, what the functions here read of config.json."""
    return {KEY: getattr(shape, KEY, None)}


def kept_bits(config: Mapping[str, Any]) -> int | None:
    """4 or 8 for files in bitsandbytes' format, which stay so in memory; None for others."""
    if method_of(config) != "bitsandbytes":
        return None
    return 8 if _settings(config[KEY]).get("load_in_8bit") else 4


def why_not(config: Mapping[str, Any]) -> Words | None:
    """Why quantised files can't be used here, and what to use instead; None where they can."""
    method = method_of(config)
    if method is None or method in ("fp8", "mxfp4"):
        return None
    if method == "bitsandbytes":
        return None if _is_installed("bitsandbytes") else _needs("bitsandbytes", INSTALL)
    if method == "compressed-tensors":
        name = "compressed-tensors"
        return None if _is_installed("compressed_tensors") else _needs(name, f"pip install {name}")
    if method in _BY_GPTQMODEL:
        return None if _is_installed("gptqmodel") else _needs_gptqmodel(method)
    return (
        f"its weights are quantised ({method}), which can't be trained on here; {_INSTEAD[0]}",
        f"权重已量化（{method}），无法在其上训练；{_INSTEAD[1]}",
    )


_INSTEAD = (
    "use the unquantised model, usually of the same name without the ending (-GPTQ-Int4, -AWQ, "
    "-FP8), with load_in_4bit: true",
    "请用未量化的模型（通常是去掉 -GPTQ-Int4、-AWQ、-FP8 等后缀的同名模型）并设置 "
    "load_in_4bit: true",
)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _needs(package: str, install: str) -> Words:
    return (
        f"its weights are quantised with {package}, which isn't installed: `{install}`",
        f"其权重由 {package} 量化，尚未安装：`{install}`",
    )


def _needs_gptqmodel(method: str) -> Words:
    return (
        f"its weights are quantised ({method}), which needs the package gptqmodel (`pip install "
        f"gptqmodel`); or {_INSTEAD[0]}",
        f"权重已量化（{method}），需要安装 gptqmodel（`pip install gptqmodel`）；或者{_INSTEAD[1]}",
    )


def stays_packed(config: Mapping[str, Any]) -> bool:
    """Whether the weights can't be dequantised, so that nothing can be merged into them."""
    return method_of(config) in _BY_GPTQMODEL


def unmeasured(config: Mapping[str, Any]) -> str | None:
    """The name of a kind whose memory isn't known here: GPTQ, AWQ; None of others."""
    return _BY_GPTQMODEL.get(method_of(config) or "")


def check_use(
    config: Mapping[str, Any], bits: int | None, *, use_peft: bool, use_dora: bool
) -> None:
    """Raises ModelError for settings that weights of quantised files don't allow: `bits` (4 or 8,
    of load_in_4bit or load_in_8bit) that they don't have, full tuning, or DoRA on 8 bits."""
    method = method_of(config)
    if method is None:
        return
    _check_asked(config, bits)
    if method in _DEQUANTISED:
        return
    if not use_peft:
        raise ModelError(
            f"model.use_peft: the base's files are quantised ({method}), and quantised weights "
            "can't be trained themselves; set use_peft: true, or name the unquantised model.",
            f"model.use_peft：基座的权重已量化（{method}），量化后的权重本身无法训练；"
            "请设 use_peft: true，或改用未量化的模型。",
        )
    if use_dora and kept_bits(config) == 8:
        raise ModelError(
            "model.use_dora doesn't work on 8-bit weights, and the base's files are in 8 bits; "
            "set use_dora: false, or name the unquantised model.",
            "model.use_dora 不能用于 8 位权重，而基座的权重已量化为 8 位；"
            "请设 use_dora: false，或改用未量化的模型。",
        )
    if kept_bits(config) and not _is_installed("bitsandbytes"):
        raise ModelError(
            "model.model_name_or_path: the base's files are quantised with bitsandbytes, which "
            f"isn't installed: `{INSTALL}`, or name the unquantised model.",
            f"model.model_name_or_path：基座的权重由 bitsandbytes 量化，尚未安装：`{INSTALL}`；"
            "或改用未量化的模型。",
        )


def loading_options(config: Mapping[str, Any], bits: int | None, name: str) -> dict[str, Any]:
    """What `from_pretrained` is given besides, for a base whose files are quantised; said on the
    screen, where the user calls it `name`. Nothing for others.

    Raises ModelError where load_in_4bit or load_in_8bit (`bits`) asks for what they aren't.
    """
    method = method_of(config)
    if method is None:
        return {}
    _check_asked(config, bits)
    if told := said_of(config):
        line(say(f"{name}: {told[0]}.", f"{name}：{told[1]}。"))
    if method in _DEQUANTISED:
        return {KEY: _dequantising(method)}
    device = {"device_map": device_of_quantised()}
    return device | {KEY: _trainable(method, config)} if method in _BY_GPTQMODEL else device


def _check_asked(config: Mapping[str, Any], bits: int | None) -> None:
    method, kept = method_of(config), kept_bits(config)
    if bits is None or bits == kept:
        return
    there = f"{method}, {kept} bits" if kept else method
    raise ModelError(
        f"model.load_in_{bits}bit: the base's files are quantised already ({there}); set "
        f"load_in_{bits}bit: false, or use the unquantised model.",
        f"model.load_in_{bits}bit：基座的权重已量化（{there}）；请设 load_in_{bits}bit: false，"
        "或使用未量化的模型。",
    )


def _dequantising(method: str) -> Any:
    from transformers.utils import quantization_config as kinds

    if method == "fp8":
        return kinds.FineGrainedFP8Config(dequantize=True)
    if method == "mxfp4":
        return kinds.Mxfp4Config(dequantize=True)
    return kinds.CompressedTensorsConfig(run_compressed=False)


def _trainable(method: str, config: Mapping[str, Any]) -> Any:
    """The settings for products through which gradients flow. By itself gptqmodel chooses the
    fastest kernel, which may have none; on a CPU its own choice compiles one for minutes."""
    import torch
    from transformers.utils import quantization_config as kinds

    bits = int(_settings(config[KEY]).get("bits") or 4)
    on_gpu = torch.cuda.is_available()
    if method == "gptq":
        return kinds.GPTQConfig(bits, backend="auto_trainable" if on_gpu else "gptq_torch")
    return kinds.AwqConfig(bits, backend="auto_trainable" if on_gpu else "torch_awq")


def said_of(config: Mapping[str, Any]) -> Words | None:
    """What loading does with quantised files, for the screen; None of others."""
    method = method_of(config)
    if method in _DEQUANTISED:
        name = _DEQUANTISED[str(method)]
        return (
            f"its weights are quantised ({name}) and are dequantised as they are read: in memory "
            "they take what an unquantised model of this size takes",
            f"权重已量化（{name}），加载时反量化：占用与同样大小的未量化模型相同",
        )
    if method is None:
        return None
    return f"its weights are quantised ({method}) and stay so", f"权重已量化（{method}），保持不变"


def settle(model: PreTrainedModel, config: Mapping[str, Any]) -> None:
    """What a base with quantised files needs once it is loaded: a dequantised one is saved as a
    plain one, and 4-bit layers compute in the precision of the rest, whichever they were made in.
    """
    if method_of(config) and not is_quantised(model):
        saved_as_plain(model)
    if kept_bits(config) == 4:
        from bitsandbytes.nn import Linear4bit

        for module in model.modules():
            if isinstance(module, Linear4bit):
                module.compute_dtype, module.compute_type_is_set = model.dtype, True


def saved_as_plain(model: PreTrainedModel) -> PreTrainedModel:
    """The dequantised model, to be saved under the names of plain weights.

    transformers keeps the renamings with which it read the files, to undo them when it saves;
    those that quantise can't be undone. It has no public name for them (5.23), and no other way to
    save under the names that other programs read.
    """
    from transformers.conversion_mapping import get_model_conversion_mapping

    used = {_targets(each) for each in getattr(model, "_weight_conversions", None) or ()}
    plain = [each for each in get_model_conversion_mapping(model) if _targets(each) in used]
    model._weight_conversions = plain
    return model


def _targets(conversion: Any) -> tuple[str, ...]:
    found = conversion.target_patterns
    return (found,) if isinstance(found, str) else tuple(found)
