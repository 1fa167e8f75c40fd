"""Merges and adapters of eight families, and what other versions of the libraries make of them.

python tests/exports.py read FILE      in any environment: FILE says what to read, as JSON
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

IDS = torch.arange(5, 45).reshape(2, 20)
_LLAMA31 = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip
# Name -> the kind and the changes of tiny_models.build; none for the guide's own.
FAMILIES = {
    "Qwen/Qwen2.5-1.5B": (None, {}),
    "Qwen/Qwen2.5-7B": (None, {}),
    "meta-llama/Llama-3.1-8B": ("llama", {"rope_parameters": _LLAMA31}),
    "mistralai/Mistral-7B-v0.1": (None, {}),
    "01-ai/Yi-1.5-6B": ("llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 5e6}}),
    "THUDM/chatglm3-6b": (None, {}),
    "Qwen/Qwen3-8B": ("qwen3", {"head_dim": 32, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
    "zai-org/GLM-4-9B-0414": ("glm4", {"head_dim": 16, "attention_bias": False}),
    "google/gemma-3-1b-pt": ("gemma3_text", {"head_dim": 32, "sliding_window": 16}),
}  # fmt: skip


def published_base(name: str, folder: Path) -> Path:
    """A tiny model whose files have the names that its authors' have, which transformers 4 reads."""
    from tiny_models import build

    kind, changes = FAMILIES[name]
    build(name, folder, kind=kind, **changes)
    if name == "THUDM/chatglm3-6b":
        return folder
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    rope = config.pop("rope_parameters")
    if "full_attention" in rope:  # Gemma 3
        config["rope_theta"] = rope["full_attention"]["rope_theta"]
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    else:
        config["rope_theta"] = rope.pop("rope_theta")
        if "partial_rotary_factor" in rope:
            config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
        if rope.get("rope_type", "default") != "default":
            config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype", "float32")
    path.write_text(json.dumps({**config, "use_cache": True}), encoding="utf-8")
    path = folder / "tokenizer_config.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    if tokenizer["tokenizer_class"] == "TokenizersBackend":
        tokenizer["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "LICENSE").write_text("as it pleases you", encoding="utf-8")
    return folder


def exported(base: Path, folder: Path, *, rslora: bool = False, dora: bool = False):
    """(adapter, merged, logits of the tuned model on IDS) of a random adapter of some strength."""
    from dataclasses import asdict

    from adapters import random_adapter

    from styledial.files import write_json
    from styledial.models.adapter import save_model
    from styledial.models.identity import describe_base
    from styledial.models.merge import merge_adapter

    policy = random_adapter(base, seed=3, use_rslora=rslora, use_dora=dora).eval()
    with torch.no_grad():
        logits = policy.model(IDS).logits
        moved = (logits - policy.reference(IDS) @ policy.head.weight.T).abs().max()
    assert moved > 0.1
    save_model(policy, folder / "adapter")
    write_json(
        folder / "adapter" / "base.json", asdict(describe_base(str(base), {"dtype": "float32"}))
    )
    return folder / "adapter", merge_adapter(folder / "adapter", folder / "merged"), logits


def read_elsewhere(python: Path, folder: Path, jobs: list[list[str]]) -> list[dict]:
    """`jobs` [[model], [base, adapter], ...] read by another Python, with one start of it."""
    path = folder / "jobs.json"
    path.write_text(json.dumps(jobs), encoding="utf-8")
    done = subprocess.run(
        [python, __file__, "read", path], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    return torch.load(path.with_suffix(".pt"))


def _read(path: Path) -> None:
    """Without any of our code: what the libraries of this environment make of the folders."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    found = []
    for model, *adapter in json.loads(path.read_text(encoding="utf-8")):
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
        if adapter:
            from peft import PeftModel

            loaded = PeftModel.from_pretrained(loaded, adapter[0])
        tokenizer = AutoTokenizer.from_pretrained(model)
        with torch.no_grad():
            logits = loaded.eval()(IDS).logits
        found.append(
            {"logits": logits, "ids": tokenizer("武松提了哨棒。 The rain fell.")["input_ids"]}
        )
    torch.save(found, path.with_suffix(".pt"))


if __name__ == "__main__":
    _read(Path(sys.argv[2]))
