"""What goes wrong in an update and must not spoil the run: noticed on the device, read at logs.

    loss or gradient no number   the update is not made and is counted; many in a row end the run
    loss far above the others    counted and told; the update is made (its gradient is clipped)

The decision to skip stays on the device: torch's fused AdamW leaves weights and state untouched
where `found_inf` is 1, the mechanism of fp16's GradScaler, so the host never waits to know. The
price: the host learns of a skipped update when metrics are read, `logging_steps` later at most,
and the schedule and the data go on by one update all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# A spike: this many standard deviations above the running mean, and no less than this many nats.
_SPIKE, _LEAST = 6.0, 0.2
_DECAY, _WARM = 0.98, 20  # of mean and variance; updates before anything can be a spike


@dataclass(frozen=True)
class Reading:
    """Counters since the run began; a step is that of the last such update, 1-based, 0 for none.

    bad_parts: which (micro-batch x processes + rank) had a loss that is no number.
    """

    skipped: int
    in_a_row: int
    bad_step: int
    spikes: int
    spike_step: int
    spike_nll: float
    usual_nll: float
    bad_parts: tuple[int, ...] = ()


class Watch:
    """Counters on the device. Cost: some twenty operations on scalars an update, no wait."""

    def __init__(self, device: torch.device, values: list[float] | None = None) -> None:
        # skipped, in a row, bad step, spikes, spike step, spike nll, mean, variance, seen;
        # fp64 on a CPU and a GPU, where a count is exact beyond any run; MPS has no fp64.
        dtype = torch.float32 if device.type == "mps" else torch.float64
        self.values = torch.tensor(values or [0.0] * 9, dtype=dtype, device=device)
        self._bad_parts = torch.zeros(1, device=device)

    @torch.no_grad()
    def update(self, step: int, nll: Tensor, norm: Tensor, parts: Tensor) -> Tensor:
        """Take update `step` (1-based); returns 1.0 where it must be skipped, else 0.0 (scalar).

        nll: mean of the update; norm: of the gradient, which is no number where a loss isn't;
        parts: [micro-batches x processes], above 0 where that one's loss was no number.
        """
        good = torch.isfinite(norm)
        skipped, row, bad_step, spikes, spike_step, spike_nll, mean, variance, seen = (
            self.values.unbind()
        )
        nll = torch.where(good, nll.to(self.values), mean)
        away = nll - mean
        limit = (_SPIKE * variance.sqrt()).clamp_min(_LEAST)
        spike = good & (seen >= _WARM) & (away > limit)
        # The first ones are averaged evenly; a spike counts for no more than its limit.
        rate = (1 / (seen + 1)).clamp_min(1 - _DECAY) * good
        away = torch.where(spike, limit, away)
        self.values = torch.stack([
            skipped + ~good,
            torch.where(good, torch.zeros_like(row), row + 1),
            torch.where(good, bad_step, torch.full_like(bad_step, step)),
            spikes + spike,
            torch.where(spike, torch.full_like(spike_step, step), spike_step),
            torch.where(spike, nll, spike_nll),
            mean + rate * away,
            (1 - rate) * (variance + rate * away * away),
            seen + good,
        ])  # fmt: skip
        if self._bad_parts.shape != parts.shape:
            self._bad_parts = torch.zeros_like(parts)
        self._bad_parts = torch.where(good, self._bad_parts, parts)
        return (~good).to(torch.float32)

    def tensors(self) -> Tensor:
        """All that `reading` wants, in one tensor, to be read in one go."""
        return torch.cat([self.values, self._bad_parts.to(self.values)])

    @staticmethod
    def reading(values: list[float]) -> Reading:
        skipped, row, bad_step, spikes, spike_step, nll, mean, _, _ = values[:9]
        parts = tuple(i for i, value in enumerate(values[9:]) if value != 0)
        return Reading(
            int(skipped), int(row), int(bad_step), int(spikes), int(spike_step), nll, mean, parts
        )
