"""Which rows of an update KL is read on, where it is read on a part of them (kl_rows).

KL on a row costs a pass of the base and a product with the output head; NLL needs neither. Read on
m of an update's n rows and counted n / m times, KL is an unbiased estimate of the update's: each
row is among the m with probability m / n. The rows lie evenly spread over the update, from a
random start (systematic sampling), so that every micro-batch and process gets its part of the work.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def kl_rows_of(rows: Sequence[int], share: float, seed: int, update: int) -> frozenset[int]:
    """About `share` of an update's rows, at least one; the same for the same seed and update."""
    count = max(1, round(share * len(rows)))
    if count >= len(rows):
        return frozenset(rows)
    start = np.random.default_rng([seed, update]).random()
    places = ((np.arange(count) + start) * len(rows) / count).astype(int)
    return frozenset(rows[place] for place in places)


def most_in(rows: int, share: float) -> int:
    """The largest part of `rows` neighbouring rows of an update that can be among the chosen."""
    return rows if share == 1 else min(rows, int(share * rows) + 1)
