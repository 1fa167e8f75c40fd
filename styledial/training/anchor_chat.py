"""Anchor text in an instruct base's chat format, question and answer both written by the base.

    template                    the base's          template                 the base's
    [system ... user begins]    question            [turn ends, answer begins]   answer [end]

Given nothing but the start of a user's turn, a model that was taught to answer writes a question
of the kind that it was taught on (Magpie, arXiv 2406.08464), and then answers it: it is this way of
answering that has to be preserved. Carrying loss: the question, the answer and the token that ends
it; the template's own tokens are only read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from styledial.data.chat import Request
from styledial.data.pack import PackedRows, pack_pieces
from styledial.data.tokens import control_ids
from styledial.distributed.sharded_tensors import model_is_sharded
from styledial.models.generation import end_tokens
from styledial.models.writing_in_batches import WHOLE_DISTRIBUTION, extend, side_by_side
from styledial.progress import stage
from styledial.training.anchor import Shares, in_turns, rows_at_once

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Tokens of a conversation at most: the first sentences of an answer are enough, and each further
# token costs a pass of the base over all conversations of a batch.
LONGEST = 256
# Of what the template leaves of a conversation, for the question.
_QUESTION = 0.4


def room_for_chat(request: Request | None, length: int) -> bool:
    """Whether a row of `length` tokens leaves half of itself to question and answer."""
    longest = min(length, LONGEST)
    return request is not None and len(request.before) + len(request.behind) <= longest // 2


def where_texts_end(
    base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[int]]:
    """The ids that end an answer, and those that end a question, each in order: a question ends
    where the template would go on, whatever control token the base writes there."""
    ends = end_tokens(base, tokenizer)
    return ends, sorted(control_ids(tokenizer) | set(ends))


def sample_chat(
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    request: Request,
    rows: int,
    length: int,
    *,
    share_rows: bool,
    seed: int,
    shares: Shares = Shares(),  # noqa: B008 - frozen
) -> PackedRows:
    """At most `rows` rows of `length` tokens full of conversations; with `share_rows` false one
    conversation a row, as many as would have filled them.

    Costs two generations for every `rows_at_once` conversations, together of LONGEST tokens at
    most.
    """
    longest = min(length, LONGEST)
    count = rows * (length // longest)
    at_once = rows_at_once(base.config, longest, base.dtype.itemsize)

    def write(start: int, several: int) -> list[list[int]]:
        return _conversations(base, tokenizer, request, several, longest, seed + start)

    parts = in_turns(count, at_once, write, shares)
    return pack_pieces([each for part in parts for each in part], length, share_rows)


def _conversations(
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    request: Request,
    count: int,
    longest: int,
    seed: int,
) -> list[list[int]]:
    """`count` conversations of at most `longest` + 1 ids, ~t for what the template writes."""
    # Synced: no process may end early where all of them gather each layer.
    how = {**WHOLE_DISTRIBUTION, "synced_gpus": model_is_sharded(base)}
    before, behind = list(request.before), list(request.behind)
    room = longest + 1 - len(before) - len(behind)
    ends, stops = where_texts_end(base, tokenizer)
    most = max(1, int(room * _QUESTION))
    with stage(total=2) as at:
        opened = np.array([before] * count)
        asked = extend(base, opened, tokens=most, seed=seed, ends=stops, min_new_tokens=1, **how)
        questions = [_until(row, stops) for row in asked.tolist()]
        at(1)
        opened = side_by_side([[*before, *question, *behind] for question in questions])
        left = room - min(map(len, questions))
        answered = extend(base, opened, tokens=left, seed=seed + 1, ends=ends, **how)
    unlearnt = [~t for t in before], [~t for t in behind]
    return [
        [*unlearnt[0], *question, *unlearnt[1], *_until(row, ends, with_end=True)][: longest + 1]
        for question, row in zip(questions, answered.tolist(), strict=True)
    ]


def _until(ids: list[int], ends: list[int], *, with_end: bool = False) -> list[int]:
    """The ids in front of the first of `ends`, or up to it; all where there is none."""
    stop = next((place for place, token in enumerate(ids) if token in ends), None)
    return ids if stop is None else ids[: stop + with_end]
