"""Strength by name, in both languages."""

from __future__ import annotations

import math

import pytest

from styledial.errors import UserError
from styledial.strength import (
    NAMED,
    band_near,
    name_of,
    parse_strength,
    parse_strengths,
    verdict,
)


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
        ("０．００１", 0.001, "kl-0.001"),
        ("０。１２", 0.12, "kl-0.12"),
        ("ｌｉｇｈｔ", 0.065, "light"),
    ],
)
def test_names_and_numbers(typed: str, kl: float, folder: str) -> None:
    found = parse_strength(typed)
    assert (found.kl, found.folder) == (kl, folder)


@pytest.mark.parametrize("typed", ["huge", "", "0", "-0.1", "nan", "inf", "²", "٠.١"])
def test_what_isnt_understood_is_refused(typed: str) -> None:
    with pytest.raises(UserError, match="allowed are light, medium, strong, max, and numbers"):
        parse_strength(typed)


@pytest.mark.parametrize("typed", ["0", "0.0", "-0", "０"])
def test_zero_is_the_base_where_it_is_a_choice(typed: str) -> None:
    """`generate --strength 0` was refused, where chat and --compare took it."""
    assert parse_strength(typed, base=True).kl == 0
    with pytest.raises(UserError, match=r"0 \(the base\)"):
        parse_strength("-0.1", base=True)


@pytest.mark.parametrize(("typed", "budget"), [("max", 0.2), ("中等", 0.1), ("0.3", 0.3)])
def test_as_the_budget_of_a_training(typed: str, budget: float) -> None:
    assert parse_strength(typed).budget == budget


@pytest.mark.parametrize("typed", ["0.03、light", "0.03；light", "0.03;light,"])
def test_a_list_is_divided_as_people_write(typed: str) -> None:
    assert [each.kl for each in parse_strengths(typed)] == [0.03, 0.065]


def test_a_list_holds_each_once() -> None:
    assert [each.folder for each in parse_strengths("light，中等, light,0.12")] == [
        "light",
        "medium",
        "kl-0.12",
    ]


@pytest.mark.parametrize(
    ("kl", "near", "word"),
    [
        (0.001, None, "barely noticeable"),
        (0.044, None, "barely noticeable"),
        (0.046, "light", "light"),
        (0.089, "light", "light"),
        (0.094, "medium", "medium"),
        (0.15, "medium", "medium"),  # the end of a band is in it
        (0.1507, "medium", "medium"),  # as near as landing comes to 0.15
        (0.156, "strong", "strong"),
        (0.215, "strong", "strong"),
        (0.3, None, "beyond strong"),
    ],
)
def test_every_reading_has_a_name(kl: float, near: str | None, word: str) -> None:
    """Screen and report had a function each: 0.04 was "light" here and "very light" there, 0.15
    strong and medium."""
    assert (band_near(kl), name_of(kl)) == (near, word)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_strength_is_called_by_its_name(name: str) -> None:
    assert name_of(NAMED[name]) == name


def test_the_verdict_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict(0.0938, 0.1) == "style strength: medium, asked 0.1, reached 0.094"
    assert verdict(0.418, None).startswith("style strength: beyond strong, reached 0.418")
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    assert verdict(0.0938, 0.1) == "风格强度：中等（目标 0.1，实测 0.094）"
