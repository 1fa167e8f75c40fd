"""distinct_2, distinct_3, longest_loop, truncated, base_perplexity: signs of degenerate text.

distinct_n        different n-grams / all n-grams of a passage (Li et al. 2016, arXiv 1510.03055),
                  a mean over passages; tokens; 1 = no n-gram comes twice
longest_loop      tokens in the longest stretch of a passage that says one thing at least three
                  times in a row; a mean over passages, 0 where nothing loops
truncated         share of passages that ran into the limit in place of ending by themselves
base_perplexity   exp( mean -log q(token) ) over the generated tokens after their prompts, q the
                  base: what the base thinks of them

Each has its value for the base's passages and for the books' beside it. Interval: over passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from styledial.data.pack import PackedRows
from styledial.evaluation.result import Result, of_mean, of_rate, of_sums, ratio
from styledial.evaluation.writing import Passage, Passages
from styledial.models.policy import Policy
from styledial.progress import tracked
from styledial.training.losses import fused_nll_kl


@dataclass(frozen=True)
class Fluency:
    """distinct_2 and _3, longest_loop, truncated, base_perplexity of the passages."""

    passages: Passages
    policy: Policy
    batch_size: int

    def run(self) -> Iterator[Result]:
        """Five metrics; distinct_n is left out where passages are too short. One pass of the
        base."""
        sides = (self.passages.tuned, self.passages.base, self.passages.book_opened)
        for n in (2, 3):
            shares = [[s for p in side if (s := distinct(p.ids, n)) is not None] for side in sides]
            if all(shares):
                yield _means(f"distinct_{n}", shares, "share of n-grams")
        loops = [[longest_loop(p.ids) for p in side] for side in sides]
        yield _means("longest_loop", loops, "tokens")
        cut = [np.array([not p.ended for p in side]) for side in sides[:2]]
        yield Result("truncated", *of_rate(cut[0]), "share of passages", float(cut[1].mean()))
        sums = [self._base_nll(side) for side in sides]
        perplexities = (float(np.exp(ratio(s.sum(axis=0, keepdims=True))[0])) for s in sums[1:])
        value, ci = of_sums(sums[0], lambda s: np.exp(ratio(s)))
        yield Result("base_perplexity", value, ci, "perplexity per token", *perplexities)

    @torch.no_grad()
    def _base_nll(self, side: list[Passage]) -> np.ndarray:
        """[passages, 2]: summed -log q of each passage's tokens, and how many they are."""
        prompt, size = self.passages.prompts.shape[1], self.passages.tokens
        tokens = np.zeros((len(side), prompt + size), dtype=np.int32)
        for row, passage in zip(tokens, side, strict=True):
            row[:prompt] = ~self.passages.prompts[passage.place]  # read, not counted
            row[prompt : prompt + len(passage.ids)] = passage.ids
        rows = PackedRows(tokens, [[(0, prompt + len(p.ids))] for p in side])
        sums = np.zeros((len(side), 2))
        device = self.policy.head.weight.device
        for start in tracked(range(0, len(side), self.batch_size)):
            part = list(range(start, min(start + self.batch_size, len(side))))
            batch = rows.batch(part).to(device)
            targets = batch.targets.flatten()
            hidden = self.policy.reference(batch.input_ids, batch.position_ids).flatten(0, 1)
            one = torch.ones_like(targets, dtype=torch.float32)
            nll = fused_nll_kl(hidden, None, self.policy.reference_head, targets, one, one).nll
            sums[part, 0] = nll.cpu().double().unflatten(0, (len(part), -1)).sum(dim=1).numpy()
            sums[part, 1] = [rows.targets_in(row) for row in part]
        return sums


def distinct(ids: np.ndarray, n: int) -> float | None:
    """Different n-grams over all; None for a text that has none."""
    if len(ids) < n:
        return None
    grams = np.lib.stride_tricks.sliding_window_view(ids, n)
    return len(np.unique(grams, axis=0)) / len(grams)


def longest_loop(ids: np.ndarray, times: int = 3) -> int:
    """Tokens in the longest stretch that repeats with some period at least `times` over."""
    longest = 0
    for period in range(1, len(ids) // times + 1):
        run = _longest_run(ids[period:] == ids[:-period])
        if run >= (times - 1) * period:
            longest = max(longest, run + period)
    return longest


def _longest_run(true: np.ndarray) -> int:
    """The most Trues in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _means(name: str, sides: Sequence[Sequence[float]], unit: str) -> Result:
    value, ci = of_mean(np.array(sides[0]))
    return Result(name, value, ci, unit, *(float(np.mean(side)) for side in sides[1:]))
