"""function_word_distance, sentence_rhythm_distance: how far two distributions are from the books'.

    D = Jensen-Shannon divergence (Lin 1991) = H((p + q)/2) - (H(p) + H(q))/2    bits, 0 ... 1

p is of the passages, q of up to 2,000 passages of the training text, cut in the same way.

function words      shares of each function word, and of everything else (evaluators/words.py)
sentence rhythm     shares of whole sentences by length, in ten classes that the books fill equally

0 is the books' own distribution; a finite sample never gets there: `books` is what held-out
passages of the books come to, the value to aim at. Interval: over passages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from styledial.evaluation.result import Result, Statistic, of_sums
from styledial.evaluation.words import function_words, is_chinese, sentence_lengths
from styledial.evaluation.writing import Passages, as_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CLASSES = 10
BITS = "bits"


@dataclass(frozen=True)
class Rhythm:
    """function_word_distance and sentence_rhythm_distance of the passages to the books."""

    passages: Passages
    tokenizer: PreTrainedTokenizerBase

    def run(self) -> Iterator[Result]:
        """Both distances; the second is left out where the books have too few whole sentences."""
        sides = self.passages
        tuned, base, books, reference = (
            [as_text(self.tokenizer, ids) for ids in side]
            for side in (
                *([p.ids for p in side] for side in (sides.tuned, sides.base, sides.book_opened)),
                sides.reference,
            )
        )
        chinese = is_chinese("".join(reference[:100]))

        def words(texts: list[str]) -> np.ndarray:
            return np.array([function_words(text, chinese) for text in texts])

        yield _compared("function_word_distance", *map(words, (tuned, base, books, reference)))
        lengths = [length for text in reference for length in sentence_lengths(text, chinese)]
        if len(lengths) < 10 * _CLASSES:
            return  # too few whole sentences to speak of a distribution
        edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _CLASSES + 1)[1:-1]))

        def rhythm(texts: list[str]) -> np.ndarray:
            found = np.zeros((len(texts), len(edges) + 1))
            for i, text in enumerate(texts):
                classes = np.searchsorted(edges, sentence_lengths(text, chinese))
                np.add.at(found[i], classes, 1)
            return found

        yield _compared("sentence_rhythm_distance", *map(rhythm, (tuned, base, books, reference)))


def _compared(
    name: str, tuned: np.ndarray, base: np.ndarray, books: np.ndarray, reference: np.ndarray
) -> Result:
    distance = _to(reference.sum(axis=0))
    others = (float(distance(side.sum(axis=0, keepdims=True))[0]) for side in (base, books))
    value, (low, high) = of_sums(tuned, distance)
    return Result(name, value, (max(low, 0.0), min(high, 1.0)), BITS, *others)


def _to(reference: np.ndarray) -> Statistic:
    q = reference / max(reference.sum(), 1)

    def distance(counts: np.ndarray) -> np.ndarray:
        """counts [R, k] -> [R]; a side without any counts is as far as can be."""
        total = counts.sum(axis=1, keepdims=True)
        p = counts / np.maximum(total, 1)
        found = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q[None])) / 2
        return np.where(total[:, 0] > 0, np.maximum(found, 0), 1.0)

    return distance


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(axis=1)
