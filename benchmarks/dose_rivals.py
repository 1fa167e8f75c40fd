"""The rivals' objectives in dose_response.py: NLL with replayed general text, and ASFT."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from styledial.data.pack import IGNORE_INDEX, PackedRows
from styledial.models.policy import Policy
from styledial.training.losses import fused_nll_kl
from styledial.training.row_order import RowOrder


def train_rival(
    kind: str,
    policy: Policy,
    texts: tuple[PackedRows, PackedRows],
    orders: tuple[RowOrder, RowOrder],
    optimizer: Any,
    scheduler: Any,
    *,
    steps: int,
    after_step: Callable[[Any], object],
) -> None:
    """A plain loop; `texts` and `orders` are of style and of general text."""
    (style, general), (order, general_order) = texts, orders
    policy.train()
    for step in range(steps):
        parts = [style.batch(order.update(step))]
        if kind == "replay":
            parts.append(general.batch(general_order.update(step)))
        loss = sum(_loss(kind, policy, part, sum(map(_targets, parts))) for part in parts)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        after_step(SimpleNamespace(step=step + 1))


def _loss(kind: str, policy: Policy, batch: Any, tokens: int) -> Any:
    hidden = policy(batch.input_ids, batch.position_ids).flatten(0, 1)
    targets = batch.targets.flatten()
    kept = (targets != IGNORE_INDEX).float() / tokens
    if kind == "replay":
        return fused_nll_kl(hidden, None, policy.head, targets, kept, kept).loss
    # DFT: each token's NLL weighted by its own probability, without gradient.
    with torch.no_grad():
        nll = fused_nll_kl(hidden, None, policy.head, targets, kept, kept).nll
    reference = policy.reference(batch.input_ids, batch.position_ids).flatten(0, 1)
    return fused_nll_kl(
        hidden,
        reference,
        policy.head,
        targets,
        kept * (-nll).exp(),
        0.1 * kept,
        direction="forward",
    ).loss


def _targets(batch: Any) -> int:
    return int((batch.targets != IGNORE_INDEX).sum())
