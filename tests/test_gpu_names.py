"""`--gpu` takes names as nvidia-smi prints them, and never a card for another that begins alike."""

from __future__ import annotations

import pytest

from styledial.errors import UserError
from styledial.memory.gpus import card_named


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
    "typed", ["H20", "NVIDIA H20", "RTX 40", "A1", "RTX 3060 12GB Ti", "", "RTX 4090 Laptop GPU"]
)
def test_a_card_that_is_not_known_is_refused(typed: str) -> None:
    """H20 was planned for as an H200, with 44 GiB more than it has."""
    with pytest.raises(UserError, match="--memory"):
        card_named(typed)
