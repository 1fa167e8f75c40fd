"""An update that went wrong is left out, counted and named; the weights never see it."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_training
import torch
from small_training import five_updates

from styledial.data.pack import PackedRows
from styledial.errors import StyleDialError
from styledial.models.load import load_tokenizer
from styledial.monitor.update_warnings import Incidents
from styledial.run_folder.metrics import MetricsFile, read_metrics
from styledial.training import step
from styledial.training.nonfinite import Reading, Watch
from styledial.training.row_order import RowOrder


@pytest.fixture(scope="module")
def rows(tiny_base: Path, novels: Path) -> PackedRows:
    return small_training.rows_of(tiny_base, novels)


def broken(monkeypatch: pytest.MonkeyPatch, calls: set[int], *, gradient_only: bool) -> None:
    """Make the loss (or, the value being sound, its gradient) no number in those micro-batches."""
    real, count = step.objective, [0]

    def objective(*args, **kwargs):
        loss, parts = real(*args, **kwargs)
        count[0] += 1
        if count[0] not in calls:
            return loss, parts
        return loss * float("nan"), parts if gradient_only else parts * float("inf")

    monkeypatch.setattr(step, "objective", objective)


@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_bad_micro_batch_leaves_weights_and_moments_alone(
    gradient_only: bool, tiny_base: Path, rows: PackedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = five_updates(tiny_base, rows, batch_size=4, accumulation=2, steps=3)
    broken(monkeypatch, {11}, gradient_only=gradient_only)  # the second of the 3 of update 4
    four = five_updates(tiny_base, rows, batch_size=4, accumulation=2, steps=4)
    assert small_training.same(three, four)
    reading = four.logged[-1].watch
    assert (reading.skipped, reading.in_a_row, reading.bad_step) == (1, 1, 4)
    assert reading.bad_parts == (() if gradient_only else (1,))


def test_the_run_goes_on_after_it(
    tiny_base: Path, rows: PackedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, {2}, gradient_only=False)
    found = five_updates(tiny_base, rows)
    assert found.state.skipped == 1
    assert found.logged[-1].watch.in_a_row == 0
    assert all(torch.isfinite(w).all() for w in found.weights.values())
    assert torch.isfinite(torch.tensor([m.coefficient for m in found.logged])).all()


def test_nothing_is_read_from_the_device_between_logs(
    tiny_base: Path, rows: PackedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every way from a tensor to the host, counted: only the log at the end takes one.

    Left out: tokens that are on the host anyway (pack), and what transformers asks of a mask.
    """
    import traceback

    taken: list[str] = []
    for name in ("item", "tolist", "__bool__", "__float__", "__int__"):
        real = getattr(torch.Tensor, name)

        def counted(self, real=real, name=name):
            caller = traceback.extract_stack(limit=2)[0].filename
            if not caller.endswith(("data/pack.py", "masking_utils.py")):
                taken.append(caller)
            return real(self)

        monkeypatch.setattr(torch.Tensor, name, counted)
    counts = []
    for steps in (2, 5):
        taken.clear()
        five_updates(tiny_base, rows, steps=steps, log_every=100)
        counts.append(len(taken))
    assert counts[0] == counts[1] > 0


def test_a_spike_is_seen_once() -> None:
    watch = Watch(torch.device("cpu"))
    for number in range(1, 80):
        nll = 3.0 + 0.05 * ((number * 37) % 11 - 5) + (2.0 if number == 50 else 0.0)
        watch.update(number, torch.tensor(nll), torch.tensor(1.0), torch.zeros(1))
    reading = watch.reading(watch.tensors().tolist())
    assert (reading.spikes, reading.spike_step, reading.skipped) == (1, 50, 0)
    assert reading.spike_nll == pytest.approx(5.0, abs=0.3)
    assert reading.usual_nll == pytest.approx(3.0, abs=0.1)


def test_the_batch_is_named_and_many_in_a_row_end_the_run(
    tiny_base: Path, rows: PackedRows
) -> None:
    told: list[str] = []
    order = RowOrder(len(rows), 2, 2, 1, 0)
    incidents = Incidents(
        rows, load_tokenizer(str(tiny_base)), 3, lambda en, zh: told.append(en + zh)
    )
    incidents.heard(Reading(1, 1, 5, 0, 0, 0.0, 0.0, (1,)), order)
    named = order.micro_batch(4, 1, 0)
    assert all(f"{row} 「" in told[0] for row in named)
    assert not any(f" {row} 「" in told[0] for row in set(order.update(4)) - set(named))
    incidents.heard(Reading(1, 0, 5, 0, 0, 0.0, 0.0), order)
    assert len(told) == 1
    incidents.heard(Reading(1, 0, 5, 1, 6, 9.0, 3.0), order)
    assert "the loss jumped to 9.000 (usual 3.000)" in told[1]
    incidents.heard(Reading(2, 1, 7, 1, 6, 9.0, 3.0, (2,)), order)  # after the two of style text
    assert "anchor text (data.anchor)" in told[2]
    with pytest.raises(StyleDialError, match="3 times in a row"):
        incidents.heard(Reading(4, 3, 9, 1, 6, 9.0, 3.0), order)


def test_metrics_go_on_where_they_were_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st\n{"step": 3}\n{"step": 4, "tr')
    file = MetricsFile(path, resumed_at=2)
    file.write({"step": 3, "train/nll": float("nan"), "train/kl": 0.5})
    assert read_metrics(path) == [{"step": 1}, {"step": 2}, {"step": 3, "train/kl": 0.5}]


def test_a_log_that_cant_be_written_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    file = MetricsFile(tmp_path / "metrics.jsonl", 0, lambda en, zh: told.append(en))
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")  # the kernel's own full disk
    for number in range(3):
        file.write({"step": number})
    assert len(told) == 1
    assert "No space left on device" in told[0]
