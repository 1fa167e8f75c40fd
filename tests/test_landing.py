"""Finding the scale at which KL is the budget, and the promise itself: a trained policy meets it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from small_training import five_updates

from styledial.data.novels import read_novels
from styledial.data.pack import PackedRows, pack
from styledial.data.texts import ASSETS
from styledial.models.load import load_tokenizer
from styledial.models.policy import Policy
from styledial.training.landing import find_scale, land
from styledial.training.measure import halves, measure


class Trained(NamedTuple):
    """A policy that was trained, and held-out rows: those that landing reads, and the others."""

    policy: Policy
    heldout: PackedRows
    read: list[int]
    others: list[int]

    def kl(self, rows: list[int]) -> float:
        device = torch.device("cpu")
        return measure(self.policy, self.heldout, only=rows, batch_size=32, device=device).kl


@pytest.fixture(scope="module")
def module_trained(tiny_base: Path) -> Trained:
    """45 updates on half of the sample novel; the other half is held out, 16,000 tokens of it."""
    tokenizer = load_tokenizer(str(tiny_base))
    passages = read_novels(ASSETS / "wuxia", 0.5)
    style, heldout = (
        pack([p for p in passages if p.split == split], tokenizer, 96)
        for split in ("train", "heldout")
    )
    policies: list[Policy] = []
    five_updates(tiny_base, style, before=policies.append, steps=45)
    return Trained(policies[0], heldout, *halves(heldout))


@pytest.fixture
def trained(module_trained: Trained) -> Iterator[Trained]:
    """Unscaled again after each test."""
    weights = {name: w.clone() for name, w in module_trained.policy.trainable_state().items()}
    yield module_trained
    with torch.no_grad():
        for name, weight in module_trained.policy.named_parameters():
            if name in weights:
                weight.copy_(weights[name])


@pytest.mark.parametrize("budget", [0.06, pytest.param(0.03, marks=pytest.mark.slow)])
def test_a_trained_policy_meets_the_budget(budget: float, trained: Trained) -> None:
    """To half a per cent on the rows that are read, to five on rows that nobody has looked at."""
    reached = trained.kl(trained.read)
    assert reached > 1.1 * budget  # or there would be nothing to do
    readings = []

    def read() -> float:
        readings.append(trained.kl(trained.read))
        return readings[-1]

    landing = land(trained.policy, read, budget)
    assert landing["kl_before_landing"] == pytest.approx(reached, rel=1e-6)
    assert readings.count(readings[0]) == 1  # as it is, the adapter is read once
    assert 0 < landing["adapter_scale"] < 1
    assert trained.kl(trained.read) == pytest.approx(budget, rel=0.005)
    assert trained.kl(trained.others) == pytest.approx(budget, rel=0.05)


def test_a_policy_below_the_budget_stays_as_it_is(trained: Trained) -> None:
    before = trained.policy.trainable_state()
    before = {name: weight.clone() for name, weight in before.items()}
    landing = land(trained.policy, lambda: trained.kl(trained.read), 0.5)
    assert landing["adapter_scale"] == 1.0
    after = trained.policy.trainable_state()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())


@pytest.mark.parametrize("exponent", [1.2, 2.0, 3.5])
@pytest.mark.parametrize("budget", [0.02, 0.05, 0.2, 0.29])
def test_meets_the_budget_in_a_few_readings(exponent: float, budget: float) -> None:
    tried = []

    def kl_at(scale: float) -> float:
        tried.append(scale)
        return 0.3 * scale**exponent * (1 + 0.2 * scale) / 1.2

    scale, kl = find_scale(kl_at, budget)
    assert kl == pytest.approx(budget, rel=0.005)
    assert 0 < scale < 1
    assert len(tried) <= 7


@pytest.mark.parametrize("beyond", [math.inf, math.nan])
def test_a_kl_that_is_not_finite_is_above_the_budget(beyond: float) -> None:
    """An adapter that overflows at its full strength ended in a math error, or was left so."""
    scale, kl = find_scale(lambda scale: 0.4 * scale**2 if scale < 0.7 else beyond, 0.1)
    assert (scale, kl) == (pytest.approx(0.5, rel=0.005), pytest.approx(0.1, rel=0.005))


def test_never_scales_up() -> None:
    assert find_scale(lambda scale: 0.05 * scale**2, 0.1) == (1.0, 0.05)


def test_a_budget_that_is_met_is_left_alone() -> None:
    assert find_scale(lambda scale: 0.1 * scale**2, 0.1)[0] == 1.0
