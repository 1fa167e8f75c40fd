"""Finding the scale at which KL is the budget."""

import pytest

from styledial.training.landing import find_scale


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


def test_never_scales_up() -> None:
    assert find_scale(lambda scale: 0.05 * scale**2, 0.1) == (1.0, 0.05)


def test_a_budget_that_is_met_is_left_alone() -> None:
    assert find_scale(lambda scale: 0.1 * scale**2, 0.1)[0] == 1.0
