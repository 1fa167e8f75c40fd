"""Many texts written at once by one model: prompts as rows of ids, and what follows each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from styledial.models.evaluating import evaluating
from styledial.models.generation import counting, text_ends
from styledial.progress import tracked

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BATCH = 64
# The model's whole distribution: only such text has the model's own statistics.
WHOLE_DISTRIBUTION: dict[str, Any] = {
    "do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0,
}  # fmt: skip


@torch.no_grad()
def extend(
    model: PreTrainedModel,
    prompts: np.ndarray,
    *,
    tokens: int,
    seed: int,
    words: str = "",
    ends: list[int] | None = None,
    **how: Any,
) -> np.ndarray:
    """int64 [P, p] -> [P, tokens], 64 prompts at a time; what follows one of `ends` (None: those of
    generation_config.json) is padding, and so is what is negative in front of a prompt
    (side_by_side)."""
    ends = text_ends(model) if ends is None else ends
    written = np.zeros((len(prompts), tokens), dtype=np.int64)
    with evaluating(model), torch.random.fork_rng():
        torch.manual_seed(seed)
        for start in tracked(range(0, len(prompts), _BATCH), words):
            part = torch.from_numpy(prompts[start : start + _BATCH]).to(model.device)
            padding = ends[0] if ends else 0
            with counting(part.shape[1], tokens) as count:
                ids = model.generate(
                    input_ids=part.where(part >= 0, padding),
                    attention_mask=(part >= 0).long(),
                    max_new_tokens=tokens,
                    stopping_criteria=count,
                    repetition_penalty=1.0,
                    use_cache=True,
                    pad_token_id=padding,
                    eos_token_id=ends or None,
                    **how,
                )[:, part.shape[1] :]
            written[start : start + len(part), : ids.shape[1]] = ids.cpu().numpy()
            if ids.shape[1] < tokens and ends:  # all of them ended early
                written[start : start + len(part), ids.shape[1] :] = ends[0]
    return written


def side_by_side(prompts: Sequence[Sequence[int]]) -> np.ndarray:
    """Prompts of any lengths as int64 [P, p] for `extend`, with -1 in front of shorter ones."""
    longest = max(map(len, prompts))
    return np.array([[-1] * (longest - len(ids)) + list(ids) for ids in prompts], dtype=np.int64)
