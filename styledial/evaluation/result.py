"""Results of evaluators: name, value, confidence interval, and the base's value.

Intervals are at 95 % and cover the choice of the text, not another training seed. Units are rows of
held-out text, passages, or places in the books.

a rate       Wilson's interval (1927): within 0 and 1, and wider than nothing where none or all of
             the units were hit
the largest  bootstrap: as far up as down, since no resample can show more than the value
the others   bootstrap (Efron 1979): the units are drawn again with replacement 1,000 times from a
             fixed seed. A resampled statistic of a distribution is biased upwards, so the
             quantiles are moved by value - mean(resampled); for means that changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
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
        """The metric's entry in evaluation.json; `books` only where there is a value."""
        found = {"value": self.value, "ci": list(self.ci), "base": self.base, "unit": self.unit}
        return found if self.books is None else {**found, "books": self.books}


def from_json(name: str, found: Mapping[str, Any]) -> Result:
    """The metric of that entry. Raises KeyError, TypeError or ValueError where it isn't one."""
    low, high = found["ci"]
    interval, others = (low, high), (found["base"], found.get("books"))
    return Result(name, found["value"], interval, found["unit"], *others)


class Evaluator(Protocol):
    """Construct it with what it reads; `run()` does the work and yields one result a metric."""

    def run(self) -> Iterator[Result]:
        """Measure, and yield each metric as it is known."""


def of_sums(units: np.ndarray, statistic: Statistic) -> tuple[float, tuple[float, float]]:
    """A statistic of column sums, with its interval.

    units: [n, k], a row per unit. statistic: sums [R, k] -> values [R]; a mean is
    lambda s: s[:, 0] / s[:, 1] with a column of ones or of token counts. Memory: 1,000 x n.
    """
    units = np.asarray(units, dtype=np.float64)
    value = float(statistic(units.sum(axis=0, keepdims=True))[0])
    generator = np.random.default_rng(SEED)
    count = len(units)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return value, _around(value, statistic(drawn.astype(np.float64) @ units))


def of_mean(values: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The mean of one value per unit, with its interval."""
    values = np.asarray(values, dtype=np.float64)
    return of_sums(np.stack([values, np.ones_like(values)], axis=1), ratio)


def of_rate(hits: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The share of units that are True, with its interval."""
    n, p = len(hits), float(np.mean(hits))
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return p, (max(min(centre - half, p), 0.0), min(max(centre + half, p), 1.0))


def of_max(values: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The largest of one value per unit, with its interval."""
    values = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(SEED).integers(len(values), size=(RESAMPLES, len(values)))
    value = float(values.max())
    low = float(np.quantile(values[drawn].max(axis=1), 1 - CONFIDENCE, method="lower"))
    return value, (low, 2 * value - low)


def ratio(sums: np.ndarray) -> np.ndarray:
    """First column over the last: a mean per token, row or passage."""
    return sums[:, 0] / np.maximum(sums[:, -1], 1)


def _around(value: float, resampled: np.ndarray) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]) + (value - resampled.mean())
    return float(low), float(high)
