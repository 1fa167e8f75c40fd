"""Which rows each update sees: a pure function of the seed, so a resumed run sees the same.

The rows of all epochs form one endless stream, a fresh permutation per epoch; update `s` takes
the next `effective_batch` of them, micro-batch by micro-batch, process by process:

    update s:  | micro 0: rank 0, rank 1, ... | micro 1: rank 0, rank 1, ... | ...

An epoch has no row twice. Where there are fewer rows than an update takes, an update is one epoch;
one that reaches into the next epoch may have a row of both. The last update of a run that ends with
an epoch has what is left of that.

Every process knows the whole update, hence its token count, without asking the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class RowOrder:
    """`rows` to draw from, `batch_size` a micro-batch, `accumulation` micro-batches an update.

    epochs: where the run ends, None where it is counted in updates.
    """

    rows: int
    batch_size: int
    accumulation: int
    processes: int
    seed: int
    epochs: float | None = None

    @property
    def effective_batch(self) -> int:
        """Rows of an update, as asked for."""
        return self.batch_size * self.accumulation * self.processes

    @property
    def per_update(self) -> int:
        """Rows of an update, as there are."""
        return min(self.effective_batch, self.rows)

    def regrouped(self, batch_size: int, processes: int | None = None) -> RowOrder:
        """The same updates in micro-batches of at most `batch_size` rows.

        The largest size that divides a process's rows of an update. Raises ValueError where the
        rows of an update can't be divided evenly.
        """
        processes = processes or self.processes
        each, left = divmod(self.effective_batch, processes)
        if left:
            raise ValueError(f"{self.effective_batch} rows over {processes} processes")
        size = next(n for n in range(min(batch_size, each), 0, -1) if each % n == 0)
        return replace(self, batch_size=size, accumulation=each // size, processes=processes)

    def steps(self, epochs: float) -> int:
        """Updates that make up `epochs` passes, at least one."""
        return max(1, round(epochs * self.rows / self.per_update))

    def update(self, step: int) -> list[int]:
        """All rows of update `step` (0-based), over all processes."""
        return [self._at(i) for i in range(self._seen(step), self._seen(step + 1))]

    def micro_batches(self, step: int, rank: int) -> list[list[int]]:
        """This process's rows of an update, by micro-batch. All processes have as many."""
        rows = self.update(step)
        if len(rows) < self.effective_batch:
            return self.spread(rows, rank)
        places = [i * self.processes + rank for i in range(self.accumulation)]
        return [rows[place * self.batch_size : (place + 1) * self.batch_size] for place in places]

    def spread(self, rows: list[int], rank: int) -> list[list[int]]:
        """This process's part of any `rows` of an update, in micro-batches of their own.

        None is larger than `batch_size`, all processes have as many, and sizes are as even as can
        be: where rows are few, some are empty.
        """
        count = -(-len(rows) // (self.processes * self.batch_size))
        parts = count * self.processes
        places = [i * self.processes + rank for i in range(count)]
        return [
            rows[len(rows) * part // parts : len(rows) * (part + 1) // parts] for part in places
        ]

    def epoch(self, step: int) -> float:
        """Passes over the rows made after `step` updates."""
        return self._seen(step) / self.rows

    def _seen(self, step: int) -> int:
        """Rows before update `step`, over all epochs."""
        seen = step * self.per_update
        return seen if self.epochs is None else min(seen, math.ceil(self.epochs) * self.rows)

    def _at(self, i: int) -> int:
        return int(_permutation(self.seed, i // self.rows, self.rows)[i % self.rows])


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, rows: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(rows)
