"""The guide's six models as published: sizes, licence, where to get them.

Nothing here is needed to load a model (its own config.json is what counts); it is what a user
wants to know before spending an evening on a download, and what the tests build tiny copies of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LLAMA_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_GLM_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "down_proj")


@dataclass(frozen=True)
class KnownModel:
    """One published base model.

    memory_16bit and memory_4bit: GiB of GPU memory that LoRA (rank 8, one row of 512 tokens at a
    time, checkpointing) is planned at, the base in bf16 or NF4; a test compares the plan.
    name: the guide's name; hugging_face and modelscope: repositories on the two hubs.
    model_type and config: transformers' own, as in the published config.json (for ChatGLM3:
    of the converted model). parameters: exact count. gated: a licence is accepted on the hub
    first. lora_layers: what `all-linear` means here.
    """

    name: str
    hugging_face: str
    modelscope: str
    model_type: str
    config: Mapping[str, Any]
    parameters: int
    licence: str
    gated: bool
    memory_16bit: float
    memory_4bit: float
    lora_layers: tuple[str, ...] = _LLAMA_LAYERS
    aliases: tuple[str, ...] = ()
    needs_conversion: bool = False

    @property
    def page(self) -> str:
        """Where the licence is read, and accepted if the model is gated."""
        return f"https://huggingface.co/{self.hugging_face}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which the model is known."""
        return (self.name, self.hugging_face, self.modelscope, *self.aliases)


def _decoder(
    *,
    vocabulary: int,
    width: int,
    mlp: int,
    layers: int,
    heads: int,
    kv_heads: int,
    positions: int,
    eps: float,
    rope_theta: float,
    tied: bool = False,
    **more: Any,
) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": mlp,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": positions,
        "rms_norm_eps": eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": rope_theta},
        "tie_word_embeddings": tied,
        **more,
    }


def _qwen25(size: str, parameters: int, memory: tuple[float, float], **config: Any) -> KnownModel:
    ends: dict[str, Any] = {
        "bos_token_id": 151643,
        "eos_token_id": 151643,
        "use_sliding_window": False,
    }
    name = f"Qwen/Qwen2.5-{size}"
    return KnownModel(
        name,
        name,
        name,
        "qwen2",
        _decoder(positions=131072, rope_theta=1e6, **config, **ends),
        parameters,
        "Apache-2.0",
        False,
        *memory,
    )


MODELS: tuple[KnownModel, ...] = (
    _qwen25("1.5B", 1_543_714_304, (4.09, 2.34), vocabulary=151936, width=1536, mlp=8960, layers=28,
            heads=12, kv_heads=2, eps=1e-6, tied=True),
    _qwen25("7B", 7_615_616_512, (15.41, 6.46), vocabulary=152064, width=3584, mlp=18944, layers=28,
            heads=28, kv_heads=4, eps=1e-6),
    _qwen25("14B", 14_770_033_664, (28.95, 10.84), vocabulary=152064, width=5120, mlp=13824,
            layers=48, heads=40, kv_heads=8, eps=1e-5),
    KnownModel(
        "THUDM/chatglm3-6b", "THUDM/chatglm3-6b", "ZhipuAI/chatglm3-6b", "glm",
        _decoder(vocabulary=65024, width=4096, mlp=13696, layers=28, heads=32, kv_heads=2,
                 positions=8192, eps=1e-5, rope_theta=1e4, head_dim=128, attention_bias=True,
                 pad_token_id=0, eos_token_id=2),
        6_243_584_000, "ChatGLM3-6B Model License", False, 12.83, 5.0,
        lora_layers=_GLM_LAYERS, aliases=("zai-org/chatglm3-6b",), needs_conversion=True,
    ),
    KnownModel(
        "meta-llama/Llama-3-8B", "meta-llama/Meta-Llama-3-8B", "LLM-Research/Meta-Llama-3-8B",
        "llama",
        _decoder(vocabulary=128256, width=4096, mlp=14336, layers=32, heads=32, kv_heads=8,
                 positions=8192, eps=1e-5, rope_theta=5e5, bos_token_id=128000,
                 eos_token_id=128001),
        8_030_261_248, "Meta Llama 3 Community License", True, 16.17, 6.59,
    ),
    KnownModel(
        "mistralai/Mistral-7B-v0.1", "mistralai/Mistral-7B-v0.1", "AI-ModelScope/Mistral-7B-v0.1",
        "mistral",
        _decoder(vocabulary=32000, width=4096, mlp=14336, layers=32, heads=32, kv_heads=8,
                 positions=32768, eps=1e-5, rope_theta=1e4, sliding_window=4096,
                 bos_token_id=1, eos_token_id=2),
        7_241_732_096, "Apache-2.0", False, 14.7, 5.11,
    ),
)  # fmt: skip


def known(name: str) -> KnownModel | None:
    """The guide's model of this name, or None.

    Either hub's name, an alias, or any of them without its owner; case doesn't matter.
    """
    wanted = name.strip().strip("/").lower()
    for model in MODELS:
        names = [each.lower() for each in model.names]
        if wanted in names or wanted in (each.partition("/")[2] for each in names):
            return model
    return None


def on_hugging_face(name: str) -> str:
    """The repository to ask for on Hugging Face and its mirrors."""
    model = known(name)
    return model.hugging_face if model else name


def on_modelscope(name: str) -> str:
    """The repository to ask for on ModelScope; other names are the same on both hubs."""
    model = known(name)
    return model.modelscope if model else name
