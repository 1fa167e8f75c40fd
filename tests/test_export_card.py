"""The model card of an export says what the run was, not what most runs are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from styledial.export.card import card
from styledial.export.source import Source
from styledial.files import write_json
from styledial.models.identity import Base
from styledial.run_folder.layout import SAMPLES_DATA

FRENCH = "Il ouvrit la porte et vit que la chambre était vide, avec une lettre sur le lit."


def written(folder: Path, summary: dict, after: str) -> tuple[dict, str]:
    """Front matter and text of a card."""
    write_json(folder / SAMPLES_DATA, {"samples": [{"prompt": "", "before": "", "after": after}]})
    source = Source(folder, Base("owner/base"), folder, "style", summary, [])
    _, front, text = card(source, "peft", [source.full], {}).split("---\n", 2)
    return yaml.safe_load(front), text


@pytest.mark.parametrize(
    ("summary", "budget"),
    [
        ({"kl_mode": "budget", "kl_beta": 0.08}, "under a KL budget of 0.08 nats per token"),
        ({"kl_mode": "off", "kl_beta": 0.1}, None),
        ({"kl_mode": "penalty", "kl_beta": 0.1}, None),
        ({}, None),
    ],
)
def test_a_budget_is_named_where_there_was_one(
    summary: dict, budget: str | None, tmp_path: Path
) -> None:
    front, text = written(tmp_path, summary, FRENCH)
    assert (budget or "KL divergence from the base") in text
    assert ("KL budget" in text) == (budget is not None) == ("kl-divergence" in front["tags"])


@pytest.mark.parametrize(
    ("after", "language"),
    [
        (FRENCH, ["fr"]),
        ("彼は戸を開けて、部屋を見た。", ["ja"]),
        ("他推开门，看见屋里没有人。", ["zh"]),
        ("He opened the door and saw that the room was empty.", ["en"]),
        ("12345", None),
    ],
)
def test_the_language_is_that_of_the_writing(
    after: str, language: list[str] | None, tmp_path: Path
) -> None:
    assert written(tmp_path, {}, after)[0].get("language") == language
