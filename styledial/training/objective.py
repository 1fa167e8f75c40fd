"""The loss terms of a micro-batch and their weights.

    style text      [ NLL + lambda KL(tuned || base) ] / (1 + lambda)
    anchor text     weight * KL(base || tuned)

each a mean over the tokens of its kind in the whole update; the loss of an update is their sum.
KL on style text may be read on a part of the rows, each of which then counts for several
(kl_sample.py). Dividing by 1 + lambda keeps the size of the gradient, and with it the meaning of
the learning rate, while lambda moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from styledial.data.pack import IGNORE_INDEX, Batch
from styledial.models.head import OutputHead
from styledial.training.divergence import Direction
from styledial.training.losses import fused_nll_kl


@dataclass(frozen=True)
class LossSettings:
    """What is the same for all micro-batches of a run.

    on_gpu: whether the GPU's kernels compute the loss; None: by the tensors' device. The memory
    plan, whose tensors have no device, says which one it plans for.
    """

    direction: Direction = "reverse"
    mask_target: bool = False
    anchor_weight: float = 0.0
    on_gpu: bool | None = None


class MicroBatch(NamedTuple):
    """Rows [B, T] on the device, of style text or all of `anchor` text, and what they count for.

    anchor: on anchor text only the forward KL(base || tuned) counts, whatever the direction of the
    style text's. tokens: those of its kind that carry loss in the whole update, over all
    processes. kl_rows: the rows that KL is read on, each for `kl_factor` rows of its update; None
    for all.
    """

    batch: Batch
    anchor: bool
    tokens: int
    kl_rows: Sequence[int] | None = None
    kl_factor: float = 1.0


def objective(
    head: OutputHead,
    reference_head: OutputHead,
    hidden: Tensor,
    reference: Tensor | None,
    rows: MicroBatch,
    *,
    coefficient: Tensor,
    settings: LossSettings,
) -> tuple[Tensor, Tensor]:
    """Loss of one micro-batch, and its [3] sums of nll, kl and anchor kl over tokens (nats).

    hidden: [B, T, d] of the tuned model; reference: the base's, of `rows.kl_rows` alone where
    these aren't all rows; None leaves KL out. coefficient: lambda, a scalar on the device.
    """
    targets = rows.batch.targets
    kept = (targets != IGNORE_INDEX).float()
    if rows.anchor:
        nll_weight, kl_weight = (
            torch.zeros_like(kept),
            kept * (settings.anchor_weight / rows.tokens),
        )
    else:
        nll_weight = kept / (rows.tokens * (1 + coefficient))
        kl_weight = nll_weight * coefficient * rows.kl_factor
    loss, nll, kl = torch.zeros((3,), device=hidden.device).unbind()
    for part, held in _by_reference(reference, rows.kl_rows, len(hidden)):
        losses = fused_nll_kl(
            hidden[part].flatten(0, 1),
            None if held is None else held.flatten(0, 1),
            head,
            targets[part].flatten(),
            nll_weight[part].flatten(),
            kl_weight[part].flatten(),
            direction="forward" if rows.anchor else settings.direction,
            mask_target=settings.mask_target and not rows.anchor,
            reference_head=reference_head,
            on_gpu=settings.on_gpu,
        )
        loss = loss + losses.loss
        nll = nll + losses.nll.sum()
        kl = kl + (losses.kl * kept[part].flatten()).sum() * rows.kl_factor
    none = torch.zeros_like(kl)
    return loss, torch.stack([none, none, kl] if rows.anchor else [nll, kl, none]).float()


def _by_reference(
    reference: Tensor | None, kl_rows: Sequence[int] | None, count: int
) -> Iterator[tuple[slice | list[int], Tensor | None]]:
    """The micro-batch's rows that KL is read on with their reference, then the others."""
    if reference is None or kl_rows is None or len(kl_rows) == count:
        yield slice(None), reference
        return
    yield list(kl_rows), reference
    yield [row for row in range(count) if row not in kl_rows], None
