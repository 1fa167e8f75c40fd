"""The learning rate of each update, as a part of its peak.

    update      0 ... W-1                     W ... T-1
    rate        (u+1)/(W+1), never 0          by kind, of p = (u-W)/(T-W)

    cosine                  (1 + cos pi p) / 2
    cosine_with_min_lr      the same between 1 and `lowest`
    linear                  1 - p
    constant                1, without warm-up
    constant_with_warmup    1

Names as in transformers, whose first warm-up update has a rate of 0 and is lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Schedule:
    """`kind`: a name above; `warmup` and `total`: updates; `lowest`: part of the peak."""

    kind: str
    warmup: int
    total: int
    lowest: float = 0.0


def rate(schedule: Schedule, update: int) -> float:
    """The learning rate of `update` (from 0) over its peak."""
    if schedule.kind == "constant":
        return 1.0
    if update < schedule.warmup:
        return (update + 1) / (schedule.warmup + 1)
    if schedule.kind == "constant_with_warmup":
        return 1.0
    over = min((update - schedule.warmup) / max(1, schedule.total - schedule.warmup), 1.0)
    if schedule.kind == "linear":
        return 1.0 - over
    lowest = schedule.lowest if schedule.kind == "cosine_with_min_lr" else 0.0
    return lowest + (1.0 - lowest) * (1.0 + math.cos(math.pi * over)) / 2


def scheduler(optimizer: Any, schedule: Schedule) -> Any:
    """torch's LambdaLR that gives `optimizer` these rates, one `step()` an update."""
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimizer, partial(rate, schedule))
