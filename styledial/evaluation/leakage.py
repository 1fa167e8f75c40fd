"""name_leakage: do passages hold the books' names that nothing in their prompt asked for?

A model tuned on novels may write their people into everything. Names are found in the training
text by data.names, whether or not the run learnt them, so that runs with and without
data.mask_names are measured by the same names. A name that the prompt holds is no leak: going on
about it is what a continuation is for. Interval: over passages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from styledial.data.names import find_names, matcher
from styledial.data.pack import PackedRows
from styledial.evaluation.result import Result, of_rate
from styledial.evaluation.writing import Passage, Passages, as_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_READ = 1_000_000  # tokens of the training text that are looked through; 4 s of Chinese


@dataclass(frozen=True)
class Leakage:
    """The share of passages with a name of the books. Nothing where the books have no names."""

    passages: Passages
    style: PackedRows
    general: PackedRows
    tokenizer: PreTrainedTokenizerBase

    def run(self) -> Iterator[Result]:
        """The tuned model's share, with the base's and the books' own."""
        book = _text(self.style.at_most(_READ), self.tokenizer)
        names = matcher(find_names([book], _text(self.general, self.tokenizer)))
        if names is None:
            return
        written = self.passages
        tuned, base, books = (
            np.array([self._leaks(names, passage) for passage in side])
            for side in (written.tuned, written.base, written.book_opened)
        )
        rates = (float(side.mean()) for side in (base, books))
        yield Result("name_leakage", *of_rate(tuned), "share of passages", *rates)

    def _leaks(self, names: re.Pattern[str], passage: Passage) -> bool:
        prompt = as_text(self.tokenizer, self.passages.prompts[passage.place])
        found = set(names.findall(as_text(self.tokenizer, passage.ids)))
        return any(name not in prompt for name in found)


def _text(rows: PackedRows, tokenizer: PreTrainedTokenizerBase) -> str:
    """The rows' text, in their order; in one, as characters may be cut by a row's end."""
    kept = np.where(rows.tokens < 0, ~rows.tokens, rows.tokens)
    pieces = [
        kept[row, start : start + length - 1]  # the last token comes again in the next row
        for row, parts in enumerate(rows.pieces)
        for start, length in parts
    ]
    return as_text(tokenizer, np.concatenate(pieces))
