"""A piece of work that every way is given, and the machine that it is done on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPE = torch.bfloat16 if DEVICE.type == "cuda" else torch.float32
SEED = 42


@dataclass(frozen=True)
class Work:
    """One piece's work: `rows` sequences of `length` tokens an update, of the model in `folder`."""

    shape: str
    folder: Path
    rows: int
    length: int
    checkpointing: bool
