"""KL read on a part of an update's rows: an unbiased estimate, the same however rows are divided."""

from collections import Counter

import pytest
import torch
from small_training import farthest, five_updates, in_fp64, rows_of

from styledial.data.pack import Batch
from styledial.models.head import OutputHead
from styledial.training.kl_sample import kl_rows_of, most_in
from styledial.training.objective import LossSettings, MicroBatch, objective
from styledial.training.reference import References


@pytest.mark.parametrize(("rows", "share", "count"), [(16, 0.25, 4), (10, 0.25, 2), (3, 0.1, 1)])
def test_every_row_is_read_as_often_as_every_other(rows, share, count) -> None:
    seen: Counter[int] = Counter()
    for update in range(3000):
        chosen = kl_rows_of(range(100, 100 + rows), share, 7, update)
        assert len(chosen) == count
        seen.update(chosen)
    # Three standard errors of a share of 3,000 draws.
    p = count / rows
    for row in range(100, 100 + rows):
        assert seen[row] / 3000 == pytest.approx(p, abs=3.3 * (p * (1 - p) / 3000) ** 0.5)


def test_the_choice_is_a_function_of_seed_and_update() -> None:
    rows = list(range(32))
    assert kl_rows_of(rows, 0.25, 1, 5) == kl_rows_of(rows, 0.25, 1, 5)
    assert len({kl_rows_of(rows, 0.25, 1, update) for update in range(50)}) > 3
    assert kl_rows_of(rows, 1.0, 1, 5) == frozenset(rows)


def test_no_micro_batch_has_more_of_them_than_the_plan_counts_with() -> None:
    for share in (0.1, 0.25, 0.4, 0.9):
        for update in range(200):
            chosen = kl_rows_of(range(24), share, 3, update)
            for size in (1, 4, 8):
                parts = [set(range(at, at + size)) & chosen for at in range(0, 24, size)]
                assert max(map(len, parts)) <= most_in(size, share)


@pytest.mark.parametrize("masked", [False, True])
def test_loss_and_gradient_are_right_on_average(masked) -> None:
    """Over all equally likely choices of two rows of six, the means are those of all rows."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(6, 5, 8, generator=generator, dtype=torch.float64)
    base = hidden + 0.3 * torch.randn(6, 5, 8, generator=generator, dtype=torch.float64)
    head = OutputHead(torch.randn(13, 8, generator=generator, dtype=torch.float64))
    targets = torch.randint(13, (6, 5), generator=generator)

    def read(rows, factor):
        h = hidden.clone().requires_grad_()
        batch = MicroBatch(Batch(targets, targets, None), False, 30, rows, factor)
        reference = base if rows is None else base[rows]
        how = {"coefficient": torch.tensor(0.7), "settings": LossSettings(mask_target=masked)}
        loss, sums = objective(head, head, h, reference, batch, **how)
        loss.backward()
        return torch.cat([loss.detach().view(1), sums.double(), h.grad.flatten()])

    whole = read(None, 1.0)
    several = torch.stack([read([i, i + 3], 3.0) for i in range(3)])
    # Sums and weights are fp32.
    assert (several.mean(dim=0) - whole).abs().max() < 1e-6 * whole.abs().max()
    assert several.std(dim=0).max() > 1e-3  # each alone is another loss


@pytest.fixture(scope="module")
def rows(tiny_base, novels):
    return rows_of(tiny_base, novels)


def test_the_base_reads_these_rows_only(tiny_base, rows, monkeypatch) -> None:
    read: Counter[str] = Counter()
    real = References.__call__

    def counted(self, batch, rows, *, anchor):
        assert len(batch.input_ids) == len(rows)
        read["anchor" if anchor else "style"] += len(rows)
        return real(self, batch, rows, anchor=anchor)

    monkeypatch.setattr(References, "__call__", counted)
    found = five_updates(tiny_base, rows, batch_size=4, accumulation=2, kl_rows=0.25)
    assert read == {"style": 5 * 2, "anchor": 5 * 3}
    assert found.logged[-1].kl > 0


@pytest.mark.parametrize("kinds", [{"kl_rows": 0.25}, {"kl_rows": 0.5, "mask_target": True}])
def test_the_size_of_the_micro_batch_changes_nothing(tiny_base, rows, kinds) -> None:
    how = {"before": in_fp64, **kinds}
    whole = five_updates(tiny_base, rows, batch_size=8, **how)
    parts = five_updates(tiny_base, rows, batch_size=2, accumulation=4, **how)
    assert farthest(whole, parts) < 1e-9
    assert farthest(whole, five_updates(tiny_base, rows, batch_size=8, before=in_fp64)) > 1e-4
