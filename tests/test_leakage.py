"""Passages that hold the books' names are counted, unless their prompt named them."""

from __future__ import annotations

import numpy as np
from test_characters import bytes_tokenizer
from test_names import SCENES, told

from styledial.data.pack import pack
from styledial.data.passage import Passage as Text
from styledial.evaluation.leakage import Leakage
from styledial.evaluation.writing import Passage, Passages


def leakage_of(book: str, tuned: list[str]) -> Leakage:
    """Four prompts, the second of which names 陆小舟; the book names somebody in one passage."""
    tokenizer = bytes_tokenizer()

    def ids(text: str) -> np.ndarray:
        return np.array(tokenizer(text)["input_ids"])

    def side(texts: list[str]) -> list[Passage]:
        return [Passage(place, ids(text), False) for place, text in enumerate(texts)]

    prompts = np.stack([ids(text) for text in ("天色已晚", "陆小舟道", "天色已晚", "天色已晚")])
    own, base = ["下雨了", "沈砚青来了", "下雨了", "下雨了"], ["下雨了"] * 4
    passages = Passages(prompts, [0, 1, 2, 3], side(own), [], 9, side(tuned), side(base))
    style, general = (
        pack([Text(text, "a")], tokenizer, 64) for text in (book, "今天市里开会，讨论交通。" * 40)
    )
    return Leakage(passages, style, general, tokenizer)


def test_a_name_that_nothing_asked_for_is_a_leak() -> None:
    tuned = ["沈砚青笑道", "陆小舟和沈砚青", "陆小舟道", "先生笑道"]
    (found,) = leakage_of(told(SCENES), tuned).run()
    assert (found.name, found.value) == ("name_leakage", 0.75)
    assert (found.base, found.books) == (0.0, 0.25)
    assert found.ci[0] < 0.75 < found.ci[1]


def test_a_name_of_the_prompt_is_none() -> None:
    tuned = ["下雨了", "陆小舟笑了", "下雨了", "下雨了"]
    (found,) = leakage_of(told(SCENES), tuned).run()
    assert found.value == 0


def test_books_without_names_have_no_leakage() -> None:
    assert list(leakage_of("下雨了，大家都不说话。" * 40, ["下雨了"] * 4).run()) == []
