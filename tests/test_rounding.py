"""Merged weights in 16 bits: what an adapter adds is not lost."""

from __future__ import annotations

import pytest
import torch

from styledial.models.rounding import by_chance

KINDS = [torch.bfloat16, torch.float16]


def rounded(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return by_chance(values, dtype, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", KINDS)
def test_small_changes_add_up(dtype: torch.dtype) -> None:
    base = torch.randn(200, 5_000, generator=torch.Generator().manual_seed(1)).to(dtype).float()
    step = (
        torch.nextafter(base.to(dtype), torch.full_like(base, torch.inf).to(dtype)).float() - base
    )
    added = 0.1 * step  # to the nearest, all of it would be lost
    assert torch.equal((base + added).to(dtype).float(), base)
    found = rounded(base + added, dtype).float()
    lost = ((found - base - added) / step).mean(dim=1)  # of each row: 0.3 steps at random a weight
    assert lost.abs().max() < 5 * 0.3 / 5_000**0.5
    assert set(((found - base) / step).round().unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("dtype", KINDS)
def test_what_fits_stays_and_the_rest_goes_to_a_neighbour(dtype: torch.dtype) -> None:
    exact = torch.tensor([0.0, -0.0, 1.0, -2.5, 0.1, 1e-7, 300.0]).to(dtype).float()
    assert torch.equal(rounded(exact, dtype).float(), exact)
    values = torch.tensor([1.001, -1.001, 1e-6, -3.3333, 255.9])
    found = rounded(values, dtype).float()
    near = values.to(dtype).float()
    gap = (
        torch.nextafter(values.to(dtype), torch.zeros_like(values).to(dtype)).float() - near
    ).abs()
    assert ((found - values).abs() <= 2 * gap).all()
    assert torch.equal(rounded(values, torch.float32), values)
    assert torch.equal(rounded(values, dtype), rounded(values, dtype))
