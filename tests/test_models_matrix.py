"""Every family: fresh KL 0, the loss its own, texts apart, and the whole way to a merged model."""

import json

import pytest
import torch
from adapters import random_adapter
from families import FAMILIES, build_family
from marks import slow_but
from rehearsal import rehearse
from running import invoke, small_run
from tiny_models import TEXT

from styledial.data.pack import IGNORE_INDEX
from styledial.models.adapter import load_adapter, scaled
from styledial.models.support import keeps_texts_apart
from styledial.models.text_part import text_backbone
from styledial.training.losses import fused_nll_kl

IDS = torch.arange(10, 34).unsqueeze(0)  # [1, 24]
QUICK = ["gemma2"]  # with a capped head; six more in test_models_six.py
MIXTURES = [
    "qwen2_moe", "qwen3_moe", "mixtral", "granitemoe", "phimoe", "olmoe", "glm4_moe", "gpt_oss",
    "ernie4_5_moe", "hunyuan_v1_moe", "flex_olmo", "minimax", "dots1", "deepseek_v2",
    "deepseek_v3", "qwen3_next", "llama4_text", "llama4", "lfm2_moe", "jamba",
]  # fmt: skip


def the_loss_is_the_models_own(policy):
    targets = torch.cat([IDS[0, 1:], torch.tensor([IGNORE_INDEX])])
    share = (targets != IGNORE_INDEX).float() / (len(targets) - 1)
    ours = fused_nll_kl(policy(IDS)[0], None, policy.head, targets, share, share)
    own = policy.model(input_ids=IDS, labels=IDS).loss
    assert ours.loss.item() == pytest.approx(own.item(), rel=1e-5)
    ours.loss.backward()
    learnt = {name: p for name, p in policy.named_parameters() if p.requires_grad}
    assert len(learnt) > 2
    still = [n for n, p in learnt.items() if p.grad is None or not p.grad.abs().max() > 0]
    assert not still, still


@torch.no_grad()
def a_text_is_read_as_if_it_stood_alone(policy, kind):
    first, second = IDS[:, :15], IDS[:, 15:]
    alone = policy(second)
    if keeps_texts_apart(kind):
        positions = torch.cat([torch.arange(15), torch.arange(9)]).unsqueeze(0)
        among = policy(IDS, positions)[:, 15:]
    else:  # a row of its own, padded on the right beside a longer one
        padded = torch.nn.functional.pad(second, (0, 6))
        among = policy(torch.cat([first, padded]))[1:, :9]
    assert (among - alone).abs().max() <= 1e-4 * alone.abs().max()


def only_the_text_part_is_adapted(policy):
    inside = {id(p) for p in text_backbone(policy.causal_lm).parameters()}
    learnt = [(n, p) for n, p in policy.named_parameters() if p.requires_grad]
    assert all(id(p) in inside for _, p in learnt)
    assert not [n for n, _ in learnt if ".gate." in n or ".router." in n]


def books_in(folder):
    (folder / "books").mkdir()
    (folder / "books/book.txt").write_text(TEXT * 3, encoding="utf-8")
    return folder / "books"


@pytest.mark.parametrize("name", slow_but(MIXTURES, "mixtral"))
def test_the_experts_of_every_mixture(name, tmp_path) -> None:
    base = build_family(name, tmp_path / "base")
    fresh = random_adapter(base, spread=0.0, experts=True)
    assert torch.equal(fresh(IDS), fresh.reference(IDS))
    policy = random_adapter(base, experts=True)
    only_the_text_part_is_adapted(policy)
    the_loss_is_the_models_own(policy)
    turned_down_and_off(policy)


WHOLE_WAY = ["qwen3_moe", "mixtral", "gpt_oss", "deepseek_v3"]


@pytest.mark.slow  # planned: test_memory_plan.py; held by test_models_families.py
@pytest.mark.parametrize("name", slow_but(WHOLE_WAY, "qwen3_moe"))
def test_experts_by_choice(name, tmp_path, capfd) -> None:
    """Their weights lie in one tensor a layer, which gpt_oss holds the other way round."""
    base = build_family(name, tmp_path / "base")
    figures = rehearse(name, base, tmp_path, books_in(tmp_path), experts=True)
    assert "to serve it, merge it" in capfd.readouterr().err
    assert figures.fresh_kl == 0.0
    assert figures.nll_after < figures.nll_before
    assert figures.merge_gap < 1e-4
    dialled = invoke("dial", figures.adapter, "--remeasure", "--export", "max")
    assert dialled.returncode == 0, dialled.stderr
    half_is_half(figures.adapter)
    refused = invoke("export", figures.adapter, "--to", "vllm")
    assert refused.returncode == 2
    assert "target_parameters" in refused.stderr


@torch.no_grad()
def turned_down_and_off(policy):
    """The dial's scale reaches the experts: with the other layers at 0, half is between."""
    for n, p in policy.named_parameters():
        if "lora_B" in n and ".experts." not in n:
            p.zero_()
    reference, full = policy.reference(IDS), policy(IDS)
    with scaled(policy, 0.5):
        half = policy(IDS)
    distance = (full - reference).norm()
    assert 0.2 * distance < (half - reference).norm() < 0.8 * distance
    with scaled(policy, 0.0):
        assert torch.equal(policy(IDS), reference)


def half_is_half(adapter):
    """An exported strength, scaled inside, is the adapter at that scale."""
    scale = json.loads((adapter / "export/max/summary.json").read_text())["adapter_scale"]
    (whole, _), (exported, _) = load_adapter(adapter), load_adapter(adapter / "export/max")
    with torch.no_grad(), scaled(whole, scale):
        assert torch.allclose(whole(IDS), exported(IDS), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["model.lora_experts=true"], "qwen2 has no experts"),
        (["model.lora_experts=true", "model.use_dora=true"], "model.use_dora: false"),
        (["model.lora_experts=true", "model.lora_dropout=0.1"], "model.lora_dropout: 0"),
    ],
)
def test_experts_where_there_are_none(settings, named, tiny_base, novels, tmp_path) -> None:
    done = invoke("train", *small_run(tiny_base, novels, tmp_path / "run"), *settings)
    assert done.returncode == 2
    assert named in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", slow_but(FAMILIES, *QUICK))
def test_a_family_goes_the_whole_way(name, tmp_path) -> None:
    base = build_family(name, tmp_path / "base")
    policy = random_adapter(base)
    only_the_text_part_is_adapted(policy)
    the_loss_is_the_models_own(policy)
    a_text_is_read_as_if_it_stood_alone(policy, name)
    figures = rehearse(name, base, tmp_path, books_in(tmp_path))
    assert figures.fresh_kl == 0.0
    assert figures.nll_after < figures.nll_before
    assert figures.merge_gap < 1e-4
    assert figures.round_trip
    dialled = invoke("dial", figures.adapter, "--remeasure")
    assert dialled.returncode == 0, dialled.stderr
