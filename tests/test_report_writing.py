"""The report's first part: one prompt at every strength, the style's words marked, the book beside."""

from __future__ import annotations

import json
import math
import shlex
import shutil
from pathlib import Path

import pytest
from running import invoke
from test_compare import run_of
from test_dial import CURVE
from test_report import HOSTILE, LOADING, Page, read

from styledial.dial import FILE, as_json
from styledial.files import write_json
from styledial.report import write_report
from styledial.report.advice import steps
from styledial.report.parts import Word
from styledial.report.writing import MARKED, STRONGLY, writing
from styledial.run_folder.reader import read_run


def content_of(**more: object) -> dict:
    """As a run at 0.1 writes it: light below, strong out of reach."""
    words = [["俺", math.log(2)], ["也", 0.1], [" thither", math.log(5)], ["，", 3.0], ["", 0.0]]
    return {
        "seed": 42,
        "max_new_tokens": 120,
        "strengths": [
            {"name": "base", "scale": 0.0, "kl": 0.0},
            {"name": "light", "scale": 0.8, "kl": 0.065},
            {"name": "adapter", "scale": 1.0, "kl": 0.1},
            {"name": "strong", "scale": None, "kl": 0.14},
        ],
        "prompts": [
            {
                "prompt": "他",
                "texts": {"base": [["走", 0.0]], "light": [["来", 0.0]], "adapter": words},
            },
            {"prompt": "天", "texts": {"base": [["黑", 0.0]], "adapter": [["晚", 0.0]]}},
        ],
        "book": [["洒家", 2.0]],
        **more,
    }


@pytest.fixture(scope="module")
def run(reported_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(reported_run, tmp_path_factory.mktemp("writing") / "run"))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A run's files by hand: nothing is trained."""
    folder = run_of(tmp_path / "small", 0.0, 0.3)
    samples = [{"prompt": "他", "before": "走", "after": "俺也"}]
    write_json(folder / "samples.json", {"seed": 1, "max_new_tokens": 9, "samples": samples})
    write_json(folder / "strength_samples.json", content_of())
    return folder


def test_words_are_marked_by_how_much_more_likely_they_became(small: Path) -> None:
    found = writing(read_run(small))
    assert found.first
    assert found.first.versions[2].words == [
        Word("俺", 1, "2.0 ×"),
        Word("也"),
        Word(" "),
        Word("thither", 2, "5.0 ×"),
        Word("，"),
        Word(""),
    ]
    assert MARKED <= 2 < STRONGLY <= 5
    assert found.book == [Word("洒家", 2, "7.4 ×")]


def test_strengths_stand_in_order_and_what_is_out_of_reach_is_named(small: Path) -> None:
    found = writing(read_run(small))
    assert found.first
    versions = [(each.name, bool(each.words), each.chosen) for each in found.first.versions]
    assert versions == [
        ("Before", True, False),
        ("Light", True, False),
        ("Medium", True, True),
        ("Strong", False, False),
    ]
    assert any("training.kl_beta=0.175" in note for note in found.notes)
    summary = json.loads((small / "summary.json").read_text())
    write_json(small / "summary.json", {**summary, "kl_final": 0.05})
    assert any("train longer first" in note for note in writing(read_run(small)).notes)
    [other] = found.others
    assert [each.name for each in other.versions] == ["Before", "Medium"]
    _, page = read(write_report(small))
    assert page.tags.count("input") == 3
    assert page.attributes.count(("checked", "")) == 1
    assert "out of reach" in page.text


def test_a_run_of_an_earlier_version_shows_before_and_after(small: Path) -> None:
    (small / "strength_samples.json").unlink()
    found = writing(read_run(small))
    assert found.first
    assert [("".join(w.text for w in v.words), v.chosen) for v in found.first.versions] == [
        ("走", False),
        ("俺也", True),
    ]
    assert not found.marked
    html, page = read(write_report(small))
    assert "<mark" not in html
    assert page.tags.count("input") == 2


@pytest.mark.parametrize(
    "content",
    [
        {"prompts": 3},
        {"prompts": [{"texts": {"base": 5, "adapter": [[1, 2], "x", ["y"]]}}], "strengths": [{}]},
        content_of(strengths=None),
        content_of(book={"a": 1}),
        content_of(strengths=[{"name": HOSTILE, "kl": HOSTILE, "scale": None}]),
    ],
)
def test_a_damaged_file_does_no_harm(small: Path, content: dict) -> None:
    (small / "strength_samples.json").write_text(json.dumps(content), encoding="utf-8")
    _, page = read(write_report(small))
    assert set(page.tags) & LOADING == set()


def test_texts_are_only_text(small: Path) -> None:
    words = [[HOSTILE, 2.0]]
    prompts = [{"prompt": HOSTILE, "texts": {"base": words, "adapter": words}}] * 2
    write_json(small / "strength_samples.json", content_of(prompts=prompts, book=words))
    html, page = read(write_report(small))
    assert LOADING.isdisjoint(page.tags)
    assert page.text.count("<script>alert(1)</script>") == html.count("&lt;script&gt;") >= 9


def test_the_page_is_whole_without_styles(small: Path) -> None:
    """Printed, or in a reader that drops styles: each strength's text under its own name."""
    page = Page(write_report(small).read_text(encoding="utf-8"))
    text = " ".join(page.text.split())
    assert text.index("Before 他走") < text.index("Light 他来") < text.index("Medium 他俺也")


def test_commands_of_what_to_do_next_work(run: Path, tmp_path: Path) -> None:
    """The report told people to export `light` of an adapter that was light itself."""
    (run / FILE).unlink()
    first = commands(run)
    assert [words[1] for words in first] == ["generate", "dial"]
    write_json(run / FILE, as_json(0.1, CURVE, {"style_nll": 5.0, "general_nll": 4.0}))
    second = commands(run)
    assert [words[3:] for words in second if words[1] == "dial"] == [["--export", "light"]]
    for words in [[*first[0], "--max-new-tokens", "3"], second[-1]]:
        done = invoke(*words[1:])
        assert done.returncode == 0, done.stderr


def commands(run: Path) -> list[list[str]]:
    """As they are typed, of a healthy run's next steps."""
    found = [step.text.split("`")[1] for step in steps(read_run(run), [])]
    return [shlex.split(command) for command in found]
