"""Reading text with both models: how well it is predicted, and how far the tuned one has moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from styledial.data.pack import IGNORE_INDEX, PackedRows
from styledial.models.policy import Policy
from styledial.progress import tracked
from styledial.training.losses import Direction, fused_nll_kl


@dataclass(frozen=True)
class Distance:
    """Means over the text's tokens, nats per token; `nll_base` is the base's NLL.

    `kl` is KL(tuned || base) or KL(base || tuned), as asked; full vocabulary, temperature 1.
    """

    nll: float
    nll_base: float
    kl: float
    tokens: int

    @classmethod
    def of(cls, sums: np.ndarray) -> Distance:
        """From the rows' sums that `read_rows` gives."""
        nll, nll_base, kl, tokens = sums.sum(axis=0).tolist()
        of = max(tokens, 1)
        return cls(nll / of, nll_base / of, kl / of, int(tokens))


def measure(
    policy: Policy,
    rows: PackedRows,
    *,
    batch_size: int,
    device: torch.device,
    direction: Direction = "reverse",
    only: Sequence[int] | None = None,
) -> Distance:
    """Read `rows` (or those in `only`) with both models: two forwards, three head products."""
    return Distance.of(
        read_rows(
            policy, rows, batch_size=batch_size, device=device, direction=direction, only=only
        )
    )


@torch.no_grad()
def read_rows(
    policy: Policy,
    rows: PackedRows,
    *,
    batch_size: int,
    device: torch.device,
    direction: Direction = "reverse",
    only: Sequence[int] | None = None,
) -> np.ndarray:
    """[rows read, 4]: each row's sums of NLL, the base's NLL and KL in nats, and its tokens.

    Sums are in fp64, so a mean over rows doesn't depend on the batch size beyond rounding.
    """
    was_training = policy.training
    policy.eval()
    chosen = list(range(len(rows))) if only is None else list(only)
    sums = np.zeros((len(chosen), 4))
    for start in tracked(range(0, len(chosen), batch_size)):
        part = chosen[start : start + batch_size]
        batch = rows.batch(part).to(device)
        targets = batch.targets.flatten()
        kept = targets != IGNORE_INDEX
        hidden = policy(batch.input_ids, batch.position_ids).flatten(0, 1)
        reference = policy.reference(batch.input_ids, batch.position_ids).flatten(0, 1)
        one = torch.ones_like(targets, dtype=torch.float32)
        tuned = fused_nll_kl(
            hidden,
            reference,
            policy.head,
            targets,
            one,
            one,
            direction=direction,
            reference_head=policy.reference_head,
        )
        base = fused_nll_kl(reference, None, policy.reference_head, targets, one, one)
        per_token = torch.stack([tuned.nll, base.nll, tuned.kl * kept]).cpu().double()
        of_row = per_token.unflatten(1, (len(part), -1)).sum(dim=2)  # [3, rows]
        sums[start : start + len(part), :3] = of_row.T.numpy()
        sums[start : start + len(part), 3] = list(map(rows.targets_in, part))
    policy.train(was_training)
    return sums


def halves(rows: PackedRows) -> tuple[list[int], list[int]]:
    """Held-out rows for setting the scale, and others for reporting what came of it.

    Alternating rows, so that both halves see the same stretches of the same books. One row
    alone has to serve as both.
    """
    every = list(range(len(rows)))
    return every[1::2] or every, every[::2]
