"""What one micro-batch is to be better at.

    loss = [ NLL + lambda KL(tuned || base) ] / (1 + lambda)      on style text
         + weight * KL(base || tuned)                             on anchor text

each a mean over the tokens of the whole update. Dividing by 1 + lambda keeps the size of the
gradient, and with it the meaning of the learning rate, while lambda moves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from styledial.losses import IGNORE_INDEX, Direction, fused_nll_kl


def objective(
    head: Tensor,
    reference_head: Tensor,
    hidden: Tensor,
    reference: Tensor | None,
    targets: Tensor,
    style_rows: int,
    *,
    coefficient: Tensor,
    tokens: int,
    anchor_tokens: int,
    anchor_weight: float,
    direction: Direction,
) -> tuple[Tensor, Tensor]:
    """Loss of one micro-batch, and its [3] sums of nll, kl and anchor kl over tokens (nats).

    hidden, reference: [B, T, d]; targets: [B, T]. The first `style_rows` rows are style text,
    the others anchor text, on which only the forward KL(base || tuned) counts.
    """
    style, anchor = slice(0, style_rows), slice(style_rows, None)
    kept = (targets != IGNORE_INDEX).float().flatten(1)
    share = kept[style].flatten() / (tokens * (1 + coefficient))
    losses = fused_nll_kl(
        hidden[style].flatten(0, 1),
        None if reference is None else reference[style].flatten(0, 1),
        head,
        targets[style].flatten(),
        share,
        share * coefficient,
        direction=direction,
        reference_head=reference_head,
    )
    total = losses.loss
    sums = [losses.nll.sum(), (losses.kl * kept[style].flatten()).sum()]
    if style_rows < len(targets) and reference is not None:
        weight = kept[anchor].flatten() * (anchor_weight / anchor_tokens)
        held = fused_nll_kl(
            hidden[anchor].flatten(0, 1),
            reference[anchor].flatten(0, 1),
            head,
            targets[anchor].flatten(),
            torch.zeros_like(weight),
            weight,
            direction="forward",
            reference_head=reference_head,
        )
        total = total + held.loss
        sums.append((held.kl * kept[anchor].flatten()).sum())
    else:
        sums.append(torch.zeros_like(sums[0]))
    return total, torch.stack(sums).float()
