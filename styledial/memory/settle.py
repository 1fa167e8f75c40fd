"""A run's memory settled before anything is loaded: planned, compared with the GPU, changed or not.

no GPU, or a base that is sharded (fsdp)         nothing to compare with: continues without a plan
batch size `auto`                                the largest that fits
too large                                        refused with the nearest that fits; changed to
                                                 it with --fit; continues with --ignore-plan
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from styledial.memory.show import as_settings, nearest_words
from styledial.models.fsdp import will_shard
from styledial.run_folder import layout
from styledial.units import memory_size

if TYPE_CHECKING:
    from styledial.config import Config

Note = Callable[[str, str], None]
WhenTooLarge = Literal["refuse", "fit", "ignore"]  # of a run that is too large for its GPU


class _Settled(NamedTuple):
    """ "section.key" -> value, and the plan if one was made."""

    changes: dict[str, Any]
    plan: Plan | None


def settle(
    config: Config, *, when_too_large: WhenTooLarge, here: Place, store: Any, note: Note
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
        found = _Decision(config, card, when_too_large, here, note).made()
        if found.plan:
            planned.append(found.plan)
        return json.dumps(found.changes)

    changes = json.loads(from_first(here, store, "settled", decide))
    source = "--fit" if when_too_large == "fit" else "auto"
    return config.with_values(changes, source), planned[0] if planned else None


def as_it_was_fitted(config: Config, folder: Path) -> Config:
    """`config` with what --fit had changed in the run in `folder`, for resuming it."""
    earlier = folder / layout.SETTINGS
    if not earlier.is_file():
        return config
    found = resolve(earlier)
    return config.with_values({name: found.value_of(name) for name in CHANGED}, str(earlier))


@dataclass(frozen=True)
class _Decision:
    """What to change in `config` for the `card`, the smallest of the run's; None without a GPU."""

    config: Config
    card: gpus.Card | None
    when_too_large: WhenTooLarge
    here: Place
    note: Note

    def made(self) -> _Settled:
        config, training, card = self.config, self.config.training, self.card
        if card is None:
            if self.automatic:
                return self.unplanned("there is no GPU", "没有 GPU")
            return _Settled({}, None)
        if self.here.count > 1 and training.fsdp == "on":
            return self.unplanned("the base is sharded (fsdp)", "基座由 fsdp 分片")
        self.note(f"memory: estimating for {card.name} ...", f"显存：正在为 {card.name} 估算……")
        asked = of_one_row(config) if self.automatic else config
        try:
            planned = plan(asked, card=card, processes=self.here.count)
        except Exception as error:  # a model that can't be run on fakes may still train
            known = isinstance(error, UserError)
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            return self.unplanned(f"the estimate failed ({reason})", f"估算失败（{reason}）")
        if self.will_be_sharded(planned, card):
            return self.unplanned("fsdp will shard the base", "基座将由 fsdp 分片")
        return self.fitting(planned, card) if fits(planned, card) else self.too_large(planned, card)

    @property
    def automatic(self) -> bool:
        return self.config.training.per_device_train_batch_size == "auto"

    def will_be_sharded(self, planned: Plan, card: gpus.Card) -> bool:
        model = self.config.model
        return will_shard(
            self.config.training.fsdp,
            self.here,
            is_adapter=model.use_peft,
            quantised=model.load_in_4bit or model.load_in_8bit,
            weights=planned.breakdown["weights"],
            memory=card.total or card.memory,
        )

    def unplanned(self, en: str, zh: str) -> _Settled:
        rows = self.config.training.micro_batch
        self.note(
            f"memory: not planned, {en}."
            + (f" {BATCH}: auto is {rows}." if self.automatic else ""),
            f"显存：不做估算，{zh}。" + (f"{BATCH}：auto 取 {rows}。" if self.automatic else ""),
        )
        return _Settled({BATCH: rows} if self.automatic else {}, None)

    def fitting(self, planned: Plan, card: gpus.Card) -> _Settled:
        changes: dict[str, Any] = {}
        if self.automatic:
            found = largest_batch(self.config, card, processes=self.here.count, smallest=planned)
            assert found is not None  # one row fits
            training, planned = found.config.training, found.plan
            micro_batch = training.micro_batch
            changes = {BATCH: micro_batch, ACCUMULATION: training.gradient_accumulation_steps}
            rows = effective_batch(found.config, 1)
            self.note(
                f"{BATCH}: auto is {micro_batch}; an update has {rows} rows on each GPU.",
                f"{BATCH}：auto 取 {micro_batch}；每张 GPU 每次更新 {rows} 行。",
            )
        self.note(
            # A row of the run's first block: see run/start_block.py.
            f"  memory    {memory_size(planned.total)} planned, {memory_size(card.memory)} free",
            f"  显存  估算 {memory_size(planned.total)}，可用 {memory_size(card.memory)}",
        )
        return _Settled(changes, planned)

    def too_large(self, planned: Plan, card: gpus.Card) -> _Settled:
        """Continue anyway, with the closest configuration that fits, or raise UserError."""
        needs = memory_size(planned.total)
        free = f"{memory_size(card.memory)} free, {MARGIN:.0%} of which is kept"
        free_zh = f"可用 {memory_size(card.memory)}，其中 {MARGIN:.0%} 须留出"
        if self.when_too_large == "ignore":
            self.note(
                f"memory: {needs} estimated, {card.name} has {free}; continuing because of "
                "--ignore-plan.",
                f"显存：估算 {needs}，{card.name} {free_zh}；--ignore-plan：继续训练。",
            )
            return _Settled(self.one_row() if self.automatic else {}, planned)
        other = nearest(self.config, planned, card, processes=self.here.count, tell=self.tell_tried)
        words = nearest_words(self.config, other)
        if self.when_too_large == "fit" and other:
            self.note(
                f"--fit: {needs} do not fit {card.name} ({free}); {words[0]}",
                f"--fit：{card.name}（{free_zh}）放不下 {needs}；{words[1]}",
            )
            return _Settled(other.changes, other.plan)
        advice = (
            " Use these settings, or let --fit apply them.",
            "请加上这些设置，或用 --fit 自动采用。",
        )
        if not other:
            advice = ("", "")
        raise UserError(
            f"This run needs {needs} and {card.name} has {free}. Nothing was loaded. "
            f"{words[0]}{advice[0]} --ignore-plan trains anyway.",
            f"本次训练需要 {needs}，{card.name} {free_zh}。尚未加载任何权重。{words[1]}{advice[1]}"
            "加 --ignore-plan 可不顾估算继续训练。",
        )

    def one_row(self) -> dict[str, Any]:
        smallest = of_one_row(self.config)
        return {name: smallest.value_of(name) for name in (BATCH, ACCUMULATION)}

    def tell_tried(self, tried: Config) -> None:
        changes = as_settings({name: tried.value_of(name) for name in CHANGED})
        self.note(f"memory: trying {changes}", f"显存：尝试 {changes}")
