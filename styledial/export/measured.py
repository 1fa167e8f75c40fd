"""The strength of what was exported, read on the run's held-out text.

Merging rounds to the base's precision, and a quantised base is another model: either may move a
light style by as much as its budget. So the exported thing is read itself, beside the adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from styledial.errors import UserError
from styledial.evaluation.writing import pieces_of
from styledial.language import say
from styledial.models.adapter import scaled
from styledial.models.llama_cpp import LlamaCpp
from styledial.models.load import load_base
from styledial.models.policy import Policy
from styledial.run.finished import Reopened, described_run, reopen
from styledial.training.measure import measure

if TYPE_CHECKING:
    from torch import Tensor

WRONG = 0.1  # further off than this share is said
_PIECES, _CONTEXT = 64, 48  # positions read through llama.cpp, each after so many tokens


@dataclass(frozen=True)
class Reading:
    """KL to the base in nats per token on the same text: the adapter's, the exported thing's.

    `base` is the distance of the exported thing's base to the run's, where it is another.
    `positions`: how many were read, where it isn't the whole held-out text.
    """

    adapter: float
    exported: float
    base: float | None = None
    positions: int | None = None

    @property
    def is_off(self) -> bool:
        """Whether the export is more than a tenth away from the adapter."""
        return abs(self.exported - self.adapter) > WRONG * self.adapter

    def words(self) -> str:
        """The reading in a line."""
        more = (
            ""
            if self.base is None
            else say(
                f"; the GGUF base itself is {self.base:.4f} from the run's base",
                f"；GGUF 基座与训练基座相距 {self.base:.4f}",
            )
        )
        read = self.positions
        where = ("", "") if read is None else (f" at {read} positions", f"（{read} 处）")
        return say(
            f"measured{where[0]}: KL {self.exported:.4f} as exported, {self.adapter:.4f} as an "
            f"adapter{more}",
            f"实测{where[1]}：导出后 KL {self.exported:.4f}，适配器 {self.adapter:.4f}{more}",
        )


def reopened(run: Path | None, base_now: str | None) -> Reopened | None:
    """The run with its text; None where it isn't one or its novels are gone."""
    try:
        if run is None:
            return None
        described_run(run, None)
        return reopen(run, None, base_now)
    except UserError:
        return None


@torch.no_grad()
def of_merged(opened: Reopened, merged: Path, scale: float) -> Reading:
    """Read a merged model in its own precision against the run's base. Costs three readings of the
    held-out text and the merged model's memory."""
    with scaled(opened.policy, scale):
        adapter = measure(opened.policy, opened.texts.heldout, **opened.reading).kl
    base = opened.policy.model.unload()
    tuned = load_base(str(merged), keep_file_dtype=True).to(base.device)
    policy = Policy(tuned, base)
    reading = {**opened.reading, "device": base.device}
    return Reading(adapter, measure(policy, opened.texts.heldout, **reading).kl)


@torch.no_grad()
def of_gguf(
    opened: Reopened, base: Path, lora: Path, scales: Sequence[float]
) -> list[Reading] | None:
    """Read a GGUF LoRA at each scale on a GGUF base through llama.cpp, and the adapter at the same
    positions. Some seconds for a small vocabulary, minutes for a large one. None where there is
    too little running text."""
    length = min(_CONTEXT, opened.texts.heldout.max_length // 2)
    pieces = pieces_of(opened.texts.heldout, length, _PIECES)
    if not len(pieces):
        return None
    with opened.policy.as_base() as model:
        reference = _after(model, pieces)
    llama = LlamaCpp(base, lora, context=max(64, 2 * length))

    def read(scale: float) -> Tensor:
        rows = [llama.next_token(ids, reference.shape[1], scale=scale) for ids in pieces.tolist()]
        return torch.stack(rows)

    plain = read(0.0)
    found = []
    for scale in scales:
        with scaled(opened.policy, scale):
            tuned = _after(opened.policy.model, pieces)
        here = _kl(tuned, reference), _kl(read(scale), plain), _kl(plain, reference)
        found.append(Reading(*here, positions=len(pieces)))
    return found


def _after(model: torch.nn.Module, pieces: np.ndarray) -> Tensor:
    """Log-probabilities [P, V] of the token after each piece, in float64 on the CPU."""
    ids = torch.from_numpy(pieces).to(next(model.parameters()).device)
    parts = [model(part).logits[:, -1].double().log_softmax(-1).cpu() for part in ids.split(8)]
    return torch.cat(parts)


def _kl(p: Tensor, q: Tensor) -> float:
    """Mean KL(p || q) of rows of log-probabilities; a token that llama.cpp left out counts 0."""
    terms = torch.where(p.isfinite() & q.isfinite(), p.exp() * (p - q), torch.zeros_like(p))
    return float(terms.sum(-1).mean())
