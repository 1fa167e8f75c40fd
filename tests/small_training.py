"""The loop itself on a tiny model, without the rest of a run: a second for five updates.

python tests/small_training.py BASE NOVELS     two processes, for tests/test_stepdown.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from forked import Forks

from styledial.data.novels import read_novels
from styledial.data.pack import PackedRows, pack
from styledial.distributed.consensus import Consensus
from styledial.models.load import load_base, load_tokenizer
from styledial.models.policy import Policy, with_lora
from styledial.training.checkpoint import TrainState
from styledial.training.components import Anchor, Components, Hooks, StepMetrics
from styledial.training.controller import KLController
from styledial.training.loop import train
from styledial.training.nonfinite import UpdateCounters
from styledial.training.reference import References
from styledial.training.row_order import RowOrder
from styledial.training.step import trained

STEPS = 5


class Outcome(NamedTuple):
    weights: dict[str, torch.Tensor]
    state: TrainState
    logged: list[StepMetrics]
    orders: list[RowOrder]  # after each step-down
    counters: UpdateCounters


def rows_of(base: Path, novels: Path) -> PackedRows:
    tokenizer = load_tokenizer(str(base))
    return pack(read_novels(novels, 0.2), tokenizer, 48).select(list(range(48)))


def five_updates(
    base: Path,
    rows: PackedRows,
    *,
    batch_size: int = 8,
    accumulation: int = 1,
    phase: Callable[[str], None] = lambda name: None,
    dropout: float = 0.0,
    before: Callable[[Policy], None] = lambda policy: None,
    steps: int = STEPS,
    log_every: int = 1,
    **kinds: Any,
) -> Outcome:
    """`phase` is called with what begins and may raise; `before` gets the policy once it is built;
    `kinds` are what KL Components are to read."""
    from accelerate import Accelerator
    from transformers import get_scheduler

    accelerator = Accelerator(cpu=True)
    torch.manual_seed(0)
    policy = with_lora(
        load_base(str(base), dtype="float32"),
        r=4,
        lora_alpha=8,
        lora_dropout=dropout,
        target_modules="all-linear",
    )
    before(policy)
    optimizer = torch.optim.AdamW(trained(policy), lr=5e-3, fused=True)
    scheduler = get_scheduler("constant", optimizer)
    processes = accelerator.num_processes
    order = RowOrder(len(rows), batch_size, accumulation, processes, 0)
    logged: list[StepMetrics] = []
    orders: list[RowOrder] = []
    parts = Components(
        policy=policy,
        wrapped=accelerator.prepare_model(policy, evaluation_mode=True),
        rows=rows,
        accelerator=accelerator,
        consensus=Consensus(processes),
        optimizer=accelerator.prepare_optimizer(optimizer),
        scheduler=scheduler,
        controller=KLController(0.1),
        counters=UpdateCounters(torch.device("cpu")),
        anchor=Anchor(rows, RowOrder(len(rows), 3, 1, 1, 1), 1.0),
        references=References(policy, None, None),
        **kinds,
    )
    hooks = Hooks(on_step_down=orders.append, on_log=logged.append, phase=phase)
    state = train(parts, order, TrainState(), total_steps=steps, log_every=log_every, hooks=hooks)
    weights = {name: w.clone() for name, w in policy.trainable_state().items()}
    return Outcome(weights, state, logged, orders, parts.counters)


def out_of_memory(phase: str, *, at: int = 1) -> Callable[[str], None]:
    """Raises what CUDA raises when `phase` begins for the `at`-th time."""
    seen: list[str] = []

    def hear(name: str) -> None:
        if name == phase:
            seen.append(name)
            if len(seen) == at:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    return hear


def in_fp64(policy: Policy) -> None:
    """In fp32 Adam, which divides by the gradient's size, shows the rounding of a gradient that is
    nearly 0: up to 1e-4 of a weight, by processor. Here nothing but the algorithm is left."""
    policy.double()


def farthest(one: Outcome, two: Outcome) -> float:
    """Largest difference of a weight, relative to the largest weight of its tensor."""
    return max(
        ((w - two.weights[name]).abs().max() / w.abs().max()).item()
        for name, w in one.weights.items()
    )


def same(one: Outcome, two: Outcome) -> bool:
    return all(torch.equal(w, two.weights[name]) for name, w in one.weights.items())


def _as_one_of_two(rank: int) -> None:
    """Rank 1 runs out of memory in each phase in turn; the others must follow it."""
    base, novels = map(Path, sys.argv[1:])
    rows = rows_of(base, novels)
    whole = five_updates(base, rows, batch_size=4, before=in_fp64)
    half = five_updates(base, rows, batch_size=2, accumulation=2, before=in_fp64)
    for phase in ("reference", "forward", "loss", "backward", "optimizer"):
        hear = out_of_memory(phase) if rank == 1 else lambda name: None
        found = five_updates(base, rows, batch_size=4, phase=hear, before=in_fp64)
        assert [order.batch_size for order in found.orders] == [2], phase
        assert same(found, half), phase
        os.write(
            1, f"{rank} {phase} {farthest(whole, found):.2e}\n".encode()
        )  # whole lines, of both

    def from_another_start(policy: Policy) -> None:
        in_fp64(policy)
        with torch.no_grad():
            for weight in trained(policy):
                weight.add_(0.1 * rank)

    assert same(five_updates(base, rows, batch_size=4, before=from_another_start), whole)
    late = out_of_memory("loss", at=3) if rank == 0 else out_of_memory("backward", at=6)
    found = five_updates(base, rows, batch_size=4, phase=late, before=in_fp64)
    assert [order.batch_size for order in found.orders] == [2, 1]
    os.write(1, f"{rank} twice {farthest(whole, found):.2e}\n".encode())


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(any(Forks(2, _as_one_of_two).wait()))
