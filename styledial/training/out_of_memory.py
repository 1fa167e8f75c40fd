"""Out of memory in the middle of an update: the same rows again, in smaller micro-batches.

    attempt(order) --fits everywhere--> gradients
          |
          '-- a process is out of memory --> all: drop gradients, random state back,
                                             micro-batch / 2, accumulation x 2, again

The loss is normalised by the tokens of the whole update, so the gradients are the same sums in
another order of addition. Nothing that can't be repeated happens inside an attempt: no weight
moves, and no process waits for another.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from styledial.distributed.consensus import Consensus
from styledial.distributed.sharded_tensors import replicated_like
from styledial.training.row_order import RowOrder


class Attempt(NamedTuple):
    """What came of an update's gradients.

    order: the one now in force, `step_downs` times halved; result: what `attempt` returned;
    stop_requested: whether any process was asked to stop.
    """

    order: RowOrder
    result: Tensor
    stop_requested: bool
    step_downs: int


def with_step_down(
    attempt: Callable[[RowOrder], Tensor],
    order: RowOrder,
    *,
    consensus: Consensus,
    discard: Callable[[], None],
    stop_requested: Callable[[], bool],
    on_step_down: Callable[[RowOrder], None],
    sharded: bool = False,
) -> Attempt:
    """`attempt` in micro-batches that fit every process.

    `discard` drops half-made gradients; `on_step_down` is given the smaller order. Raises
    torch.OutOfMemoryError on every process where micro-batches of one row don't fit, and at once
    where the model is `sharded`: the others wait for this process in the middle of a layer.
    """
    before = random_state()
    step_downs = 0
    while True:
        result, problem = None, ""
        try:
            result = attempt(order)
        except Exception as error:
            if sharded or not is_out_of_memory(error):
                raise
            problem = str(error) or "out of memory"
        # The traceback held the attempt's tensors; from here on they can go.
        out, stop = consensus.any(bool(problem), stop_requested())
        if result is not None and not out:
            return Attempt(order, result, stop, step_downs)
        result = None
        if order.batch_size == 1:
            raise torch.OutOfMemoryError(problem or "another process is out of memory")
        discard()
        _free_memory()
        set_random_state(before)
        order = order.regrouped(order.batch_size // 2)
        step_downs += 1
        on_step_down(order)


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or a CPU, whatever its class."""
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError)
        and (should_reduce_batch_size(error) or "ALLOC_FAILED" in str(error))
    )


def reserve_state(optimizer: Any) -> None:
    """Make the optimizer allocate its state now, inside the attempt, without a step being made.

    With `found_inf` set the fused kernel leaves weights and state as they are. What was half
    allocated when memory ran out is given back.
    """
    raw = getattr(optimizer, "optimizer", optimizer)
    wanted = [p for group in raw.param_groups for p in group["params"] if p.grad is not None]
    missing = [p for p in wanted if p not in raw.state]
    if not missing:
        return
    raw.found_inf = replicated_like(torch.ones((), device=missing[0].device), missing[0])
    try:
        raw.step()
    except BaseException:
        for parameter in missing:
            raw.state.pop(parameter, None)
        raise
    finally:
        del raw.found_inf


def random_state() -> dict[str, Tensor]:
    """Of this process: CPU, and its GPU if there is one. The device is not waited for."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Tensor]) -> None:
    """Restore what `random_state` gave."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
