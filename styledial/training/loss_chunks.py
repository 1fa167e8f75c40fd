"""The fused loss a chunk of tokens at a time: logits in shared buffers, gradients added up.

chunk    tokens whose logits are in memory at once
block    tokens of a chunk whose element-wise work is done together; on a CPU as many as its
         cache holds
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from styledial.data.pack import IGNORE_INDEX
from styledial.models.head import OutputHead
from styledial.models.head_products import into_hidden, logits
from styledial.training.divergence import Direction, Weights

# Logits whose four buffers a CPU's second-level cache holds.
_CACHED = 2**18


class How(NamedTuple):
    """What `fused_nll_kl` was asked for; `on_gpu`: whose kernels to take."""

    direction: Direction
    mask_target: bool
    chunk_size: int
    needs_grad: bool
    on_gpu: bool


class Heads(NamedTuple):
    """The tuned model's output head and the base's; under an adapter they are one."""

    policy: OutputHead
    reference: OutputHead


def slices(count: int, size: int) -> Iterator[slice]:
    """`count` places in parts of `size`, the last one perhaps shorter."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


class Tokens(NamedTuple):
    """Tokens to be predicted: their ids [n, 1] (0 where none is), whether there is one [n, 1], and
    what each counts for in the loss."""

    target: Tensor
    kept: Tensor
    weights: Weights

    @classmethod
    def of(
        cls, targets: Tensor, nll_weight: Tensor, kl_weight: Tensor, dtype: torch.dtype
    ) -> Tokens:
        """Of targets int64 [n], IGNORE_INDEX where there is none, and weights [n] in `dtype`."""
        kept = (targets != IGNORE_INDEX).unsqueeze(1)
        w_nll = nll_weight.to(dtype).unsqueeze(1) * kept
        w_kl = kl_weight.to(dtype).unsqueeze(1)
        return cls(targets.clamp_min(0).unsqueeze(1), kept, Weights(w_nll, w_kl))

    def part(self, some: slice) -> Tokens:
        """Those of a block."""
        w_nll, w_kl = self.weights
        return Tokens(self.target[some], self.kept[some], Weights(w_nll[some], w_kl[some]))


class Gradients(NamedTuple):
    """Of hidden states [N, d], and of the head's weight [V, d] and bias [V] if they train."""

    hidden: Tensor
    weight: Tensor | None
    bias: Tensor | None

    @classmethod
    def of(cls, h: Tensor, weight: Tensor, bias: Tensor | None, exact: torch.dtype) -> Gradients:
        """Zeros to add to."""
        # fp16 would lose gradients of 1/tokens; they wait in fp32 for the loss scale.
        hidden = torch.zeros_like(h, dtype=exact if h.dtype == torch.float16 else h.dtype)
        of_weight, of_bias = (
            torch.zeros_like(part, dtype=exact, device=h.device, requires_grad=False)
            if part is not None and part.requires_grad
            else None
            for part in (weight, bias)
        )
        return cls(hidden, of_weight, of_bias)

    def add(self, gradient: Tensor, h: Tensor, part: slice, head: OutputHead, how: How) -> None:
        """Take in a chunk's `gradient` [n, V] in W h + b times the head's scale; h: [N, d]."""
        if head.scale != 1.0:
            gradient.mul_(head.scale)
        into_hidden(gradient, head.weight, out=self.hidden[part], on_gpu=how.on_gpu)
        if self.weight is not None:
            self.weight.addmm_(gradient.t(), h[part].to(gradient.dtype))
        if self.bias is not None:
            self.bias.add_(gradient.sum(dim=0))


class Buffers(NamedTuple):
    """Logits of a chunk of `rows`, those of policy before those of reference, and what the
    element-wise work on `block` of its rows needs.

    They live through all chunks: on a CPU, fresh pages cost as much as the arithmetic.
    """

    rows: int
    block: int
    logits: Tensor
    policy: Tensor
    reference: Tensor | None
    slope: Tensor | None

    @classmethod
    def of(
        cls, h: Tensor, head: OutputHead, dtype: torch.dtype, how: How, *, with_reference: bool
    ) -> Buffers:
        """For hidden states `h` [N, d]; four of chunk_size x V on a GPU, two on a CPU."""
        vocabulary = len(head.weight)
        rows = min(how.chunk_size, max(h.shape[0], 1))
        block = _block_rows(h, rows, vocabulary, on_gpu=how.on_gpu)

        def empty(count: int) -> Tensor:
            return torch.empty((count, vocabulary), dtype=dtype, device=h.device)

        slope = empty(rows) if head.cap and how.needs_grad else None
        if not with_reference:
            return cls(rows, block, empty(rows), empty(block), None, slope)
        return cls(rows, block, empty(2 * rows), empty(block), empty(block), slope)


def cap_slope(z: Tensor, head: OutputHead, buffers: Buffers) -> Tensor | None:
    """1 - (z / cap)^2 of capped logits z [n, V], by which the cap multiplies their gradient."""
    if buffers.slope is None or head.cap is None:
        return None
    slope = torch.mul(z, z, out=buffers.slope[: len(z)])
    return slope.mul_(-1 / head.cap**2).add_(1)


def chunk_logits(
    h: Tensor, r: Tensor | None, heads: Heads, buffers: Buffers, how: How
) -> tuple[Tensor, Tensor | None]:
    """Logits [n, V] of policy and reference for a chunk's hidden states [n, d], in the buffers."""
    count = len(h)
    z, z_r = buffers.logits[:count], buffers.logits[count : 2 * count]
    head, reference_head = heads
    if r is None:
        return logits(h, head, out=z, on_gpu=how.on_gpu), None
    if reference_head.weight is head.weight:
        # One product of both: the head, which is what is large, is fetched once.
        logits(torch.cat([h, r]), head, out=buffers.logits[: 2 * count], on_gpu=how.on_gpu)
    else:
        logits(h, head, out=z, on_gpu=how.on_gpu)
        logits(r, reference_head, out=z_r, on_gpu=how.on_gpu)
    return z, z_r


def _block_rows(hidden: Tensor, rows: int, vocabulary: int, *, on_gpu: bool) -> int:
    """Rows whose element-wise work is done together.

    On a CPU as many as its cache holds, or each of a dozen steps would fetch the rows from memory
    again; on a GPU all rows of the chunk, as launching costs more there.
    """
    if on_gpu or hidden.device.type != "cpu":
        return rows
    return max(1, min(rows, _CACHED // vocabulary))
