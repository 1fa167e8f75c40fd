"""The report's verdict and its five lights, and how figures are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from styledial.doctor import Finding
from styledial.report import verdict
from styledial.report.numbers import duration, general, memory_size, number, signed
from styledial.report.verdict import sentence
from styledial.run_folder.reader import read_run
from styledial.units import percent

BASE = {"kl_mode": "budget", "kl_beta": 0.1, "kl_final": 0.101, "style_nll": 4.5,
        "style_nll_base": 5.0, "general_nll": 4.01, "general_nll_base": 4.0}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected", "zh"),
    [
        (
            {},
            "Style strength: medium. Closer to the novels; general ability nearly unchanged.",
            "风格强度：中等。更像原著，通用能力几乎没变。",
        ),
        (
            {"kl_final": 0.06},
            "Style strength: light, short of what was asked.",
            "，没学到目标强度。",
        ),
        (
            {"kl_final": 0.3},
            "Style strength: beyond strong, more than was asked.",
            "，超过目标强度。",
        ),
        (
            {"kl_final": 0.094, "adapter_scale": 0.9},
            "Style strength: medium. ",
            "风格强度：中等。",
        ),  # landed on the other half of the text
        ({"kl_mode": "off", "kl_final": 0.19}, "Style strength: strong. ", "风格强度：强"),
        (
            {"kl_final": 0.02},
            "Style strength: barely noticeable, short",
            "风格强度：几乎看不出，没学到",
        ),
        ({"style_nll": 5.1}, "Further from the novels; ", "离原著更远"),
        ({"style_nll": 5.0}, "No closer to the novels; ", "没有更像原著"),
        ({"general_nll": 3.9}, "general ability slightly better.", "通用能力略有提升"),
        ({"general_nll": 4.0}, "general ability nearly unchanged.", "通用能力几乎没变"),
        ({"general_nll": 4.03}, "general ability slightly worse.", "通用能力略有下降"),
        ({"general_nll": 4.2}, "general ability clearly worse.", "通用能力明显下降"),
        ({"kl_final": None}, "Style strength: not measured.", "风格强度：未测量"),
        ({"general_nll": None}, "Style strength: medium. Closer to the novels.", "更像原著。"),
    ],
)
def test_the_verdict_says_what_the_figures_say(
    change: dict, expected: str, zh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert expected in sentence({**BASE, **change}) + " "
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    assert zh in sentence({**BASE, **change})


def test_a_light_for_each_thing_in_words_and_signs(reported_run: Path) -> None:
    found = read_run(reported_run)
    evaluation = {
        "metrics": {
            "extraction_rate_32": {"value": 0.004, "base": 0.0},
            "longest_copy": {"value": 11},
            "style_score": {"value": 0.34},
        }
    }
    healthy = replace(found, summary={**(found.summary or {}), **BASE}, evaluation=evaluation)
    lights = verdict.lights(healthy, [])
    assert [each.state for each in lights] == ["good"] * 5
    assert "65% more probability" in lights[1].sentence  # exp(5.0 - 4.5) = 1.65
    assert "at 34, from 0" in lights[1].sentence
    assert lights[2].sentence == "Loss on general text +0.010 (lower is better)."
    assert "continues < 1% word for word" in lights[3].sentence
    metrics = evaluation["metrics"]
    copies = {"value": 0.4, "ci": [0.3, 0.5], "base": 0.0, "books": 0.01, "unit": "share"}
    for rate, word in (
        ("long_copy_rate", "copies the books"),
        ("extraction_rate_32", "copies the books"),
        ("probe_extraction_rate_32", "recites other books"),
    ):
        copying = {"metrics": {**metrics, rate: copies}}
        assert verdict.lights(replace(healthy, evaluation=copying), [])[3].word == word
    usual = {"metrics": {**metrics, "long_copy_rate": {**copies, "books": 0.35}}}
    assert verdict.lights(replace(healthy, evaluation=usual), [])[3].state == "good"
    other = [{"en": "The novels have changed since training (a.txt).", "zh": "小说已有改动。"}]
    changed = {**evaluation, "warnings": other, "settings": {"changed_novels": ["a.txt"]}}
    assert verdict.lights(replace(healthy, evaluation=changed), [])[3].state == "good"
    assert verdict.lights(replace(healthy, evaluation=None), [])[3].state == "unknown"


def test_a_finding_turns_its_light(reported_run: Path) -> None:
    found = replace(read_run(reported_run), summary=BASE)
    words = ("", "")
    for rule, severity, at, state in [
        ("budget_not_reached", "advice", 0, "watch"),
        ("not_fluent", "warning", 1, "bad"),
        ("forgetting", "warning", 2, "bad"),
        ("memorising", "warning", 3, "bad"),
        ("too_little_data", "advice", 4, "watch"),
        ("budget_binding", "info", 0, "good"),
    ]:
        lights = verdict.lights(found, [Finding(rule, severity, words, words)])
        assert lights[at].state == state, rule
    # A mild finding doesn't make a bad light better.
    bad = replace(found, summary={**BASE, "style_nll": 6.0})
    mild = [Finding("style_saturated", "advice", words, words)]
    assert verdict.lights(bad, mild)[1].state == "bad"


def test_numbers() -> None:
    assert number(-1234.5678) == "−1,234.568"
    assert [signed(v) for v in (0.009, -0.12, -0.0001, 0.0, None)] == [
        "+0.009",
        "−0.120",
        "0.000",
        "0.000",
        "–",
    ]
    assert [percent(v) for v in (0.0, 0.004, 0.42, 0.999, 1.0)] == [
        "0%",
        "< 1%",
        "42%",
        "99%",
        "100%",
    ]
    assert [general(v) for v in (0, 7, 0.01234, 123.456, None, float("nan"), True)] == [
        "0",
        "7",
        "0.0123",
        "123.5",
        "–",
        "–",
        "–",
    ]
    assert [memory_size(v) for v in (2**29, 3 * 2**30, 0)] == ["512 MiB", "3.00 GiB", "–"]
    assert [duration(v) for v in (41, 200, 3720)] == ["41 s", "3 min 20 s", "1 h 02 min"]
