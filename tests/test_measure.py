"""Readings of held-out text: what the base gives is computed once for rows that are read again."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from adapters import random_adapter

from styledial.data.pack import PackedRows
from styledial.models.adapter import scaled
from styledial.models.evaluating import evaluating
from styledial.models.policy import Policy
from styledial.training.measure import BaseStates, read_rows


def rows_of(count: int) -> PackedRows:
    tokens = np.random.default_rng(0).integers(10, 300, (count, 25), dtype=np.int32)
    return PackedRows(tokens, [[(0, 25)]] * count)


def test_the_base_is_read_once_and_nothing_else_changes(tiny_base, monkeypatch) -> None:
    policy, rows = random_adapter(tiny_base, spread=0.02), rows_of(10)
    how = {"batch_size": 4, "device": torch.device("cpu")}
    passes: Counter[str] = Counter()
    real = Policy.reference

    def counted(self, *args):
        passes["base"] += 1
        return real(self, *args)

    monkeypatch.setattr(Policy, "reference", counted)
    expected = []
    for scale in (1.0, 0.5):
        with scaled(policy, scale):
            expected.append(read_rows(policy, rows, **how))
    assert passes.pop("base") == 6
    states = BaseStates()
    for scale, before in zip((1.0, 0.5), expected, strict=True):
        with scaled(policy, scale):
            np.testing.assert_array_equal(read_rows(policy, rows, **how, states=states), before)
    assert passes["base"] == 3
    # Other batches of the same rows: the last bits may differ, so they are read anew.
    read_rows(policy, rows, **{**how, "batch_size": 5}, states=states)
    assert passes["base"] == 5


def test_no_more_is_kept_than_the_limit(tiny_base) -> None:
    policy, rows = random_adapter(tiny_base, spread=0.02), rows_of(6)
    how = {"batch_size": 2, "device": torch.device("cpu")}
    a_batch = 2 * 24 * policy.head.weight.shape[1] * 4
    states = BaseStates(limit=2 * a_batch)
    first = read_rows(policy, rows, **how, states=states)
    assert len(states._kept) == 2
    np.testing.assert_array_equal(read_rows(policy, rows, **how, states=states), first)


@pytest.mark.parametrize("training", [True, False])
def test_a_reading_leaves_the_model_in_its_mode_even_where_it_fails(training: bool) -> None:
    model = torch.nn.Dropout().train(training)
    with pytest.raises(TypeError), evaluating(model):
        model(model.training)  # no tensor, so that it fails
    with evaluating(model):
        assert torch.equal(model(torch.ones(99)), torch.ones(99))
    assert model.training == training
