"""Tiny models as GGUF files, and llama.cpp's next-token distributions of them.

llama.cpp's own converter is in no package; this one knows the families of test_gguf_lora.py only,
and is itself checked there: at scale 0 llama.cpp has to give what transformers gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import torch
from safetensors.torch import load_file

Ids = list[int]


def write_base(folder: Path, path: Path, family: str, *, heads_interleaved: bool = False) -> Path:
    """The model in `folder` in float32, its token ids with placeholder texts."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(path, family)
    _settings(writer, config)
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


def _vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    tokens = [f"t{number}" for number in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges(["t 0"])
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(0)


class LlamaCpp:
    """llama.cpp on a GGUF base with a LoRA, in this process. `threads` 1: the figures repeat."""

    def __init__(self, base: Path, lora: Path, *, context: int = 256) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(base)
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(lora), 1.0)]
        params.n_ctx = context
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.n_gpu_layers = 0
        params.warmup = False
        params.verbosity = -1
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        self._server = xllamacpp.Server(params)

    def complete(self, ids: Ids, *, scale: float, tokens: int, **how: Any) -> dict[str, Any]:
        """A completion of token ids with the LoRA at `scale`."""
        asked = {
            "prompt": ids, "n_predict": tokens, "lora": [{"id": 0, "scale": scale}],
            "cache_prompt": False, **how,
        }  # fmt: skip
        return self._server.handle_completions(asked)

    def next_token(self, ids: Ids, vocabulary: int, *, scale: float) -> torch.Tensor:
        """Log-probabilities [vocabulary] of the token after `ids`."""
        found = self.complete(
            ids, scale=scale, tokens=1, logprobs=vocabulary, temperature=1.0, top_k=0, top_p=1.0,
            min_p=0.0,
        )  # fmt: skip
        (place,) = found["choices"][0]["logprobs"]["content"]
        logits = torch.full((vocabulary,), -torch.inf)
        for each in place["top_logprobs"]:
            logits[each["id"]] = each["logprob"]
        return logits
