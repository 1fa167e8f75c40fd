"""Passages to evaluate: the same openings, continued by the tuned model, the base and the book.

    held-out piece   [ prompt  p tokens | the book's own continuation, n tokens ]
                     [ prompt           | the base's ]
                     [ prompt           | the tuned model's ]

A model that answers is asked in its chat template to go on from the prompt; the answer is what
stands beside the book.

Everything is sampled at temperature 1 from the full distribution: only such text has the
model's own statistics. Lower temperatures and top-p make any text more alike and more common,
by different amounts for two models, and would be measured along. One seed for both models, so
that two models that agree write the same, and a small difference isn't lost in the noise.

All passages pass through the tokenizer (token ids -> text), also the books': a character that
the tokenizer can't write would give them away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from styledial.data.chat import Request
from styledial.data.pack import PackedRows
from styledial.models.generation import text_ends
from styledial.models.writing_in_batches import WHOLE_DISTRIBUTION, extend

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Books' own passages are free; more would not change the classifier.
_MOST_BOOKS = 384


@dataclass(frozen=True)
class Passage:
    """`ids`: the continuation without its end mark; `place` is that of its opening in the text."""

    place: int
    ids: np.ndarray
    ended: bool  # by the writer, before the limit


@dataclass(frozen=True)
class Passages:
    """`opened` are the places whose prompts were continued; `book` has every place's own text.

    prompts: int64 [places, p], with the request around them where there is one. `reference` are
    pieces of the training text, cut in the same way.
    """

    prompts: np.ndarray
    opened: list[int]
    book: list[Passage]
    reference: list[np.ndarray]
    tokens: int
    tuned: list[Passage]
    base: list[Passage]

    def written_by(self, tuned: list[Passage], base: list[Passage]) -> Passages:
        """The same openings with what both models wrote."""
        return replace(self, tuned=tuned, base=base)

    @property
    def book_opened(self) -> list[Passage]:
        """The book's own continuations of the prompts that the models continued."""
        return [self.book[place] for place in self.opened]


def openings(
    heldout: PackedRows,
    style: PackedRows,
    *,
    passages: int,
    tokens: int,
    request: Request | None = None,
) -> Passages | None:
    """Prompts from held-out running text, spread evenly over it; None where there is too little.

    A prompt has up to 32 tokens, at most a quarter of a row; the continuation `tokens`, or as
    many as a row has left. `request`: what a model that answers is asked around it.
    """
    prompt = min(32, heldout.max_length // 4)
    tokens = min(tokens, heldout.max_length + 1 - prompt)
    pieces = pieces_of(heldout, prompt + tokens, _MOST_BOOKS)
    if request:  # which opens with the control token of a text's start, where there is one
        pieces = pieces[pieces[:, 0] != request.before[0]]
    if len(pieces) < 10:  # a handful says nothing, and the classifier needs its folds
        return None
    opened = np.linspace(0, len(pieces) - 1, min(passages, len(pieces))).round().astype(int)
    book = [Passage(place, piece[prompt:], False) for place, piece in enumerate(pieces)]
    reference = [piece[prompt:] for piece in pieces_of(style, prompt + tokens, 2000)]
    prompts = _within(request, pieces[:, :prompt]) if request else pieces[:, :prompt]
    return Passages(prompts, opened.tolist(), book, reference, tokens, [], [])


def _within(request: Request, prompts: np.ndarray) -> np.ndarray:
    """[places, p] -> [places, before + p + behind]."""
    around = [np.tile(ids, (len(prompts), 1)) for ids in (request.before, request.behind)]
    return np.concatenate([around[0], prompts, around[1]], axis=1).astype(np.int64)


def pieces_of(rows: PackedRows, length: int, most: int) -> np.ndarray:
    """int64 [pieces, length]: the beginnings of running text at least that long, evenly spread."""
    found = [
        (row, start)
        for row, pieces in enumerate(rows.pieces)
        for start, size in pieces
        # A piece that begins unlearnt is a dialogue, which has another form than running text.
        if size >= length and rows.tokens[row, start] >= 0
    ]
    if len(found) > most:
        found = [found[i] for i in np.linspace(0, len(found) - 1, most).round().astype(int)]
    cut = [rows.tokens[row, start : start + length] for row, start in found]
    kept = np.array(cut, dtype=np.int64).reshape(len(found), length)
    return np.where(kept < 0, ~kept, kept)


def sample(
    model: PreTrainedModel,
    passages: Passages,
    *,
    seed: int,
    words: str,
    ends: list[int] | None = None,
    **more: Any,
) -> list[Passage]:
    """Continue every opened prompt; the same seed gives the same text on the same device. `ends`
    as for `extend`, `more`: further arguments of `generate`."""
    ends = text_ends(model) if ends is None else ends
    ids = extend(
        model,
        passages.prompts[passages.opened],
        ends=ends,
        tokens=passages.tokens,
        words=words,
        seed=seed,
        **WHOLE_DISTRIBUTION,
        **more,
    )
    found = []
    for place, row in zip(passages.opened, ids, strict=True):
        stop = np.flatnonzero(np.isin(row, ends))
        found.append(Passage(place, row[: stop[0]] if len(stop) else row, bool(len(stop))))
    return found


def as_text(tokenizer: PreTrainedTokenizerBase, ids: np.ndarray) -> str:
    """The text of some tokens; characters that their ends cut in two are left out."""
    return tokenizer.decode(ids.tolist(), skip_special_tokens=True).replace("\ufffd", "")
