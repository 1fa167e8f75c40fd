"""How well a text is predicted, and how far the tuned model is from the base on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from styledial.data.pack import PackedRows
from styledial.losses import IGNORE_INDEX, Direction, fused_nll_kl
from styledial.models.policy import Policy


@dataclass(frozen=True)
class Distance:
    """Means over the text's tokens, nats per token; `nll_base` is the base's NLL.

    `kl` is KL(tuned || base) or KL(base || tuned), as asked; full vocabulary, temperature 1.
    """

    nll: float
    nll_base: float
    kl: float
    tokens: int


@torch.no_grad()
def measure(
    policy: Policy,
    rows: PackedRows,
    *,
    batch_size: int,
    device: torch.device,
    direction: Direction = "reverse",
    only: Sequence[int] | None = None,
) -> Distance:
    """Read `rows` (or those in `only`) with both models: two forwards, three head products.

    Sums are kept in fp64, so the mean doesn't depend on the batch size beyond rounding.
    """
    was_training = policy.training
    policy.eval()
    chosen = list(range(len(rows))) if only is None else list(only)
    sums = torch.zeros(3, dtype=torch.float64)
    tokens = 0
    for start in range(0, len(chosen), batch_size):
        part = chosen[start : start + batch_size]
        batch = rows.batch(part).to(device)
        targets = batch.targets.flatten()
        kept = targets != IGNORE_INDEX
        hidden = policy(batch.input_ids, batch.position_ids).flatten(0, 1)
        reference = policy.reference(batch.input_ids, batch.position_ids).flatten(0, 1)
        one = torch.ones_like(targets, dtype=torch.float32)
        tuned = fused_nll_kl(
            hidden, reference, policy.head, targets, one, one,
            direction=direction, reference_head=policy.reference_head,
        )  # fmt: skip
        base = fused_nll_kl(reference, None, policy.reference_head, targets, one, one)
        for i, values in enumerate((tuned.nll, base.nll, tuned.kl * kept)):
            sums[i] += values.cpu().double().sum()
        tokens += sum(map(rows.targets_in, part))
    policy.train(was_training)
    nll, nll_base, kl = (sums / max(tokens, 1)).tolist()
    return Distance(nll, nll_base, kl, tokens)


def halves(rows: PackedRows) -> tuple[list[int], list[int]]:
    """Held-out rows for setting the scale, and others for reporting what came of it.

    Alternating rows, so that both halves see the same stretches of the same books. One row
    alone has to serve as both.
    """
    every = list(range(len(rows)))
    return every[1::2] or every, every[::2]
