"""report.html of a real run: every section, both languages, nothing loaded, nothing believed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from running import invoke, small_run

from styledial.config import resolve
from styledial.memory.plan import plan
from styledial.report import CURVES, FIGURES, drawing, training, write_report
from styledial.report.numbers import memory_size
from styledial.report.parts import Figure
from styledial.run_folder.reader import Run, read_run

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} `<b>`"
LOADING = {"script", "link", "img", "iframe", "object", "embed", "audio", "video", "base", "form",
           "image", "use", "foreignobject", "animate", "set"}  # fmt: skip


class Page(HTMLParser):
    """Tags, attributes and text of a page as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def run(reported_run: Path) -> Path:
    """A finished run with a dial (a known curve: measuring one is tested elsewhere)."""
    return reported_run


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def read(path: Path) -> tuple[str, Page]:
    html = path.read_text(encoding="utf-8")
    return html, Page(html)


def test_a_run_leaves_it(run: Path) -> None:
    html, page = read(run / "report.html")
    summary = json.loads((run / "summary.json").read_text())
    assert f"{summary['kl_final']:.4f}" in page.text
    assert page.tags.count("svg") == 6  # the dial was not measured yet
    assert f"styledial dial {run}" in page.text
    for sample in json.loads((run / "samples.json").read_text())["samples"]:
        assert sample["prompt"] in page.text
        assert sample["after"].strip() in page.text
    assert "one.txt" in page.text
    assert "training.max_steps" in page.text
    assert "command line" in page.text
    assert summary["versions"]["torch"] in page.text
    assert len(html.encode()) < 400_000


@pytest.mark.parametrize(("language", "words"), [("en", "The dial"), ("zh", "强度调节")])
def test_both_languages_with_every_section(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, words: str
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", language)
    _, page = read(write_report(run, tmp_path / "r.html"))
    assert words in page.text
    assert ("lang", {"en": "en", "zh": "zh-Hans"}[language]) in page.attributes
    assert page.tags.count("section") == len(["writing", "verdict", "more", *CURVES, "figures"])
    assert page.attributes.count(("class", "fold")) == len(FIGURES)
    assert page.tags.count("svg") == 8


def test_it_loads_nothing(run: Path, tmp_path: Path) -> None:
    html, page = read(write_report(run, tmp_path / "r.html"))
    assert LOADING.isdisjoint(page.tags)
    assert [v for n, v in page.attributes if n in ("href", "xlink:href") and v[:1] != "#"] == []
    assert [
        n for n, _ in page.attributes if n in ("src", "srcset", "action") or n[:2] == "on"
    ] == []
    assert "url(" not in html
    assert "@import" not in html
    assert html.replace("http://www.w3.org/", "").count("http") == html.count("http-equiv")


def test_samples_and_names_are_only_text(copied: Path) -> None:
    samples = json.loads((copied / "samples.json").read_text())
    samples["samples"] = [{"prompt": HOSTILE, "before": HOSTILE, "after": HOSTILE}]
    (copied / "samples.json").write_text(json.dumps(samples))
    (copied / "strength_samples.json").unlink()  # those: tests/test_report_writing.py
    manifest = json.loads((copied / "data_manifest.json").read_text())
    manifest["books"][0].update(file=HOSTILE, encoding=HOSTILE, drops={HOSTILE: 3})
    manifest.update(notes=[HOSTILE], data_dir=HOSTILE)
    (copied / "data_manifest.json").write_text(json.dumps(manifest))
    summary = json.loads((copied / "summary.json").read_text())
    summary["versions"] = {HOSTILE: HOSTILE}
    (copied / "summary.json").write_text(json.dumps(summary))
    (copied / "train_config.yaml").write_text(f'model:\n  x: "{HOSTILE}"  # {HOSTILE}\n')
    (copied / "evaluation.json").write_text(
        json.dumps(
            {
                "metrics": {
                    HOSTILE: {"value": 1, "ci": [0, HOSTILE], "base": HOSTILE, "unit": HOSTILE}
                }
            }
        )
    )
    _, page = read(write_report(copied))
    assert LOADING.isdisjoint(page.tags)
    assert [n for n, _ in page.attributes if n[:2] == "on"] == []
    assert page.text.count("{{ 7*7 }}") >= 10


def test_each_missing_file_is_named(copied: Path) -> None:
    for path in copied.iterdir():
        if path.is_file() and path.name != "metrics.jsonl":
            path.unlink()
    _, page = read(write_report(copied))
    assert "This run has not finished: 24 updates" in page.text
    for words in (
        "styledial dial",
        "styledial evaluate",
        "samples.json is missing",
        "styledial prepare",
        "It was not planned",
        "train_config.yaml is missing",
    ):
        assert words in page.text
    (copied / "metrics.jsonl").unlink()
    done = invoke("report", copied)
    assert done.returncode == 2
    assert "no run here" in done.stderr


def test_torn_files_do_no_harm(copied: Path) -> None:
    for name in (
        "evaluation.json",
        "plan.json",
        "samples.json",
        "data_manifest.json",
        "style_dial.json",
    ):
        (copied / name).write_text('{"metrics": {"kl"')
    assert invoke("report", copied).returncode == 0
    for content in (
        "[]",
        '{"metrics": [1], "samples": {"a": 1}, "books": 3, "breakdown": []}',
        '{"tokens": 5, "samples": [null, {}], "metrics": {"kl": {"ci": 1}}}',
    ):
        for name in ("evaluation.json", "plan.json", "samples.json", "data_manifest.json"):
            (copied / name).write_text(content)
        assert invoke("report", copied).returncode == 0


def test_the_evaluation_with_intervals_and_the_books(copied: Path) -> None:
    (copied / "evaluation.json").write_text(
        json.dumps(
            {
                "metrics": {
                    "style_score": {
                        "value": 0.81,
                        "ci": [0.7, 0.9],
                        "base": 0.05,
                        "books": 0.93,
                        "unit": "0 to 1",
                    },
                    "distinct_2": {
                        "value": 0.5,
                        "ci": [0.4, 0.6],
                        "base": 0.55,
                        "unit": "share of n-grams",
                    },
                },
                "warnings": [{"en": "It recites.", "zh": "它在背诵。"}],
            }
        )
    )
    html, page = read(write_report(copied))
    assert "<strong>0.8100</strong>" in html  # the base is outside the interval
    assert "<strong>0.5000</strong>" not in html
    for words in ("It recites.", "0.7000 … 0.9000", "0.9300", "books", "different pairs of tokens"):
        assert words in page.text


def test_plan_against_measurement(
    copied: Path, tiny_base: Path, novels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dict(each.split("=", 1) for each in small_run(tiny_base, novels, copied))
    planned = plan(resolve(None, None, settings))
    (copied / "plan.json").write_text(json.dumps(planned.to_json()))
    summary = json.loads((copied / "summary.json").read_text())
    summary["peak_memory_bytes"] = planned.allocated // 2
    (copied / "summary.json").write_text(json.dumps(summary))
    _, page = read(write_report(copied))
    assert "the plan was 100% above what was needed" in page.text
    assert planned.extras["cuda_context"] > 0
    for words in ("base weights", "CUDA context", memory_size(planned.total), "at the peak in the"):
        assert words in page.text
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    _, page = read(write_report(copied))
    for words in ("基座权重", "CUDA 上下文", "峰值出现在"):
        assert words in page.text
    assert "weights" not in page.text[page.text.index("估算与实测") : page.text.index("配置")]


def test_plain_fine_tuning_shows_no_kl_that_it_did_not_read(run: Path) -> None:
    found = read_run(run)
    assert "held-out text" in _kl_figure(found).legend
    plain = _kl_figure(replace(found, summary={**(found.summary or {}), "kl_mode": "off"}))
    assert plain.legend == ()
    assert "On held-out text" in plain.note


def _kl_figure(run: Run) -> Figure:
    return next(
        f for f in training.section(run).figures if f.title.startswith("Distance from the base (KL")
    )


def test_what_the_doctor_finds_is_what_to_do_next(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from styledial.doctor import examine

    summary = json.loads((copied / "summary.json").read_text())
    summary.update(
        general_nll=summary["general_nll_base"] + 1.5, kl_final=0.02, kl_before_landing=0.02
    )
    (copied / "summary.json").write_text(json.dumps(summary))
    found = examine(copied)
    assert found
    _, page = read(write_report(copied))
    for each in found:
        assert each.evidence[0].replace("`", "") in page.text
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    assert found[0].advice[1].replace("`", "") in read(write_report(copied))[1].text


def test_without_the_plotting_library_the_words_stay(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    _, page = read(write_report(run, tmp_path / "r.html"))
    assert "svg" not in page.tags
    assert "pip install 'styledial[report]'" in page.text
    assert "loss on your novels" in page.text


@pytest.mark.slow
def test_a_command_that_measures_brings_it_up_to_date(copied: Path) -> None:
    (copied / "style_dial.json").unlink()
    write_report(copied)
    assert "Strength at each scale" not in read(copied / "report.html")[1].text
    done = invoke("dial", copied)
    assert done.returncode == 0, done.stderr
    assert "Strength at each scale" in read(copied / "report.html")[1].text


def test_a_report_that_fails_does_not_fail_the_run(
    tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    from styledial import report

    def broken(*args, **more):
        raise RuntimeError("no room")

    monkeypatch.setattr(report, "write_report", broken)
    done = invoke("train", *small_run(tiny_base, novels, tmp_path / "out"), "max_steps=1")
    assert done.returncode == 0
    assert (tmp_path / "out/adapter_model.safetensors").is_file()
    assert "RuntimeError: no room" in capfd.readouterr().err + done.stderr
