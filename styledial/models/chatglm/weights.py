"""ChatGLM3's weight names <-> GlmForCausalLM's.

    query_key_value [ heads*D | groups*D | groups*D , d ]   one matrix, plainly concatenated
         = q_proj        k_proj       v_proj                no interleaving, no permutation

The rest only changes its name; `rotary_pos_emb.inv_freq` follows from the config and is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from styledial.errors import ModelError
from styledial.models.chatglm.layout import Sizes

_TOP = {
    "transformer.embedding.word_embeddings.weight": "model.embed_tokens.weight",
    "transformer.encoder.final_layernorm.weight": "model.norm.weight",
    "transformer.output_layer.weight": "lm_head.weight",
}
LAYER_PARTS = {
    "input_layernorm": "input_layernorm",
    "self_attention.dense": "self_attn.o_proj",
    "post_attention_layernorm": "post_attention_layernorm",
    "mlp.dense_h_to_4h": "mlp.gate_up_proj",
    "mlp.dense_4h_to_h": "mlp.down_proj",
}
FUSED = "self_attention.query_key_value"
SPLIT = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
ORIGINAL_PART = {new: old for old, new in LAYER_PARTS.items()} | dict.fromkeys(SPLIT, FUSED)
_ORIGINAL_TOP = {new: old for old, new in _TOP.items()}
_DROPPED = "transformer.rotary_pos_emb.inv_freq"
_ORIGINAL_LAYER = re.compile(r"transformer\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)$")
_GLM_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)\.(weight|bias)$")


def to_glm(name: str, tensor: Tensor, sizes: Sizes, file: str) -> Iterator[tuple[str, Tensor]]:
    """The GlmForCausalLM weights that one original weight holds: none, one or three.

    The tensors are views of `tensor`. Raises ModelError for a name or a shape that a ChatGLM3
    doesn't have; quantised checkpoints show themselves here by their scales.
    """
    if name == _DROPPED:
        return
    if name in _TOP:
        yield _TOP[name], tensor
        return
    found = _ORIGINAL_LAYER.match(name)
    if found and found[2] == FUSED:
        rows = [sizes.query, sizes.group, sizes.group]
        if tensor.shape[0] != sum(rows):
            raise ModelError(
                f"{file}: {name} has {tensor.shape[0]} rows where config.json makes it "
                f"{sum(rows)}. Download both again.",
                f"{file}：{name} 有 {tensor.shape[0]} 行，按 config.json 应为 {sum(rows)} 行。"
                "请重新下载这两个文件。",
            )
        for part, rows_of_it in zip(SPLIT, tensor.split(rows), strict=True):
            yield f"model.layers.{found[1]}.{part}.{found[3]}", rows_of_it
        return
    if found and found[2] in LAYER_PARTS:
        yield f"model.layers.{found[1]}.{LAYER_PARTS[found[2]]}.{found[3]}", tensor
        return
    if name.endswith("weight_scale"):
        raise ModelError(
            f"{file}: holds quantised weights ({name}), which can't be trained. Use "
            "THUDM/chatglm3-6b with load_in_4bit: true instead.",
            f"{file}：权重已量化（{name}），无法训练。请用 THUDM/chatglm3-6b，"
            "并设置 load_in_4bit: true。",
        )
    raise ModelError(
        f"{file}: has a weight {name}, which ChatGLM3 doesn't have. Is this the right model?",
        f"{file}：含有 ChatGLM3 没有的权重 {name}。请确认模型是否正确。",
    )


def original_name(name: str) -> str:
    """The original's name of the weight that holds `name`. Raises KeyError for a foreign name."""
    if name in _ORIGINAL_TOP:
        return _ORIGINAL_TOP[name]
    found = _GLM_LAYER.match(name)
    if found is None:
        raise KeyError(name)
    layer, part, kind = found.groups()
    return f"transformer.encoder.layers.{layer}.{ORIGINAL_PART[part]}.{kind}"


def to_original(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """GlmForCausalLM weights (or gradients) under ChatGLM3's names, Q, K and V joined again.

    Costs a copy of the joined matrices. Raises KeyError if one of a layer's three is missing.
    """
    result: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        old = original_name(name)
        if FUSED not in old:
            result[old] = tensor
        elif SPLIT[0] in name:
            result[old] = torch.cat([weights[name.replace(SPLIT[0], part)] for part in SPLIT])
    return result
