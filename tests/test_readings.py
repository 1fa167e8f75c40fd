"""Measuring follows a run's own cost: a tenth of it where that is enough to measure anything."""

from __future__ import annotations

import pytest

from styledial.build.kl import reads_heldout
from styledial.build.readings import LEAST, MOST, Readings, readings


def passes(read: Readings) -> float:
    """Forward passes over a token, as the module counts them."""
    landing = 6 * read.heldout / 2 + 2 * read.heldout / 2
    end = 2 * read.general + 2 * read.learnt
    return landing + end + read.times * read.calibration


def test_a_tiny_model_reads_as_much_as_the_longest_run() -> None:
    assert readings(10_000, 2_290_000) == MOST
    assert readings(10_000_000, 7_000_000_000) == MOST


@pytest.mark.parametrize("trained", [400_000, 1_000_000, 3_000_000])
def test_measuring_costs_a_tenth_of_a_real_run(trained: int) -> None:
    assert passes(readings(trained, 135_000_000)) <= 0.1 * 4 * trained


def test_a_short_run_reads_what_a_figure_needs_and_no_more() -> None:
    """8 updates of 1,024 tokens on a 135M base read 6,144 tokens after each: 79 % of the loop."""
    read = readings(8 * 1024, 135_000_000)
    assert (read.heldout, read.general, read.learnt) == (2048, 1024, 0)
    assert (read.times, read.calibration) == (1, 512)
    assert readings(8 * 1024, 135_000_000, chooses=True).times == LEAST.times
    assert (read.prompts, read.sample) == (1, 60)


def test_a_run_of_forty_updates_reads_the_least_in_full() -> None:
    read = readings(40 * 1024, 135_000_000)
    assert (read.heldout, read.general, read.learnt) == (LEAST.heldout, LEAST.general, 512)


@pytest.mark.parametrize("steps", range(1, 40))
@pytest.mark.parametrize("times", [1, 2, 3, 12])
def test_heldout_text_is_read_as_often_as_was_counted(steps: int, times: int) -> None:
    """Eight updates were read four times for three, and 23 updates 23 times for twelve."""
    read = [step for step in range(1, steps + 1) if reads_heldout(step, steps, times)]
    assert read[-1] == steps
    assert min(steps, times) / 2 <= len(read) <= times


@pytest.mark.parametrize(
    ("trained", "parameters", "evaluated"),
    [
        (8 * 1024, 135_000_000, False),  # 97 s beside 89 s of training
        (200 * 1024, 135_000_000, True),
        (8 * 1024, 4_000_000, True),
        (8 * 2048, 7_000_000_000, False),
        (3_000_000, 7_000_000_000, True),
    ],
)
def test_a_run_is_evaluated_where_a_tenth_of_it_pays(
    trained: int, parameters: int, evaluated: bool
) -> None:
    assert readings(trained, parameters).evaluation == evaluated


@pytest.mark.parametrize(
    ("trained", "prompts", "tokens"), [(40 * 1024, 1, 60), (200 * 1024, 2, 120), (400_000, 3, 120)]
)
def test_a_longer_run_writes_more(trained: int, prompts: int, tokens: int) -> None:
    """A token that is written costs as much as 40 that are read: nine samples of 120 tokens took
    as long as 40 updates of 256 tokens."""
    read = readings(trained, 135_000_000)
    assert (read.prompts, read.sample) == (prompts, tokens)
