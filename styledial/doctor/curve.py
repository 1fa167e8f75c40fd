"""Two laws that rules share: how KL grows with what is done, and style with KL."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from styledial.dial import DialPoint, rising_part
from styledial.doctor.record import Record
from styledial.run_folder.outcome import turned_up
from styledial.strength import BANDS

MEDIUM, STRONG, END = BANDS["medium"][0], *BANDS["strong"]
_LOWER = (END, 0.15, MEDIUM, 0.08, 0.05)  # the guide's strengths, for advice to go down one


def times_more(kl: float, wanted: float) -> float:
    """How many times more updates, or how many times the learning rate, from `kl` to `wanted`.

    KL is quadratic in how far the weights have moved (its gradient at the base is 0), and they
    move about as updates x learning rate.
    """
    return math.sqrt(wanted / max(kl, 1e-9))


def still_rising(run: Record) -> float | None:
    """Part of the held-out gain that came in the second half of training, 0.5 if it rose evenly.

    The way is counted in learning rate, not in updates: at the end of a schedule nothing moves,
    whether or not more could be gained. None where it wasn't measured: fewer than three readings,
    none in the first half, or no gain.
    """
    if len(run.readings) < 3 or run.gains[-1] <= 0:
        return None
    way, sums = 0.0, []
    for line in run.updates:
        way += line["train/learning_rate"]
        sums.append(way)
    steps = [line["step"] for line in run.updates]
    half = steps[min(bisect.bisect_left(sums, way / 2), len(steps) - 1)]
    before = [g for line, g in zip(run.readings, run.gains, strict=True) if line["step"] <= half]
    if not before or len(before) == len(run.gains):
        return None
    return min(1 - before[-1] / run.gains[-1], 1.0)


def weaker(run: Record) -> float:
    """The guide's next strength below what the run has and was allowed: 0.15 -> 0.1, 0.05 ->
    0.025; far above them, their end."""
    now = run.kl_now if run.budget is None else min(run.kl_now, run.budget)
    return next((step for step in _LOWER if step < 0.9 * now), float(f"{max(now, 0) / 2:.2g}"))


def gain_at(run: Record, kl: float) -> float | None:
    """Style gained (nats per token) at a KL of `kl` by the dial; None where it didn't measure it.

    The dial's text and the summary's are two samples of the held-out part, so only differences
    between the dial's own points are used.
    """
    points = rising_part(run.dial)
    now = next((point for point in points if point.scale == 1), None)
    if now is None or not points[0].kl <= kl <= points[-1].kl:
        return None
    return run.gain + now.style_nll - _between(points, kl)


def _between(points: Sequence[DialPoint], kl: float) -> float:
    high = next(i for i, point in enumerate(points) if point.kl >= kl)
    if high == 0:
        return points[0].style_nll
    a, b = points[high - 1], points[high]
    part = (kl - a.kl) / (b.kl - a.kl)
    return a.style_nll + part * (b.style_nll - a.style_nll)


def strongest(run: Record) -> float:
    """The largest KL that the dial reaches; without a measured one, about the KL before the adapter
    was scaled to its budget, as far as it can be turned up again. 0 where all weights are tuned."""
    if not run.config.model.use_peft:
        return 0.0
    points = rising_part(run.dial)
    return points[-1].kl if points else turned_up(run.summary)
