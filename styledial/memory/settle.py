"""A run's memory settled before anything is loaded: planned, compared with the GPU, changed or not.

no GPU, or a sharded base (fsdp)          nothing to compare with: goes on without a plan
batch size `auto`                                the largest that fits
too large                                        refused with the nearest that fits; changed to
                                                 it with --fit; goes on with --ignore-plan
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from styledial.config import resolve
from styledial.config.show import effective_batch
from styledial.distributed.ranks import Place, from_all, from_first
from styledial.errors import UserError
from styledial.memory import gpus
from styledial.memory.fit import (
    ACCUMULATION,
    BATCH,
    CHANGED,
    fits,
    largest_batch,
    nearest,
    of_one_row,
)
from styledial.memory.gpus import MARGIN
from styledial.memory.plan import Plan, plan
from styledial.memory.show import as_settings, gib, nearest_words
from styledial.models.fsdp import would_share

if TYPE_CHECKING:
    from styledial.config import Config

Note = Callable[[str, str], None]
Excess = Literal["refuse", "fit", "ignore"]  # of a run that is too large for its GPU


class _Settled(NamedTuple):
    """ "section.key" -> value, and the plan if one was made."""

    changes: dict[str, Any]
    plan: Plan | None


def settle(
    config: Config, *, excess: Excess, here: Place, store: Any, note: Note
) -> tuple[Config, Plan | None]:
    """The configuration to train with, and its plan on the first process; None where none is made.

    The first process plans, on the GPU with least memory left of all processes', and the others
    hear of it through `store`, so that all train alike. Raises UserError where the run won't fit,
    on that process.
    """
    planned: list[Plan] = []
    own = gpus.found_card()
    left = from_all(here, store, "memory left", str(own.memory if own else 0))

    def decide() -> str:
        card = replace(own, memory=min(map(int, left))) if own else None
        found = _settled(config, card, excess, here, note)
        if found.plan:
            planned.append(found.plan)
        return json.dumps(found.changes)

    changes = json.loads(from_first(here, store, "settled", decide))
    source = "--fit" if excess == "fit" else "auto"
    return config.with_values(changes, source), planned[0] if planned else None


def as_it_was_fitted(config: Config, folder: Path) -> Config:
    """`config` with what --fit had changed in the run in `folder`, for going on with it."""
    earlier = folder / "train_config.yaml"
    if not earlier.is_file():
        return config
    found = resolve(earlier)
    return config.with_values({name: found.value_of(name) for name in CHANGED}, str(earlier))


def _settled(
    config: Config, card: gpus.Card | None, excess: Excess, here: Place, note: Note
) -> _Settled:
    training = config.training
    automatic = _is_auto(config)
    plain = {BATCH: training.micro_batch} if automatic else {}

    def unplanned(en: str, zh: str) -> _Settled:
        note(
            f"memory: not planned, {en}." + (f" {BATCH}: auto is {plain[BATCH]}." if plain else ""),
            f"显存：不做估算，{zh}。" + (f"{BATCH}：auto 取 {plain[BATCH]}。" if plain else ""),
        )
        return _Settled(plain, None)

    if card is None:
        return unplanned("there is no GPU", "没有 GPU") if automatic else _Settled({}, None)
    if here.count > 1 and training.fsdp == "on":
        return unplanned("the base is sharded (fsdp)", "基座由 fsdp 分片")
    note(f"memory: planning for {card.name} ...", f"显存：正在为 {card.name} 估算……")
    try:
        planned = plan(of_one_row(config) if automatic else config, card=card, processes=here.count)
    except Exception as error:  # a model that can't be run on fakes may still train
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        return unplanned(f"it can't be ({reason})", f"无法估算（{reason}）")
    if would_share(
        training.fsdp, here, is_adapter=config.model.use_peft,
        quantised=config.model.load_in_4bit or config.model.load_in_8bit,
        weights=planned.breakdown["weights"], memory=card.total or card.memory,
    ):  # fmt: skip
        return unplanned("fsdp will share the base out", "基座将由 fsdp 分片")
    if fits(planned, card):
        return _Settled(*_fitting(config, planned, card, here, note))
    return _too_large(config, planned, card, excess, here, note)


def _fitting(
    config: Config, planned: Plan, card: gpus.Card, here: Place, note: Note
) -> tuple[dict[str, Any], Plan]:
    changes: dict[str, Any] = {}
    if _is_auto(config):
        found = largest_batch(config, card, processes=here.count, smallest=planned)
        assert found is not None  # one row fits
        training, planned = found.config.training, found.plan
        changes = {BATCH: training.micro_batch, ACCUMULATION: training.gradient_accumulation_steps}
        rows = effective_batch(found.config, 1)
        note(
            f"{BATCH}: auto is {training.micro_batch}; an update has {rows} rows on each GPU.",
            f"{BATCH}：auto 取 {training.micro_batch}；每张 GPU 每次更新 {rows} 行。",
        )
    note(
        f"memory: planned at {gib(planned.total)} of {gib(card.memory)} free.",
        f"显存：估算 {gib(planned.total)}，可用 {gib(card.memory)}。",
    )
    return changes, planned


def _too_large(
    config: Config, planned: Plan, card: gpus.Card, excess: Excess, here: Place, note: Note
) -> _Settled:
    free = f"{gib(card.memory)} free, {MARGIN:.0%} of which is kept"
    free_zh = f"可用 {gib(card.memory)}，其中 {MARGIN:.0%} 须留出"
    if excess == "ignore":
        note(
            f"memory: planned at {gib(planned.total)}, {card.name} has {free}; --ignore-plan: goes "
            "on.",
            f"显存：估算 {gib(planned.total)}，{card.name} {free_zh}；--ignore-plan：继续训练。",
        )
        one = of_one_row(config)
        return _Settled({name: one.value_of(name) for name in (BATCH, ACCUMULATION)}
                        if _is_auto(config) else {}, planned)  # fmt: skip

    def tell(tried: Config) -> None:
        changes = {name: tried.value_of(name) for name in CHANGED}
        note(f"memory: trying {as_settings(changes)}", f"显存：尝试 {as_settings(changes)}")

    other = nearest(config, planned, card, processes=here.count, tell=tell)
    words = nearest_words(config, other)
    if excess == "fit" and other:
        note(
            f"--fit: {gib(planned.total)} are too much for {card.name} ({free}); {words[0]}",
            f"--fit：{card.name}（{free_zh}）放不下 {gib(planned.total)}；{words[1]}",
        )
        return _Settled(other.changes, other.plan)
    raise UserError(
        f"This run needs {gib(planned.total)} and {card.name} has {free}. Nothing was loaded. "
        f"{words[0]}" + (" Add that, or --fit, which takes it." if other else "")
        + " --ignore-plan trains all the same.",
        f"本次训练需要 {gib(planned.total)}，{card.name} {free_zh}。尚未加载任何权重。{words[1]}"
        + ("请加上这些设置，或加 --fit 自动采用。" if other else "")
        + "加 --ignore-plan 可不顾估算继续训练。",
    )  # fmt: skip


def _is_auto(config: Config) -> bool:
    return config.training.per_device_train_batch_size == "auto"
