"""The controller against a plant that answers as training does: slowly, and with noise."""

import math
import statistics

import pytest
import torch

from styledial.training.controller import KLController


def simulate(
    budget: float, steps: int = 400, free_kl: float = 0.5, noise: float = 0.1, share: float = 1.0
) -> list[float]:
    """KL drifts towards free_kl / (1 + lambda)^2, as far as a small step goes each update."""
    return [kl for kl, _ in simulated(budget, steps, free_kl, noise, share)]


def simulated(
    budget: float, steps: int, free_kl: float, noise: float, share: float
) -> list[tuple[float, float]]:
    """KL and log lambda after each update."""
    generator = torch.Generator().manual_seed(0)
    controller = KLController(budget, share=share)
    kl, seen = 0.0, []
    for _ in range(steps):
        goal = free_kl / (1 + controller.coefficient.item()) ** 2
        kl += 0.08 * (goal - kl)
        jitter = math.exp(noise * torch.randn((), generator=generator).item())
        controller.update(torch.tensor(kl * jitter))
        seen.append((kl, controller.coefficient.log().item()))
    return seen


@pytest.mark.parametrize("budget", [0.02, 0.05, 0.1, 0.2])
def test_holds_the_budget(budget: float) -> None:
    late = simulate(budget)[200:]
    assert max(late) < 1.3 * budget
    assert min(late) > 0.7 * budget
    assert sum(late) / len(late) == pytest.approx(budget, rel=0.08)


@pytest.mark.parametrize("budget", [0.05, 0.2])
def test_holds_the_budget_by_readings_of_a_quarter_of_the_rows(budget: float) -> None:
    late = simulate(budget, noise=0.2, share=0.25)[200:]  # half the noise is that of all rows
    assert max(late) < 1.3 * budget
    assert min(late) > 0.7 * budget
    assert sum(late) / len(late) == pytest.approx(budget, rel=0.08)


def test_lambda_sees_no_more_noise_by_a_quarter_of_the_rows() -> None:
    def spread(noise: float, share: float) -> float:
        late = simulated(0.1, 3000, 0.5, noise, share)[200:]
        return statistics.stdev(log_lambda for _, log_lambda in late)

    whole, quarter = spread(0.1, 1.0), spread(0.2, 0.25)
    assert quarter < 1.15 * whole
    assert spread(0.2, 1.0) > 1.6 * whole  # what it would see if it didn't know


def test_a_controller_that_reads_all_rows_goes_by_the_last_update_alone() -> None:
    one, other = KLController(0.1), KLController(0.1)
    for kl in (0.3, 0.02):
        one.update(torch.tensor(kl))
    other.load_state_dict({**one.state_dict(), "kl": 7.0})
    for each in (one, other):
        each.update(torch.tensor(0.15))
    assert one.coefficient.item() == other.coefficient.item()


def test_goes_to_its_floor_where_the_style_saturates_below_the_budget() -> None:
    controller = KLController(2.0)
    for _ in range(500):
        controller.update(torch.tensor(0.3))
    assert controller.coefficient.item() < 1e-3


def test_starts_sane_and_survives_a_broken_batch() -> None:
    controller = KLController(0.1)
    controller.update(torch.tensor(0.0))
    assert 0 < controller.coefficient.item() < 0.2
    controller.update(torch.tensor(float("nan")))
    controller.update(torch.tensor(float("nan")), torch.tensor(False))
    controller.calibrate(float("nan"))
    assert math.isfinite(controller.coefficient.item())


def test_an_update_that_was_not_made_counts_as_on_target() -> None:
    """Its KL is of a gradient that no weight has seen, be it finite or not."""
    one, other = KLController(0.1), KLController(0.1)
    one.update(torch.tensor(5.0), torch.tensor(False))
    other.update(torch.tensor(0.1), torch.tensor(True))
    assert one.coefficient.item() == pytest.approx(other.coefficient.item(), rel=1e-6)


def test_state_goes_on_where_it_was() -> None:
    one, other = KLController(0.1), KLController(0.1)
    for kl in (0.02, 0.3, 0.08):
        one.update(torch.tensor(kl))
    other.load_state_dict(one.state_dict())
    for controller in (one, other):
        controller.update(torch.tensor(0.15))
    assert one.coefficient.item() == other.coefficient.item()
