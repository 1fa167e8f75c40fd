"""The anchor text of a run: how much of it, of what kind, and where it comes from.

data.anchor self    the user's cache, else the base writes it (training/anchor.py,
                    anchor_chat.py) and it is kept there
a file, bundled     general text, packed
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from styledial.build.rows import ANCHOR_WEIGHT, anchor_rows, has_anchor, writes_anchor
from styledial.build.texts import Texts, no_general_text
from styledial.config import Config
from styledial.data.chat import Request
from styledial.data.everyday import everyday_openings, language_of
from styledial.data.pack import PackedRows, joined, pack
from styledial.data.texts import general_passages
from styledial.distributed.ranks import Place
from styledial.models.generation import answers_by_template
from styledial.models.limits import check_ids
from styledial.models.policy import Policy
from styledial.training import anchor_cache
from styledial.training.anchor import TOKENS, Shares, book_openings, sample_rows
from styledial.training.anchor_chat import (
    LONGEST,
    room_for_chat,
    sample_chat,
    where_texts_end,
)
from styledial.training.checkpoint import Snapshot
from styledial.training.components import Anchor
from styledial.training.row_order import RowOrder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Tokens that the base writes, of the tokens of the novels that a run trains on. One written at
# batch costs less than one trained on (docs/experiments.md), so less than this part of the time.
_SHARE = 0.1
_BOOK = "book"  # openings: tokens of the user's own text


@dataclass(frozen=True)
class AnchorPlan:
    """What the base writes: `text_rows` of running text and `chat_rows` in its chat format.

    filled: whether running text takes the rows that short conversations leave; it did not in runs
    from before this was recorded.
    openings: what running text begins with, everyday words of a language (data/everyday.py) or,
    where there are none for it, tokens of the `book`. Recorded in checkpoints, so that a resumed
    run has the text that it began with, however many updates it is resumed to.
    """

    text_rows: int
    chat_rows: int
    openings: str
    filled: bool = False

    def record(self) -> dict[str, Any]:
        """For TrainState.anchor."""
        return asdict(self)


def plan_anchor(
    config: Config,
    policy: Policy,
    texts: Texts,
    order: RowOrder,
    tokenizer: PreTrainedTokenizerBase,
    steps: int,
    snapshot: Snapshot | None,
) -> AnchorPlan | None:
    """The plan of a run of `steps` updates, or that of the run that saved `snapshot`; None where
    the base writes nothing."""
    if not writes_anchor(config):
        return None
    if snapshot and snapshot.state.anchor:
        return AnchorPlan(**snapshot.state.anchor)
    if snapshot:
        return _early_plan(config, order, snapshot.state.first_steps or steps)
    rows = _rows(config, order, steps)
    openings: str = language_of(texts.style, tokenizer) or _BOOK
    if openings != _BOOK and everyday_openings(tokenizer, openings, 1, 0) is None:
        openings = _BOOK
    chat = 0
    if answers_by_template(policy.causal_lm, tokenizer, config.model.chat) and room_for_chat(
        Request.bare(tokenizer), config.data.max_length
    ):
        chat = round(rows * config.data.anchor_chat)
    return AnchorPlan(rows - chat, chat, openings, filled=True)


def _rows(config: Config, order: RowOrder, steps: int) -> int:
    """Rows that the base writes: no more than a run uses, and enough for an update."""
    length, per_update = config.data.max_length, anchor_rows(config, order.per_update)
    asked = config.data.anchor_tokens
    tokens = asked or min(TOKENS, int(_SHARE * steps * order.per_update * length))
    rows = max(1, min(tokens // length, steps * per_update))
    if asked is None:  # a power of two: runs of about the same length have the same text
        rows = 1 << (rows.bit_length() - 1)
    return max(rows, per_update)


def _early_plan(config: Config, order: RowOrder, steps: int) -> AnchorPlan:
    """That of runs from before plans were recorded."""
    length = config.data.max_length
    used = steps * anchor_rows(config, order.per_update) * length
    return AnchorPlan(max(8, min(TOKENS, used) // length), 0, _BOOK)


def build_anchor(
    config: Config,
    policy: Policy,
    texts: Texts,
    order: RowOrder,
    tokenizer: PreTrainedTokenizerBase,
    plan: AnchorPlan | None,
    here: Place,
) -> Anchor | None:
    """The anchor text as rows, about `anchor_ratio` of every update; None where it is off.

    `plan`: from plan_anchor. Text that the base has written for another run of the user is used
    again; else all processes write their share of it, and none has to see the others' disk.
    """
    if not has_anchor(config):
        return None
    per_update = anchor_rows(config, order.per_update)
    chat_rows = 0
    if plan:
        writer = _Writer(config, policy, texts, tokenizer, here)
        rows, chat_rows = writer.rows(plan)
    else:
        rows = _general(config, policy, texts, tokenizer)
    # A stream of its own; its seed differs so that the two orders have nothing in common.
    anchor_order = RowOrder(len(rows), per_update, 1, 1, config.training.seed + 1)
    return Anchor(rows, anchor_order, ANCHOR_WEIGHT, chat_rows)


def _general(
    config: Config, policy: Policy, texts: Texts, tokenizer: PreTrainedTokenizerBase
) -> PackedRows:
    """The general text that data.anchor names."""
    passages = general_passages(config.data.anchor, "data.anchor", bundled="modern")
    rows = pack(passages, tokenizer, config.data.max_length, share_rows=texts.shared_rows)
    if len(rows) == 0:
        raise no_general_text("data.anchor", config.data.anchor)
    highest = [(f"data.anchor {config.data.anchor}", rows.highest_id)]
    size = len(policy.reference_head.weight)
    check_ids(highest, size, tokenizer, config.model.model_name_or_path)
    return rows


@dataclass(frozen=True)
class _Writer:
    """The base as the writer of a run's anchor text, each kind kept in the user's cache."""

    config: Config
    policy: Policy
    texts: Texts
    tokenizer: PreTrainedTokenizerBase
    here: Place

    def rows(self, plan: AnchorPlan) -> tuple[PackedRows, int]:
        """What `plan` asks for, and how many of the rows are in the chat format."""
        if not plan.chat_rows:
            return self._text(plan), 0
        chat = self._chat(plan.chat_rows)
        if plan.filled:
            left = max(0, plan.chat_rows - len(chat))
            plan = replace(plan, text_rows=plan.text_rows + left)
        return (joined(self._text(plan), chat) if plan.text_rows else chat), len(chat)

    def _text(self, plan: AnchorPlan) -> PackedRows:
        seed, length = self.config.training.seed, self.config.data.max_length
        openings = self._openings(plan)

        def write(base: PreTrainedModel, shares: Shares) -> PackedRows:
            return sample_rows(base, openings, length, seed=seed, shares=shares)

        return self._kept_or_written(
            write,
            kind="text",
            openings=hashlib.sha256(np.ascontiguousarray(openings).tobytes()).hexdigest(),
            rows=plan.text_rows,
        )

    def _openings(self, plan: AnchorPlan) -> np.ndarray:
        seed = self.config.training.seed
        if plan.openings != _BOOK:
            found = everyday_openings(self.tokenizer, plan.openings, plan.text_rows, seed)
            if found is not None:
                return found
        return book_openings(self.texts.style, plan.text_rows, seed)

    def _chat(self, rows: int) -> PackedRows:
        request, share_rows = Request.bare(self.tokenizer), self.texts.shared_rows
        assert request  # or no chat rows would have been planned

        def write(base: PreTrainedModel, shares: Shares) -> PackedRows:
            return sample_chat(
                base,
                self.tokenizer,
                request,
                rows,
                self.config.data.max_length,
                share_rows=share_rows,
                seed=self.config.training.seed,
                shares=shares,
            )

        return self._kept_or_written(
            write,
            kind="chat",
            request=[list(request.before), list(request.behind)],
            ends=list(where_texts_end(self.policy.causal_lm, self.tokenizer)),
            longest=LONGEST,
            rows=rows,
            share_rows=share_rows,
        )

    def _kept_or_written(
        self, write: Callable[[PreTrainedModel, Shares], PackedRows], **about: Any
    ) -> PackedRows:
        """From the user's cache; else written by all processes, and kept there by the first."""
        from accelerate.utils import broadcast_object_list, gather_object

        length, seed = self.config.data.max_length, self.config.training.seed
        described = anchor_cache.describe(self.policy, **about, length=length, seed=seed)
        found: PackedRows | None
        kept = anchor_cache.read(described) if self.here.first else None
        (found,) = broadcast_object_list([kept])
        if found is None:
            with self.policy.as_base() as base:
                found = write(base, Shares(self.here.rank, self.here.count, gather_object))
            if self.here.first:
                anchor_cache.keep(described, found)
        return found
