"""Products with the output head's weight [V, d]: fp32 results from the precision that the head has.

`on_gpu` says whose kernels to take; None asks where the tensors are. The memory plan, whose
tensors are nowhere, says which device it plans for.
"""

from __future__ import annotations

import torch
from torch import Tensor

from styledial.models.head import OutputHead


def logits(hidden: Tensor, head: OutputHead, out: Tensor, *, on_gpu: bool | None = None) -> Tensor:
    """Logits of hidden [n, d] into `out` [n, V], accumulated and kept in fp32."""
    _product(hidden, head.weight, out, on_gpu=on_gpu)
    if head.bias is not None:
        out.add_(head.bias)
    if head.scale != 1.0:
        out.mul_(head.scale)
    if head.cap is not None:
        out.div_(head.cap).tanh_().mul_(head.cap)
    return out


def _product(hidden: Tensor, head: Tensor, out: Tensor, *, on_gpu: bool | None) -> Tensor:
    """hidden [n, d] x head [V, d]^T into `out` [n, V]."""
    hidden = hidden.to(head.dtype)
    if hidden.is_cuda if on_gpu is None else on_gpu:
        if head.dtype == out.dtype:
            return torch.mm(hidden, head.t(), out=out)
        # bf16 operands, fp32 result: tensor cores at full rate without rounding the logits.
        return torch.mm(hidden, head.t(), out_dtype=out.dtype, out=out)
    # In tiles that stay in cache, up to twice as fast as the product in one (docs/experiments.md).
    for tile in _vocabulary_tiles(head, 2048):
        torch.mm(hidden.to(out.dtype), head[tile].to(out.dtype).t(), out=out[:, tile])
    return out


def into_hidden(gradient: Tensor, head: Tensor, out: Tensor, *, on_gpu: bool) -> None:
    """gradient [n, V] x head [V, d] into `out` [n, d]."""
    if head.dtype == gradient.dtype:
        product = torch.mm(gradient, head)
    elif on_gpu and head.dtype == torch.float16:
        # A row's gradient is scaled to 1 and back: 1/tokens is below what fp16 can hold.
        size = gradient.abs().amax(dim=1, keepdim=True).clamp_min(1e-30)
        product = torch.mm((gradient / size).to(head.dtype), head).float() * size
    elif on_gpu:
        product = torch.mm(gradient.to(head.dtype), head)
    else:
        product = torch.zeros(out.shape, dtype=gradient.dtype, device=out.device)
        for tile in _vocabulary_tiles(head):
            product.addmm_(gradient[:, tile], head[tile].to(gradient.dtype))
    out.copy_(product)


def _vocabulary_tiles(head: Tensor, size: int = 8192) -> list[slice]:
    """Parts of a head; where the CPU has to widen a bf16 one, it does so a tile at a time, not as
    a copy."""
    return [slice(start, start + size) for start in range(0, head.shape[0], size)]
