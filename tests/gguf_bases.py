"""Tiny models as GGUF files.

llama.cpp's own converter is in no package; this one knows the families of test_gguf_lora.py only,
and is itself checked there: at scale 0 llama.cpp has to give what transformers gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
from safetensors.torch import load_file


def write_base(
    folder: Path,
    path: Path,
    family: str,
    *,
    heads_interleaved: bool = False,
    own_tokenizer: bool = False,
    **told: str,
) -> Path:
    """The model in `folder` in float32, its token ids with placeholder texts or, of a byte-level
    one, with its `own_tokenizer`; `told`: what general.NAME says."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(path, family)
    _settings(writer, config)
    for name, value in told.items():
        writer.add_string(f"general.{name.replace('__', '.')}", value)
    if own_tokenizer:
        _tokenizer_of(writer, folder)
    else:
        _vocabulary(writer, config["vocab_size"])
    arch = next(key for key, word in gguf.MODEL_ARCH_NAMES.items() if word == family)
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    for name, weight in load_file(folder / "model.safetensors").items():
        values = weight.float()
        heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
        if heads_interleaved and (key := heads.get(name.split(".")[-2])):
            values = values.unflatten(0, (config[key], 2, -1)).transpose(1, 2).reshape(values.shape)
        if family.startswith("gemma") and "norm" in name:
            values = values + 1
        writer.add_tensor(names.get_name(name, (".weight", ".bias")), values.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _settings(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    rope = config["rope_parameters"]
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    if config.get("sliding_window") and writer.arch.startswith("gemma"):
        writer.add_sliding_window(config["sliding_window"])
    if config.get("attn_logit_softcapping"):
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])


def _tokenizer_of(writer: gguf.GGUFWriter, folder: Path) -> None:
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    ids = {**model["model"]["vocab"], **{t["content"]: t["id"] for t in model["added_tokens"]}}
    special = {t["content"] for t in model["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    kinds = (gguf.TokenType.NORMAL, gguf.TokenType.CONTROL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds[token in special] for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in model["model"]["merges"]])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)


def _vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    tokens = [f"t{number}" for number in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges(["t 0"])
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)


def requantised(source: Path, target: Path, kind: str) -> Path:
    """The same GGUF with its matrices as F32, F16 or Q8_0, by the gguf package's own quantiser."""
    wanted = gguf.GGMLQuantizationType[kind]
    reader = gguf.GGUFReader(source)
    family = reader.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(target, family)
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        kept = wanted if values.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(tensor.name, gguf.quantize(values, kept), raw_dtype=kept)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
