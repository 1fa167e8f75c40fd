"""`--gpu` takes names as nvidia-smi prints them, and never a card for another that begins alike."""

from __future__ import annotations

import pytest

from styledial.errors import UserError
from styledial.memory.gpus import GIB, _speed, card_named


@pytest.mark.parametrize(
    ("typed", "card"),
    [
        ("NVIDIA GeForce RTX 3060 Laptop GPU", "RTX 3060 Laptop"),
        ("NVIDIA GeForce RTX 3060", "RTX 3060"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100 80GB"),
        ("NVIDIA A100-PCIE-40GB", "A100 40GB"),
        ("Tesla V100-SXM2-32GB", "V100 32GB"),
        ("Tesla T4", "T4"),
        ("A100", "A100 40GB"),
        ("rtx 4060 ti", "RTX 4060 Ti 8GB"),
    ],
)
def test_a_printed_name_is_its_card(typed: str, card: str) -> None:
    assert card_named(typed).name == card


@pytest.mark.parametrize(
    ("model", "gib"),
    [
        ("3050", 4),
        ("3060", 6),
        ("3070", 8),
        ("3080", 8),
        ("3080 Ti", 16),
        ("4050", 6),
        ("4060", 8),
        ("4070", 8),
        ("4080", 12),
        ("4090", 16),
        ("5060", 8),
        ("5070", 8),
        ("5070 Ti", 12),
        ("5080", 16),
        ("5090", 24),
    ],
)
def test_a_laptop_card_has_its_own_memory(model: str, gib: int) -> None:
    """It was refused, or taken for the desktop card of that name, which has twice as much."""
    card = card_named(f"NVIDIA GeForce RTX {model} Laptop GPU")
    assert card.name.startswith(f"RTX {model} Laptop")
    assert 0.92 * gib < card.memory / GIB < gib


def test_speed_is_of_exactly_this_card() -> None:
    assert _speed("NVIDIA L4", int(22 * GIB)) == 121
    assert _speed("NVIDIA A100-SXM4-80GB", int(79 * GIB)) == 312
    for other in ("NVIDIA L40", "NVIDIA RTX A1000", "NVIDIA GeForce RTX 4090 D"):
        assert _speed(other, int(23 * GIB)) == 0, other


@pytest.mark.parametrize(
    "typed",
    [
        "H20",
        "NVIDIA H20",
        "RTX 40",
        "A1",
        "RTX 3060 12GB Ti",
        "",
        "RTX 2060 Laptop GPU",
        "NVIDIA L40",
    ],
)
def test_a_card_that_is_not_known_is_refused(typed: str) -> None:
    """H20 was planned for as an H200, with 44 GiB more than it has."""
    with pytest.raises(UserError, match="--memory"):
        card_named(typed)
