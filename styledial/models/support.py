"""Can this model be trained here? From its config.json first, and from its behaviour for rare ones.

The loss multiplies hidden states with the output head itself and never calls the model's own
logits, so a model that does more than that (a soft cap, a scale, a bias) would silently train
on other logits than it generates from. And rows hold several texts, which have to be kept apart
by position ids, as attention can and recurrent layers can't.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from styledial.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Families whose tiny random models go through the whole test (tests/test_models_families.py).
TESTED = ("qwen2", "llama", "mistral", "glm", "qwen3", "glm4", "gemma3_text")
_RECURRENT = ("mamba", "rwkv", "recurrent", "jamba", "bamba", "zamba", "xlstm", "lfm2", "next")


def refusal(
    config: Mapping[str, Any], *, trust_remote_code: bool = False
) -> tuple[str, str] | None:
    """Why this config.json can't be trained here, in English and Chinese; None where it can.

    Importing transformers' tables makes the first call cost about a second.
    """
    kind = config.get("model_type")
    if not kind:
        return "its config.json has no model_type", "config.json 中没有 model_type"
    if kind == "chatglm":
        return None  # convert.py says which of them
    if config.get("quantization_config"):
        method = str(dict(config["quantization_config"]).get("quant_method", "quantised"))
        return (
            f"its weights are quantised ({method}); use the original model with load_in_4bit: true",
            f"权重已量化（{method}）；请用原始模型并设置 load_in_4bit: true",
        )
    if config.get("is_encoder_decoder"):
        return "it is an encoder-decoder, not a text continuer", "它是编码器-解码器，不是续写模型"
    if any(key in config for key in ("vision_config", "audio_config", "text_config")):
        return (
            "it also reads images or sound; use the family's text-only release",
            "它是多模态模型；请用同系列的纯文本版",
        )
    found = _computes_other_logits(config)
    if found:
        return (
            f"its logits are not hidden states times the output head ({found} in config.json), "
            "which the KL measure needs",
            f"它的 logits 不是隐状态乘输出层（config.json 中的 {found}），KL 度量无法使用",
        )
    kinds = {str(layer) for layer in config.get("layer_types") or ()}
    strange = sorted(kinds - {"full_attention", "sliding_attention", "chunked_attention"})
    if strange or any(mark in kind for mark in _RECURRENT):
        what = ", ".join(strange) or kind
        return (
            f"it has recurrent or other layers ({what}) that would mix packed texts",
            f"它含有循环等层（{what}），会混淆打包在一起的文本",
        )
    return None if trust_remote_code and config.get("auto_map") else _unknown_type(kind)


def _computes_other_logits(config: Mapping[str, Any]) -> str | None:
    if config.get("final_logit_softcapping"):
        return "final_logit_softcapping"  # Gemma 2
    for key in ("logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier_scale"):
        # Cohere, Granite, Falcon-H1; Cohere's default is not 1, so its absence there isn't 1.
        if config.get(key, 1) not in (1, None):
            return key
    if config.get("model_type") in ("cohere", "cohere2"):
        return "logit_scale"
    if config.get("lm_head_bias") or config.get("model_type") in ("phi", "gptj", "codegen"):
        return "lm_head_bias"
    return None


def _unknown_type(kind: str) -> tuple[str, str] | None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return None
    return (
        f"transformers has no text continuer of type {kind}; a newer transformers may, or the "
        "model needs its own code (model.trust_remote_code: true, or --trust-remote-code, if you "
        "trust its author)",
        f"transformers 中没有 {kind} 类型的续写模型；可升级 transformers，"
        "或该模型需要自带代码（信任作者时设 model.trust_remote_code: true 或加 "
        "--trust-remote-code）",
    )


def check_supported(
    config: Mapping[str, Any], where: str, *, trust_remote_code: bool = False
) -> None:
    """Raises ModelError with the reason of `refusal`."""
    reason = refusal(config, trust_remote_code=trust_remote_code)
    if reason:
        raise ModelError(
            f"model.model_name_or_path: {where} can't be trained: {reason[0]}. `styledial models` "
            "lists models that can.",
            f"model.model_name_or_path：{where} 无法训练：{reason[1]}。"
            "`styledial models` 列出可用的模型。",
        )


def check_behaviour(model: PreTrainedModel, where: str) -> None:
    """Try what training relies on, on six tokens. Raises ModelError.

    The model's logits must be hidden states times its head, and two texts in one row must give
    what they give alone. Families in TESTED have been through this and are let pass; for others
    it costs three forward passes.
    """
    if model.config.model_type in TESTED:
        return
    import torch

    head = model.get_output_embeddings()
    problem: tuple[str, str] | None = None
    if head is None or getattr(head, "bias", None) is not None:
        problem = ("its output head has a bias or is missing", "输出层带偏置或缺失")
    else:
        ids = torch.tensor([[1, 2, 3, 4, 5, 6]], device=model.device)
        apart = torch.tensor([[0, 1, 2, 0, 1, 2]], device=model.device)
        with torch.no_grad():
            try:
                packed = model.base_model(input_ids=ids, position_ids=apart, use_cache=False)[0]
                alone = model.base_model(input_ids=ids[:, 3:], use_cache=False)[0]
                logits = model(input_ids=ids[:, 3:], use_cache=False).logits
            except TypeError:
                problem = ("it takes no position_ids", "它不接受 position_ids")
            else:
                if not _close(torch.nn.functional.linear(alone, head.weight), logits):
                    problem = (
                        "its logits are not hidden states times the output head",
                        "它的 logits 不是隐状态乘输出层",
                    )
                elif not _close(packed[:, 3:], alone):
                    problem = ("texts packed into one row would mix", "打包在一行的文本会相互混淆")
    if problem:
        raise ModelError(
            f"model.model_name_or_path: {where} can't be trained: {problem[0]}, which the KL "
            "measure needs otherwise. `styledial models` lists models that can.",
            f"model.model_name_or_path：{where} 无法训练：{problem[1]}，不满足 KL 度量的要求。"
            "`styledial models` 列出可用的模型。",
        )


def _close(a: Any, b: Any) -> bool:
    """Equal up to rounding: a few steps of the dtype, against the largest value."""
    import torch

    steps = 50 * torch.finfo(a.dtype).eps if a.dtype != torch.float32 else 1e-3
    return bool((a.float() - b.float()).abs().max() <= steps * b.float().abs().max())
