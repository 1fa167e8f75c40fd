"""Whether a model is supported: from its config.json, and by a test for unknown families.

What training relies on: the loss multiplies hidden states with the output head itself, so the
product has to equal the model's own logits (head.py); a token is read from what stands before it
alone; and nothing is random, or KL would be the distance between two draws. Whether several texts
may share a row is asked here too: attention keeps them apart by position ids, what is recurrent,
convolves or counts absolute places doesn't.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from styledial.errors import ModelError
from styledial.models.head import output_head
from styledial.models.head_products import logits
from styledial.models.prequantised import why_not
from styledial.models.text_part import text_backbone

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Families whose tiny random models go through the whole test (tests/test_models_families.py).
TESTED = ("qwen2", "llama", "mistral", "glm", "qwen3", "glm4", "gemma3_text")
# Families that were seen to keep texts in one row apart (tests/test_models_matrix.py).
_KEEP_APART = frozenset((
    "qwen2", "qwen3", "qwen3_vl", "llama", "mistral", "ministral", "ministral3", "mistral3",
    "phi3", "phi", "glm", "glm4", "internlm3", "smollm3", "granite", "cohere", "cohere2",
    "olmo2", "olmo3", "seed_oss", "hunyuan_v1_dense", "ernie4_5", "exaone4", "gemma", "gemma2",
    "gemma3", "gemma3_text", "gemma3n_text", "gemma4", "gemma4_text", "stablelm", "starcoder2",
    "nanochat", "helium", "arcee", "apertus", "llava", "qwen2_moe", "qwen3_moe", "mixtral",
    "granitemoe", "phimoe", "olmoe", "dots1", "glm4_moe", "ernie4_5_moe", "hunyuan_v1_moe",
    "flex_olmo", "deepseek_v2", "deepseek_v3", "minicpm3", "gpt2", "gpt_neox", "gptj", "codegen",
))  # fmt: skip


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
    if reason := why_not(config):
        return reason
    if config.get("is_encoder_decoder"):
        return (
            "it is an encoder-decoder, not a causal language model",
            "它是编码器-解码器，不是因果语言模型",
        )
    return None if trust_remote_code and config.get("auto_map") else _unknown_type(kind)


def keeps_texts_apart(model_type: str) -> bool:
    """Whether texts in one row are kept apart by position ids. Where it isn't known, no: a row
    then holds one text, which costs the padding behind a book's last row."""
    return model_type in _KEEP_APART


def _unknown_type(kind: str) -> tuple[str, str] | None:
    from transformers.models.auto import modeling_auto

    if kind in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return None
    if kind in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return None
    return (
        f"transformers has no causal language model of type {kind}; a newer transformers may, or "
        "the model needs its own code (if you trust its author: model.trust_remote_code: true, or "
        "--trust-remote-code of `styledial generate` and `styledial merge`)",
        f"transformers 中没有 {kind} 类型的因果语言模型；可升级 transformers，或该模型需要自带代"
        "码（信任作者时设 model.trust_remote_code: true；`styledial generate` 和 `styledial merge` "
        "加 --trust-remote-code）",
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

    The model's logits must be those of head.py, a token must not see what comes after it, and
    training mode must not make the outputs random. Families in TESTED have been through this and
    are accepted at once; for others it costs four forward passes.
    """
    if model.config.model_type in TESTED:
        return
    problem = _problem(model)
    if problem:
        raise ModelError(
            f"model.model_name_or_path: {where} can't be trained: {problem[0]}. `styledial models` "
            "lists models that can.",
            f"model.model_name_or_path：{where} 无法训练：{problem[1]}。"
            "`styledial models` 列出可用的模型。",
        )


def _problem(model: PreTrainedModel) -> tuple[str, str] | None:
    import torch

    if model.get_output_embeddings() is None:
        return "it has no output head over a vocabulary", "它没有词表上的输出层"
    ids = torch.tensor([[1, 2, 3, 4, 5, 6]], device=model.device)
    other = torch.tensor([[1, 2, 3, 4, 6, 5]], device=model.device)
    backbone, head = text_backbone(model), output_head(model)
    with torch.no_grad():
        hidden = backbone(input_ids=ids, use_cache=False)[0]
        changed = backbone(input_ids=other, use_cache=False)[0]
        own = model(input_ids=ids, use_cache=False).logits[0]
        model.train()
        trained = backbone(input_ids=ids, use_cache=False)[0]
        model.eval()
        computed = torch.empty(own.shape, dtype=torch.float32, device=own.device)
        logits(hidden[0], head, out=computed)
    if not _close(changed[:, :4], hidden[:, :4], hidden.dtype):
        return (
            "a token sees those after it, so it isn't a model that continues text",
            "前面的 token 能看到后面的 token，它不是续写模型",
        )
    if not _close(trained, hidden, hidden.dtype):
        return (
            "in training mode its outputs are random, by a dropout that cannot be switched off "
            "here, and KL would measure that",
            "训练模式下它的输出带有无法关闭的随机性（dropout），KL 将测不准",
        )
    # Of the weights' precision: Mamba 2 gives logits of bf16 weights as fp32.
    if not _close(computed, own, head.weight.dtype):
        return (
            "its logits are not a function of the last hidden states that is known here, so the "
            "KL measure would be of another model",
            "它的 logits 不是已知的隐状态函数，KL 将测不准",
        )
    return None


def _close(a: Any, b: Any, dtype: Any) -> bool:
    """Equal up to the rounding of `dtype`: a few steps of it, against the largest value."""
    import torch

    steps = 50 * torch.finfo(dtype).eps if dtype != torch.float32 else 1e-3
    return bool((a.float() - b.float()).abs().max() <= steps * b.float().abs().max())
