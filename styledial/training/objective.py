"""The loss terms of a micro-batch and their weights.

    style text      [ NLL + lambda KL(tuned || base) ] / (1 + lambda)
    anchor text     weight * KL(base || tuned)

each a mean over the tokens of its kind in the whole update; the loss of an update is their sum.
Dividing by 1 + lambda keeps the size of the gradient, and with it the meaning of the learning
rate, while lambda moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from styledial.data.pack import IGNORE_INDEX
from styledial.models.head import OutputHead
from styledial.training.losses import Direction, fused_nll_kl


@dataclass(frozen=True)
class LossSettings:
    """What is the same for all micro-batches of a run.

    on_gpu: whose kernels compute the loss; None asks the tensors. The memory plan, whose tensors
    are nowhere, says which device it plans for.
    """

    direction: Direction = "reverse"
    anchor_weight: float = 0.0
    on_gpu: bool | None = None


def objective(
    head: OutputHead,
    reference_head: OutputHead,
    hidden: Tensor,
    reference: Tensor | None,
    targets: Tensor,
    *,
    anchor: bool,
    coefficient: Tensor,
    tokens: int,
    settings: LossSettings,
) -> tuple[Tensor, Tensor]:
    """Loss of one micro-batch, and its [3] sums of nll, kl and anchor kl over tokens (nats).

    hidden, reference: [B, T, d]; targets: [B, T]; tokens: of this micro-batch's kind in the whole
    update. `anchor`: whether these rows are anchor text, on which only the forward
    KL(base || tuned) counts, whatever the direction of the style text's.
    """
    targets = targets.flatten()
    kept = (targets != IGNORE_INDEX).float()
    if anchor:
        nll_weight, kl_weight = torch.zeros_like(kept), kept * (settings.anchor_weight / tokens)
    else:
        nll_weight = kept / (tokens * (1 + coefficient))
        kl_weight = nll_weight * coefficient
    losses = fused_nll_kl(
        hidden.flatten(0, 1),
        None if reference is None else reference.flatten(0, 1),
        head,
        targets,
        nll_weight,
        kl_weight,
        direction="forward" if anchor else settings.direction,
        reference_head=reference_head,
        on_gpu=settings.on_gpu,
    )
    nll, kl = losses.nll.sum(), (losses.kl * kept).sum()
    none = torch.zeros_like(kl)
    return losses.loss, torch.stack([none, none, kl] if anchor else [nll, kl, none]).float()
