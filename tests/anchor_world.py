"""The parts of a run that anchor text needs, on a tiny base and a book of one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from styledial.build.anchor import AnchorPlan, build_anchor, plan_anchor
from styledial.build.model import build_policy
from styledial.build.texts import Texts
from styledial.config import Config
from styledial.config.resolve import resolve
from styledial.data.pack import pack
from styledial.data.passage import Passage
from styledial.distributed.ranks import Place
from styledial.models.load import load_tokenizer
from styledial.models.policy import Policy
from styledial.training.components import Anchor
from styledial.training.row_order import RowOrder

ALONE = Place(0, 1, 0, 1)
ENGLISH = "It was late when they came to the house, and she had not said a word to him. "
CHINESE = "他推开门，看见院子里站着一个人，手里提着灯。"
LENGTH = 64


class World:
    """A run's parts, as far as the anchor needs them."""

    def __init__(self, base: Path, book: str = CHINESE, *settings: str) -> None:
        self.config: Config = resolve(
            assignments=[
                f"model_name_or_path={base}",
                f"max_length={LENGTH}",
                "gradient_checkpointing=false",
                *settings,
            ]
        )
        self.tokenizer = load_tokenizer(str(base))
        self.policy: Policy = build_policy(self.config)
        rows = pack([Passage(book * 400, "book", ends_book=True)], self.tokenizer, LENGTH)
        self.texts = Texts(rows, rows, rows, ())
        self.order = RowOrder(len(rows), 8, 1, 1, 0)

    def plan(self, steps: int = 40) -> AnchorPlan:
        plan = plan_anchor(
            self.config, self.policy, self.texts, self.order, self.tokenizer, steps, None
        )
        assert plan
        return plan

    def anchor(self, plan: AnchorPlan | None = None) -> Anchor:
        anchor = build_anchor(
            self.config,
            self.policy,
            self.texts,
            self.order,
            self.tokenizer,
            plan or self.plan(),
            ALONE,
        )
        assert anchor
        return anchor

    def forbid_writing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(*args: Any, **more: Any) -> None:
            raise AssertionError("the base was asked to write")

        monkeypatch.setattr(type(self.policy.causal_lm), "generate", refused)
