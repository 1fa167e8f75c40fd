"""SmolLM2-135M in llama.cpp: a short training, exported as GGUF LoRA, on the very Q4_1 file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from running import LITTLE_TEXT, invoke

from styledial.data.texts import ASSETS
from styledial.models.gguf_lora import write_gguf_lora
from styledial.models.llama_cpp import LlamaCpp
from styledial.models.load import load_tokenizer
from styledial.models.policy import quiet_peft

pytestmark = pytest.mark.slow
PROMPTS = ["The captain looked out over the grey sea and", "She closed the letter slowly, because"]


@pytest.fixture(scope="module")
def smollm2() -> Path:
    pytest.importorskip("xllamacpp", reason="llama.cpp (the extra llamacpp) is not installed")
    pytest.importorskip("gguf", reason="the extra gguf is not installed")
    folder = Path.home() / ".cache" / "styledial" / "smollm2-135m"
    if not (folder / "model.safetensors").is_file():
        pytest.skip("SmolLM2 is not here: python ../shared/models/get_smollm2.py fetches it")
    return folder


@pytest.fixture(scope="module")
def adapter(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six updates on some pages of a novel."""
    novels = tmp_path_factory.mktemp("novels")
    lines = (ASSETS / "general" / "a7.txt").read_text(encoding="utf-8")
    (novels / "one.txt").write_text(lines[:9000], encoding="utf-8")
    (novels / "two.txt").write_text(lines[9000:18000], encoding="utf-8")
    out = tmp_path_factory.mktemp("run") / "style"
    with pytest.MonkeyPatch.context() as patch:
        for each in LITTLE_TEXT:
            patch.setattr(*each)
        done = invoke(
            "train",
            f"model_name_or_path={smollm2}",
            f"data_dir={novels}",
            f"output_dir={out}",
            "max_length=64",
            "max_steps=6",
            "per_device_train_batch_size=4",
            "gradient_accumulation_steps=1",
            "learning_rate=0.002",
            "anchor=off",
            "kl_beta=0.3",
            f"general={ASSETS / 'general/a7.txt'}",
            "evaluate_at_end=off",
            "gradient_checkpointing=false",
        )
    assert done.returncode == 0, done.stderr
    return out


# Weights as they are in llama.cpp -> KL to transformers, and difference of the log-probability of a
# token above 1%, both at most. In float32 nothing but rounding is left. In front of quantised
# weights llama.cpp rounds the activations too: KL 4e-3 for that, with the adapter and without it.
BASES = {"F32": (1e-9, 1e-4), "Q4_1": (1e-2, 0.5)}


@pytest.mark.parametrize("kind", BASES)
def test_llama_cpp_is_transformers_on_the_dequantised_base(
    kind: str, smollm2: Path, adapter: Path, tmp_path: Path
) -> None:
    from gguf_bases import requantised

    write_gguf_lora(adapter, smollm2, tmp_path / "lora.gguf", name="style")
    (q4,) = (smollm2 / "gguf").glob("*.gguf")
    base = q4 if kind == "Q4_1" else requantised(q4, tmp_path / "base.gguf", kind)
    llama = LlamaCpp(base, tmp_path / "lora.gguf")
    most_kl, most = BASES[kind]
    tokenizer = load_tokenizer(str(smollm2))
    for ids, read in by_transformers(q4, adapter, tokenizer):
        seen = {scale: llama.next_token(ids, len(w), scale=scale) for scale, w in read.items()}
        for scale, wanted in read.items():
            likely = wanted.exp() > 0.01
            kl = float((wanted.exp() * (wanted - seen[scale])).sum())
            print(f"{kind} {scale}: KL {kl:.1e}, {(seen[scale] - wanted)[likely].abs().max():.1e}")
            assert -1e-9 < kl < most_kl, scale
            assert (seen[scale] - wanted)[likely].abs().max() < most, scale
        moved, there = (each[1.0] - each[0.0] for each in (read, seen))
        weights = read[0.0].exp().sqrt()
        # Rounding noise in both readings: 0.957 was seen on Q4_1, 1.000 in float32.
        assert torch.cosine_similarity(moved * weights, there * weights, dim=0) > 0.9


def by_transformers(
    q4: Path, adapter: Path, tokenizer: Any
) -> Iterator[tuple[list[int], dict[float, torch.Tensor]]]:
    """(ids, scale -> next-token log-probabilities) of the base dequantised by transformers."""
    from peft import PeftModel
    from peft.helpers import rescale_adapter_scale
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(q4.parent, gguf_file=q4.name, dtype=torch.float32)
    with quiet_peft():
        model = PeftModel.from_pretrained(model, str(adapter)).eval()
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        read = {}
        for scale in (0.0, 0.5, 1.0):
            with torch.no_grad(), rescale_adapter_scale(model, scale):
                logits = model(torch.tensor([ids])).logits[0, -1]
            read[scale] = logits.double().log_softmax(-1)
        yield ids, read


def test_each_request_has_its_own_strength_and_repeats(
    smollm2: Path, adapter: Path, tmp_path: Path
) -> None:
    write_gguf_lora(adapter, smollm2, tmp_path / "lora.gguf", name="style")
    (gguf,) = (smollm2 / "gguf").glob("*.gguf")
    llama = LlamaCpp(gguf, tmp_path / "lora.gguf")

    def writes(scale: float) -> str:
        answer = llama.complete(
            PROMPTS[0], scale=scale, n_predict=24, temperature=0.8, seed=7, top_k=0
        )
        return answer["choices"][0]["text"]

    first = {scale: writes(scale) for scale in (0.0, 0.5, 1.0)}
    assert len(set(first.values())) == 3
    assert {scale: writes(scale) for scale in (1.0, 0.0, 0.5)} == first
