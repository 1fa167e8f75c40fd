"""Out of memory in the middle of an update: the run goes on as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import small_training
import torch
from marks import slow_but
from running import ROOT
from small_training import Outcome, farthest, five_updates, in_fp64, out_of_memory, same

from styledial.data.pack import PackedRows
from styledial.training.row_order import RowOrder

PHASES = ("reference", "forward", "loss", "backward", "optimizer")


@pytest.fixture(scope="module")
def rows(tiny_base: Path, novels: Path) -> PackedRows:
    return small_training.rows_of(tiny_base, novels)


@pytest.fixture(scope="module")
def whole(tiny_base: Path, rows: PackedRows) -> Outcome:
    return five_updates(tiny_base, rows, before=in_fp64)


@pytest.fixture(scope="module")
def halved(tiny_base: Path, rows: PackedRows) -> Outcome:
    """What a run gives that had half the micro-batch from the beginning."""
    return five_updates(tiny_base, rows, batch_size=4, accumulation=2)


@pytest.mark.parametrize("phase", slow_but(PHASES, "backward"))
def test_the_first_update_again_in_smaller_batches(
    phase: str, whole: Outcome, halved: Outcome, tiny_base: Path, rows: PackedRows
) -> None:
    found = five_updates(tiny_base, rows, phase=out_of_memory(phase))
    assert found.state.step_downs == 1
    assert found.state.micro_batch_size == 4
    # To the bit what the smaller batch gives by itself: nothing of the failed attempt is left.
    assert same(found, halved)
    # And what the whole batch gives, but for the order of additions.
    exact = five_updates(tiny_base, rows, phase=out_of_memory(phase), before=in_fp64)
    assert farthest(whole, exact) < TOLERANCE
    for a, b in zip(whole.logged, found.logged, strict=True):
        assert a.nll == pytest.approx(b.nll, rel=1e-6)
        assert a.grad_norm == pytest.approx(b.grad_norm, rel=1e-5)


TOLERANCE = 1e-11  # of the largest weight of a tensor, in fp64


@pytest.mark.parametrize("phase", slow_but(PHASES, "reference", "optimizer"))
def test_in_the_middle_of_a_run(
    phase: str, whole: Outcome, tiny_base: Path, rows: PackedRows
) -> None:
    found = five_updates(tiny_base, rows, phase=out_of_memory(phase, at=3), before=in_fp64)
    assert [order.batch_size for order in found.orders] == [4]
    assert farthest(whole, found) < TOLERANCE


@pytest.mark.slow
def test_fewer_rows_than_an_update(tiny_base: Path, rows: PackedRows) -> None:
    """Five rows for an update of 16 are seen once, whatever the micro-batch."""
    five = rows.select([0, 1, 2, 3, 4])
    whole = five_updates(tiny_base, five, batch_size=5, before=in_fp64)
    spread = five_updates(tiny_base, five, batch_size=2, accumulation=8, before=in_fp64)
    assert farthest(whole, spread) < TOLERANCE
    assert spread.state.tokens == whole.state.tokens == 5 * five.total_targets
    stepped = five_updates(
        tiny_base,
        five,
        batch_size=4,
        accumulation=4,
        before=in_fp64,
        phase=out_of_memory("backward"),
    )
    assert [order.batch_size for order in stepped.orders] == [2]
    assert farthest(whole, stepped) < TOLERANCE


def test_the_same_random_numbers_again(tiny_base: Path, rows: PackedRows) -> None:
    """With dropout, the second try begins where the first one began."""
    half = five_updates(tiny_base, rows, batch_size=4, accumulation=2, dropout=0.2)
    found = five_updates(tiny_base, rows, dropout=0.2, phase=out_of_memory("backward"))
    assert same(found, half)


def test_down_to_one_row_and_no_further(tiny_base: Path, rows: PackedRows) -> None:
    due = [out_of_memory("loss", at=at) for at in (1, 2, 3)]

    def three_times(name: str) -> None:
        for hear in due:
            hear(name)

    found = five_updates(tiny_base, rows, phase=three_times)
    assert [order.batch_size for order in found.orders] == [4, 2, 1]
    with pytest.raises(torch.OutOfMemoryError):
        five_updates(tiny_base, rows, batch_size=1, phase=out_of_memory("loss"))


def test_a_cpu_runs_out_too(tiny_base: Path, rows: PackedRows, halved: Outcome) -> None:
    raised: list[str] = []

    def hear(name: str) -> None:
        if name == "backward" and not raised:
            raised.append(name)
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't "
                "allocate memory: you tried to allocate 1 bytes."
            )

    assert same(five_updates(tiny_base, rows, phase=hear), halved)


def test_half_a_backward_pass_leaves_nothing(
    tiny_base: Path, rows: PackedRows, halved: Outcome
) -> None:
    """Memory runs out between two layers: some gradients are there already."""
    there: list[int] = []

    def arm(policy) -> None:
        parameters = [p for p in policy.parameters() if p.requires_grad]

        def hook(gradient) -> None:
            if not there:
                there.append(sum(p.grad is not None for p in parameters))
                raise torch.OutOfMemoryError("CUDA out of memory.")

        parameters[0].register_hook(hook)

    assert same(five_updates(tiny_base, rows, before=arm), halved)
    assert there[0] > 0


def test_the_optimizers_state_half_allocated(
    tiny_base: Path, rows: PackedRows, halved: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AdamW takes its memory in the first update, tensor by tensor."""
    real, zeros, made = torch.optim.AdamW._init_group, torch.zeros_like, [0]

    def init_group(self, *args):
        def failing(*given, **more):
            made[0] += 1
            if made[0] == 7:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return zeros(*given, **more)

        with monkeypatch.context() as patch:
            patch.setattr(torch, "zeros_like", failing)
            return real(self, *args)

    monkeypatch.setattr(torch.optim.AdamW, "_init_group", init_group)
    assert same(five_updates(tiny_base, rows), halved)
    assert made[0] > 7


def test_other_errors_are_not_taken_for_it(tiny_base: Path, rows: PackedRows) -> None:
    def hear(name: str) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        five_updates(tiny_base, rows, phase=hear)


@pytest.mark.slow
def test_two_processes_step_down_together(tiny_base: Path, novels: Path) -> None:
    """One rank runs out of memory in each phase in turn; the checks are in small_training.py."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/small_training.py"), str(tiny_base), str(novels)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines() if line[:2] in ("0 ", "1 ")]
    assert len(words) == 12
    # In fp64 too, but for the sum over processes, which is made in fp32.
    assert max(float(each[2]) for each in words) < 1e-5


def test_regrouping_keeps_the_update() -> None:
    order = RowOrder(100, 3, 4, 2, seed=0)
    for size, processes in ((2, None), (1, None), (12, 1), (5, 3), (24, 1)):
        other = order.regrouped(size, processes)
        assert other.effective_batch == order.effective_batch
        assert other.batch_size <= size
        shares = [other.micro_batches(7, rank) for rank in range(other.processes)]
        assert {len(of_rank) for of_rank in shares} == {other.accumulation}
        rows = [row for turn in zip(*shares, strict=True) for share in turn for row in share]
        assert rows == order.update(7)
    with pytest.raises(ValueError, match="24 rows over 5"):
        order.regrouped(1, 5)
