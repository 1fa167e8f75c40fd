"""The order of rows depends on the seed alone, and shares out over processes."""

from styledial.order import RowOrder, shared_out


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


def test_shares_are_even_and_whole() -> None:
    shares = [shared_out(5, 8, part) for part in range(8)]
    assert [i for share in shares for i in range(5)[share]] == list(range(5))
    assert max(len(range(5)[share]) for share in shares) == 1
