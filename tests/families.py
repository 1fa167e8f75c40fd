"""A tiny random model of every family that people tune, by transformers' name of its config."""

from pathlib import Path

import torch
from tiny_models import spread, tokenizer_for

SIZES = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256,
}  # fmt: skip
OLD = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}
EXPERTS = {
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32,
}  # fmt: skip
# Multi-head latent attention: keys and values from a small common part, positions in another.
LATENT = {
    "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
    "v_head_dim": 16, "num_key_value_heads": 4, "head_dim": 8,
}  # fmt: skip
GROUPS = {**EXPERTS, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1}
LINEAR = {
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
    "linear_value_head_dim": 16, "layer_types": ["linear_attention", "full_attention"],
}  # fmt: skip
BOTH = {"layer_types": ["sliding_attention", "full_attention"], "num_kv_shared_layers": 0}
PER_LAYER = {"vocab_size_per_layer_input": 1000, "hidden_size_per_layer_input": 16, **BOTH}
THREE_N = {
    **PER_LAYER, "laurel_rank": 8, "altup_num_inputs": 2,
    "activation_sparsity_pattern": [0.0, 0.0], "intermediate_size": [96, 96],
}  # fmt: skip
LLAMA4 = {
    "num_local_experts": 2, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1,
    "intermediate_size_mlp": 96,
}  # fmt: skip
EYE = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip
QWEN_EYE = {
    "depth": 1, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 64,
    "patch_size": 4,
}  # fmt: skip
TEXT_ONLY = {
    **dict.fromkeys(  # noqa: RUF024
        ["qwen2", "qwen3", "llama", "mistral", "ministral", "ministral3", "phi3", "phi", "glm",
         "glm4", "internlm3", "smollm3", "cohere", "cohere2", "olmo2", "olmo3", "seed_oss",
         "hunyuan_v1_dense", "ernie4_5", "exaone4", "gemma", "gemma3_text", "stablelm",
         "starcoder2", "nanochat", "helium", "arcee", "apertus", "gpt_neox"], {}),
    **dict.fromkeys(
        ["qwen2_moe", "qwen3_moe", "mixtral", "granitemoe", "phimoe", "olmoe", "glm4_moe",
         "gpt_oss", "ernie4_5_moe", "hunyuan_v1_moe", "flex_olmo", "minimax"], EXPERTS),
    "deepseek_v2": {**LATENT, **GROUPS},
    "deepseek_v3": {**LATENT, **GROUPS},
    "dots1": {**GROUPS, "n_shared_experts": 1},
    "minicpm3": LATENT,
    "granite": {"logits_scaling": 4.0},
    "gemma2": {"final_logit_softcapping": 5.0, "attn_logit_softcapping": 20.0},
    "gemma3n_text": THREE_N,
    "gemma4_text": {**PER_LAYER, "global_head_dim": 32},
    "qwen3_next": {**EXPERTS, **LINEAR},
    "qwen3_5_text": LINEAR,
    "llama4_text": LLAMA4,
    "gpt2": OLD,
    "gptj": {**OLD, "rotary_dim": 8},
    "codegen": {**OLD, "rotary_dim": 8},
    "bloom": {"n_layer": 2, "n_head": 4},
    "opt": {"ffn_dim": 96, "word_embed_proj_dim": 64},
    "mpt": {"d_model": 64, "n_heads": 4, "n_layers": 2},
    "falcon": {"head_dim": None},
    "lfm2": {"layer_types": ["conv", "full_attention"], "block_ff_dim": 96},
    "lfm2_moe": {**EXPERTS, "layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 16,
                  "mamba_chunk_size": 16, "lm_head_multiplier": 0.5},
    "bamba": {"attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 16,
              "mamba_d_state": 16},
    "jamba": {**EXPERTS, "attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8,
              "mamba_dt_rank": 8, "use_mamba_kernels": False},
    "mamba2": {"num_heads": 8, "head_dim": 16, "state_size": 16, "n_groups": 2},
}  # fmt: skip
# (its text part, its eye, what else): loaded whole, adapted in the text part alone.
WITH_IMAGES = {
    "gemma3": ({}, EYE, {"mm_tokens_per_image": 4}),
    "gemma4": ({**PER_LAYER, "global_head_dim": 32}, EYE, {}),
    "mistral3": ({"model_type": "mistral"}, {**EYE, "model_type": "pixtral", "head_dim": 16}, {}),
    "llava": ({"model_type": "llama"}, {**EYE, "model_type": "clip_vision_model"}, {}),
    "qwen3_vl": ({}, {**QWEN_EYE, "deepstack_visual_indexes": [0]}, {}),
    "qwen3_5": (LINEAR, QWEN_EYE, {}),
    "llama4": (LLAMA4, {**EYE, "vision_output_dim": 64, "projector_input_dim": 64,
                        "projector_output_dim": 64}, {}),
}  # fmt: skip
FAMILIES = [*TEXT_ONLY, *WITH_IMAGES]


def build_family(name: str, folder: Path) -> Path:
    """Save a tiny random model of the family with a byte-level tokenizer; returns folder."""
    from transformers import AutoConfig

    from styledial.models.classes import auto_class, with_attention

    torch.manual_seed(0)
    tokenizer = tokenizer_for("qwen2")
    end = tokenizer.eos_token_id
    common = {"vocab_size": len(tokenizer) + 7, "eos_token_id": end, "pad_token_id": end}
    if name in WITH_IMAGES:
        text, eye, more = WITH_IMAGES[name]
        ids = {key: len(tokenizer) + 3 for key in ("image_token_id", "image_token_index")}
        changes = {"text_config": {**SIZES, **common, **text}, "vision_config": eye, **ids, **more}
    else:
        changes = {**SIZES, **common, **TEXT_ONLY[name]}
    changes = {key: value for key, value in changes.items() if value is not None}
    config = AutoConfig.for_model(name, **changes)
    model = with_attention(
        lambda **how: auto_class(config).from_config(config, **how), "sdpa", config
    )
    spread(model)
    dice = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:  # scales that begin at 0 would leave what they scale unread
                weight += 0.1 * torch.randn(weight.shape, generator=dice)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
