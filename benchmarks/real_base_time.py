"""How long the pieces of real_base.py take on this machine, and the time that is left."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from real_base_ways import PASSES

from styledial.files import write_json
from styledial.training.stop_request import StopRequest

# Seconds until something was measured on this machine: a pass over 1,024 tokens on two cores.
PASS = 4.0
READ = {"land": 150, "text": 130, "chat": 30, "questions": 60, "passages": 90, "samples": 60}
STARTING = 60.0


class Until(StopRequest):
    """Asked to stop by a signal, or by the time that was given."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__()
        self.deadline = time.monotonic() + seconds if seconds else float("inf")

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    def asked(self) -> bool:
        return super().asked() or self.left < 0

    def fits(self, piece: str, seconds: float) -> bool:
        """Whether `piece` may begin, which is said."""
        if self.asked() or seconds > self.left:
            print(f"stopped before {piece} (about {seconds / 60:.1f} min)", flush=True)
            return False
        print(f"{piece}: about {seconds / 60:.1f} min (estimated)", flush=True)
        return True


class Costs:
    """Seconds of each kind of piece: as measured on this machine, else guessed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, float] = (
            json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        )

    def of(self, reading: str) -> float:
        return self.known.get(reading, READ[reading])

    def of_update(self, kind: str) -> float:
        if kind in ("base", "dera"):
            kind = "sft"
        # What another kind took, by the passes that it makes.
        rates = [s / PASSES[name[7:]] for name, s in self.known.items() if name[7:] in PASSES]
        per_pass = float(np.mean(rates)) if rates else PASS
        return self.known.get(f"update {kind}", per_pass * PASSES[kind])

    def add(self, name: str, seconds: float) -> None:
        earlier = self.known.get(name, seconds)
        self.known[name] = round((earlier + seconds) / 2, 2)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, self.known)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """What the block takes, unless it fails."""
        began = time.monotonic()
        yield
        self.add(name, time.monotonic() - began)
