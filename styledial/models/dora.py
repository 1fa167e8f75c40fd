"""DoRA at less than its full strength (arXiv 2402.09353).

    W' = m  (W + s BA) / |W + s BA|        row by row; |W| is a row's norm

LoRA fades to the base with s; DoRA's trained norms m have to go with it, or at s = 0 the rows
would keep them. Here they go straight: m(s) = |W| + s (m - |W|), so that m(0) is the base's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch import nn


@torch.no_grad()
def scale_norms(model: nn.Module, scale: float) -> list[tuple[Tensor, Tensor]]:
    """Move every trained norm to `scale` times its distance from the base's, in place.

    Returns (norms, copy of what they were) for each layer; empty, and free, without DoRA.
    Costs one pass over the adapted weights otherwise.
    """
    moved = []
    for norms, base in _norms(model):
        moved.append((norms, norms.clone()))
        norms.copy_(base + scale * (norms - base))
    return moved


@torch.no_grad()
def restore_norms(moved: list[tuple[Tensor, Tensor]]) -> None:
    """Undo `scale_norms`, whose result `moved` is."""
    for norms, before in moved:
        norms.copy_(before)


def _norms(model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """(trained norms [rows], the base weight's norms [rows]) of each DoRA layer."""
    from peft.utils.integrations import dequantize_module_weight

    for layer in model.modules():
        vectors: Any = getattr(layer, "lora_magnitude_vector", None)
        for vector in vectors.values() if vectors else ():
            base: Any = layer.get_base_layer()  # type: ignore[operator]
            weight = dequantize_module_weight(base)
            norms = vector.weight.data
            yield norms, torch.linalg.norm(weight.to(norms.dtype), dim=1)
