"""One trained adapter, any strength up to its own."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest
import torch
from running import invoke

from styledial.data.novels import read_novels
from styledial.data.pack import pack
from styledial.dial import (
    FILE,
    SCALES,
    DialPoint,
    as_json,
    highest_scale,
    load_dial,
    read_points,
    scale_for,
    scales_to,
)
from styledial.errors import AdapterError
from styledial.files import write_json
from styledial.models.adapter import load_adapter
from styledial.training.measure import halves, measure

CURVE = [DialPoint(s, 0.2 * s**2.3, 5 - s, 4 + 0.1 * s) for s in SCALES]


@pytest.mark.parametrize("kl", [0.001, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.25])
def test_the_scale_gives_the_kl(kl: float) -> None:
    # Below the first point a square is assumed, where this curve is steeper.
    rel = 0.005 if kl > CURVE[0].kl else 0.5
    assert 0.2 * scale_for(CURVE, kl) ** 2.3 == pytest.approx(kl, rel=rel)


@pytest.mark.parametrize("kl", [0.0, -1.0, 0.31, 5.0])
def test_wild_extrapolation_is_refused(kl: float) -> None:
    with pytest.raises(ValueError, match=r"the largest is 0\.304"):
        scale_for(CURVE, kl)


@pytest.mark.parametrize(
    ("landed", "last"),
    [(1.0, SCALES[-1]), (0.9, SCALES[-1]), (0.5, 2.0), (0.25, 4.0)],
)
def test_an_adapter_is_measured_up_to_how_it_was_trained(landed: float, last: float) -> None:
    scales = scales_to(highest_scale(landed))
    assert scales[: len(SCALES)] == list(SCALES)
    assert scales[-1] == pytest.approx(last)
    assert all(low < high for low, high in itertools.pairwise(scales))


def test_it_is_turned_up_until_it_is_too_strong() -> None:
    """A run for 0.1 that was scaled by a fifth: its own KL would be 2.5."""
    points = read_points(scales_to(5.0), lambda scale: (0.1 * scale**2, 4.0, 4.0))
    assert points[-2].kl < 0.3 <= points[-1].kl < 0.5
    assert scale_for(points, 0.2) == pytest.approx(2**0.5, rel=0.01)
    strong = read_points(scales_to(1.2), lambda scale: (0.5 * scale**2, 4.0, 4.0))
    assert [point.scale for point in strong] == list(SCALES)


def test_a_dial_reads_back(tmp_path: Path) -> None:
    write_json(tmp_path / FILE, as_json(0.2, CURVE))
    assert load_dial(tmp_path) == CURVE
    (tmp_path / "style_dial.json").write_text('{"points": [{"scale": 1}]}')
    with pytest.raises(AdapterError, match="cannot be read"):
        load_dial(tmp_path)


def test_dial_measure_and_export(strong_run: Path, novels: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(strong_run, tmp_path / "run"))
    assert (
        "has not been measured yet"
        in invoke("generate", run, "--prompt", "话", "--kl_beta", "0.1").stderr
    )
    done = invoke("dial", run, "--export", "light,0.1")
    assert done.returncode == 0, done.stderr
    content = json.loads((run / "style_dial.json").read_text())
    assert content["trained_kl_beta"] == 0.15
    assert [set(point) for point in content["points"]] == [
        {"scale", "kl", "style_nll", "general_nll"}
    ] * len(SCALES)
    for name, kl in (("light", 0.065), ("kl-0.1", 0.1)):
        folder = run / "export" / name
        policy, tokenizer = load_adapter(folder)
        heldout = [p for p in read_novels(novels, 0.2) if p.split == "heldout"]
        rows = pack(heldout, tokenizer, 64)
        _, reported = halves(rows)
        found = measure(policy, rows, batch_size=8, device=torch.device("cpu"), only=reported)
        assert found.kl == pytest.approx(kl, rel=0.05)
    assert_one_figure(run, content)
    done = invoke(
        "generate", run, "--prompt", "话说", "--strength", "0.05", "--max-new-tokens", "5"
    )
    assert done.returncode == 0
    assert "light, KL 0.050" in done.stderr
    refused = invoke("generate", run, "--prompt", "话", "--strength", "3").stderr
    assert "strength 3: out of reach" in refused
    assert "--kl_beta" not in refused
    assert_only_what_is_reached_is_exported(run)


def assert_one_figure(run: Path, dial: dict) -> None:
    """The dial's KL at scale 1 was of other rows than the run's: two figures for one thing."""
    summary = json.loads((run / "summary.json").read_text())
    trained = next(point for point in dial["points"] if point["scale"] == 1.0)
    for name, figure in (("kl", "kl_final"), ("style_nll", "style_nll")):
        assert trained[name] == pytest.approx(summary[figure], rel=1e-4)


def assert_only_what_is_reached_is_exported(run: Path) -> None:
    """`--export light,medium,strong` exported nothing where one of the three was out of reach."""
    done = invoke("dial", run, "--export", "轻微,5")
    assert done.returncode == 0
    assert "strength 5: out of reach" in done.stderr
    before = {p for p in run.rglob("*") if p.is_file()}
    done = invoke("dial", run, "--export", "4,5")
    assert done.returncode == 2
    assert "write `max` for it" in done.stderr
    assert {p for p in run.rglob("*") if p.is_file()} == before
    assert invoke("dial", run, "--export", "max").returncode == 0
    assert (run / "export/max/adapter_model.safetensors").is_file()
