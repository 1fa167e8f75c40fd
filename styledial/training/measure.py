"""Evaluation passes over text with both models: NLL, and KL to the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from styledial.data.pack import IGNORE_INDEX, Batch, PackedRows
from styledial.models.evaluating import evaluating
from styledial.models.policy import Policy
from styledial.progress import tracked
from styledial.training.divergence import Direction
from styledial.training.losses import fused_nll_kl


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


# Hidden states of the base that are kept: 49,152 tokens of a 7B in bf16 are 0.35 GB.
_KEPT_BYTES = 2**29


class BaseStates:
    """The base's hidden states and NLL of rows that are read repeatedly, cached in host memory.

    Landing and the dial read the same rows at a dozen scales of the adapter, and the base is the
    same each time: kept, a further reading costs one forward pass in place of two. A batch is
    known by its rows, since a row's last bits depend on its neighbours. Holds hidden states of up
    to `limit` bytes; what is beyond is computed anew.
    """

    def __init__(self, limit: int = _KEPT_BYTES) -> None:
        self._kept: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}
        self._rows: dict[int, PackedRows] = {}  # alive, so that an id stays its own
        self._left = limit

    def get(
        self, policy: Policy, rows: PackedRows, part: Sequence[int], batch: Batch
    ) -> tuple[Tensor, Tensor]:
        """Hidden states [B * T, d] and NLL [B * T] of `batch`, which is rows `part` of `rows`."""
        self._rows.setdefault(id(rows), rows)
        key = (id(rows), *part)
        if key in self._kept:
            hidden, nll = self._kept[key]
            return hidden.to(batch.input_ids.device), nll.to(batch.input_ids.device)
        hidden = policy.reference(batch.input_ids, batch.position_ids).flatten(0, 1)
        targets = batch.targets.flatten()
        one = torch.ones_like(targets, dtype=torch.float32)
        nll = fused_nll_kl(hidden, None, policy.reference_head, targets, one, one).nll
        if hidden.nbytes <= self._left:
            self._left -= hidden.nbytes
            self._kept[key] = hidden.cpu(), nll.cpu()
        return hidden, nll


class ReadOptions(TypedDict):
    """How a run reads all its texts: what `measure` and `read_rows` are given besides policy and
    rows. `states` is shared, so that the base's part of a text is computed once."""

    batch_size: int
    device: torch.device
    direction: Direction
    states: BaseStates


def measure(
    policy: Policy,
    rows: PackedRows,
    *,
    batch_size: int,
    device: torch.device,
    direction: Direction = "reverse",
    only: Sequence[int] | None = None,
    states: BaseStates | None = None,
) -> Distance:
    """Read `rows` (or those in `only`) with both models: two forwards, three head products; one
    forward where `states` has the base's."""
    sums = read_rows(
        policy,
        rows,
        batch_size=batch_size,
        device=device,
        direction=direction,
        only=only,
        states=states,
    )
    return Distance.of(sums)


@torch.no_grad()
def read_rows(
    policy: Policy,
    rows: PackedRows,
    *,
    batch_size: int,
    device: torch.device,
    direction: Direction = "reverse",
    only: Sequence[int] | None = None,
    states: BaseStates | None = None,
) -> np.ndarray:
    """[rows read, 4]: each row's sums of NLL, the base's NLL and KL in nats, and its tokens.

    `states` keeps what the base gives from one reading of the same rows to the next. Sums are in
    fp64, so a mean over rows doesn't depend on the batch size beyond rounding.
    """
    chosen = list(range(len(rows))) if only is None else list(only)
    sums = np.zeros((len(chosen), 4))
    states = BaseStates(limit=0) if states is None else states
    with evaluating(policy):
        for start in tracked(range(0, len(chosen), batch_size)):
            part = chosen[start : start + batch_size]
            batch = rows.batch(part).to(device)
            targets = batch.targets.flatten()
            kept = targets != IGNORE_INDEX
            hidden = policy(batch.input_ids, batch.position_ids).flatten(0, 1)
            reference, base_nll = states.get(policy, rows, part, batch)
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
            per_token = torch.stack([tuned.nll, base_nll, tuned.kl * kept]).cpu().double()
            of_row = per_token.unflatten(1, (len(part), -1)).sum(dim=2)  # [3, rows]
            sums[start : start + len(part), :3] = of_row.T.numpy()
            sums[start : start + len(part), 3] = list(map(rows.targets_in, part))
    return sums


@torch.no_grad()
def log_ratios(policy: Policy, ids: Sequence[int]) -> list[float]:
    """log p_tuned - log p_base of each token given those before it, in nats: [T] ids -> T - 1.

    One forward of each model over one text, and one product with the head each.
    """
    tokens = torch.tensor([list(ids)], device=policy.head.weight.device)
    targets = tokens[0, 1:]
    one = torch.ones_like(targets, dtype=torch.float32)
    with evaluating(policy):
        tuned, base = (
            fused_nll_kl(hidden[0], None, head, targets, one, one).nll
            for hidden, head in (
                (policy(tokens[:, :-1]), policy.head),
                (policy.reference(tokens[:, :-1]), policy.reference_head),
            )
        )
    return (base - tuned).tolist()


def halves(rows: PackedRows, tokens: int | None = None) -> tuple[list[int], list[int]]:
    """Two halves of the held-out rows, one for choosing the scale and one for reporting the result;
    together about `tokens` targets, spread evenly.

    Alternating rows, so that both halves see the same stretches of the same books. One row
    alone has to serve as both.
    """
    every = list(range(len(rows))) if tokens is None else rows.spread(tokens)
    return every[1::2] or every, every[::2]
