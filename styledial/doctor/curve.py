"""Two laws that rules share: how KL grows with what is done, and style with KL."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from styledial.dial import DialPoint, rising_part
from styledial.doctor.record import Record
from styledial.strength import BANDS

# Style gained grows as KL to this power, measured between budgets of 0.02 and 0.2 on real novels
# (docs/experiments.md, three budgets and the dose): 0.38, 0.32, 0.26, 0.25.
_POWER = 0.3
MEDIUM, STRONG, END = BANDS["medium"][0], *BANDS["strong"]


def times_more(kl: float, wanted: float) -> float:
    """How many times more updates, or how many times the learning rate, from `kl` to `wanted`.

    KL is quadratic in how far the weights have moved (its gradient at the base is 0), and they
    move about as updates x learning rate.
    """
    return math.sqrt(wanted / max(kl, 1e-9))


def still_rising(run: Record) -> float:
    """Part of the held-out gain that came in the second half of the way, 0.5 if it rose evenly.

    The way is counted in learning rate, not in updates: at the end of a schedule nothing moves,
    whether or not more could be gained.
    """
    if len(run.readings) < 3 or run.gains[-1] <= 0:
        return 0.5
    way, sums = 0.0, []
    for line in run.updates:
        way += line["train/learning_rate"]
        sums.append(way)
    steps = [line["step"] for line in run.updates]
    half = steps[min(bisect.bisect_left(sums, way / 2), len(steps) - 1)]
    before = [g for line, g in zip(run.readings, run.gains, strict=True) if line["step"] <= half]
    return min(1 - (before[-1] if before else 0.0) / run.gains[-1], 1.0)


def gain_at(run: Record, kl: float) -> tuple[float, bool]:
    """Style gained (nats per token) at a KL of `kl`, and whether the dial measured it.

    The dial's text and the summary's are two samples of the held-out part, so only differences
    between the dial's own points are used.
    """
    points = rising_part(run.dial)
    if points and points[0].kl <= kl <= points[-1].kl:
        now = min(points, key=lambda point: abs(point.scale - 1))
        return run.gain + now.style_nll - _between(points, kl), True
    return run.gain * (kl / max(run.kl_now, 1e-9)) ** _POWER, False


def _between(points: Sequence[DialPoint], kl: float) -> float:
    high = next(i for i, point in enumerate(points) if point.kl >= kl)
    if high == 0:
        return points[0].style_nll
    a, b = points[high - 1], points[high]
    part = (kl - a.kl) / (b.kl - a.kl)
    return a.style_nll + part * (b.style_nll - a.style_nll)


def strongest(run: Record) -> float:
    """The largest KL that the dial reaches; 0 without a measured dial."""
    points = rising_part(run.dial)
    return points[-1].kl if points else 0.0
