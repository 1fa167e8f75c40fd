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
        shares = [four.micro_batch(step, m, rank) for m in range(2) for rank in range(4)]
        assert [row for share in shares for row in share] == one.update(step) == four.update(step)


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
