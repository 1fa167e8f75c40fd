"""One micro-batch from token ids to gradients, and the update that ends with the optimizer.

    reference hidden (adapter off) -> policy hidden (adapter on) -> loss -> backward
    clip -> optimizer -> no gradients

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
from styledial.training.losses import Direction
from styledial.training.objective import objective


def micro_batch(
    policy: Policy,
    wrapped: torch.nn.Module,
    batch: Batch,
    *,
    anchor: bool,
    reference: Callable[[Batch], Tensor] | None,
    coefficient: Tensor,
    tokens: int,
    anchor_weight: float,
    direction: Direction,
    backward: Callable[[Tensor], Any],
    phase: Callable[[str], None] = lambda name: None,
) -> Tensor:
    """Add one micro-batch's gradients to those that are there; returns objective's [3] sums.

    `batch` [B, T] is on the device, style text or all of it `anchor` text; `tokens` are those of
    its kind in the whole update. `wrapped` is the policy as accelerate prepared it. `reference`
    gives the base's hidden states [B, T, d]; None leaves KL out. `phase` is told what begins
    (phases.PHASES).
    """
    phase("reference")
    held = reference(batch) if reference else None
    phase("forward")
    hidden = wrapped(batch.input_ids, batch.position_ids)
    phase("loss")
    loss, sums = objective(
        policy.head, policy.reference_head, hidden, held, batch.targets, anchor=anchor,
        coefficient=coefficient, tokens=tokens, anchor_weight=anchor_weight, direction=direction,
    )  # fmt: skip
    del hidden, held  # the graph keeps what backward needs of them
    phase("backward")
    backward(loss)
    return sums


def trained(policy: Policy) -> list[torch.nn.Parameter]:
    """The parameters that the optimizer moves."""
    return [p for p in policy.parameters() if p.requires_grad]


def update(
    policy: Policy, optimizer: Any, clip: Callable[[list[torch.nn.Parameter]], Tensor]
) -> Tensor:
    """Clip, step, drop the gradients; returns the gradients' norm before `clip`."""
    norm = clip(trained(policy))
    optimizer.step()
    optimizer.zero_grad()
    return norm
