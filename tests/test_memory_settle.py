"""What a run settles on before it loads anything: by the memory of the GPU or of the machine."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from memory_plans import card_between, each_plan_once, plan  # noqa: F401
from real_updates import small_config, small_model
from torch.distributed import HashStore

from styledial.distributed.ranks import Place
from styledial.errors import UserError
from styledial.memory import fit, gpus, host, settle
from styledial.memory.settle import settle as settled
from styledial.models import fsdp

ALONE = Place(0, 1, 0, 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "qwen2"
    return small_model("qwen2", folder, num_hidden_layers=2)


def test_what_the_user_says_of_checkpointing_stays(model: Path, with_card) -> None:
    with_card(gpus.memory_card("80GB"))
    for typed, kept in (("true", True), ("every-second", "every_second"), ("no", False)):
        config = small_config(model, f"{fit.CHECKPOINTING}={typed}")
        told: list[str] = []
        trained, planned = settled(
            config,
            when_too_large="refuse",
            here=ALONE,
            store=None,
            note=lambda en, zh, told=told: told.append(en),
        )
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
        small_config(model, "per_device_train_batch_size=auto"),
        when_too_large="refuse",
        here=ALONE,
        store=None,
        note=lambda en, zh: told.append(en),
    )
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


@pytest.mark.slow  # nothing fits: test_nothing_fits
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


@pytest.mark.slow  # of one process: test_auto_takes_the_largest_batch_that_fits
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
