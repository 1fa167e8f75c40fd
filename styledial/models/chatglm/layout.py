"""Which ChatGLM a config.json describes, and what it is as a GlmConfig.

`model_type: chatglm` is shared by ChatGLM-6B, ChatGLM2, ChatGLM3 and the first GLM-4 release,
whose tokenizers and prompts differ, so a ChatGLM3 has to show that it is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from styledial.errors import ModelError
from styledial.files import read_json

# What GlmForCausalLM computes; a checkpoint that says otherwise is another architecture.
_REQUIRED: dict[str, Any] = {
    "rmsnorm": True,
    "post_layer_norm": True,
    "add_bias_linear": False,
    "apply_residual_connection_post_layernorm": False,
    "multi_query_attention": True,
}
_SIZES = (
    "num_layers", "padded_vocab_size", "hidden_size", "ffn_hidden_size", "kv_channels",
    "num_attention_heads", "multi_query_group_num", "seq_length", "layernorm_epsilon",
)  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """Rows of Q, and of each of K and V, in their fused matrix: (KV) heads x head size."""

    layers: int
    query: int
    group: int

    @classmethod
    def of(cls, original: Mapping[str, Any]) -> Sizes:
        """From an original config.json."""
        head = original["kv_channels"]
        return cls(
            original["num_layers"],
            original["num_attention_heads"] * head,
            original["multi_query_group_num"] * head,
        )


def is_original(config: Mapping[str, Any]) -> bool:
    """Whether this config.json is of a ChatGLM in its authors' layout."""
    return config.get("model_type") == "chatglm"


def check_is_chatglm3(config: Mapping[str, Any], folder: Path) -> None:
    """Raises ModelError, naming the model it is instead, for all that isn't a plain ChatGLM3."""
    named = " ".join(
        [
            _name_in(folder / "tokenizer_config.json"),
            folder.name,
            str(config.get("_name_or_path", "")),
        ]
    ).lower()
    if "num_layers" not in config or "position_encoding_2d" in config:
        raise _refused(folder, "ChatGLM-6B (the first version)", "ChatGLM-6B（第一代）")
    if config.get("padded_vocab_size", 0) > 100_000 or "glm-4" in named or "glm4" in named:
        raise ModelError(
            f"{folder}: is GLM-4 in its authors' layout; use its transformers release, for "
            "example model_name_or_path: zai-org/glm-4-9b-hf.",
            f"{folder}：这是原始格式的 GLM-4；请改用 transformers 版，例如 "
            "model_name_or_path: zai-org/glm-4-9b-hf。",
        )
    if "chatglm2" in named:
        raise _refused(folder, "ChatGLM2", "ChatGLM2")
    if config.get("quantization_bit"):
        bits = config["quantization_bit"]
        raise ModelError(
            f"{folder}: is a ChatGLM checkpoint quantised to {bits} bits, which can't be trained. "
            "Use THUDM/chatglm3-6b with load_in_4bit: true instead.",
            f"{folder}：这是 {bits} 位量化的 ChatGLM，无法训练。请用 THUDM/chatglm3-6b，"
            "并设置 load_in_4bit: true。",
        )
    if "chatglm3" not in named and not _has_roles(folder):
        raise ModelError(
            f"{folder}: nothing says which ChatGLM this is (versions 2 and 3 have equal weights' "
            'shapes). If it is a ChatGLM3, write "_name_or_path": "THUDM/chatglm3-6b" into its '
            "config.json.",
            f"{folder}：无法判断是哪一代 ChatGLM（第 2、3 代权重形状相同）。若确为 ChatGLM3，"
            '请在 config.json 中写上 "_name_or_path": "THUDM/chatglm3-6b"。',
        )
    if config.get("pre_seq_len"):
        raise ModelError(
            f"{folder}/config.json: pre_seq_len is set: this is a P-Tuning checkpoint. Use the "
            "base model, THUDM/chatglm3-6b.",
            f"{folder}/config.json：设置了 pre_seq_len，这是 P-Tuning 检查点。"
            "请用基座 THUDM/chatglm3-6b。",
        )
    missing = [key for key in _SIZES if key not in config]
    wrong = [key for key, value in _REQUIRED.items() if config.get(key) is not value]
    if missing or wrong:
        keys = ", ".join(missing + wrong)
        raise ModelError(
            f"{folder}/config.json: {keys}: missing or not as in ChatGLM3. Download the model's "
            "config.json again.",
            f"{folder}/config.json：{keys} 缺失或与 ChatGLM3 不符。请重新下载 config.json。",
        )


def glm_config(original: Mapping[str, Any]) -> Any:
    """The GlmConfig of an original config.

    All that GlmConfig would fill in for GLM-4 is set: its pad id is outside this vocabulary, its
    eps is another one, and a wrong eps changes logits by only 8.5e-5, which few tests notice.
    """
    from transformers import GlmConfig

    return GlmConfig(
        vocab_size=original["padded_vocab_size"],
        hidden_size=original["hidden_size"],
        intermediate_size=original["ffn_hidden_size"],
        num_hidden_layers=original["num_layers"],
        num_attention_heads=original["num_attention_heads"],
        num_key_value_heads=original["multi_query_group_num"],
        head_dim=original["kv_channels"],
        rms_norm_eps=original["layernorm_epsilon"],
        attention_bias=original.get("add_qkv_bias", True),
        attention_dropout=original.get("attention_dropout", 0.0),
        hidden_act="silu",
        max_position_embeddings=original["seq_length"],
        tie_word_embeddings=original.get("tie_word_embeddings", False),
        rope_parameters={
            "rope_type": "default",
            # The 32k and 128k releases stretch the base frequency by rope_ratio.
            "rope_theta": 10000.0 * original.get("rope_ratio", 1),
            "partial_rotary_factor": 0.5,
        },
        pad_token_id=0,
        eos_token_id=2,
        bos_token_id=None,
        dtype=original.get("torch_dtype"),
        architectures=["GlmForCausalLM"],
        _name_or_path=str(original.get("_name_or_path", "")),
    )


def _name_in(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        return str(read_json(path).get("name_or_path", ""))
    except (ValueError, AttributeError):
        return ""


def _has_roles(folder: Path) -> bool:
    """The tokenizer's own source names the roles that only version 3 has; it is read, not run."""
    code = folder / "tokenization_chatglm.py"
    return code.is_file() and "<|observation|>" in code.read_text(
        encoding="utf-8", errors="replace"
    )


def _refused(folder: Path, en: str, zh: str) -> ModelError:
    return ModelError(
        f"{folder}: is {en}, whose layout isn't supported. Use THUDM/chatglm3-6b.",
        f"{folder}：这是 {zh}，不支持该格式。请改用 THUDM/chatglm3-6b。",
    )
