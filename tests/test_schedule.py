"""The learning rate of each update, against transformers and by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from styledial.build.model import schedule_of
from styledial.config import resolve
from styledial.training.schedule import Schedule, rate, scheduler

KINDS = ("cosine", "cosine_with_min_lr", "linear", "constant", "constant_with_warmup")


def _optimizer() -> torch.optim.Optimizer:
    return torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=2.0)


@pytest.mark.parametrize("kind", KINDS)
def test_after_warmup_it_is_transformers_schedule(kind: str) -> None:
    from transformers import get_scheduler

    special = {"min_lr_rate": 0.2} if kind == "cosine_with_min_lr" else None
    theirs = get_scheduler(kind, _optimizer(), 4, 20, special).lr_lambdas[0]
    own = Schedule(kind, 4, 20, 0.2)
    for update in range(4, 20):
        assert rate(own, update) == pytest.approx(theirs(update), abs=1e-12)


def test_no_update_is_made_at_a_rate_of_0() -> None:
    """The first warm-up update had a learning rate of 0: with few updates, a tenth of the run."""
    rates = [rate(Schedule("cosine", 4, 20), update) for update in range(20)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert min(rates) > 0
    assert rate(Schedule("cosine", 0, 1), 0) == 1


def test_the_lowest_rate() -> None:
    assert rate(Schedule("cosine_with_min_lr", 0, 100, 0.25), 100) == pytest.approx(0.25)
    assert rate(Schedule("cosine", 0, 100, 0.25), 100) == pytest.approx(0)


def test_an_optimizer_gets_these_rates() -> None:
    optimizer = _optimizer()
    steps = scheduler(optimizer, Schedule("linear", 1, 5))
    seen = []
    for _ in range(5):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        steps.step()
    assert seen == pytest.approx([1.0, 2.0, 1.5, 1.0, 0.5])


@pytest.mark.parametrize(
    ("typed", "warmup"),
    [
        ([], 10),
        (["warmup_ratio=0.1"], 20),
        (["warmup_steps=7"], 7),
        (["warmup_steps=0"], 0),
        (["warmup_steps=7", "warmup_ratio=0.1"], 7),
        (["warmup_steps=none"], 10),
    ],
)
def test_warmup_in_updates_or_as_a_part(typed: list[str], warmup: int) -> None:
    assert schedule_of(resolve(assignments=typed), 200).warmup == warmup


def test_a_part_on_the_command_line_replaces_updates_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("training:\n  warmup_steps: 7\n", "utf-8")
    found = resolve(file, assignments=["warmup_ratio=0.1"])
    assert schedule_of(found, 200).warmup == 20
    assert [True for note in found.notes if "training.warmup_steps to 7" in note] == [True]


@pytest.mark.parametrize(
    ("typed", "void"),
    [
        (["lr_scheduler_type=constant", "warmup_steps=5"], ["warmup_steps"]),
        (["lr_scheduler_type=constant", "warmup_ratio=0.2"], ["warmup_ratio"]),
        (["warmup_steps=5", "warmup_ratio=0.2"], ["warmup_ratio"]),
        (["min_lr_ratio=0.2"], ["min_lr_ratio"]),
        (["min_lr_ratio=0.2", "lr_scheduler_type=cosine_with_min_lr"], []),
        (["lr_scheduler_type=constant"], []),
    ],
)
def test_what_has_no_effect_is_said(typed: list[str], void: list[str]) -> None:
    notes = resolve(assignments=typed).notes
    assert [note.partition(" is without effect")[0] for note in notes] == [
        f"training.{key}" for key in void
    ]
