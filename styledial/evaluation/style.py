"""style_score: do passages read like the base, 0, or like the books, 1?

A logistic regression on the TF-IDF of character 1- to 3-grams learns to tell held-out passages
of the books from the base's continuations of the same prompts. Its probability of "book", a
mean over the tuned model's passages, is the score.

    score = 1/P  sum over passages  sigmoid( a (w . tfidf(passage) + b) + c )        0 ... 1

Cross-fitted: the text is cut into five stretches, and passages of one are scored by a classifier
that has seen only the others, so neither a prompt nor the names of a chapter give anything away.
The same is done with both controls, which are reported beside it: the base's own passages
(`base`, should be near 0) and the books' (`books`, near 1). Where the controls are not near 0
and 1, base and books are hard to tell apart and the score says little.

Length and layout are no clue: all passages are cut to one length in characters, white space
between Chinese characters is dropped, elsewhere it is one space. Interval: over passages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from styledial.evaluation.result import Result, of_mean
from styledial.evaluation.writing import Passage, Passages, as_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FOLDS = 5
_FEWEST = 8  # characters of a passage; a model that ends its texts at once leaves none
_BETWEEN_WIDE = re.compile(r"(?<=[^\x00-\xff])\s+|\s+(?=[^\x00-\xff])")


@dataclass(frozen=True)
class StyleScore:
    """style_score: how often a classifier takes passages for the books' rather than the base's."""

    passages: Passages
    tokenizer: PreTrainedTokenizerBase

    def run(self) -> Iterator[Result]:
        """The mean score, 0 (base) to 1 (books). Trains one small classifier a fold, on the CPU.
        Nothing where many passages are all but empty."""
        scores = self.scores()
        if scores is None:
            return
        tuned, base, books = scores
        yield Result(
            "style_score",
            *of_mean(tuned),
            "0 base - 1 books",
            float(base.mean()),
            float(books.mean()),
        )

    def scores(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Of each passage: the tuned model's, the base's, the books'. None where the common length
        of the passages is next to nothing."""
        sides = (self.passages.tuned, self.passages.base, self.passages.book)
        texts = [[plain(as_text(self.tokenizer, p.ids)) for p in side] for side in sides]
        # The tuned text has no say in it, so that several adapters are scored alike.
        length = int(np.quantile([len(text) for side in texts[1:] for text in side], 0.1))
        if length < _FEWEST:
            return None
        texts = [[text[:length] for text in side] for side in texts]
        folds = [self._folds(side) for side in sides]
        scores = [np.zeros(len(side)) for side in sides]
        for fold in range(_FOLDS):
            learnt = [
                [text for text, at in zip(texts[i], folds[i], strict=True) if at != fold]
                for i in (1, 2)
            ]
            probability = _classifier(*learnt)
            for i in range(3):
                mine = np.flatnonzero(folds[i] == fold)
                if len(mine):
                    scores[i][mine] = probability([texts[i][j] for j in mine])
        return scores[0], scores[1], scores[2]

    def _folds(self, side: Sequence[Passage]) -> np.ndarray:
        """Stretches of neighbouring text, so that a chapter is mostly on one side."""
        places = np.array([passage.place for passage in side])
        return places * _FOLDS // len(self.passages.book)


def plain(text: str) -> str:
    """Text without the spacing that tells tokenizers apart rather than writers."""
    return " ".join(_BETWEEN_WIDE.sub("", text).split())


def _classifier(base: list[str], books: list[str]) -> Callable[[list[str]], np.ndarray]:
    """Texts -> probability of "book", calibrated (Platt 1999) on passages left out in turn.

    The regression's own probabilities are timid on so few passages. Both classes count the same,
    however many passages each has.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    texts, labels = base + books, [0] * len(base) + [1] * len(books)
    model = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2),
        LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000),
    )
    unseen = cross_val_predict(
        model, texts, labels, cv=StratifiedKFold(_FOLDS), method="decision_function"
    )
    calibrate = LogisticRegression(C=1e3, class_weight="balanced").fit(unseen[:, None], labels)
    model.fit(texts, labels)

    def probability(asked: list[str]) -> np.ndarray:
        return calibrate.predict_proba(model.decision_function(asked)[:, None])[:, 1]

    return probability
