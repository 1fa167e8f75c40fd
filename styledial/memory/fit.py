"""What fits a card: the largest micro-batch, and the nearest configuration.

`per_device_train_batch_size: auto` takes the largest micro-batch that fits. A configuration that
doesn't fit is changed, one step after the other, each kept, until one micro-batch size fits:

    a smaller micro-batch, more accumulation     the same result
    gradient_checkpointing: true                 the same result, about a third slower
    load_in_4bit: true                           the base in NF4
    max_length / 2, down to 128                  shorter context

An update keeps its rows throughout. Each look costs a plan, 5 to 15 s for a 7B to a 14B; there are
one to three for `auto` and a few more for a search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from styledial.memory.gpus import MARGIN, Card
from styledial.memory.plan import Plan, plan

if TYPE_CHECKING:
    from styledial.config import Config

BATCH, ACCUMULATION = "training.per_device_train_batch_size", "training.gradient_accumulation_steps"
_SHORTEST = 128  # tokens; below, a passage has no context to learn from


@dataclass(frozen=True)
class Fitted:
    """A configuration that fits, its plan, and what was changed: "section.key" -> value."""

    config: Config
    plan: Plan
    changes: dict[str, Any]


def fits(planned: Plan, card: Card) -> bool:
    """Whether the plan leaves MARGIN of the card free."""
    return planned.total <= card.memory * (1 - MARGIN)


def largest_batch(
    config: Config,
    card: Card,
    *,
    processes: int = 1,
    source: str = "auto",
    smallest_first: bool = False,
) -> Fitted | None:
    """`config` with the largest micro-batch that fits `card`; None where not even one row does.

    As large as an update's rows where the batch size is `auto`, else as large as it is set; always
    one that divides the update's rows, which stay as many. A micro-batch that is larger needs
    more, so sizes are halved like a search in a sorted list, beginning with the largest, which
    most often fits, or with the smallest. `source` is noted with the values.
    """
    training = config.training
    rows = training.micro_batch * training.gradient_accumulation_steps
    most = rows if training.per_device_train_batch_size == "auto" else training.micro_batch
    sizes = [size for size in range(1, most + 1) if rows % size == 0]
    best = None
    low, high = 0, len(sizes)  # sizes below `low` fit, those from `high` on don't
    at = 0 if smallest_first else high - 1
    while low < high:
        changes = {BATCH: sizes[at], ACCUMULATION: rows // sizes[at]}
        tried = config.with_values(changes, source)
        planned = plan(tried, card=card, processes=processes)
        if fits(planned, card):
            best, low = Fitted(tried, planned, _differing(config, changes)), at + 1
        else:
            high = at
        at = (low + high) // 2
    return best


def of_one_row(config: Config) -> Config:
    """`config` with the smallest micro-batch there is, and an update's rows as they were."""
    rows = config.training.micro_batch * config.training.gradient_accumulation_steps
    return config.with_values({BATCH: 1, ACCUMULATION: rows}, "auto")


def nearest(config: Config, planned: Plan, card: Card, *, processes: int = 1) -> Fitted | None:
    """The first of the changes above, all before it kept, under which `config` fits `card`.

    `planned` is its plan as it is; where the weights alone are too large, only changes to them
    are looked at.
    """
    heavy = planned.breakdown["weights"] > card.memory * (1 - MARGIN)
    made: dict[str, Any] = {}
    for change in _ladder(config):
        made |= change
        if heavy and "model.load_in_4bit" not in made:
            continue
        found = largest_batch(
            config.with_values(made, "--fit"), card,
            processes=processes, source="--fit", smallest_first=True,
        )  # fmt: skip
        if found:
            return Fitted(found.config, found.plan, made | found.changes)
    return None


def _ladder(config: Config) -> Iterator[dict[str, Any]]:
    yield {}
    if not config.training.gradient_checkpointing:
        yield {"training.gradient_checkpointing": True}
    model = config.model
    if model.use_peft and not (model.load_in_4bit or model.load_in_8bit or model.use_dora):
        yield {"model.load_in_4bit": True}
    length = config.data.max_length // 2
    while length >= _SHORTEST:
        yield {"data.max_length": length}
        length //= 2


def _differing(config: Config, changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if config.value_of(name) != value}
