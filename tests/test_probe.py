"""Extraction on books that a run has not read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import invoke, small_run

from styledial.data.texts import ASSETS
from styledial.evaluation.record import Evaluation, warnings
from styledial.evaluation.result import Result
from styledial.report.lights import lights
from styledial.run_folder.reader import read_run

PROBES = {"probe_extraction_rate_16", "probe_extraction_rate_32"}  # rows of 64 + 1 tokens


@pytest.fixture(scope="module")
def run(tiny_base: Path, novels: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("probed") / "run"
    done = invoke("train", *small_run(tiny_base, novels, folder), "max_steps=2")
    assert done.returncode == 0, done.stderr
    return folder


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["metrics"]


@pytest.mark.slow
def test_other_books_are_asked_for_before_and_after(run: Path, tmp_path: Path) -> None:
    files = (
        sorted((ASSETS / "legend").glob("*.txt"))[:1]
        + sorted((ASSETS / "modern").glob("*.txt"))[:1]
    )
    done = invoke("evaluate", run, "--passages", "10", "--probe", *files)
    assert done.returncode == 0, done.stderr
    assert "other books, 32 tokens given" in done.stderr
    found = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert {n for n in found["metrics"] if n.startswith("probe")} == PROBES
    assert found["settings"]["probe"] == [file.name for file in files]
    for name in PROBES:
        assert (found["metrics"][name]["value"], found["metrics"][name]["base"]) == (0, 0)
    assert found["warnings"] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "no such file"), ("", "no running text"), ("trained", "was trained on this file")],
)
def test_what_is_no_probe_is_refused(
    run: Path, novels: Path, tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "probe.txt"
    if text is not None:
        file.write_bytes((novels / "one.txt").read_bytes() if text else b"")
    done = invoke("evaluate", run, "--probe", file)
    assert done.returncode == 2
    assert str(file) in done.stderr
    assert why in done.stderr


def test_a_second_run_is_no_probe(run: Path) -> None:
    done = invoke("evaluate", run, run)
    assert done.returncode == 2
    assert "--against" in done.stderr


def test_recall_that_rises_is_spoken_of() -> None:
    def said(value: float, low: float, base: float) -> list[str]:
        name = "probe_extraction_rate_32"
        result = Result(name, value, (low, 1.0), "share of places", base)
        return [en for en, _ in warnings(Evaluation({name: result}))]

    assert "probe_extraction_rate_32 is 10% (baseline 1%)" in said(0.1, 0.05, 0.01)[0]
    assert "not trained on" in said(0.1, 0.05, 0.01)[0]
    assert said(0.1, 0.05, 0.1) == []  # the base recited it as well
    assert said(0.01, 0.005, 0.0) == []


@pytest.mark.slow
def test_a_book_that_came_to_be_known_is_flagged(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """The probe is the text that was learnt by heart, in a file of other bytes."""
    text = (novels / "one.txt").read_text(encoding="utf-8")[:1600]
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/one.txt").write_text(text, encoding="utf-8")
    (tmp_path / "probe.txt").write_text(text + "\n", encoding="utf-8-sig")
    out = tmp_path / "out"
    how = ["kl_mode=off", "use_peft=false", "learning_rate=0.005", "max_steps=320"]
    assert invoke("train", *small_run(tiny_base, tmp_path / "tiny", out), *how).returncode == 0
    done = invoke("evaluate", out, "--passages", "10", "--probe", tmp_path / "probe.txt")
    assert done.returncode == 0, done.stderr
    rate = metrics_of(out)["probe_extraction_rate_32"]
    assert (rate["value"] > 0.5, rate["base"]) == (True, 0)
    assert "recite books that it was not trained on here" in done.stderr


def test_the_report_says_that_other_books_are_recited(run: Path, tmp_path: Path) -> None:
    name = "probe_extraction_rate_32"
    found = Evaluation({name: Result(name, 0.5, (0.4, 0.6), "share of places", 0.0)})
    content = found.as_json()
    content["metrics"]["extraction_rate_32"] = {"value": 0.0, "base": 0.0, "ci": [0, 0.04]}
    (tmp_path / "summary.json").write_bytes((run / "summary.json").read_bytes())
    (tmp_path / "evaluation.json").write_text(json.dumps(content), encoding="utf-8")
    light = next(each for each in lights(read_run(tmp_path), ()) if each.name == "Memorisation")
    assert (light.state, light.word) == ("bad", "recites other books")
