"""What fits a card: presets, the largest batch, the least recomputation, the nearest settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from marks import slow_but
from memory_plans import card_between, each_plan_once, plan  # noqa: F401
from real_updates import small_config, small_model

from styledial.config import PRESETS, Config, resolve
from styledial.config.resolve import preset_path
from styledial.memory import fit, gpus
from styledial.memory.plan import Plan
from styledial.memory.savings import savings
from styledial.models.registry import MODELS, known


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "qwen2"
    return small_model("qwen2", folder, num_hidden_layers=2)


@pytest.mark.parametrize("preset", slow_but(PRESETS, "quick"))
def test_a_preset_fits_the_memory_that_its_file_claims(preset: str) -> None:
    claimed = re.search(r"\((\d+) GB\)", preset_path(preset).read_text(encoding="utf-8"))
    assert claimed
    found = plan(resolve(None, preset, {}, []))
    assert fit.fits(found, gpus.memory_card(f"{claimed[1]}GB"))


def test_auto_takes_the_largest_batch_that_fits(model: Path) -> None:
    auto = small_config(model, "per_device_train_batch_size=auto", "gradient_accumulation_steps=4")
    four, eight = (
        plan(
            small_config(
                model, f"per_device_train_batch_size={n}", f"gradient_accumulation_steps={16 // n}"
            )
        )
        for n in (4, 8)
    )
    found = fit.largest_batch(auto, card_between(four, eight))
    assert found is not None
    assert found.changes == {fit.BATCH: 4}
    assert (found.plan.total, found.config.training.gradient_accumulation_steps) == (four.total, 4)
    roomy = fit.largest_batch(auto, gpus.memory_card("80GB"))
    assert roomy
    assert roomy.changes == {fit.BATCH: 16, fit.ACCUMULATION: 1}
    assert fit.largest_batch(auto, gpus.memory_card("100MB")) is None


def rungs(config: Config) -> list[Plan]:
    return [plan(config.with_values({fit.CHECKPOINTING: rung}, "test")) for rung in fit.RUNGS]


@pytest.mark.slow  # which is taken: test_on_a_cpu_the_machines_memory_decides
def test_what_is_computed_twice_is_the_least_that_fits(model: Path) -> None:
    """The rungs in order need less memory and more products; the micro-batch is cut only where it
    still has a thousand tokens."""
    config = small_config(model, f"{fit.BATCH}=8", f"{fit.ACCUMULATION}=2")
    none, second, whole = rungs(config)
    assert none.total > second.total > whole.total
    assert none.flops < second.flops < whole.flops
    # Of the layers' forward products about a half: the last layer's own end is never recomputed.
    assert 0.4 < (second.flops - none.flops) / (whole.flops - none.flops) < 0.6
    for card, rung in (
        (gpus.memory_card("80GB"), False),
        (card_between(second, none), "every_second"),
        (card_between(whole, second), True),
    ):
        found = fit.fastest(config, card)
        assert found is not None
        assert found.changes == {fit.CHECKPOINTING: rung}
        assert found.config.training.micro_batch == 8
        assert found.plan.total == plan(found.config).total
    assert fit.fastest(config, gpus.memory_card("100MB")) is None
    two = config.with_values({fit.BATCH: 16, fit.ACCUMULATION: 1}, "test")
    cut = fit.fastest(two, card_between(none, rungs(two)[0]))
    assert cut is not None  # in two micro-batches of 1,024 tokens nothing is computed twice
    assert cut.changes == {fit.CHECKPOINTING: False, fit.BATCH: 8, fit.ACCUMULATION: 2}
    assert cut.plan.flops == pytest.approx(rungs(two)[0].flops, rel=0.01)


@pytest.mark.slow  # as offered: test_a_run_that_is_too_large
def test_the_nearest_changes_the_result_last(model: Path) -> None:
    config = small_config(model, "gradient_checkpointing=false", "gradient_accumulation_steps=2")
    one, checkpointed = (
        plan(config.with_values({fit.BATCH: 1, fit.ACCUMULATION: 8, name: value}, "test"))
        for name, value in (("training.seed", 1), ("training.gradient_checkpointing", True))
    )
    whole = plan(config)
    two = plan(config.with_values({fit.BATCH: 2, fit.ACCUMULATION: 4}, "test"))
    smaller_batch = fit.nearest(config, whole, card_between(one, two))
    assert smaller_batch
    assert smaller_batch.changes == {fit.BATCH: 1, fit.ACCUMULATION: 8}
    recomputed = fit.nearest(config, whole, card_between(checkpointed, one))
    assert recomputed
    assert recomputed.changes["training.gradient_checkpointing"] is True
    assert "model.load_in_4bit" not in recomputed.changes
    for found in (smaller_batch, recomputed):
        training = found.config.training
        assert training.micro_batch * training.gradient_accumulation_steps == 8
        assert found.plan.total == plan(found.config).total
    assert fit.nearest(config, whole, gpus.memory_card("100MB")) is None


@pytest.mark.slow  # as printed: test_plan_on_the_command_line
def test_savings_are_plans_of_one_change_each(model: Path) -> None:
    config = small_config(model, "gradient_checkpointing=false", "gradient_accumulation_steps=2")
    found = {tuple(s.changes): s for s in savings(config)}
    halved = found[("data.max_length",)]
    assert halved.plan.total == plan(config.with_values(halved.changes, "test")).total
    base = plan(config)
    assert found[("training.gradient_checkpointing",)].plan.allocated < base.allocated
    assert found[("model.attn_implementation",)].plan.allocated > base.allocated
    rank, batch = found[("model.lora_r",)], found[(fit.BATCH, fit.ACCUMULATION)]
    assert rank.plan.allocated < base.allocated
    assert base.allocated - batch.plan.allocated > 5 * (base.allocated - rank.plan.allocated)


@pytest.mark.slow
@pytest.mark.parametrize("name", [model.name for model in MODELS])
def test_the_memory_that_models_lists_is_the_plan(name: str) -> None:
    model = known(name)
    assert model is not None
    for in_4bit, listed in ((False, model.memory_16bit), (True, model.memory_4bit)):
        settings = [
            f"model.model_name_or_path={model.name}",
            "training.per_device_train_batch_size=1",
            f"model.load_in_4bit={str(in_4bit).lower()}",
        ]
        found = plan(resolve(None, None, {}, settings), card=gpus.card_named("RTX 4090"))
        assert found.total / 2**30 == pytest.approx(listed, abs=0.05)
