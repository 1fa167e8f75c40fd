"""What the experiment on a real base computes itself, on a tiny one."""

import sys
from itertools import chain

import numpy as np
import pytest
import torch
from adapters import random_adapter
from running import ROOT
from small_training import rows_of

sys.path.insert(0, str(ROOT / "benchmarks"))

from plain_questions import QUESTIONS, is_right
from real_base_readings import GREEDY, Mixed, Tuned, markers
from real_base_training import Replayed
from real_base_ways import ORDER, Way

from styledial.evaluation.writing import Passage, Passages
from styledial.models.writing_in_batches import extend, side_by_side
from styledial.training.measure import BaseStates
from styledial.training.row_order import RowOrder


@pytest.fixture(scope="module")
def policy(tiny_base):
    return random_adapter(tiny_base).eval()


@pytest.fixture(scope="module")
def rows(tiny_base, novels):
    return rows_of(tiny_base, novels).select(list(range(11)))


def test_mixed_logits_are_the_base_at_0_and_the_tuned_model_at_1(policy, rows) -> None:
    tuned, mixed = Tuned(policy, BaseStates()), Mixed(policy, BaseStates())
    whole, at_1 = tuned.sums(rows, 1.0), mixed.sums(rows, 1.0)
    assert np.allclose(whole, at_1, rtol=1e-4, atol=1e-4)
    at_0 = mixed.sums(rows, 0.0)
    assert np.allclose(at_0[:, 0], whole[:, 1], rtol=1e-5)
    assert np.abs(at_0[:, 2]).max() < 1e-3
    between = mixed.sums(rows, 0.5)[:, 2].sum()
    assert 0 < between < whole[:, 2].sum()


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_writing_by_mixed_logits_is_writing_by_that_model(policy, scale) -> None:
    prompts = side_by_side([[5, 6, 7, 8], [9, 10], [11, 12, 13]])
    with Mixed(policy, BaseStates()).writing(scale) as (model, how):
        found = extend(model, prompts, tokens=9, seed=0, **GREEDY, **how)
    with Tuned(policy, BaseStates()).writing(scale) as (model, how):
        wanted = extend(model, prompts, tokens=9, seed=0, **GREEDY, **how)
    assert found.tolist() == wanted.tolist()


def test_replayed_rows_stand_behind_those_of_the_style() -> None:
    order = Replayed(20, 4, 1, 1, seed=3, other=RowOrder(6, 2, 1, 1, 4))
    plain = RowOrder(20, 4, 1, 1, seed=3)
    for step in range(7):
        assert order.update(step)[:4] == plain.update(step)
        assert [row - 20 for row in order.update(step)[4:]] == RowOrder(6, 2, 1, 1, 4).update(step)
        assert sorted(chain(*order.micro_batches(step, 0))) == sorted(order.update(step))


def test_every_way_has_a_name_that_is_read_back() -> None:
    ways = [Way.named(name, "shakespeare", 0) for name in ORDER]
    assert [way.name for way in ways] == list(ORDER)
    assert Way.named("budget-0.2", "shakespeare", 0).strengths == (0.2, 0.1, 0.05)
    assert Way.named("rows-0.1", "shakespeare", 0).strengths == (0.1,)
    assert str(Way.named("dera", "shakespeare", 1).trained_as) == "shakespeare/sft-seed1"
    for wrong in ("budget", "sft-0.1", "nothing"):
        with pytest.raises(SystemExit):
            Way.named(wrong, "shakespeare", 0)


def test_answers_are_found_as_words() -> None:
    assert len({question for question, _ in QUESTIONS}) == 50
    assert is_right("It is Paris.", ("paris",))
    assert is_right("2 + 2 = 4", ("4", "four"))
    assert not is_right("There are 14 of them", ("4", "four"))
    assert is_right("H₂O", ("h2o",))


def test_markers_are_0_at_the_base_1_at_the_books_and_beyond_in_a_caricature(tiny_base) -> None:
    generator = np.random.default_rng(0)

    def side(thou: float) -> list[Passage]:
        words = np.array(["thou", "the", "house"])
        p = [thou, 0.5 - thou / 2, 0.5 - thou / 2]
        texts = [" ".join(generator.choice(words, size=60, p=p)) for _ in range(80)]
        return [Passage(i, np.array(list(t.encode())), False) for i, t in enumerate(texts)]

    class Bytes:
        def decode(self, ids, **_):
            return bytes(ids).decode()

    base, books = side(0.05), side(0.2)
    for thou, along, beyond in ((0.05, 0.0, 0.0), (0.2, 1.0, 0.0), (0.5, 3.0, 1.0)):
        of = Passages(torch.zeros(1), [0], [], [p.ids for p in books], 60, side(thou), base)
        found = markers(of, Bytes())
        assert found["along"] == pytest.approx(along, abs=0.25)
        assert found["beyond"] == pytest.approx(beyond, abs=0.6 if beyond else 0.01)
        assert (found["apart"] < 0.3) == (along == 1.0)
