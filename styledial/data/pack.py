"""Passages -> token documents -> packed rows -> batches.

    documents   book 1: t t t t t t t t t t   book 2: t t t E      E = end of text, real ends only
    pieces      [t t t t|t] [t t t t|t] [t t]    [t t t E]          max_length + 1 tokens each
    rows        [t t t t|t]
                [t t t t|t]
                [t t E t|t] ...                                     short pieces share a row

A row has max_length inputs and one more token, the last target, so no token is lost between two
rows of a book. Pieces in one row don't see each other: positions restart, and the first token of
a piece is never a target. A token that is read but not learnt (the question of a dialogue, a
name with data.mask_names) is kept as its complement ~t, which is negative.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from styledial.data.dialogues import render_dialogue
from styledial.data.passage import Dialogue, Passage
from styledial.data.tokens import opening_ids, text_ids
from styledial.files import written_aside
from styledial.language import say
from styledial.progress import tracked

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORE_INDEX = -100  # a target without loss, as in torch and transformers
# Characters given to the tokenizer at once: whole novels make some tokenizers quadratic.
_BLOCK = 20_000


class Batch(NamedTuple):
    """int64 [B, T] each; `position_ids` is None where every row is a single piece."""

    input_ids: Tensor
    targets: Tensor
    position_ids: Tensor | None

    def to(self, device: torch.device) -> Batch:
        """The same batch on `device`; the copy does not block."""
        return Batch(*(None if x is None else x.to(device, non_blocking=True) for x in self))  # type: ignore[arg-type]

    def part(self, rows: Sequence[int]) -> Batch:
        """A copy of these rows."""
        return Batch(*(None if x is None else x[list(rows)] for x in self))  # type: ignore[arg-type]


@dataclass(frozen=True)
class PackedRows:
    """tokens: int32 [rows, max_length + 1], ~t where t isn't learnt; pieces[i]: (start, length)
    of the pieces in row i."""

    tokens: np.ndarray
    pieces: list[list[tuple[int, int]]]

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def max_length(self) -> int:
        """Positions of a row, T: one fewer than the tokens it stores."""
        return self.tokens.shape[1] - 1

    def targets_in(self, row: int) -> int:
        """Tokens of a row that carry loss; known without touching the device."""
        tokens = self.tokens[row]
        return sum(
            int(np.count_nonzero(tokens[start + 1 : start + length] >= 0))
            for start, length in self.pieces[row]
        )

    @property
    def total_targets(self) -> int:
        """Tokens that carry loss, over all rows. Costs a pass over the rows."""
        return sum(map(self.targets_in, range(len(self))))

    @property
    def highest_id(self) -> int:
        """The highest token id in any row; -1 without rows."""
        return int(np.where(self.tokens < 0, ~self.tokens, self.tokens).max(initial=-1))

    def at_most(self, tokens: int) -> PackedRows:
        """Rows spread evenly over the text with about `tokens` targets; all of them if fewer."""
        chosen = self.spread(tokens)
        return self if len(chosen) == len(self) else self.select(chosen)

    def spread(self, tokens: int) -> list[int]:
        """Numbers of the rows that `at_most` keeps."""
        wanted = max(2, round(len(self) * tokens / max(self.total_targets, 1)))
        if wanted >= len(self):
            return list(range(len(self)))
        return np.linspace(0, len(self) - 1, wanted).round().astype(int).tolist()

    def select(self, rows: list[int]) -> PackedRows:
        """A copy of these rows, in this order."""
        return PackedRows(self.tokens[rows], [self.pieces[row] for row in rows])

    def arrays(self) -> dict[str, Any]:
        """All of it as arrays; `from_arrays` turns them back."""
        return {
            "tokens": self.tokens,
            "pieces": np.array([p for row in self.pieces for p in row], dtype=np.int32),
            "in_row": np.array([len(row) for row in self.pieces], dtype=np.int32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PackedRows:
        """The rows that `arrays` describes."""
        pieces = iter(map(tuple, arrays["pieces"].tolist()))
        return cls(
            arrays["tokens"],
            [list(itertools.islice(pieces, count)) for count in arrays["in_row"].tolist()],
        )

    def save(self, path: Path) -> None:
        """Keep the rows in a file of numpy's (.npz)."""
        with written_aside(path) as aside, aside.open("wb") as file:
            np.savez(file, **self.arrays())

    @classmethod
    def load(cls, path: Path) -> PackedRows:
        """The rows that `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls.from_arrays(arrays)

    def batch(self, rows: Sequence[int]) -> Batch:
        """The rows as tensors; costs one copy of [B, T]."""
        kept = torch.from_numpy(self.tokens[list(rows)].astype(np.int64))
        tokens = torch.where(kept < 0, ~kept, kept)
        learnt = torch.where(kept < 0, IGNORE_INDEX, kept)
        targets = torch.full((len(rows), self.max_length), IGNORE_INDEX)
        positions = torch.arange(self.max_length).repeat(len(rows), 1)
        single = True
        for i, row in enumerate(rows):
            for start, length in self.pieces[row]:
                end = start + length
                targets[i, start : end - 1] = learnt[i, start + 1 : end]
                positions[i, start:] -= positions[i, start].item()
                single &= start == 0
            if end < self.max_length:
                positions[i, end:] = torch.arange(self.max_length - end)  # padding sees itself
                # A padded tail after a single piece does no harm: no later token attends to it.
        return Batch(tokens[:, :-1].contiguous(), targets, None if single else positions)


def pack(
    passages: Iterable[Passage],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    dialogues: Iterable[Dialogue] = (),
    share_rows: bool = True,
    unlearnt: Callable[[list[int]], list[int]] | None = None,
) -> PackedRows:
    """Tokenise and pack; first fit, longest first, for pieces shorter than a row.

    `share_rows` false gives every short piece a row of its own: flash_attention_2 keeps the
    pieces of a row apart only where a batch has one row.

    `unlearnt` takes the ids of running text and gives them with ~t for what isn't learnt; a piece
    of which nothing is learnt is left out.

    A dialogue is one piece, cut at a row's length, and left out if no answer is left in it.
    """
    full: list[list[int]] = []
    short: list[list[int]] = []
    for ids in documents(passages, tokenizer):
        document = unlearnt(ids) if unlearnt else ids
        # The last token of a piece is a target only; the next piece starts with it as input.
        for start in range(0, max(len(document) - 1, 1), max_length):
            piece = document[start : start + max_length + 1]
            # Never a target: marked as learnt only to tell running text from dialogues.
            piece[:1] = [token if token >= 0 else ~token for token in piece[:1]]
            if any(token >= 0 for token in piece[1:]):  # a lone token predicts nothing
                (full if len(piece) == max_length + 1 else short).append(piece)
    for dialogue in dialogues:
        rendered, learnt = render_dialogue(dialogue, tokenizer)
        piece = [t if mask else ~t for t, mask in zip(rendered, learnt, strict=True)][
            : max_length + 1
        ]
        if any(token >= 0 for token in piece[1:]):
            (full if len(piece) == max_length + 1 else short).append(piece)
    return _rows(full, short, max_length, share_rows)


def pack_pieces(pieces: Iterable[list[int]], max_length: int, share_rows: bool) -> PackedRows:
    """Pack pieces of at most max_length + 1 ids, ~t where one isn't learnt, as `pack` does."""
    whole: dict[bool, list[list[int]]] = {True: [], False: []}
    for piece in pieces:
        whole[len(piece) == max_length + 1].append(piece)
    return _rows(whole[True], whole[False], max_length, share_rows)


def joined(first: PackedRows, second: PackedRows) -> PackedRows:
    """The rows of both, of one length, one behind the other."""
    tokens = np.concatenate([first.tokens, second.tokens])
    return PackedRows(tokens, [*first.pieces, *second.pieces])


def documents(
    passages: Iterable[Passage], tokenizer: PreTrainedTokenizerBase
) -> Iterator[list[int]]:
    """Token ids of each run of passages of one book and split, with real ends marked.

    A tokenizer that opens texts with special tokens (Llama's BOS, ChatGLM's [gMASK] sop) opens
    each document with them.
    """
    opening = opening_ids(tokenizer)
    ids: list[int] = []
    last: Passage | None = None
    for passage in tracked(list(passages), say("tokenising", "分词")):
        if last and not _goes_on(last, passage):
            yield ids
            ids, last = [], None
        text = passage.text if last is None else "\n" + passage.text
        ids = ids or list(opening)
        ids.extend(text_ids(tokenizer, list(_blocks(text)), goes_on=last is not None))
        if passage.ends_book and tokenizer.eos_token_id is not None:
            ids.append(tokenizer.eos_token_id)
        last = passage
    if ids:
        yield ids


def _goes_on(last: Passage, passage: Passage) -> bool:
    """Whether the two are one run of text, with nothing missing in between."""
    same = (passage.book, passage.split) == (last.book, last.split)
    return same and passage.follows and not last.ends_book


def _blocks(text: str) -> Iterator[str]:
    """Pieces of about _BLOCK characters that end after a line break where there is one."""
    start = 0
    while start < len(text):
        end = start + _BLOCK
        if end < len(text):
            line = text.rfind("\n", start, end) + 1
            end = line if line > start else end
        yield text[start:end]
        start = end


def _rows(
    full: list[list[int]], short: list[list[int]], max_length: int, share_rows: bool
) -> PackedRows:
    rows: list[list[list[int]]] = []
    # (space left, row) in order of space: the tightest row that still fits is one bisection away.
    space: list[tuple[int, int]] = []
    for piece in sorted(short, key=len, reverse=True):
        found = bisect.bisect_left(space, (len(piece), -1)) if share_rows else len(space)
        left, row = space.pop(found) if found < len(space) else (max_length + 1, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].append(piece)
        bisect.insort(space, (left - len(piece), row))
    tokens = np.zeros((len(full) + len(rows), max_length + 1), dtype=np.int32)
    places = [[(0, max_length + 1)] for _ in full]
    for i, piece in enumerate(full):
        tokens[i] = piece
    for i, row_pieces in enumerate(rows, len(full)):
        start, place = 0, []
        for piece in row_pieces:
            tokens[i, start : start + len(piece)] = piece
            place.append((start, len(piece)))
            start += len(piece)
        places.append(place)
    return PackedRows(tokens, places)
