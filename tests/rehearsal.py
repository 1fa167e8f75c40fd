"""One model's whole way: train -> adapter -> generate -> merge -> reload, with its figures."""

import shutil
from dataclasses import dataclass, replace
from unittest import mock

import torch
from tiny_models import TEXT

from styledial.build.readings import MOST
from styledial.config import resolve
from styledial.models.adapter import load_adapter
from styledial.models.generation import Sampling, continue_text
from styledial.models.load import load_base, load_tokenizer
from styledial.models.merge import merge_adapter
from styledial.models.policy import with_lora

SENTENCE = "武松提了哨棒，大着步，自过景阳冈来。 The rain fell."


@dataclass(frozen=True)
class Figures:
    """fresh_kl: nats, of an untrained adapter; nll: of the first lines learnt; merge_gap: largest difference in logits, fp32."""

    name: str
    parameters: int
    fresh_kl: float
    nll_before: float
    nll_after: float
    generated: int
    merge_gap: float
    round_trip: bool
    adapter: object = None


def rehearse(name, base, work, novels, *, dora=False, experts=False, more=()):
    """Train a few steps on `novels` through the product's own entry, then use what it left."""
    from styledial.run.train import train_from_config

    tokenizer = load_tokenizer(str(base))
    fresh = with_lora(
        load_base(str(base), dtype="float32"),
        r=4,
        lora_alpha=8,
        lora_dropout=0.0,
        target_modules="all-linear",
        use_dora=dora,
        experts=experts,
    )
    ids = tokenizer(SENTENCE, return_tensors="pt")["input_ids"]
    fresh_kl = kl(fresh, ids)
    nll_before = nll(fresh.model, tokenizer)

    out = work / "run"
    config = resolve(
        None,
        None,
        {},
        [
            f"model.model_name_or_path={base}",
            "model.dtype=float32",
            "model.lora_r=4",
            f"model.use_dora={str(dora).lower()}",
            f"model.lora_experts={str(experts).lower()}",
            f"data.data_dir={novels}",
            "data.max_length=48",
            f"data.general={novels}",
            "data.validation_split=0.2",
            f"training.output_dir={out}",
            "training.max_steps=12",
            "training.learning_rate=0.01",
            "training.kl_mode=off",
            "training.per_device_train_batch_size=2",
            "training.gradient_accumulation_steps=1",
            *more,
        ],
    )
    with mock.patch("styledial.build.readings.MOST", replace(MOST, sample=4)):
        train_from_config(config)

    # A merge is of the unquantised base, whatever the run was trained on.
    plain = {"load_in_4bit": False, "load_in_8bit": False}
    tuned = load_adapter(out, dtype="float32", **plain)[0].model
    written = continue_text(tuned, tokenizer, SENTENCE, Sampling(12, temperature=1.0))
    merged_folder = merge_adapter(out, work / "merged", base=str(base), dtype="float32")
    merged = load_base(str(merged_folder), dtype="float32")
    again = load_tokenizer(str(merged_folder))
    with torch.no_grad():
        gap = (tuned(ids).logits - merged(ids).logits).abs().max().item()
    figures = Figures(
        name=name,
        parameters=sum(p.numel() for p in merged.parameters()),
        fresh_kl=fresh_kl,
        nll_before=nll_before,
        nll_after=nll(tuned, tokenizer),
        generated=len(tokenizer(written, add_special_tokens=False)["input_ids"]),
        merge_gap=gap,
        round_trip=again(SENTENCE)["input_ids"] == tokenizer(SENTENCE)["input_ids"],
        adapter=out,
    )
    shutil.rmtree(merged_folder)
    return figures


@torch.no_grad()
def nll(model, tokenizer):
    """Mean NLL of the first lines of the text that is trained on."""
    ids = tokenizer(TEXT[:80], return_tensors="pt")["input_ids"]
    return model(ids, labels=ids).loss.item()


@torch.no_grad()
def kl(policy, ids):
    """Mean KL(tuned || base) over the tokens, by the product's own loss."""
    from styledial.training.losses import fused_nll_kl

    n = ids.numel()
    targets, ones = torch.zeros(n, dtype=torch.long), torch.ones(n)
    hidden, reference = policy(ids).flatten(0, 1), policy.reference(ids).flatten(0, 1)
    return fused_nll_kl(hidden, reference, policy.head, targets, ones, ones).kl.max().item()
