"""LoRA's leaner forward gives PEFT's numbers to the last bit."""

import copy

import pytest
import torch
from tiny_models import build

from styledial.models.frozen import recompute_activations
from styledial.models.load import load_base
from styledial.models.lora_forward import with_fewer_copies
from styledial.models.policy import with_lora

IDS = torch.arange(5, 69).reshape(2, 32)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(build("Qwen/Qwen2.5-7B", tmp_path_factory.mktemp("base")))


def outcome(policy):
    """Hidden states, reference and gradients of an adapter that is not fresh."""
    generator = torch.Generator().manual_seed(3)
    for name, p in policy.named_parameters():
        if "lora_B" in name:
            p.data.normal_(0, 0.05, generator=generator)
    policy.train()
    hidden = policy(IDS)
    hidden.float().pow(2).mean().backward()
    found = {"hidden": hidden.detach(), "reference": policy.reference(IDS)}
    return found | {n: p.grad.clone() for n, p in policy.named_parameters() if p.requires_grad}


@pytest.mark.filterwarnings("ignore:MatMul8bitLt", "ignore:.*kernels")
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(
    "load",
    [
        {"dtype": "float32"},
        {"dtype": "bfloat16"},
        {"dtype": "bfloat16", "load_in_4bit": True},
        {"dtype": "bfloat16", "load_in_8bit": True},
    ],
)
def test_numbers_are_pefts_own(base, load, checkpointing, monkeypatch):
    if "load_in_4bit" in load or "load_in_8bit" in load:
        pytest.importorskip("bitsandbytes", reason="4 and 8 bits need it")
    from styledial.models import policy as where

    found = []
    for change in (lambda model: model, with_fewer_copies):
        monkeypatch.setattr(where, "with_fewer_copies", change)
        torch.manual_seed(0)
        model = load_base(base, **load)
        if checkpointing:
            recompute_activations(model)
        policy = with_lora(model, r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear")
        found.append(outcome(policy))
    pefts, ours = found
    assert pefts.keys() == ours.keys()
    assert [name for name in pefts if not torch.equal(pefts[name], ours[name])] == []
    assert not torch.equal(ours["hidden"], ours["reference"])


def test_less_is_kept_for_backward(base, monkeypatch):
    from styledial.models import policy as where

    kept = []
    for change in (lambda model: model, with_fewer_copies):
        monkeypatch.setattr(where, "with_fewer_copies", change)
        policy = with_lora(
            copy.deepcopy(load_base(base, dtype="bfloat16")),
            r=4,
            lora_alpha=8,
            lora_dropout=0.0,
            target_modules="all-linear",
        ).train()
        storages = {}

        def keep(tensor, storages=storages):
            storages[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            policy(IDS)
        kept.append(sum(storages.values()))
    assert kept[1] < 0.85 * kept[0]
