"""A run's memory settled before anything is loaded: planned, compared with the GPU, changed or not.

no GPU, or a base that is shared out (fsdp)      nothing to compare with: goes on without a plan
batch size `auto`                                the largest that fits
too large                                        refused with the nearest that fits, or with
                                                 --fit changed to it
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from styledial.config import OFF
from styledial.errors import ModelError, UserError
from styledial.memory import gpus
from styledial.memory.fit import BATCH, Fitted, fits, largest_batch, nearest, of_one_row
from styledial.memory.plan import Plan, plan
from styledial.memory.show import as_settings, gib
from styledial.processes import Place, from_first
from styledial.sharding import MOST

if TYPE_CHECKING:
    from styledial.config import Config

Note = Callable[[str, str], None]


def settle(
    config: Config, *, fit: bool, here: Place, store: Any, note: Note
) -> tuple[Config, Plan | None]:
    """The configuration to train with, and its plan on the first process; None where none is made.

    The first process plans, on the smallest of its GPUs, and the others hear of it through
    `store`, so that all train alike. Raises UserError where the run won't fit, on that process.
    """
    planned: list[Plan] = []

    def decide() -> str:
        found = _decided(config, fit, here, note)
        if found.plan:
            planned.append(found.plan)
        return json.dumps(found.changes)

    changes = json.loads(from_first(here, store, "settled", decide))
    return config.with_values(changes, "auto"), planned[0] if planned else None


class _Decided:
    def __init__(self, changes: dict[str, Any], plan: Plan | None) -> None:
        self.changes, self.plan = changes, plan


def _decided(config: Config, fit: bool, here: Place, note: Note) -> _Decided:
    automatic = config.training.per_device_train_batch_size == "auto"
    plain = {BATCH: config.training.micro_batch} if automatic else {}
    card = gpus.found_card(here.local_count)
    if card is None or (here.count > 1 and config.training.fsdp == "on"):
        if automatic:
            note(
                f"{BATCH}: auto is {config.training.micro_batch}: there is no GPU to plan for, or "
                "the base is shared out.",
                f"{BATCH}：auto 取 {config.training.micro_batch}：没有可供估算的 GPU，"
                "或基座由多个进程分担。",
            )
        return _Decided(plain, None)
    try:
        return _compared(config, card, fit, here, note)
    except UserError as error:
        if not isinstance(error, ModelError):
            raise
        reason = str(error)
    except Exception as error:  # a model that can't be run on fakes may still train
        reason = f"{type(error).__name__}: {error}"
    note(
        f"This run's memory can't be planned ({reason}); it goes on without a plan.",
        f"无法估算本次训练的显存（{reason}）；不做估算，继续训练。",
    )
    return _Decided(plain, None)


def _compared(config: Config, card: gpus.Card, fit: bool, here: Place, note: Note) -> _Decided:
    note(f"planning the memory on {card.name} ...", f"正在估算 {card.name} 的显存……")
    automatic = config.training.per_device_train_batch_size == "auto"
    if automatic:
        found = largest_batch(config, card, processes=here.count)
        if found:
            note(
                f"{BATCH}: auto is {found.changes[BATCH]}, planned at {gib(found.plan.total)} of "
                f"{gib(card.memory)}.",
                f"{BATCH}：auto 取 {found.changes[BATCH]}，估算 {gib(found.plan.total)} / "
                f"{gib(card.memory)}。",
            )
            return _Decided(found.changes, found.plan)
    planned = plan(of_one_row(config) if automatic else config, card=card, processes=here.count)
    if _is_shared_out(config, planned, card, here):
        return _Decided({BATCH: config.training.micro_batch} if automatic else {}, None)
    if fits(planned, card):
        note(
            f"memory: planned at {gib(planned.total)} of {gib(card.memory)}.",
            f"显存：估算 {gib(planned.total)} / {gib(card.memory)}。",
        )
        return _Decided({}, planned)
    other = nearest(config, planned, card, processes=here.count)
    if fit and other:
        note(
            f"--fit: {gib(planned.total)} are too much for {card.name}; changed: "
            f"{as_settings(other.changes)} ({gib(other.plan.total)}).",
            f"--fit：{card.name} 放不下 {gib(planned.total)}；已改为："
            f"{as_settings(other.changes)}（{gib(other.plan.total)}）。",
        )
        return _Decided(other.changes, other.plan)
    raise _too_large(planned, card, other)


def _is_shared_out(config: Config, planned: Plan, card: gpus.Card, here: Place) -> bool:
    """Whether fsdp: auto would share the base out, of which a plan knows nothing."""
    model = config.model
    return (
        here.count > 1
        and config.training.fsdp != OFF
        and model.use_peft
        and not (model.load_in_4bit or model.load_in_8bit)
        and planned.breakdown["weights"] > MOST * card.memory
    )


def _too_large(planned: Plan, card: gpus.Card, other: Fitted | None) -> UserError:
    needs, has = gib(planned.total), gib(card.memory)
    if other is None:
        return UserError(
            f"This run needs {needs} and {card.name} has {has}; no smaller batch, shorter text or "
            "4-bit base makes it fit. Take a smaller model. Nothing was loaded.",
            f"本次训练需要 {needs}，{card.name} 只有 {has}；缩小批次、缩短文本或改用 4 位基座"
            "都放不下。请换更小的模型。尚未加载任何权重。",
        )
    settings, then = as_settings(other.changes), gib(other.plan.total)
    return UserError(
        f"This run needs {needs} and {card.name} has {has}. Nothing was loaded. The nearest that "
        f"fits ({then}): {settings}. Add that, or --fit, which takes it.",
        f"本次训练需要 {needs}，{card.name} 只有 {has}。尚未加载任何权重。最接近且放得下的配置"
        f"（{then}）：{settings}。请加上这些设置，或加 --fit 自动采用。",
    )
