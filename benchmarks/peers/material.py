"""What all ways are given: the same weights, the same tokens, the same LoRA.

Shapes with random weights are made once and saved in bf16; SmolLM2 is the real one, in a folder
that the command names. Tokens are of the bundled general text where the tokenizer is real, else
random. They are whole rows of one text each, so that no way has anything to pad or to mask.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

LORA = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0}
LEARNING_RATE, CLIP = 2e-4, 1.0
UPDATES = 400  # more than any piece makes

_QWEN2 = {"model_type": "qwen2", "max_position_embeddings": 32_768}
SHAPES: dict[str, dict[str, Any]] = {
    # For trying the scripts: seconds for an update.
    "tiny": _QWEN2 | {"vocab_size": 4096, "hidden_size": 64, "intermediate_size": 176,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "tie_word_embeddings": True},
    "qwen2.5-0.5b": _QWEN2 | {"vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864,
        "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
        "tie_word_embeddings": True},
    "qwen2.5-1.5b": _QWEN2 | {"vocab_size": 151_936, "hidden_size": 1536, "intermediate_size": 8960,
        "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
        "tie_word_embeddings": True},
    "qwen2.5-7b": _QWEN2 | {"vocab_size": 152_064, "hidden_size": 3584, "intermediate_size": 18_944,
        "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4},
    "qwen2.5-14b": _QWEN2 | {"vocab_size": 152_064, "hidden_size": 5120, "intermediate_size": 13_824,
        "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8},
    "llama-3-8b": {"model_type": "llama", "vocab_size": 128_256, "hidden_size": 4096,
        "intermediate_size": 14_336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "max_position_embeddings": 8192},
}  # fmt: skip
REAL = "smollm2"  # --smollm2 says where it is


def folder_of(shape: str, made: Path, smollm2: Path) -> Path:
    """The model's folder; a random one is written into `made` at its first use."""
    if shape == REAL:
        return smollm2
    folder = made / shape
    if not (folder / "complete").is_file():
        _make(SHAPES[shape], folder)
        (folder / "complete").touch()
    return folder


def _make(shape: dict[str, Any], folder: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from styledial.models.load import load_tokenizer

    torch.manual_seed(0)
    config = AutoConfig.for_model(**shape)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    load_tokenizer("bundled").save_pretrained(folder)  # nobody tokenises; trainers ask for one


def token_rows(shape: str, folder: Path, length: int, count: int) -> np.ndarray:
    """int32 [count, length + 1], the rows of every update; a row's last token is a target only."""
    if shape != REAL:
        draw = np.random.default_rng(0)
        size = min(SHAPES[shape]["vocab_size"], 2048)  # ids that the saved tokenizer has too
        return draw.integers(0, size, (count, length + 1), dtype=np.int32)
    from styledial.data.texts import ASSETS
    from styledial.models.load import load_tokenizer

    tokenizer = load_tokenizer(str(folder))
    text = "\n".join(p.read_text(encoding="utf-8") for p in sorted(ASSETS.glob("general/*.txt")))
    ids = np.array(tokenizer(text)["input_ids"], dtype=np.int32)
    return np.resize(ids, (count, length + 1))
