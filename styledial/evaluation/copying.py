"""longest_copy, long_copy_rate, extraction_rate_N: what a model reproduces of the training books.

longest_copy         tokens of the longest run that a passage has in common with the training
                     text, word for word; the largest over all passages
long_copy_rate       share of passages with such a run of LONG tokens or more
extraction_rate_N    share of places in the training books where the model, given the N tokens
                     before, greedily writes the next 32 exactly (Carlini et al. 2022, arXiv
                     2202.07646, with 32 in place of 50, as a row may have 128)
probe_extraction_rate_N    the same on books that were not read: tuning may unlock them (arXiv
                     2603.20957)

Passages continue held-out text. The base has values too: it may know the books already. So have
the books: a held-out passage shares its stock phrases with the rest. Interval: over passages, or
places.

Memory: the training tokens stay where they are and are streamed past. Only the passages' n-grams
are kept, as 64-bit hashes in a sorted array: some hundred KB whatever the size of the books. Time:
1.4 to 3.3 million training tokens a second on one core (docs/experiments.md, 2026-11-25).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from styledial.data.pack import PackedRows
from styledial.evaluation.result import Result, of_max, of_rate
from styledial.evaluation.writing import Passages, pieces_of
from styledial.models.policy import Policy
from styledial.models.writing_in_batches import extend

LONG = 24
SUFFIX, PREFIXES = 32, (64, 32, 16)
_SEED = 8  # tokens that a run must have to be looked at; shorter ones are everyday phrases
_STREAM = 1 << 20
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Copying:
    """longest_copy, long_copy_rate: runs of tokens that passages share with the training text."""

    passages: Passages
    style: PackedRows

    def run(self) -> Iterator[Result]:
        """Both metrics, with the base's and the books' own values. Intervals over passages."""
        sides = (self.passages.tuned, self.passages.base, self.passages.book_opened)
        found = longest_copies([p.ids for side in sides for p in side], self.style)
        tuned, base, books = np.split(found, np.cumsum([len(side) for side in sides])[:2])
        yield Result(
            "longest_copy", *of_max(tuned), "tokens", float(base.max()), float(books.max())
        )
        rates = (float((side >= LONG).mean()) for side in (base, books))
        yield Result("long_copy_rate", *of_rate(tuned >= LONG), "share of passages", *rates)


@dataclass(frozen=True)
class Extraction:
    """`places` spread evenly over `rows`. A prefix that a row can't hold is left out.

    `name` is that of the metrics: the training text's, or that of books that weren't read.
    """

    policy: Policy
    rows: PackedRows
    places: int
    name: str = "extraction_rate"

    def run(self) -> Iterator[Result]:
        """One rate a prefix length. Generates `places` x PREFIXES twice, with both
        models."""
        if not self.tried:
            return
        most, pieces = self._longest_prefix, self._pieces
        for n in sorted(n for n in PREFIXES if n <= most):
            prompts, wanted = pieces[:, most - n : most], pieces[:, most:]
            exact = [self._exact(self.policy.model, prompts, wanted)]
            with self.policy.as_base() as base:
                exact.append(self._exact(base, prompts, wanted))
            yield Result(
                f"{self.name}_{n}",
                *of_rate(exact[0]),
                "share of places",
                float(exact[1].mean()),
            )

    @property
    def tried(self) -> int:
        """How many places there are: fewer than `places` where the text is short."""
        return len(self._pieces) if self._longest_prefix else 0

    @property
    def _longest_prefix(self) -> int:
        return max((n for n in PREFIXES if n + SUFFIX <= self.rows.max_length + 1), default=0)

    @cached_property
    def _pieces(self) -> np.ndarray:
        return pieces_of(self.rows, self._longest_prefix + SUFFIX, self.places)

    def _exact(self, model: object, prompts: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        how: dict[str, Any] = {
            "do_sample": False,
            "temperature": None,
            "top_p": None,
            "top_k": None,
        }
        written = extend(model, prompts, tokens=SUFFIX, seed=0, **how)
        return (written == wanted).all(axis=1)


def longest_copies(passages: list[np.ndarray], rows: PackedRows) -> np.ndarray:
    """[passages]: tokens of each one's longest run that is also in `rows`; 0 if below 8.

    A run of n tokens is n - 7 windows of 8 that match one after another at the same distance,
    so matches are sorted by distance and runs counted. Windows of fewer than three different
    tokens (a dash, a loop) are not counted as words.
    """
    longest = np.zeros(len(passages), dtype=np.int64)
    windows = _Windows.of(passages)
    if not len(windows.hashes):
        return longest
    reach = max(map(len, passages)) // rows.max_length + 1  # rows that a run may go on into
    step = max(_STREAM // rows.max_length, 1)
    for start in range(0, len(rows), step):
        # A row's last token comes again as the next row's first.
        part = rows.tokens[start : start + step + reach, :-1].ravel().astype(np.int64)
        stream = np.where(part < 0, ~part, part)
        there, here = windows.found_in(stream)
        order = np.lexsort((there, there - here))
        there, here = there[order], here[order]
        distance = there - here
        new = np.ones(len(there), dtype=bool)
        new[1:] = (np.diff(distance) != 0) | (np.diff(there) != 1)
        first = np.flatnonzero(new)
        length = np.diff(np.append(first, len(there))) + _SEED - 1
        np.maximum.at(longest, windows.owner[here[first]], length)
    return longest


@dataclass(frozen=True)
class _Windows:
    """All 8-token windows of some passages: sorted hashes, and where in `text` each begins.

    `text` is the passages one after another, `owner` [len(text)] says whose a token is.
    """

    text: np.ndarray
    owner: np.ndarray
    hashes: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, passages: list[np.ndarray]) -> _Windows:
        text = np.concatenate([*passages, np.zeros(0, dtype=np.int64)]).astype(np.int64)
        owner = np.repeat(np.arange(len(passages)), [len(ids) for ids in passages])
        starts = np.arange(max(len(text) - _SEED + 1, 0))
        starts = starts[owner[starts] == owner[starts + _SEED - 1]]
        if len(starts):
            grams = np.sort(np.lib.stride_tricks.sliding_window_view(text, _SEED)[starts], axis=1)
            starts = starts[(np.diff(grams, axis=1) != 0).sum(axis=1) >= 2]
        hashes = _hashes(text)[starts] if len(starts) else np.zeros(0, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        return cls(text, owner, hashes[order], starts[order])

    def found_in(self, stream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (start in `stream`, start in `text`) of equal windows."""
        if len(stream) < _SEED:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        hashes = _hashes(stream)
        low = np.searchsorted(self.hashes, hashes, "left")
        count = np.searchsorted(self.hashes, hashes, "right") - low
        there = np.flatnonzero(count)
        low, count = low[there], count[there]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        here = self.starts[np.repeat(low, count) + within]
        there = np.repeat(there, count)
        same = np.ones(len(there), dtype=bool)  # two windows may share a hash by chance
        for i in range(_SEED):
            same &= stream[there + i] == self.text[here + i]
        return there[same], here[same]


def _hashes(tokens: np.ndarray) -> np.ndarray:
    """uint64 [n - 7]: a polynomial hash, modulo 2^64, of each window of 8 tokens."""
    count = len(tokens) - _SEED + 1
    words = tokens.astype(np.uint64) + np.uint64(1)
    found = np.zeros(count, dtype=np.uint64)
    for i in range(_SEED):
        found = found * _FACTOR + words[i : i + count]
    return found
