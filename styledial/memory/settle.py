"""A run's memory settled before anything is loaded: planned, compared with the GPU, changed or not.

a base that is sharded (fsdp)                    nothing to compare with: continues without a plan
no GPU                                           compared with the machine's free memory, for
                                                 gradient_checkpointing `auto` alone
batch size or gradient_checkpointing `auto`      the fastest that fits
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
from styledial.distributed.ranks import Place, from_all, from_first
from styledial.errors import UserError
from styledial.memory import gpus
from styledial.memory.fit import (
    ACCUMULATION,
    BATCH,
    CHANGED,
    CHECKPOINTING,
    Fitted,
    fastest,
    fits,
    is_automatic,
    nearest,
    of_one_row,
    with_least_memory,
)
from styledial.memory.host import host_card, plainly_fits
from styledial.memory.plan import Plan, plan
from styledial.memory.show import as_settings, chosen_words, nearest_words
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

    The first process plans, on the GPU with least memory left of all processes', and passes the
    result to the others through `store`, so that all train alike. Raises UserError where the run
    won't fit, on that process.
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
        config, card = self.config, self.card
        if card is None:
            return self.on_a_cpu()
        if self.here.count > 1 and config.training.fsdp == "on":
            return self.unplanned("the base is sharded (fsdp)", "基座由 fsdp 分片")
        self.note(f"memory: estimating for {card.name} ...", f"显存：正在为 {card.name} 估算……")
        try:
            found = None
            if is_automatic(config):
                found = fastest(config, card, processes=self.here.count)
            planned = found.plan if found else self.least()
        except Exception as error:  # a model that can't be run on fakes may still train
            return self.unplanned(*_why_not(error))
        if self.will_be_sharded(planned, card):
            return self.unplanned("fsdp will shard the base", "基座将由 fsdp 分片")
        if found or fits(planned, card):
            return self.fitting(Fitted(config, planned, {}) if found is None else found, card)
        return self.too_large(planned, card)

    def least(self) -> Plan:
        """The plan of the configuration; of the smallest there is, where it leaves a choice."""
        config = of_one_row(self.config) if self.automatic_batch else self.config
        return plan(with_least_memory(config), card=self.card, processes=self.here.count)

    def on_a_cpu(self) -> _Settled:
        """Only gradient_checkpointing is chosen: a larger micro-batch is no faster there."""
        rows = self.config.training.micro_batch
        changes: dict[str, Any] = {}
        if self.automatic_batch:
            changes[BATCH] = rows
            self.note(
                f"{BATCH}: auto is {rows} without a GPU.",
                f"{BATCH}：没有 GPU，auto 取 {rows}。",
            )
        if self.config.training.gradient_checkpointing != "auto":
            return _Settled(changes, None)
        config = self.config.with_values(changes, "auto")
        card = host_card(self.here.local_count)
        if card and plainly_fits(config, card):
            # Not worth a plan: a small model on a machine with memory.
            free = memory_size(card.memory)
            self.note(
                f"auto: {as_settings({CHECKPOINTING: False})}: {free} are free, far more than "
                "this run needs.",
                f"auto：{as_settings({CHECKPOINTING: False})}："
                f"可用内存 {free}，远多于本次训练所需。",
            )
            return _Settled(changes | {CHECKPOINTING: False}, None)
        if card is None:
            return self.unplanned(
                "this machine's free memory is not known", "无法得知本机的可用内存"
            )
        try:
            found = fastest(config, card)
            needed = found.plan if found else plan(with_least_memory(config), card=card)
        except Exception as error:  # as above
            return _Settled(changes | self.unplanned(*_why_not(error)).changes, None)
        if found is None:
            self.note(*_beyond_the_machine(needed, card))
            return _Settled(changes | {CHECKPOINTING: True}, None)
        self.note(*chosen_words(found, card))
        return _Settled(changes | found.changes, None)

    @property
    def automatic_batch(self) -> bool:
        return self.config.training.per_device_train_batch_size == "auto"

    def will_be_sharded(self, planned: Plan, card: gpus.Card) -> bool:
        model = self.config.model
        return will_shard(
            self.config.training.fsdp,
            self.here,
            is_adapter=model.use_peft and not model.lora_experts,
            quantised=model.load_in_4bit or model.load_in_8bit,
            weights=planned.breakdown["weights"],
            memory=card.total or card.memory,
        )

    def unplanned(self, en: str, zh: str) -> _Settled:
        """What `auto` is without a plan: a few rows, and all activations recomputed."""
        changes: dict[str, Any] = {}
        if self.automatic_batch:
            changes[BATCH] = self.config.training.micro_batch
        if self.config.training.gradient_checkpointing == "auto":
            changes[CHECKPOINTING] = True
        takes = as_settings(changes)
        self.note(
            f"memory: not planned, {en}." + (f" auto is {takes}." if changes else ""),
            f"显存：不做估算，{zh}。" + (f"auto 取 {takes}。" if changes else ""),
        )
        return _Settled(changes, None)

    def fitting(self, found: Fitted, card: gpus.Card) -> _Settled:
        planned = found.plan
        if found.changes:
            self.note(*chosen_words(found, card))
        self.note(
            # A row of the run's first block: see run/start_block.py.
            f"  memory    {memory_size(planned.total)} planned, {memory_size(card.memory)} free",
            f"  显存  估算 {memory_size(planned.total)}，可用 {memory_size(card.memory)}",
        )
        return _Settled(found.changes, planned)

    def too_large(self, planned: Plan, card: gpus.Card) -> _Settled:
        """Continue anyway, with the closest configuration that fits, or raise UserError."""
        needs = memory_size(planned.total)
        free = f"{memory_size(card.memory)} free, {card.margin:.0%} of which is kept"
        free_zh = f"可用 {memory_size(card.memory)}，其中 {card.margin:.0%} 须留出"
        config = with_least_memory(self.config)
        # What `auto` is where nothing fits; it need not be typed.
        unsaid = {} if config is self.config else {CHECKPOINTING: True}
        if self.when_too_large == "ignore":
            self.note(
                f"memory: {needs} estimated, {card.name} has {free}; continuing because of "
                "--ignore-plan.",
                f"显存：估算 {needs}，{card.name} {free_zh}；--ignore-plan：继续训练。",
            )
            return _Settled(unsaid | (self.one_row() if self.automatic_batch else {}), planned)
        other = nearest(config, planned, card, processes=self.here.count, tell=self.tell_tried)
        words = nearest_words(config, other)
        if self.when_too_large == "fit" and other:
            self.note(
                f"--fit: {needs} do not fit {card.name} ({free}); {words[0]}",
                f"--fit：{card.name}（{free_zh}）放不下 {needs}；{words[1]}",
            )
            return _Settled(unsaid | other.changes, other.plan)
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


def _beyond_the_machine(needed: Plan, card: gpus.Card) -> tuple[str, str]:
    """Of a CPU run for which memory is short: it is run all the same, as memory may grow onto the
    disk."""
    needs, free = memory_size(needed.total), memory_size(card.memory)
    chosen = as_settings({CHECKPOINTING: True})
    return (
        f"auto: {chosen}: even so about {needs} are needed, and {free} are free. Training "
        "continues; it may become slow, or the system may end it. A smaller data.max_length, "
        "batch size or base needs less.",
        f"auto：{chosen}：即便如此仍约需 {needs}，而可用内存为 {free}。训练会继续，"
        "但可能变慢，或被系统终止。减小 data.max_length、批次或换更小的基座可降低占用。",
    )


def _why_not(error: Exception) -> tuple[str, str]:
    known = isinstance(error, UserError)
    reason = str(error) if known else f"{type(error).__name__}: {error}"
    return f"the estimate failed ({reason})", f"估算失败（{reason}）"
