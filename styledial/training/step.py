"""One micro-batch from token ids to gradients, and the update that ends with the optimizer.

    reference hidden (adapter off) -> policy hidden (adapter on) -> loss -> backward
    optimizer -> no gradients

Training runs these two functions, and so does the memory plan, on tensors without data: what is
planned is what happens. Nothing of a micro-batch outlives `micro_batch` but its gradients; kept in
a loop's variables, the hidden states of one would still be there during the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from styledial.data.pack import Batch
from styledial.models.policy import Policy
from styledial.training.objective import LossSettings, MicroBatch, objective

# What a run spends its time on: of each micro-batch, of each update, and what is due now and then.
PHASES = (
    *("data", "reference", "forward", "loss", "backward"),
    "optimizer",
    *("heldout", "checkpoint"),
)


def micro_batch(
    policy: Policy,
    wrapped: torch.nn.Module,
    rows: MicroBatch,
    *,
    coefficient: Tensor,
    settings: LossSettings,
    reference: Callable[[Batch], Tensor] | None,
    backward: Callable[[Tensor], Any],
    phase: Callable[[str], None] = lambda name: None,
) -> Tensor:
    """Add one micro-batch's gradients to those that are there; returns objective's [3] sums.

    `wrapped` is the policy as accelerate prepared it. `reference` gives the base's hidden states
    [B, T, d] of a batch; None leaves KL out. `phase` is called with the name of each phase (PHASES)
    as it begins.
    """
    batch = rows.batch
    phase("reference")
    held = None
    if reference and (rows.kl_rows is None or rows.kl_rows):
        held = reference(batch if rows.kl_rows is None else batch.part(rows.kl_rows))
    phase("forward")
    hidden = wrapped(batch.input_ids, batch.position_ids)
    phase("loss")
    loss, sums = objective(
        policy.head,
        policy.reference_head,
        hidden,
        held,
        rows,
        coefficient=coefficient,
        settings=settings,
    )
    del hidden, held  # the graph keeps what backward needs of them
    phase("backward")
    backward(loss)
    return sums


def trained(policy: Policy) -> list[torch.nn.Parameter]:
    """The parameters that the optimizer moves."""
    return [p for p in policy.parameters() if p.requires_grad]


def update(optimizer: Any) -> None:
    """Step on the clipped gradients, and drop them."""
    optimizer.step()
    optimizer.zero_grad()
