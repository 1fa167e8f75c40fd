"""Fitting a GPU: the largest micro-batch, and the closest configuration that fits.

`per_device_train_batch_size: auto` takes the largest micro-batch that fits, and
`gradient_checkpointing: auto` the least recomputation that fits, of these options

    false            every activation is kept          the fewest products
    every_second     those of every second layer
    true             the layers' inputs alone          a forward pass more

the first rung with a micro-batch that fits, of not too few tokens; the rows of an update stay. A
configuration that doesn't fit is changed, one step after the other, each kept, until some
micro-batch fits:

    a smaller micro-batch, more accumulation     the same result
    gradient_checkpointing: true                 the same result, slower
    load_in_4bit: true                           the base in NF4, where bitsandbytes is installed
    max_length / 2, down to 128                  shorter context

An update keeps its rows throughout. Each look costs a plan, one to three seconds of a slow core:
one for each change that doesn't help, and two or three more to find the largest micro-batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from styledial.config.show import effective_batch
from styledial.errors import ModelError
from styledial.memory.gpus import Card
from styledial.memory.plan import Plan, plan
from styledial.models.configuration import quantisation_of
from styledial.models.prequantised import method_of
from styledial.models.quantise import check_choice

if TYPE_CHECKING:
    from styledial.config import Config

BATCH, ACCUMULATION = "training.per_device_train_batch_size", "training.gradient_accumulation_steps"
CHECKPOINTING, LENGTH, IN_4BIT = (
    "training.gradient_checkpointing",
    "data.max_length",
    "model.load_in_4bit",
)
CHANGED = (BATCH, ACCUMULATION, CHECKPOINTING, IN_4BIT, LENGTH)
RUNGS: tuple[bool | str, ...] = (False, "every_second", True)  # of gradient_checkpointing
_SHORTEST = 128  # tokens; below, a passage has no context to learn from
# A micro-batch of more tokens is no faster on any card; and more accumulation is no setting.
_MOST_TOKENS, _MOST_ACCUMULATION = 16_384, 4096
# Of fewer tokens at once a GPU's products wait for the weights to be read: what is saved by keeping
# activations would be lost by cutting the micro-batch up.
_FEWEST_TOKENS = 1024

Tell = Callable[["Config"], None]


@dataclass(frozen=True)
class Fitted:
    """A configuration that fits, its plan, and what was changed: "section.key" -> value."""

    config: Config
    plan: Plan
    changes: dict[str, Any]


def fits(planned: Plan, card: Card) -> bool:
    """Whether the plan leaves the card's margin free."""
    return planned.total <= card.memory * (1 - card.margin)


def of_one_row(config: Config) -> Config:
    """`config` with the smallest micro-batch there is, and an update's rows as they were."""
    size = _sizes(config)[0]
    rows = effective_batch(config, 1)
    return config.with_values({BATCH: size, ACCUMULATION: rows // size}, "auto")


def is_automatic(config: Config) -> bool:
    """Whether the plan is to choose the micro-batch or gradient checkpointing."""
    training = config.training
    return "auto" in (training.per_device_train_batch_size, training.gradient_checkpointing)


def with_least_memory(config: Config) -> Config:
    """`config` with all activations recomputed, where that is `auto`."""
    if config.training.gradient_checkpointing != "auto":
        return config
    return config.with_values({CHECKPOINTING: True}, "auto")


def fastest(
    config: Config, card: Card, *, processes: int = 1, tell: Tell = lambda tried: None
) -> Fitted | None:
    """`config` with what it leaves to the plan chosen: the first rung of the ladder with a
    micro-batch that fits `card`, and the largest there is of those; None where nothing fits."""
    if config.training.gradient_checkpointing != "auto":
        return largest_batch(config, card, processes=processes, tell=tell)
    for rung in RUNGS:
        found = largest_batch(
            config.with_values({CHECKPOINTING: rung}, "auto"),
            card,
            processes=processes,
            fewest_tokens=0 if rung is True else _FEWEST_TOKENS,
            tell=tell,
        )
        if found:
            return Fitted(found.config, found.plan, {CHECKPOINTING: rung} | found.changes)
    return None


def largest_batch(
    config: Config,
    card: Card,
    *,
    processes: int = 1,
    source: str = "auto",
    smallest: Plan | None = None,
    fewest_tokens: int = 0,
    tell: Tell = lambda tried: None,
) -> Fitted | None:
    """`config` with the largest micro-batch that fits `card`; None where not even one row does.

    As large as an update's rows where the batch size is `auto`, else as large as it is set; always
    one that divides the update's rows, which stay as many. A micro-batch that is larger needs
    more, so sizes are looked for as in a sorted list, after the smallest. `source` is noted with
    the values; `smallest` is the plan of `of_one_row(config)` if there is one already;
    `fewest_tokens` leaves out smaller micro-batches, where there are larger ones; `tell` is called
    with each configuration that is tried.
    """
    rows, sizes = effective_batch(config, 1), _sizes(config)
    enough = [size for size in sizes if size * config.data.max_length >= fewest_tokens]
    sizes = enough or sizes[-1:]
    best = None
    low, high = 0, len(sizes)  # sizes below `low` fit, those from `high` on don't
    at = 0
    while low < high:
        changes = {BATCH: sizes[at], ACCUMULATION: rows // sizes[at]}
        tried = config.with_values(changes, source)
        if smallest and at == 0:
            planned = smallest
        else:
            tell(tried)
            planned = plan(tried, card=card, processes=processes)
        if fits(planned, card):
            differing = {n: value for n, value in changes.items() if config.value_of(n) != value}
            best, low = Fitted(tried, planned, differing), at + 1
        else:
            high = at
        at = (low + high) // 2
    return best


def plan_as_trained(asked: Config, card: Card | None, processes: int = 1) -> tuple[Config, Plan]:
    """The plan, and the configuration it is of: with `auto`, the fastest that fits; the least there
    is where nothing does, and where no card says what would."""
    least = with_least_memory(asked)
    if card is None or not is_automatic(asked):
        return least, plan(least, card=card, processes=processes)
    found = fastest(asked, card, processes=processes)
    if found:
        return found.config, found.plan
    if asked.training.per_device_train_batch_size == "auto":
        least = of_one_row(least)
    return least, plan(least, card=card, processes=processes)


def nearest(
    config: Config,
    planned: Plan,
    card: Card,
    *,
    processes: int = 1,
    tell: Tell = lambda tried: None,
) -> Fitted | None:
    """The first of the changes above, all before it kept, under which `config` fits `card`.

    `planned` is its plan as it is, of one row where the batch size is `auto`; where the weights
    alone are too large, only changes to them are looked at.
    """
    of_one = config.training.per_device_train_batch_size in ("auto", 1)
    heavy = planned.breakdown["weights"] > card.memory * (1 - card.margin)
    for made in changes_in_turn(config):
        if (heavy and IN_4BIT not in made) or (of_one and not made):
            continue
        found = largest_batch(
            config.with_values(made, "--fit"),
            card,
            processes=processes,
            source="--fit",
            tell=tell,
        )
        if found:
            return Fitted(found.config, found.plan, made | found.changes)
    return None


def changes_in_turn(config: Config) -> Iterator[dict[str, Any]]:
    """Nothing, then each of the changes that `config` allows with all before it."""
    made: dict[str, Any] = {}
    yield made
    if config.training.recomputed < 1:
        made = made | {CHECKPOINTING: True}
        yield made
    if allows_4bit(config):
        made = made | {IN_4BIT: True}
        yield made
    length = config.data.max_length
    while length > _SHORTEST:
        length = max(length // 2, _SHORTEST)
        made = made | {LENGTH: length}
        yield made


def allows_4bit(config: Config) -> bool:
    """Whether the base could be loaded in 4 bits, and isn't."""
    model = config.model
    if model.load_in_4bit or model.load_in_8bit or model.use_dora:
        return False
    if method_of(
        quantisation_of(model.model_name_or_path, trust_remote_code=model.trust_remote_code)
    ):
        return False  # its files are quantised already, and are refused in other bits
    try:
        check_choice(load_in_4bit=True, load_in_8bit=False, use_peft=model.use_peft, use_dora=False)
    except ModelError:  # no adapter, or no bitsandbytes
        return False
    return True


def _sizes(config: Config) -> list[int]:
    """Micro-batches that an update's rows can be cut into, in order."""
    training, rows = config.training, effective_batch(config, 1)
    most = rows if training.per_device_train_batch_size == "auto" else training.micro_batch
    most = min(most, max(1, _MOST_TOKENS // config.data.max_length))
    found = [n for n in range(1, most + 1) if rows % n == 0 and rows // n <= _MOST_ACCUMULATION]
    return found or [training.micro_batch]
