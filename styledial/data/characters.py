"""Characters of the text that packed rows teach: the unit in which different tokenizers compare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from styledial.data.pack import PackedRows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def characters_of(rows: PackedRows, tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """int64 [rows]: characters of each row's targets, spaces and line breaks included.

    A stretch of targets is decoded behind the token before it, whose own characters are taken
    off: SentencePiece then keeps its first space. A character counts where its last bytes are, and
    not at all where a row's end leaves no token with all of them: one a row at most. Control tokens
    (the end of a book) hold no characters. Costs two decodings a stretch.
    """
    stretches = [(row, ids) for row in range(len(rows)) for ids in _stretches(rows, row)]
    found = np.zeros(len(rows), dtype=np.int64)
    whole = _lengths(tokenizer, [ids for _, ids in stretches])
    before = _lengths(tokenizer, [ids[:1] for _, ids in stretches])
    for (row, _), size in zip(stretches, whole - before, strict=True):
        found[row] += size
    return found


def _stretches(rows: PackedRows, row: int) -> Iterator[list[int]]:
    """Each run of targets in a row, with the token before it in front."""
    for start, length in rows.pieces[row]:
        kept = rows.tokens[row, start : start + length].astype(np.int64)
        learnt = np.concatenate([[False], kept[1:] >= 0, [False]])
        edges = np.flatnonzero(np.diff(learnt.astype(np.int8)))
        ids = np.where(kept < 0, ~kept, kept)
        for first, end in edges.reshape(-1, 2):
            yield ids[first : end + 1].tolist()


def _lengths(tokenizer: PreTrainedTokenizerBase, texts: list[list[int]]) -> np.ndarray:
    decoded = tokenizer.batch_decode(
        texts, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    # What is left of a character cut in two reads as "\ufffd".
    return np.array([len(text.replace("\ufffd", "")) for text in decoded], dtype=np.int64)
