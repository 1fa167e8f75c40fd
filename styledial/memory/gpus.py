"""Graphics cards: how much memory a run can have of them, and how fast they multiply.

`memory` is what CUDA reports as total, in GiB, not what the box says; it varies by some tenths with
driver and ECC. `tflops` is the vendor's dense figure for 16-bit products added up in fp32. Neither
was measured here. A card that drives a screen has less.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from styledial.errors import UserError, nearest

GIB = 2**30
CONTEXT = int(0.45 * GIB)  # kernels and state of CUDA itself: 0.3 to 0.45 GiB by card and driver
# Left free of a card when something is to fit: what varies and what the plan may have wrong.
MARGIN = 0.05


@dataclass(frozen=True)
class Card:
    """memory: bytes that a run can have; tflops: 0 where unknown; bf16: whether it computes in
    bfloat16; hopper: whether cuBLAS takes its larger workspace; total: bytes of a card that is
    here, what others use of it included."""

    name: str
    memory: int
    tflops: float = 0.0
    bf16: bool = True
    hopper: bool = False
    total: int = 0


def _card(name: str, gib: float, tflops: float, *, bf16: bool = True, hopper: bool = False) -> Card:
    return Card(name, int(gib * GIB), tflops, bf16, hopper)


CARDS: tuple[Card, ...] = (
    _card("RTX 2080 Ti", 10.7, 57, bf16=False),
    _card("RTX 3060", 11.8, 25),
    _card("RTX 3060 Ti", 7.7, 32),
    _card("RTX 3070", 7.7, 41),
    _card("RTX 3070 Ti", 7.7, 43),
    _card("RTX 3080", 9.7, 59),
    _card("RTX 3080 Ti", 11.7, 68),
    _card("RTX 3090", 23.6, 71),
    _card("RTX 3090 Ti", 23.6, 80),
    _card("RTX 4060", 7.7, 30),
    _card("RTX 4060 Ti 8GB", 7.7, 44),
    _card("RTX 4060 Ti 16GB", 15.6, 44),
    _card("RTX 4070", 11.7, 58),
    _card("RTX 4070 SUPER", 11.7, 71),
    _card("RTX 4070 Ti", 11.7, 80),
    _card("RTX 4070 Ti SUPER", 15.6, 88),
    _card("RTX 4080", 15.7, 97),
    _card("RTX 4080 SUPER", 15.7, 104),
    _card("RTX 4090", 23.6, 165),
    _card("RTX 5060", 7.7, 0, hopper=True),
    _card("RTX 5060 Ti 8GB", 7.7, 0, hopper=True),
    _card("RTX 5060 Ti 16GB", 15.6, 0, hopper=True),
    _card("RTX 5070", 11.7, 62, hopper=True),
    _card("RTX 5070 Ti", 15.6, 88, hopper=True),
    _card("RTX 5080", 15.6, 113, hopper=True),
    _card("RTX 5090", 31.4, 209, hopper=True),
    # Laptops: their speed depends on the power that the maker allows, so it isn't given.
    _card("RTX 3050 Laptop", 3.8, 0),
    _card("RTX 3060 Laptop", 5.8, 22),
    _card("RTX 3070 Laptop", 7.7, 0),
    _card("RTX 3070 Ti Laptop", 7.7, 0),
    _card("RTX 3080 Laptop 8GB", 7.7, 0),
    _card("RTX 3080 Laptop 16GB", 15.6, 0),
    _card("RTX 3080 Ti Laptop", 15.6, 0),
    _card("RTX 4050 Laptop", 5.8, 0),
    _card("RTX 4060 Laptop", 7.7, 0),
    _card("RTX 4070 Laptop", 7.7, 0),
    _card("RTX 4080 Laptop", 11.7, 0),
    _card("RTX 4090 Laptop", 15.6, 0),
    _card("RTX 5050 Laptop", 7.7, 0, hopper=True),
    _card("RTX 5060 Laptop", 7.7, 0, hopper=True),
    _card("RTX 5070 Laptop", 7.7, 0, hopper=True),
    _card("RTX 5070 Ti Laptop", 11.7, 0, hopper=True),
    _card("RTX 5080 Laptop", 15.6, 0, hopper=True),
    _card("RTX 5090 Laptop", 23.6, 0, hopper=True),
    _card("RTX A6000", 47.5, 155),
    _card("T4", 14.6, 65, bf16=False),
    _card("V100 16GB", 15.8, 125, bf16=False),
    _card("V100 32GB", 31.7, 125, bf16=False),
    _card("A10", 22.0, 125),
    _card("L4", 22.0, 121),
    _card("L40S", 44.4, 362),
    _card("A100 40GB", 39.4, 312),
    _card("A100 80GB", 79.2, 312),
    _card("H100", 79.1, 989, hopper=True),
    _card("H200", 139.8, 989, hopper=True),
)


def card_named(name: str) -> Card:
    """The card of this name; raises UserError that lists the known ones."""
    wanted = _plain(name)
    for card in CARDS:
        if _plain(card.name) == wanted:
            return card
    # "A100", "NVIDIA H100 80GB HBM3": the same model; the smallest where it comes in several sizes.
    same = [card for card in CARDS if _model(card.name) == _model(name)]
    size = re.search(r"(\d+)\s*gb\b", name.lower())
    if size:
        same = [card for card in same if abs(card.memory / GIB - int(size[1])) < 0.1 * int(size[1])]
    if same:
        return min(same, key=lambda card: card.memory)
    guess = nearest(name, [card.name for card in CARDS])
    listed = ", ".join(card.name for card in CARDS)
    raise UserError(
        f"--gpu {name}: not in the table."
        + (f" Did you mean {guess}?" if guess else "")
        + f" There are {listed}. For another card give its memory: --memory 24GB.",
        f"--gpu {name}：表中没有这张显卡"
        + (f"；是否想写 {guess}？" if guess else "。")
        + f"已知：{listed}。其他显卡请直接写显存：--memory 24GB。",
    )


def memory_card(text: str) -> Card:
    """A card of the memory written as 24GB, 24GiB, 24G or 24576MB; raises UserError.

    GB means GiB here, as it does in the names of cards.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([gm])(?:i?b)?\s*", text.lower())
    if not found or float(found[1]) == 0:
        raise UserError(
            f"--memory {text}: write it as 24GB or 8192MB.",
            f"--memory {text}：请写成 24GB 或 8192MB。",
        )
    return Card(text.strip(), int(float(found[1]) * (GIB if found[2] == "g" else 2**20)))


def found_card() -> Card | None:
    """The GPU that this process would train on, or None; its memory is what others have left."""
    import torch

    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    free, total = torch.cuda.mem_get_info()
    # Asking has made this process's own context there, which a plan counts by itself.
    return Card(
        properties.name,
        min(total, free + CONTEXT),
        _speed(properties.name, total),
        torch.cuda.is_bf16_supported(including_emulation=False),
        properties.major >= 9,
        total,
    )


def _speed(name: str, total: int) -> float:
    """The table's figure for a card of this name, the one nearest in memory; 0 without one."""
    known = [card for card in CARDS if _model(card.name) == _model(name)]
    return min(known, key=lambda card: abs(card.memory - total)).tflops if known else 0.0


def _model(name: str) -> str:
    """The model alone, of a name as nvidia-smi prints it: no form, link or memory.

    "Tesla V100-SXM2-16GB" -> "v100", "NVIDIA GeForce RTX 3060 Laptop GPU" -> "rtx3060laptop".
    """
    bare = re.sub(r"\b(sxm\d?|pcie|hbm\d\w?|gpu|\d+\s*gb)\b", " ", name.lower())
    return _plain(bare)


def _plain(name: str) -> str:
    return re.sub(r"nvidia|geforce|tesla|[^a-z0-9]", "", name.lower())
