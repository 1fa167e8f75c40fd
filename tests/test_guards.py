"""An update that went wrong is left out, counted and named; the weights never see it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import small_training
import torch
from small_training import five_updates

from styledial.data.pack import PackedRows
from styledial.errors import StyleDialError
from styledial.models.load import load_tokenizer
from styledial.monitor.update_warnings import UpdateWarnings
from styledial.run_folder.metrics import MetricsFile, read_metrics
from styledial.training import step
from styledial.training.nonfinite import UpdateCounters, UpdateCounts, skip_step_where
from styledial.training.row_order import RowOrder


@pytest.fixture(scope="module")
def rows(tiny_base: Path, novels: Path) -> PackedRows:
    return small_training.rows_of(tiny_base, novels)


def broken(monkeypatch: pytest.MonkeyPatch, calls: set[int], *what: str) -> None:
    """Make the value of the "loss", its "gradient" or both non-finite in those micro-batches."""
    real, count = step.objective, [0]

    def objective(*args, **kwargs):
        loss, parts = real(*args, **kwargs)
        count[0] += 1
        if count[0] not in calls:
            return loss, parts
        if "gradient" in what:
            loss = loss * float("nan")
        return loss, parts * float("inf") if "loss" in what else parts

    monkeypatch.setattr(step, "objective", objective)


@pytest.mark.parametrize("what", [("loss", "gradient"), ("loss",), ("gradient",)])
def test_a_bad_micro_batch_leaves_weights_and_moments_alone(
    what: tuple[str, ...], tiny_base: Path, rows: PackedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = five_updates(tiny_base, rows, batch_size=4, accumulation=2, steps=3)
    broken(monkeypatch, {11}, *what)  # the second of the 3 of update 4
    four = five_updates(tiny_base, rows, batch_size=4, accumulation=2, steps=4)
    assert small_training.same(three, four)
    counts = four.logged[-1].counts
    assert (counts.skipped, counts.skipped_in_a_row, counts.last_skipped_step) == (1, 1, 4)
    assert counts.nonfinite_parts == ((1,) if "loss" in what else ())
    lambdas = [metrics.coefficient for metrics in four.logged]
    assert all(map(math.isfinite, lambdas))


def test_the_run_goes_on_after_it(
    tiny_base: Path, rows: PackedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, {2}, "loss", "gradient")
    found = five_updates(tiny_base, rows)
    assert found.state.skipped == 1
    assert found.logged[-1].counts.skipped_in_a_row == 0
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


@pytest.mark.parametrize("bad", [False, True])
def test_the_loss_scale_backs_off_with_a_step_that_is_skipped(bad: bool) -> None:
    """fp16's GradScaler overwrites the optimizer's flag by its own: the gradient here is finite."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], lr=0.1, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(weight.sum()).backward()
    scaler.unscale_(optimizer)
    skip_step_where(torch.tensor(bad), optimizer, scaler)
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(weight, torch.ones(3)) == bad
    assert scaler.get_scale() == (512.0 if bad else 1024.0)


def test_a_spike_is_seen_once() -> None:
    counters = UpdateCounters(torch.device("cpu"))
    for number in range(1, 80):
        nll = 3.0 + 0.05 * ((number * 37) % 11 - 5) + (2.0 if number == 50 else 0.0)
        counters.record(number, torch.tensor(nll), torch.tensor(True), torch.zeros(1))
    counts = counters.counts(counters.tensor().tolist())
    assert (counts.spikes, counts.last_spike_step, counts.skipped) == (1, 50, 0)
    assert counts.last_spike_nll == pytest.approx(5.0, abs=0.3)
    assert counts.mean_nll == pytest.approx(3.0, abs=0.1)


def test_the_batch_is_named_and_many_in_a_row_end_the_run(
    tiny_base: Path, rows: PackedRows
) -> None:
    told: list[str] = []
    order = RowOrder(len(rows), 2, 2, 1, 0)
    warnings = UpdateWarnings(
        rows, load_tokenizer(str(tiny_base)), most=3, note=lambda en, zh: told.append(en + zh)
    )
    skipped = UpdateCounts(skipped=1, last_skipped_step=5)
    warnings.report(replace(skipped, skipped_in_a_row=1, nonfinite_parts=(1,)), order)
    named = order.micro_batches(4, 0)[1]
    assert all(f"{row} 「" in told[0] for row in named)
    assert not any(f" {row} 「" in told[0] for row in set(order.update(4)) - set(named))
    warnings.report(skipped, order)
    assert len(told) == 1
    spiked = replace(skipped, spikes=1, last_spike_step=6, last_spike_nll=9.0, mean_nll=3.0)
    warnings.report(spiked, order)
    assert "the loss jumped to 9.000 (mean so far 3.000)" in told[1]
    resumed = UpdateWarnings(
        warnings.rows, warnings.tokenizer, most=3, note=warnings.note, skipped=1, spikes=1
    )
    resumed.report(spiked, order)
    assert len(told) == 2  # the run that it goes on with has told of it
    again = replace(spiked, skipped=2, skipped_in_a_row=1, last_skipped_step=7)
    warnings.report(replace(again, nonfinite_parts=(2,)), order)  # after the two of style text
    assert "anchor text (data.anchor)" in told[2]
    with pytest.raises(StyleDialError, match="3 times in a row"):
        warnings.report(replace(again, skipped=4, skipped_in_a_row=3, last_skipped_step=9), order)


def test_metrics_go_on_where_they_were_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st\n{"step": null}\n{"step": 3}\n{"step": 4, "tr')
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
