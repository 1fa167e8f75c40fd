"""`--gpu` takes names as nvidia-smi prints them, and never a card for another that begins alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import invoke

from styledial.errors import UserError
from styledial.memory.gpus import CARDS, GIB, _speed, card_named, memory_card, other_sizes


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
        ("NVIDIA H20-3e", "H20 141GB"),
        ("NVIDIA H20, 97871 MiB", "H20"),
        ("H20 96G", "H20"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A800 80GB PCIe", "A800 80GB"),
        ("NVIDIA A800-SXM4-80GB", "A800 80GB"),
        ("NVIDIA A800 40GB Active", "A800 40GB"),
        ("NVIDIA H800", "H800"),
        ("NVIDIA L20", "L20"),
        ("NVIDIA L40", "L40"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA GeForce RTX 4090 D", "RTX 4090 D"),
        ("NVIDIA GeForce RTX 5090 D", "RTX 5090 D"),
        ("NVIDIA GeForce RTX 5090 D v2", "RTX 5090 D v2"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000 Blackwell"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "RTX PRO 6000 Blackwell"),
        ("NVIDIA RTX PRO 5000 72GB Blackwell", "RTX PRO 5000 Blackwell 72GB"),
        ("4090", "RTX 4090"),
        ("3090ti", "RTX 3090 Ti"),
        ("rtx4090d", "RTX 4090 D"),
        ("a6000", "RTX A6000"),
        ("RTX 3060 12GB", "RTX 3060"),
        ("RTX 3060 8G", "RTX 3060 8GB"),
        ("RTX 4060 Mobile", "RTX 4060 Laptop"),
        ("3060 笔记本", "RTX 3060 Laptop"),
        ("ＲＴＸ　４０９０", "RTX 4090"),
    ],
)
def test_a_printed_name_is_its_card(typed: str, card: str) -> None:
    assert card_named(typed).name == card


@pytest.mark.parametrize(
    ("model", "gib"),
    [
        ("3050 Ti", 4),
        ("3060", 6),
        ("3070", 8),
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
    assert _speed("NVIDIA L40", int(44 * GIB)) == 181
    assert _speed("NVIDIA GeForce RTX 4090 D", int(23 * GIB)) == 147
    for other in ("NVIDIA A16", "NVIDIA RTX A1000", "NVIDIA GeForce RTX 5090 D"):
        assert _speed(other, int(23 * GIB)) == 0, other


@pytest.mark.parametrize(
    ("typed", "sizes"),
    [
        ("A100", ("A100 40GB", "A100 80GB")),
        ("NVIDIA A800 PCIe", ("A800 40GB", "A800 80GB")),
        ("Tesla V100-SXM2", ("V100 16GB", "V100 32GB")),
        ("NVIDIA GeForce RTX 3080", ("RTX 3080 10GB", "RTX 3080 12GB")),
        ("rtx 4060 ti", ("RTX 4060 Ti 8GB", "RTX 4060 Ti 16GB")),
        ("RTX 3050 Laptop", ("RTX 3050 Laptop 4GB", "RTX 3050 Laptop 6GB")),
    ],
)
def test_of_a_card_with_two_sizes_the_size_is_asked(typed: str, sizes: tuple[str, str]) -> None:
    """What is advised is carried out: each answer is a card of that size."""
    with pytest.raises(UserError) as asked:
        card_named(typed)
    assert "--memory" in str(asked.value)
    for size in sizes:
        assert f'"{size}"' in str(asked.value)
        gib = int(size.split()[-1].removesuffix("GB"))
        assert 0.92 * gib < card_named(size).memory / GIB <= gib


def test_the_usual_size_is_taken_and_said(tiny_base: Path) -> None:
    """Of the RTX 3060 nearly all have 12 GB, and the documents name it without its size."""
    told = invoke("plan", f"model.model_name_or_path={tiny_base}", "--gpu", "RTX 3060")
    assert told.returncode == 0, told.stderr
    assert "12 GB version (11.80 GiB usable)" in told.stderr
    assert '--gpu "RTX 3060 8GB"' in told.stderr
    assert other_sizes(card_named("RTX 4090")) == []
    assert other_sizes(card_named("NVIDIA H20")) == ["H20 141GB"]  # which prints NVIDIA H20-3e


@pytest.mark.parametrize(
    "typed",
    [
        "RTX 40",
        "A1",
        "H2",
        "H20S",
        "T4G",
        "RTX 3060 12GB Ti",
        "RTX 3060 24GB",
        "",
        "NVIDIA",
        "NVIDIA GeForce RTX 2060 Laptop GPU",
        "NVIDIA GeForce MX450",
        "GRID T4-8Q",
        "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
        "NVIDIA A100X",
        "RTX 4090 x2",
        "RTX 4090 魔改",
        "RTX 6000",
    ],
)
def test_a_card_that_is_not_known_is_refused(typed: str) -> None:
    """H20 was planned for as an H200, with 44 GiB more than it has."""
    with pytest.raises(UserError, match="--memory"):
        card_named(typed)


def test_every_card_is_found_by_its_name() -> None:
    for card in CARDS:
        assert card_named(card.name) is card
        assert card_named(f"NVIDIA {card.name.lower()}") is card


def test_another_number_is_never_guessed() -> None:
    """ "Did you mean RTX 3060 8GB?" was asked about a 4090 with 48 GB."""
    for typed, said in (
        ("RTX 4090 48GB", "such as --memory 48GB"),
        ("RTX 4090 x2", "Give its memory"),
        ("GTX 3090", "Did you mean RTX 3090"),
    ):
        with pytest.raises(UserError, match=said):
            card_named(typed)
    assert memory_card("48ＧＢ").memory == 48 * GIB == memory_card("49152 MiB").memory
