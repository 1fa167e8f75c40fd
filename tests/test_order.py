"""The order of rows depends on the seed alone, and shares out over processes."""

import pytest

from styledial.training.row_order import RowOrder


def test_an_epoch_sees_every_row_once() -> None:
    order = RowOrder(rows=24, batch_size=2, accumulation=3, processes=1, seed=0)
    assert sorted(row for step in range(4) for row in order.update(step)) == list(range(24))
    assert order.steps(2.0) == 8


def test_processes_share_the_same_update() -> None:
    one = RowOrder(rows=50, batch_size=4, accumulation=4, processes=1, seed=3)
    four = RowOrder(rows=50, batch_size=2, accumulation=2, processes=4, seed=3)
    for step in range(5):
        shares = [four.micro_batches(step, rank) for rank in range(4)]
        rows = [row for turn in zip(*shares, strict=True) for share in turn for row in share]
        assert rows == one.update(step) == four.update(step)


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("rows", [1, 5, 15])
def test_fewer_rows_than_an_update_are_all_seen_once_an_epoch(rows: int, processes: int) -> None:
    """Five rows were once seen 3.2 times in the one update of an epoch."""
    order = RowOrder(rows, 4, 16 // processes // 4 or 1, processes, seed=0, epochs=3.0)
    assert order.effective_batch == 16
    assert order.steps(3.0) == 3
    for step in range(3):
        shares = [order.micro_batches(step, rank) for rank in range(processes)]
        assert len({len(of_rank) for of_rank in shares}) == 1
        assert sorted(r for of_rank in shares for share in of_rank for r in share) == [*range(rows)]
        assert max(len(share) for of_rank in shares for share in of_rank) <= 4
        assert order.epoch(step + 1) == step + 1


@pytest.mark.parametrize("processes", [1, 2])
def test_the_last_update_of_an_epoch_has_what_is_left(processes: int) -> None:
    """Of 29 rows in updates of 8 the fourth took 5 and 3 of the next epoch's."""
    counted = RowOrder(29, 2, 4 // processes, processes, seed=0)
    order = RowOrder(29, 2, 4 // processes, processes, seed=0, epochs=1.0)
    assert order.steps(1.0) == 4
    assert [order.update(step) for step in range(3)] == [counted.update(step) for step in range(3)]
    last = [order.micro_batches(3, rank) for rank in range(processes)]
    assert sorted(row for share in last for rows in share for row in rows) == sorted(
        order.update(3)
    )
    assert order.update(3) == counted.update(3)[:5]
    assert sorted(row for step in range(4) for row in order.update(step)) == list(range(29))
    assert order.epoch(4) == 1.0


def test_seed_zero_is_a_seed() -> None:
    zero, one = (RowOrder(64, 8, 1, 1, seed).update(0) for seed in (0, 1))
    assert zero != one


@pytest.mark.parametrize("rows", [1, 4, 5, 9])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_further_rows_are_spread_over_micro_batches_of_their_own(rows: int, processes: int) -> None:
    order = RowOrder(rows=50, batch_size=2, accumulation=3, processes=processes, seed=0)
    further = list(range(100, 100 + rows))
    shares = [order.spread(further, rank) for rank in range(processes)]
    assert len({len(of_rank) for of_rank in shares}) == 1  # as many passes for everybody
    assert len(shares[0]) == -(-rows // (2 * processes))  # and no more than are needed
    assert sorted(row for of_rank in shares for share in of_rank for row in share) == further
    sizes = [len(share) for of_rank in shares for share in of_rank]
    assert max(sizes) <= 2
    assert max(sizes) - min(sizes) <= 1
