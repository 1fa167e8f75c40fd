"""Graphics cards: how much memory a run can have of them, and how fast they multiply.

`memory` is what CUDA reports as total, in GiB, not what the box says; it varies by some tenths with
driver and ECC. `tflops` is the vendor's dense figure for 16-bit products added up in fp32. Neither
was measured here. A card that drives a screen has less.
"""

from __future__ import annotations

import re
import unicodedata
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
    here, what others use of it included; margin: the part that is left free when something is to
    fit; is_gpu: false for the memory of the machine itself."""

    name: str
    memory: int
    tflops: float = 0.0
    bf16: bool = True
    hopper: bool = False
    total: int = 0
    margin: float = MARGIN
    is_gpu: bool = True


def _card(name: str, gib: float, tflops: float, *, bf16: bool = True, hopper: bool = False) -> Card:
    return Card(name, int(gib * GIB), tflops, bf16, hopper)


CARDS: tuple[Card, ...] = (
    _card("RTX 2060 6GB", 5.8, 0, bf16=False),
    _card("RTX 2060 12GB", 11.7, 0, bf16=False),
    _card("RTX 2060 SUPER", 7.7, 0, bf16=False),
    _card("RTX 2070", 7.7, 0, bf16=False),
    _card("RTX 2070 SUPER", 7.7, 0, bf16=False),
    _card("RTX 2080", 7.7, 0, bf16=False),
    _card("RTX 2080 SUPER", 7.7, 0, bf16=False),
    _card("RTX 2080 Ti", 10.7, 57, bf16=False),
    _card("TITAN RTX", 23.6, 130, bf16=False),
    _card("RTX 3050 6GB", 5.7, 0),
    _card("RTX 3050 8GB", 7.7, 0),
    _card("RTX 3060", 11.8, 25),
    _card("RTX 3060 8GB", 7.7, 25),
    _card("RTX 3060 Ti", 7.7, 32),
    _card("RTX 3070", 7.7, 41),
    _card("RTX 3070 Ti", 7.7, 43),
    _card("RTX 3080 10GB", 9.7, 59),
    _card("RTX 3080 12GB", 11.7, 61),
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
    _card("RTX 4090 D", 23.6, 147),
    _card("RTX 5050", 7.7, 0, hopper=True),
    _card("RTX 5060", 7.7, 0, hopper=True),
    _card("RTX 5060 Ti 8GB", 7.7, 0, hopper=True),
    _card("RTX 5060 Ti 16GB", 15.6, 0, hopper=True),
    _card("RTX 5070", 11.7, 62, hopper=True),
    _card("RTX 5070 Ti", 15.6, 88, hopper=True),
    _card("RTX 5080", 15.6, 113, hopper=True),
    _card("RTX 5090", 31.4, 209, hopper=True),
    _card("RTX 5090 D", 31.4, 0, hopper=True),
    _card("RTX 5090 D v2", 23.4, 0, hopper=True),
    # Laptops: their speed depends on the power that the maker allows, so it isn't given.
    _card("RTX 3050 Laptop 4GB", 3.8, 0),
    _card("RTX 3050 Laptop 6GB", 5.8, 0),
    _card("RTX 3050 Ti Laptop", 3.8, 0),
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
    # Workstations.
    _card("Quadro RTX 8000", 47.4, 130, bf16=False),
    _card("RTX A2000 6GB", 5.8, 0),
    _card("RTX A2000 12GB", 11.7, 0),
    _card("RTX A4000", 15.6, 77),
    _card("RTX A4500", 19.6, 95),
    _card("RTX A5000", 23.6, 111),
    _card("RTX A5500", 23.6, 136),
    _card("RTX A6000", 47.5, 155),
    _card("RTX 2000 Ada", 15.6, 0),
    _card("RTX 4000 Ada", 19.6, 0),
    _card("RTX 4500 Ada", 23.5, 0),
    _card("RTX 5000 Ada", 31.5, 0),
    _card("RTX 6000 Ada", 47.4, 364),
    _card("RTX PRO 4000 Blackwell", 23.4, 0, hopper=True),
    _card("RTX PRO 4500 Blackwell", 31.4, 0, hopper=True),
    _card("RTX PRO 5000 Blackwell 48GB", 47.3, 0, hopper=True),
    _card("RTX PRO 5000 Blackwell 72GB", 71.0, 0, hopper=True),
    _card("RTX PRO 6000 Blackwell", 94.9, 0, hopper=True),
    # Servers.
    _card("T4", 14.6, 65, bf16=False),
    _card("V100 16GB", 15.8, 125, bf16=False),
    _card("V100 32GB", 31.7, 125, bf16=False),
    _card("V100S", 31.7, 130, bf16=False),
    _card("A10", 22.0, 125),
    _card("A10G", 22.0, 0),
    _card("A30", 23.5, 165),
    _card("A40", 44.4, 150),
    _card("L4", 22.0, 121),
    _card("L20", 44.4, 119),
    _card("L40", 44.4, 181),
    _card("L40S", 44.4, 362),
    _card("A100 40GB", 39.4, 312),
    _card("A100 80GB", 79.2, 312),
    _card("A800 40GB", 39.4, 312),
    _card("A800 80GB", 79.2, 312),
    _card("H20", 95.0, 148, hopper=True),
    _card("H20 141GB", 139.7, 148, hopper=True),  # nvidia-smi: NVIDIA H20-3e
    _card("H100", 79.1, 989, hopper=True),
    _card("H100 NVL", 93.0, 0, hopper=True),
    _card("H800", 79.1, 989, hopper=True),
    _card("H200", 139.8, 989, hopper=True),
    _card("H200 NVL", 139.7, 0, hopper=True),
    _card("B200", 178.3, 2250, hopper=True),
)


def card_named(name: str) -> Card:
    """The card of this name; raises UserError where there is none, or several of one name."""
    wanted = _plain(name)
    for card in CARDS:
        if wanted in (_plain(card.name), _plain(card.name).removeprefix("rtx")):
            return card
    # "NVIDIA H100 80GB HBM3": a known model with what a printed name adds.
    same = [card for card in CARDS if _model(card.name) == _model(name)]
    if size := _SIZE.search(_lower(name)):
        gib = float(size[1]) / (1024 if size[2] == "m" else 1)
        same = [card for card in same if abs(card.memory / GIB - gib) < 0.1 * gib]
    if len(same) == 1:
        return same[0]
    raise _several(name, same) if same else _unknown(name)


def other_sizes(card: Card) -> list[str]:
    """Cards that nvidia-smi prints under the same name, with another memory."""
    return [c.name for c in CARDS if c is not card and _model(c.name) == _model(card.name)]


def _several(name: str, same: list[Card]) -> UserError:
    listed = [f'"{card.name}"' for card in same]
    return UserError(
        f"--gpu {name}: this card comes with different amounts of memory. Write "
        f"--gpu {' or '.join(listed)}, or --memory and what nvidia-smi shows.",
        f"--gpu {name}：这款显卡有不同的显存版本，请写明 --gpu {' 或 '.join(listed)}，"
        "或用 --memory 写 nvidia-smi 显示的显存。",
    )


def _unknown(name: str) -> UserError:
    guess = nearest(name, [card.name for card in CARDS])
    if guess and re.findall(r"\d+", guess) != re.findall(r"\d+", name):
        guess = None  # another number is another card, not a typing error
    sizes = [f"{number}{unit.upper()}B" for number, unit in _SIZE.findall(_lower(name))]
    example = sizes[-1] if sizes else "24GB"
    return UserError(
        f"--gpu {name}: this card is not in the table. "
        + (f"Did you mean {guess}? If not, give" if guess else "Give")
        + f" its memory as nvidia-smi shows it, such as --memory {example}.",
        f"--gpu {name}：表中没有这张显卡。"
        + (f"是否想写 {guess}？如果不是，" if guess else "")
        + f"请用 --memory 写 nvidia-smi 显示的显存，如 --memory {example}。",
    )


def memory_card(text: str) -> Card:
    """A card of the memory written as 24GB, 24GiB, 24G or 24576MB; raises UserError.

    GB means GiB here, as it does in the names of cards.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([gm])(?:i?b)?\s*", _lower(text))
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


# 80GB, 24 G, 97871MiB.
_SIZE = re.compile(r"\b(\d+(?:\.\d+)?)\s*([gm])i?b?\b")
# What a printed name has beside the model: maker, form, link, kind of memory, edition.
_BESIDE = re.compile(
    r"nvidia|geforce|tesla"
    r"|\b(?:sxm\d?|pcie|dgxs|fhhl|hbm\d\w?|gpu|active|blackwell|generation"
    r"|(?:max-q )?workstation edition|server edition)\b"
)


def _model(name: str) -> str:
    """The model alone, of a name as nvidia-smi prints it: no form, link or memory.

    "Tesla V100-SXM2-16GB" -> "v100", "NVIDIA GeForce RTX 3060 Laptop GPU" -> "rtx3060laptop".
    """
    bare = _BESIDE.sub(" ", _SIZE.sub(" ", _lower(name)))
    return _plain(bare).removeprefix("rtx")


def _plain(name: str) -> str:
    return re.sub(r"nvidia|geforce|tesla|\W|_", "", _lower(name))


def _lower(name: str) -> str:
    """Without case and full-width letters; a laptop in one word, the larger H20 by its memory."""
    plain = unicodedata.normalize("NFKC", name).lower()
    return re.sub("笔记本电脑|笔记本|mobile", "laptop", plain).replace("h20-3e", "h20 141gb")
