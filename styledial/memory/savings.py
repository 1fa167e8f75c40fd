"""Memory saved by single changes: the plan repeated with one setting changed at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from styledial.config.show import effective_batch
from styledial.language import say
from styledial.memory.fit import ACCUMULATION, BATCH, CHECKPOINTING, IN_4BIT, LENGTH, allows_4bit
from styledial.memory.gpus import Card
from styledial.memory.plan import Plan, plan
from styledial.progress import tracked

if TYPE_CHECKING:
    from styledial.config import Config


class Saving(NamedTuple):
    """`changes` ("section.key" -> value) and the plan under them."""

    changes: dict[str, Any]
    plan: Plan


def savings(config: Config, *, card: Card | None = None, processes: int = 1) -> Iterator[Saving]:
    """One saving for each change that this configuration allows; each costs a plan."""
    for changes in tracked(list(_changes(config)), say("what saves how much", "逐项试算")):
        changed = config.with_values(changes, "savings")
        yield Saving(changes, plan(changed, card=card, processes=processes))


def _changes(config: Config) -> Iterator[dict[str, Any]]:
    model, training = config.model, config.training
    batch = training.micro_batch
    rows = effective_batch(config, 1)
    size = batch // 2
    while size:
        if rows % size == 0:
            yield {BATCH: size, ACCUMULATION: rows // size}
        size //= 2
    if config.data.max_length >= 32:
        yield {LENGTH: config.data.max_length // 2}
    yield {CHECKPOINTING: training.recomputed < 1}
    if allows_4bit(config):
        yield {IN_4BIT: True}
    if model.use_peft and model.lora_r > 1:
        yield {"model.lora_r": model.lora_r // 2}
    if model.attn_implementation != "eager":
        yield {"model.attn_implementation": "eager"}
