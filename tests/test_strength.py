"""Strength by name, in both languages."""

from __future__ import annotations

import math

import pytest

from styledial.errors import UserError
from styledial.strength import name_of, parse_strength, parse_strengths, verdict


@pytest.mark.parametrize(
    ("typed", "kl", "folder"),
    [
        ("light", 0.065, "light"),
        ("Medium", 0.1, "medium"),
        ("轻微", 0.065, "light"),
        ("中等", 0.1, "medium"),
        ("强烈", 0.175, "strong"),
        (" 0.08 ", 0.08, "kl-0.08"),
        ("8e-2", 0.08, "kl-0.08"),
        ("max", math.inf, "max"),
    ],
)
def test_names_and_numbers(typed: str, kl: float, folder: str) -> None:
    found = parse_strength(typed)
    assert (found.kl, found.folder) == (kl, folder)


@pytest.mark.parametrize("typed", ["huge", "", "0", "-0.1", "nan", "inf", "０.１"])
def test_what_isnt_understood_is_refused(typed: str) -> None:
    with pytest.raises(UserError, match="allowed are light, medium, strong, max, and numbers"):
        parse_strength(typed)


def test_a_list_holds_each_once() -> None:
    assert [each.folder for each in parse_strengths("light，中等, light,0.12")] == [
        "light",
        "medium",
        "kl-0.12",
    ]


def test_every_reading_has_a_name_in_order() -> None:
    names = [name_of(kl) for kl in (0.001, 0.065, 0.094, 0.149, 0.15, 0.5)]
    assert names == ["barely noticeable", "light", "medium", "medium", "strong", "beyond strong"]


def test_the_verdict_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict(0.0938, 0.1) == "style strength: medium, asked 0.1, reached 0.094"
    assert verdict(0.418, None).startswith("style strength: beyond strong, reached 0.418")
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    assert verdict(0.0938, 0.1) == "风格强度：中等（目标 0.1，实测 0.094）"
