"""Runs side by side: the frontier on known numbers, the table, the page, the JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import run_cli
from test_report import HOSTILE, LOADING, Page

from styledial.report.comparison import compare
from styledial.report.comparison_page import side_by_side, write_comparison
from styledial.report.frontier import frontier, steps, text_figure

# (forgotten, gained): B is beaten by A, D by C; E forgets least and gains least.
KNOWN = {
    "A": (0.01, 0.30),
    "B": (0.02, 0.30),
    "C": (0.05, 0.50),
    "D": (0.06, 0.40),
    "E": (-0.02, 0.10),
}


def run_of(folder: Path, forgotten: float | None, gained: float, **more: object) -> Path:
    """A finished run's files, with known figures."""
    folder.mkdir()
    summary = {
        "model": "base", "kl_beta": 0.1, "kl_mode": "budget", "kl_final": 0.1,
        "style_nll_base": 5.0, "style_nll": 5.0 - gained, "general_nll_base": 4.0,
        "general_nll": None if forgotten is None else 4.0 + forgotten,
        "tokens_per_second": 1000.0, "peak_memory_bytes": 2**30, "wall_seconds": 61, **more,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    return [str(run_of(tmp_path / f"run-{name}", *point)) for name, point in KNOWN.items()]


def call(*args: str) -> str:
    result = run_cli(["compare", *args], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.exception
    return result.stdout


@pytest.mark.parametrize(
    ("points", "best"),
    [
        (list(KNOWN.values()), [4, 0, 2]),
        ([(0.0, 1.0)], [0]),
        ([(0.1, 0.5), (0.1, 0.5)], [0, 1]),  # equal points don't beat each other
        ([(0.1, 0.5), (0.1, 0.6)], [1]),
        ([(0.1, 0.5), (0.0, 0.5)], [1]),
        ([(-0.1, -0.5), (-0.2, -0.6), (0.0, -0.55)], [1, 0]),
        ([], []),
    ],
)
def test_frontier(points: list[tuple[float, float]], best: list[int]) -> None:
    assert frontier(points) == best


def test_the_line_is_level_until_the_next_run_begins() -> None:
    assert steps([(0.0, 1.0), (2.0, 3.0)]) == [(0.0, 1.0), (2.0, 1.0), (2.0, 3.0)]


def test_the_figure_in_characters_has_every_run_in_its_place() -> None:
    lines = text_figure(list(KNOWN.values()), list(KNOWN))
    where = {
        letter: (line.index(letter), row)
        for row, line in enumerate(lines)
        for letter in KNOWN
        if letter in line
    }
    assert set(where) == set(KNOWN)
    for a in KNOWN:
        for b in KNOWN:
            if KNOWN[a][0] < KNOWN[b][0]:
                assert where[a][0] < where[b][0]
            if KNOWN[a][1] > KNOWN[b][1]:
                assert where[a][1] < where[b][1]
    assert {len(text_figure([(0.1, 0.2)] * 3, "ABC"))} == {17}


def test_table_and_figure_in_the_terminal(runs: list[str]) -> None:
    shown = call(*runs)
    for name in KNOWN:
        assert f"run-{name}" in shown
    assert "0.500" in shown
    assert "+0.050" in shown
    assert shown.count("yes") == 3
    assert "·" in shown
    assert "compares unlike things" not in shown


def test_json(runs: list[str]) -> None:
    content = json.loads(call(*runs, "--json"))
    assert [r["on_frontier"] for r in content["runs"]] == [True, False, True, False, True]
    assert content["runs"][2]["style_gained"] == pytest.approx(0.5)
    assert content["runs"][4]["forgotten"] == pytest.approx(-0.02)
    assert content["same_yardstick"] is True


def test_one_file_that_loads_nothing(runs: list[str], tmp_path: Path) -> None:
    target = tmp_path / "compare.html"
    hostile = run_of(tmp_path / HOSTILE.replace("/", " "), 0.03, 0.35, model=HOSTILE)
    assert str(target) in call(*runs, str(hostile), "-o", str(target))
    html = target.read_text(encoding="utf-8")
    page = Page(html)
    assert LOADING.isdisjoint(page.tags)
    assert [n for n, _ in page.attributes if n in ("src", "href", "action") or n[:2] == "on"] == []
    assert page.tags.count("svg") == 2  # the figure for a phone, and wide
    assert "C run-C: change of loss on general text +0.0500, gained on the novels 0.5000" in html
    assert "compares unlike things" in page.text  # another base


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (
            [(0.01, 0.3), (0.05, 0.5)],
            "Closest to the novels: B (1). General ability best kept: A (0).",
        ),
        (
            [(0.05, 0.3), (0.01, 0.5)],
            "B (1) is closest to the novels and keeps general ability best.",
        ),
        (
            [(0.010, 0.3), (0.012, 0.5)],
            "Closest to the novels: B (1). General ability is about the same in all.",
        ),
        (
            [(0.010, 0.500), (0.012, 0.503)],
            "All are equally close to the novels. General ability is about the same in all.",
        ),
        ([(None, 0.3), (None, 0.5)], "None of these runs was measured on both"),
    ],
)
def test_the_headline_says_which_run_is_what(figures: list, expected: str, tmp_path: Path) -> None:
    """A difference of 0.002 in the loss on general text is no reason to prefer a run."""
    folders = [run_of(tmp_path / str(i), *each) for i, each in enumerate(figures)]
    write_comparison(compare(folders), tmp_path / "c.html")
    assert expected in Page((tmp_path / "c.html").read_text(encoding="utf-8")).text


def test_the_same_prompt_by_each_run(tmp_path: Path) -> None:
    folders = [run_of(tmp_path / name, *KNOWN[name]) for name in "AC"]
    for folder in folders:
        sample = {"prompt": "He came", "before": " home.", "after": f" with {folder.name}."}
        mine = {"prompt": f"only {folder.name}", "before": "", "after": "x"}
        (folder / "samples.json").write_text(json.dumps({"samples": [sample, mine]}))
    words = {"adapter": [[" with", 0.1], [" A", 1.3], [".", 2.0]], "base": [[" home.", 0.0]]}
    content = {"prompts": [{"prompt": "He came", "texts": words}]}
    (folders[0] / "strength_samples.json").write_text(json.dumps(content))
    [written] = side_by_side(compare(folders))
    assert written.prompt == "He came"
    texts = ["".join(word.text for word in each.words) for each in written.versions]
    assert texts == [" home.", " with A.", " with C."]
    assert [each.name for each in written.versions] == ["Before", "A", "B"]
    assert [w.text for w in written.versions[1].words if w.level] == ["A"]  # words, not stops
    (folders[1] / "summary.json").write_text(
        (folders[1] / "summary.json").read_text().replace('"base"', '"another"')
    )
    assert [each.name for each in side_by_side(compare(folders))[0].versions] == ["A", "B"]


def test_runs_without_figures_are_listed_but_not_placed(tmp_path: Path) -> None:
    folders = [run_of(tmp_path / "a", None, 0.2), run_of(tmp_path / "b", 0.1, 0.2)]
    content = json.loads(call(*map(str, folders), "--json"))
    assert [r["on_frontier"] for r in content["runs"]] == [False, True]
    assert content["runs"][0]["forgotten"] is None
    call(*map(str, folders), "-o", str(tmp_path / "c.html"))


def test_two_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    folders = [run_of(tmp_path / "run", 0.1, 0.2), run_of(tmp_path / "x/run", 0.1, 0.3)]
    names = [r["run"] for r in json.loads(call(*map(str, folders), "--json"))["runs"]]
    assert len(set(names)) == 2


def test_chinese(runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    assert "风格收益" in call(*runs, "-o", str(tmp_path / "c.html"))
    assert "最像原著的是 C（run-C），通用能力保持得最好的是 E（run-E）" in (
        tmp_path / "c.html"
    ).read_text(encoding="utf-8")
