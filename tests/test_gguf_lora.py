"""An adapter as GGUF LoRA, run by llama.cpp: its distributions are those of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from exports import exported
from safetensors.torch import load_file, save_file
from tiny_models import build

from styledial.errors import AdapterError
from styledial.models.gguf_lora import write_gguf_lora
from styledial.models.llama_cpp import LlamaCpp

gguf = pytest.importorskip("gguf", reason="the extra gguf is not installed")
IDS = list(range(5, 45))
_GEMMA = {"head_dim": 32, "sliding_window": 512, "query_pre_attn_scalar": 32}
# model_type -> (changes, GGUF's family, largest difference of a log-probability: llama.cpp takes
# Gemma's GELU from a table in float16).
FAMILIES: dict[str, tuple[dict[str, Any], str, float]] = {
    "qwen2": ({}, "qwen2", 1e-4),
    "qwen3": ({"head_dim": 32}, "qwen3", 1e-4),
    "llama": ({}, "llama", 1e-4),
    "mistral": ({"sliding_window": None}, "llama", 1e-4),
    "gemma": ({"head_dim": 32}, "gemma", 5e-3),
    "gemma2": (_GEMMA, "gemma2", 5e-3),
    "gemma3_text": (_GEMMA, "gemma3", 5e-3),
}


def adapter_on(kind: str, folder: Path, **how: bool) -> tuple[Path, Path]:
    base = build(kind, folder / "base", kind=kind, **FAMILIES[kind][0])
    return base, exported(base, folder, **how)[0]


def peft_log_probs(base: Path, adapter: Path, scale: float) -> torch.Tensor:
    from peft import PeftModel
    from peft.helpers import rescale_adapter_scale

    from styledial.models.load import load_base
    from styledial.models.policy import quiet_peft

    with quiet_peft():
        model = PeftModel.from_pretrained(load_base(str(base), dtype="float32"), str(adapter))
    with torch.no_grad(), rescale_adapter_scale(model, scale):
        return model.eval()(torch.tensor([IDS])).logits[0, -1].log_softmax(-1)


@pytest.mark.parametrize("kind", FAMILIES)
def test_llama_cpp_gives_what_transformers_gives(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="llama.cpp (the extra llamacpp) is not installed")
    from gguf_bases import write_base

    _, family, tolerance = FAMILIES[kind]
    base, adapter = adapter_on(kind, tmp_path, rslora=kind == "llama")
    interleaved = family == "llama"
    write_base(base, tmp_path / "base.gguf", family, heads_interleaved=interleaved)
    write_gguf_lora(adapter, base, tmp_path / "lora.gguf", name="tiny")
    llama = LlamaCpp(tmp_path / "base.gguf", tmp_path / "lora.gguf")
    wanted = {scale: peft_log_probs(base, adapter, scale) for scale in (0.0, 0.5, 1.0)}
    assert (wanted[0.5] - wanted[0.0]).abs().max() > 20 * tolerance  # the adapter is felt
    for scale, expected in wanted.items():
        found = llama.next_token(IDS, len(expected), scale=scale)
        assert (found - expected).abs().max() < tolerance, scale


def test_every_reader_gets_pefts_scaling(tmp_path: Path) -> None:
    """GGUF has one alpha a file and no rsLoRA: patterns and sqrt(r) have to be inside B."""
    base, adapter = adapter_on("qwen2", tmp_path)
    path = adapter / "adapter_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings |= {"use_rslora": True, "alpha_pattern": {r"layers.1.mlp.up_proj": 40}}
    path.write_text(json.dumps(settings), encoding="utf-8")
    write_gguf_lora(adapter, base, tmp_path / "lora.gguf", name="tiny", scale=0.5)
    reader = gguf.GGUFReader(tmp_path / "lora.gguf")
    written = {each.name: torch.from_numpy(each.data.copy()) for each in reader.tensors}
    held = load_file(adapter / "adapter_model.safetensors")
    alpha = reader.get_field("adapter.lora.alpha").contents()
    for module, name, own in (
        ("layers.0.mlp.up_proj", "blk.0.ffn_up", 8),
        ("layers.1.mlp.up_proj", "blk.1.ffn_up", 40),
    ):
        b, a = (held[f"base_model.model.model.{module}.lora_{part}.weight"] for part in "BA")
        expected = 0.5 * own / 4**0.5 * b @ a
        w_b, w_a = (written[f"{name}.weight.lora_{part}"] for part in "ba")
        assert torch.allclose(alpha / w_b.shape[1] * w_b @ w_a, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"bias": "all"}, "whole layers or biases"),
        ({"modules_to_save": ["lm_head"]}, "whole layers or biases"),
    ],
)
def test_what_gguf_has_no_place_for_is_refused(
    settings: dict[str, Any], says: str, tmp_path: Path
) -> None:
    base, adapter = adapter_on("qwen2", tmp_path)
    path = adapter / "adapter_config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **settings}), encoding="utf-8")
    with pytest.raises(AdapterError, match=rf"{says}.*--to gguf"):
        write_gguf_lora(adapter, base, tmp_path / "lora.gguf", name="tiny")
    assert not (tmp_path / "lora.gguf").exists()


def test_a_family_that_nobody_compared_is_refused(tmp_path: Path) -> None:
    base, adapter = adapter_on("qwen2", tmp_path)
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(json.dumps({**config, "model_type": "bloom"}))
    with pytest.raises(AdapterError, match="family bloom"):
        write_gguf_lora(adapter, base, tmp_path / "lora.gguf", name="tiny")


@pytest.mark.parametrize(
    "name", ["model.embed_tokens.lora_embedding_A", "model.lm_head.lora_A.weight"]
)
def test_layers_that_llama_cpp_cannot_adapt_are_refused(name: str, tmp_path: Path) -> None:
    base, adapter = adapter_on("qwen2", tmp_path)
    path = adapter / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({**weights, f"base_model.model.{name}": torch.zeros(4, 64)}, path)
    with pytest.raises(AdapterError, match=r"place for"):
        write_gguf_lora(adapter, base, tmp_path / "lora.gguf", name="tiny")
