"""What every evaluator yields: a name, a value, how sure it is, and what the base has.

Intervals are bootstrap intervals (Efron 1979) at 95 %: the units (rows of held-out text, or
passages) are drawn again with replacement 1,000 times from a fixed seed. A resampled statistic
of a distribution is biased upwards, so its quantiles are moved by value - mean(resampled). A mean
has no such bias: its quantiles stay where they are, and so a rate's interval within 0 and 1. What
an interval covers is the choice of the text, not another training seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

RESAMPLES, CONFIDENCE, SEED = 1000, 0.95, 0
Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Result:
    """`value` in `unit` with its interval `ci`.

    `base` is the untuned model's value and `books` that of real passages of the books, where
    there are such.
    """

    name: str
    value: float
    ci: tuple[float, float]
    unit: str
    base: float | None = None
    books: float | None = None

    def as_json(self) -> dict[str, Any]:
        found = {"value": self.value, "ci": list(self.ci), "base": self.base, "unit": self.unit}
        return found if self.books is None else {**found, "books": self.books}


class Evaluator(Protocol):
    """Construct it with what it reads; `run()` does the work and yields one result a metric."""

    def run(self) -> Iterator[Result]: ...


def of_sums(units: np.ndarray, statistic: Statistic) -> tuple[float, tuple[float, float]]:
    """A statistic of column sums, with its interval.

    units: [n, k], a row per unit. statistic: sums [R, k] -> values [R]; a mean is
    lambda s: s[:, 0] / s[:, 1] with a column of ones or of token counts. Memory: 1,000 x n.
    """
    units = np.asarray(units, dtype=np.float64)
    value = float(statistic(units.sum(axis=0, keepdims=True))[0])
    return value, _around(value, statistic(_resampled(units)))


def of_mean(values: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The mean of one value per unit, with its interval."""
    values = np.asarray(values, dtype=np.float64)
    return float(values.mean()), _quantiles(_resampled(values) / len(values))


def of_max(values: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The largest of one value per unit, with its interval."""
    values = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(SEED).integers(len(values), size=(RESAMPLES, len(values)))
    value = float(values.max())
    return value, _around(value, values[drawn].max(axis=1))


def ratio(sums: np.ndarray) -> np.ndarray:
    """First column over the last: a mean per token, row or passage."""
    return sums[:, 0] / np.maximum(sums[:, -1], 1)


def _resampled(units: np.ndarray) -> np.ndarray:
    """[n] or [n, k] -> [R] or [R, k]: sums over units drawn again with replacement."""
    count = len(units)
    generator = np.random.default_rng(SEED)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return drawn.astype(np.float64) @ units


def _around(value: float, resampled: np.ndarray) -> tuple[float, float]:
    return _quantiles(resampled + (value - resampled.mean()))


def _quantiles(resampled: np.ndarray) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)
