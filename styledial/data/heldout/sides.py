"""Where each piece of the text stands: training, held out, or neither."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from styledial.data.passage import Split


class Part(NamedTuple):
    """Characters [start, end) of a piece and their side."""

    start: int
    end: int
    split: Split


@dataclass
class Sides:
    """heldout[i], left_out[i]: the piece stands whole on that side, or on neither; cut[i]: its
    parts where it is divided. All other pieces are for training."""

    heldout: np.ndarray
    left_out: np.ndarray
    cut: dict[int, list[Part]] = field(default_factory=dict)

    def parts(self, row: int, length: int) -> list[Part]:
        """The parts of a piece in order; what is in none of them is left out."""
        if row in self.cut:
            return self.cut[row]
        if self.left_out[row]:
            return []
        return [Part(0, length, "heldout" if self.heldout[row] else "train")]
