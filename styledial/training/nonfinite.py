"""Updates with a non-finite loss or gradient (NaN or infinity) are skipped; loss jumps are counted.

    non-finite loss or gradient      the update is not made and is counted; many in a row end the run
    loss far above the others        counted and reported; the update is made (its gradient is clipped)

The decision to skip stays on the device: torch's fused AdamW leaves weights and state untouched
where `found_inf` is 1, the mechanism of fp16's GradScaler, so the host never waits to know. The
price: the host learns of a skipped update when metrics are read, `logging_steps` later at most,
and the schedule and the data go on by one update all the same.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from styledial.distributed.sharded_tensors import replicated_like

# A spike: this many standard deviations above the running mean, and no less than this many nats.
_SPIKE_DEVIATIONS, _SPIKE_NATS = 6.0, 0.2
_DECAY = 0.98  # of mean and variance
_WARM_UP = 20  # updates before anything can be a spike


def skip_step_where(bad: Tensor, optimizer: Any, scaler: Any = None) -> None:
    """The next `optimizer.step()` changes nothing where `bad` (bool scalar, on the device).

    `optimizer` is a fused one, bare or under accelerate's wrapper; `scaler` is fp16's GradScaler,
    whose step overwrites the optimizer's flag by its own, so that one is set; it also backs off.
    """
    raw = getattr(optimizer, "optimizer", optimizer)
    if scaler is None:
        raw.found_inf = replicated_like(bad.to(torch.float32), raw.param_groups[0]["params"][0])
        return
    for found_inf in scaler._found_inf_per_device(raw).values():
        found_inf.add_(bad)


class Counters(NamedTuple):
    """What has happened since the run began: scalars on the device, fp64 but on MPS.

    A step is that of the last such update, 1-based, 0 for none; losses are nats per token;
    mean and variance are of the updates that were made.
    """

    skipped: Tensor
    skipped_in_a_row: Tensor
    last_skipped_step: Tensor
    spikes: Tensor
    last_spike_step: Tensor
    last_spike_nll: Tensor
    mean_nll: Tensor
    nll_variance: Tensor
    updates: Tensor


@dataclass(frozen=True)
class UpdateCounts:
    """Counters as read by the host.

    nonfinite_parts: which (micro-batch x processes + rank) of the last skipped update had a
    non-finite loss; none where only the gradient was.
    """

    skipped: int = 0
    skipped_in_a_row: int = 0
    last_skipped_step: int = 0
    spikes: int = 0
    last_spike_step: int = 0
    last_spike_nll: float = 0.0
    mean_nll: float = 0.0
    nonfinite_parts: tuple[int, ...] = ()


class UpdateCounters:
    """Counts on the device. Cost: some twenty operations on scalars an update, no wait."""

    def __init__(self, device: torch.device) -> None:
        # In fp64 a count is exact beyond any run; MPS has none.
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self._device = device
        self.load_state_dict({})

    def state_dict(self) -> dict[str, float]:
        """Counters by name; waits for the device."""
        return dict(zip(Counters._fields, torch.stack(self._counters).tolist(), strict=True))

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Put back what `state_dict` gave; a counter that is not in it is 0."""
        values = [state.get(name, 0.0) for name in Counters._fields]
        on_device = torch.tensor(values, dtype=self._dtype, device=self._device)
        self._counters = Counters(*on_device.unbind())
        self._nonfinite_parts = torch.zeros(1, device=self._device)

    @torch.no_grad()
    def record(self, step: int, nll: Tensor, valid: Tensor, nonfinite_parts: Tensor) -> None:
        """Count update `step` (1-based).

        nll: mean of the update; valid: bool scalar, whether its loss and gradient are finite, so
        that it was made; nonfinite_parts: [micro-batches x processes], above 0 where that one's
        loss was non-finite.
        """
        was = self._counters
        nll = torch.where(valid, nll.to(was.mean_nll), was.mean_nll)
        above_mean = nll - was.mean_nll
        limit = (_SPIKE_DEVIATIONS * was.nll_variance.sqrt()).clamp_min(_SPIKE_NATS)
        spike = valid & (was.updates >= _WARM_UP) & (above_mean > limit)
        # The first ones are averaged evenly; a spike counts for no more than its limit.
        rate = (1 / (was.updates + 1)).clamp_min(1 - _DECAY) * valid
        change = torch.where(spike, limit, above_mean)
        this_step = torch.full_like(was.updates, step)
        self._counters = Counters(
            skipped=was.skipped + ~valid,
            skipped_in_a_row=(was.skipped_in_a_row + 1) * ~valid,
            last_skipped_step=torch.where(valid, was.last_skipped_step, this_step),
            spikes=was.spikes + spike,
            last_spike_step=torch.where(spike, this_step, was.last_spike_step),
            last_spike_nll=torch.where(spike, nll, was.last_spike_nll),
            mean_nll=was.mean_nll + rate * change,
            nll_variance=(1 - rate) * (was.nll_variance + rate * change * change),
            updates=was.updates + valid,
        )
        if self._nonfinite_parts.shape != nonfinite_parts.shape:
            self._nonfinite_parts = torch.zeros_like(nonfinite_parts)
        self._nonfinite_parts = torch.where(valid, self._nonfinite_parts, nonfinite_parts)

    def tensor(self) -> Tensor:
        """All inputs of `counts` in one tensor, to be read from the device at once."""
        counters = torch.stack(self._counters)
        return torch.cat([counters, self._nonfinite_parts.to(counters)])

    @staticmethod
    def counts(values: Sequence[float]) -> UpdateCounts:
        """The counts in `tensor`, once it is on the host."""
        named = dict(zip(Counters._fields, values, strict=False))
        parts = values[len(Counters._fields) :]
        return UpdateCounts(
            skipped=int(named["skipped"]),
            skipped_in_a_row=int(named["skipped_in_a_row"]),
            last_skipped_step=int(named["last_skipped_step"]),
            spikes=int(named["spikes"]),
            last_spike_step=int(named["last_spike_step"]),
            last_spike_nll=named["last_spike_nll"],
            mean_nll=named["mean_nll"],
            nonfinite_parts=tuple(i for i, value in enumerate(parts) if value != 0),
        )
