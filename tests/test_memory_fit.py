"""What fits a card: presets, the batch size `auto`, --fit, and a run that is stopped in time."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from marks import slow_but
from real_updates import small_config, small_model
from running import invoke, small_run
from torch.distributed import HashStore

from styledial.config import PRESETS, Config, resolve
from styledial.config.resolve import preset_path
from styledial.distributed.ranks import Place
from styledial.errors import UserError
from styledial.memory import fit, gpus, host, settle
from styledial.memory import plan as planning
from styledial.memory import savings as alternatives
from styledial.memory.plan import Plan
from styledial.memory.savings import savings
from styledial.memory.settle import settle as settled
from styledial.models import fsdp
from styledial.models.registry import MODELS, known
from styledial.units import memory_size

RUN = "styledial.run.prepare"  # where a run builds its parts
ALONE = Place(0, 1, 0, 1)
_PLANS: dict[tuple[str, ...], Plan] = {}


def plan(config: Config, *, card: gpus.Card | None = None, **how: Any) -> Plan:
    """As the plan proper, each made once: searches and tests ask for many of them again."""
    kind = (card.bf16, card.hopper, card.is_gpu) if card else None
    key = config.model_dump_json(), repr((kind, sorted(how.items())))
    if key not in _PLANS:
        _PLANS[key] = planning.plan(config, card=card, **how)
    return _PLANS[key]


@pytest.fixture(autouse=True)
def _each_plan_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (fit, settle, alternatives):
        monkeypatch.setattr(module, "plan", plan)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "qwen2"
    return small_model("qwen2", folder, num_hidden_layers=2)


def card_between(*plans: object) -> gpus.Card:
    """A card on which the smaller of two plans fits and the larger doesn't."""
    totals = [found.total for found in plans]  # type: ignore[attr-defined]
    return gpus.Card("Test GPU", int(sum(totals) / 2 / (1 - gpus.MARGIN)))


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


def test_what_the_user_says_of_checkpointing_stays(model: Path, with_card) -> None:
    with_card(gpus.memory_card("80GB"))
    for typed, kept in (("true", True), ("every-second", "every_second"), ("no", False)):
        config = small_config(model, f"{fit.CHECKPOINTING}={typed}")
        told: list[str] = []
        trained, planned = settled(config, when_too_large="refuse", here=ALONE, store=None,
                                   note=lambda en, zh, told=told: told.append(en))  # fmt: skip
        assert trained.training.gradient_checkpointing == kept
        assert planned is not None
        assert not any("auto" in line for line in told)


@pytest.mark.parametrize(
    ("free", "chosen", "said"),
    [
        (80 * gpus.GIB, False, "far more than this run needs"),
        (None, False, "no activations recomputed"),
        (1, True, "may become slow"),
    ],
)
def test_on_a_cpu_the_machines_memory_decides(
    free: int | None, chosen: object, said: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(model)
    if free is None:  # enough, and not plainly so
        kept = config.with_values({fit.CHECKPOINTING: False}, "test")
        free = int(plan(kept, device="cpu").total / 0.6)
    monkeypatch.setattr(host, "free_memory", lambda: free)
    monkeypatch.setattr(gpus, "found_card", lambda: None)
    told: list[str] = []
    trained, planned = settled(
        config, when_too_large="refuse", here=ALONE, store=None, note=lambda en, zh: told.append(en)
    )
    assert trained.training.gradient_checkpointing is chosen
    assert planned is None
    assert [said in line for line in told] == [True]


def test_without_a_figure_of_free_memory_everything_is_computed_twice(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "free_memory", lambda: None)
    monkeypatch.setattr(gpus, "found_card", lambda: None)
    told: list[str] = []
    trained, _ = settled(
        small_config(model, "per_device_train_batch_size=auto"), when_too_large="refuse",
        here=ALONE, store=None, note=lambda en, zh: told.append(en),
    )  # fmt: skip
    assert trained.training.gradient_checkpointing is True
    assert isinstance(trained.training.per_device_train_batch_size, int)
    assert "free memory is not known" in told[-1]


@pytest.mark.parametrize(
    ("limit", "cached", "free"),
    [("1000", "inactive_file 300", 700), ("max", "inactive_file 300", None),
     ("500", "total_inactive_file 0", 0)],
)  # fmt: skip
def test_files_read_before_are_no_memory_in_use(limit, cached, free, tmp_path: Path) -> None:
    """In a container a download filled its limit, and there seemed to be none left."""
    (tmp_path / "most").write_text(limit + "\n")
    (tmp_path / "used").write_text("600\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\n{cached}\nactive_file 7\n")
    assert host._of_container(tmp_path, "most", "used") == free
    assert host._of_container(tmp_path / "none", "most", "used") is None


@pytest.mark.parametrize("settings", [(), ("attn_implementation=eager",), ("use_peft=false",)])
def test_what_plainly_fits_does_fit(settings: tuple[str, ...], model: Path) -> None:
    config = small_config(model, f"{fit.CHECKPOINTING}=false", *settings)
    needs = plan(config, device="cpu").total
    assert not host.plainly_fits(config, gpus.Card("CPU", needs, margin=0, is_gpu=False))
    assert host.plainly_fits(config, gpus.Card("CPU", 20 * needs, margin=0, is_gpu=False))


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


@pytest.fixture
def with_card(monkeypatch: pytest.MonkeyPatch):
    def use(card: gpus.Card) -> None:
        monkeypatch.setattr(gpus, "found_card", lambda: card)

    return use


def test_a_run_that_is_too_large_stops_before_its_weights(
    tiny_base: Path, novels: Path, tmp_path: Path, with_card, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with what it offers, or --fit, it runs."""
    out = tmp_path / "out"
    settings = [*small_run(tiny_base, novels, out), "training.max_steps=2", "data.max_length=256"]
    eight = plan(resolve(None, None, {}, settings))
    four = plan(resolve(None, None, {}, [*settings, f"{fit.BATCH}=4", f"{fit.ACCUMULATION}=2"]))
    with_card(card_between(four, eight))
    with monkeypatch.context() as patch:
        patch.setattr(f"{RUN}.build_policy", lambda config: pytest.fail("weights were loaded"))
        done = invoke("train", *settings)
    assert done.returncode == 2
    assert not out.exists()
    offered = f"{fit.BATCH}=4 {fit.ACCUMULATION}=2"
    assert (
        f"Nothing was loaded. The closest configuration that fits ({memory_size(four.total)})"
        in done.stderr
    )
    assert offered in done.stderr
    assert invoke("train", *settings, *offered.split()).returncode == 0
    told = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    assert told["total_bytes"] == four.total
    assert invoke("train", *settings, "--fit", "--overwrite").returncode == 0
    used = resolve(out / "train_config.yaml")
    assert (used.training.micro_batch, used.training.gradient_accumulation_steps) == (4, 2)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["micro_batch_size"], summary["steps"]) == (4, 2)
    assert invoke("train", *settings, "--ignore-plan", "--overwrite").returncode == 0
    assert json.loads((out / "plan.json").read_text(encoding="utf-8"))["total_bytes"] == eight.total


@pytest.mark.slow  # with a micro-batch that was chosen: test_auto_in_a_run_and_in_its_resume
def test_a_run_that_was_fitted_goes_on_as_it_was_fitted(
    tiny_base: Path, novels: Path, tmp_path: Path, with_card, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though --fit took a shorter text, which alone would make it another run."""
    out = tmp_path / "out"
    settings = [*small_run(tiny_base, novels, out), "data.max_length=512", f"{fit.BATCH}=1",
                "training.gradient_checkpointing=true", "training.save_steps=2"]  # fmt: skip
    monkeypatch.setattr(fit, "allows_4bit", lambda config: False)  # larger than this tiny base
    whole, half = (
        plan(resolve(None, None, {}, [*settings, f"data.max_length={n}"])) for n in (512, 256)
    )
    with_card(card_between(whole, half))
    assert invoke("train", *settings, "max_steps=2", "--fit").returncode == 0
    assert resolve(out / "train_config.yaml").data.max_length < 512
    done = invoke("train", *settings, "max_steps=4", "--fit", "--resume")
    assert done.returncode == 0
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["steps"] == 4


def test_without_bitsandbytes_four_bits_are_no_offer(
    model: Path, with_card, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(model, f"{fit.BATCH}=1")
    assert fit.allows_4bit(config)
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None)
    assert not fit.allows_4bit(config)
    with_card(gpus.memory_card("100MB"))
    with pytest.raises(UserError, match="does not fit even") as refused:
        settled(config, when_too_large="fit", here=ALONE, store=None, note=lambda en, zh: None)
    assert "load_in_4bit" not in str(refused.value)


def test_auto_in_a_run_and_in_its_resume(
    tiny_base: Path, novels: Path, tmp_path: Path, with_card
) -> None:
    out = tmp_path / "out"
    settings = [*small_run(tiny_base, novels, out), f"{fit.BATCH}=auto", f"{fit.ACCUMULATION}=2",
                "training.save_steps=2"]  # fmt: skip
    assert invoke("train", *settings, "training.max_steps=2").returncode == 0  # no GPU: 4 rows
    assert resolve(out / "train_config.yaml").training.per_device_train_batch_size == 4
    with_card(gpus.memory_card("24GB"))
    assert invoke("train", *settings, "training.max_steps=4", "--resume").returncode == 0
    used = resolve(out / "train_config.yaml").training
    assert (used.per_device_train_batch_size, used.gradient_accumulation_steps) == (8, 1)


def test_all_processes_take_what_fits_the_smallest_of_their_gpus(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(model, f"{fit.BATCH}=auto", f"{fit.ACCUMULATION}=4", "fsdp=off")
    four, eight = (
        plan(config.with_values({fit.BATCH: n, fit.ACCUMULATION: 16 // n}, ""), processes=2)
        for n in (4, 8)
    )
    cards = {"0": gpus.memory_card("80GB"), "1": card_between(four, eight)}
    monkeypatch.setattr(gpus, "found_card", lambda: cards[threading.current_thread().name])
    store, told, results = HashStore(), [], {}

    def one(rank: int) -> None:
        results[rank] = settled(
            config,
            when_too_large="refuse",
            here=Place(rank, 2, rank, 2),
            store=store,
            note=lambda en, zh: told.append(en),
        )

    threads = [threading.Thread(target=one, args=(rank,), name=str(rank)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0][0] == results[1][0]
    assert results[0][0].training.per_device_train_batch_size == 4
    assert results[0][1].total == four.total
    assert results[1][1] is None
    assert sum(f"{fit.BATCH}=4" in line and "16 rows on each GPU" in line for line in told) == 1


@pytest.mark.parametrize("batch", ["auto", "4"])
def test_a_base_that_fsdp_shards_is_not_planned(
    batch: str, model: Path, with_card, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_card(gpus.memory_card("24GB"))
    monkeypatch.setattr(fsdp, "_MOST", 1e-9)  # of the card: any base is large
    monkeypatch.setattr(settle, "from_all", lambda here, store, name, own: [own])
    told: list[str] = []
    config = small_config(model, f"{fit.BATCH}={batch}")
    found, planned = settled(
        config,
        when_too_large="fit",
        here=Place(0, 2, 0, 2),
        store=HashStore(),
        note=lambda en, zh: told.append(en),
    )
    assert (found.training.per_device_train_batch_size, planned) == (4, None)
    assert "fsdp will shard the base" in told[-1]


def test_a_model_that_cannot_be_planned_still_trains(
    model: Path, with_card, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **more: object) -> None:
        raise RuntimeError("no fake kernel")

    with_card(gpus.memory_card("24GB"))
    for module in (settle, fit):
        monkeypatch.setattr(module, "plan", fails)
    told: list[str] = []
    config = small_config(model)
    found = settled(
        config, when_too_large="refuse", here=ALONE, store=None, note=lambda en, zh: told.append(en)
    )
    assert found == (config.with_values({fit.CHECKPOINTING: True}, "auto"), None)
    assert "no fake kernel" in told[-1]
    assert "memory: not planned" in told[-1]


def test_nothing_fits(model: Path, with_card) -> None:
    with_card(gpus.memory_card("100MB"))
    config = small_config(model, f"{fit.BATCH}=1")
    with pytest.raises(UserError, match="use a smaller model"):
        settled(config, when_too_large="fit", here=ALONE, store=None, note=lambda en, zh: None)


def test_plan_on_the_command_line(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [f"model.model_name_or_path={model}", "data.anchor=bundled", "max_length=128",
             f"{fit.BATCH}=2"]  # fmt: skip
    done = invoke("plan", *given, "--memory", "100MB", "--fit", "--savings")
    assert done.returncode == 0
    assert "Does not fit" in done.stderr
    assert "It does not fit even with training.per_device_train_batch_size=1" in done.stderr
    assert re.search(r"GiB +[+-]\d+\.\d% +model\.load_in_4bit=true", done.stderr)
    said = invoke("plan", *given, "--json").stderr  # both streams
    found = json.loads(said[said.index("{") :])
    assert set(found) >= {
        "allocated_bytes",
        "reserved_bytes",
        "extras",
        "total_bytes",
        "breakdown",
        "peak_phase",
        "peak_op",
    }
    auto = invoke("plan", *given, f"{fit.BATCH}=auto", "--memory", "24GB")
    assert "16 rows per micro-batch" in auto.stderr  # 4 x the default accumulation


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
