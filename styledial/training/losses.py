"""NLL + KL to the base, fused with the output head, exact, never holding [tokens, vocabulary].

    h  policy hidden     [N, d] --.
                                   >-- head [V, d] --> logits, a chunk of rows at a time
    r  reference hidden  [N, d] --'        |
                                           +-> nll [N], kl [N]          (returned)
                                           +-> dloss/dh [N, d]          (kept for backward)

With p = softmax(h W^T), q = softmax(r W^T), y the next token:

    NLL                        -log p_y                 gradient in the logits  p - 1_y
    reverse KL(p || q)         sum p (log p - log q)                            p (log p - log q - KL)
    forward KL(q || p)         sum q (log q - log p)                            p - q

p is the tuned model and q the base: `reverse` is KL(tuned || base), `forward` KL(base || tuned).
`mask_target` (arXiv 2605.29498) puts p' and q' in their place in the loss, both without y and
normalised anew: their gradient in the logit of y is 0, so KL doesn't oppose NLL there.

The gradients follow from d softmax; the reverse form is that of Ziegler et al. 2019 (arXiv
1909.08593) written for a whole distribution instead of one sampled token. Temperature is 1.

Logits are accumulated in fp32 also where the weights are bf16: bf16 logits give gradient errors
of several per cent exactly where p and q nearly agree, which is where a KL budget works.
"""  # noqa: E501

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from styledial.data.pack import IGNORE_INDEX
from styledial.models.head import OutputHead
from styledial.models.head_products import into_hidden, logits
from styledial.training.divergence import Direction, Weights, divergence, softmax

# Rows at a time: four fp32 buffers of CHUNK x V live at once on a GPU (0.31 GB at V = 152k), two
# on a CPU.
CHUNK = 128
# Logits whose four buffers a CPU's second-level cache holds.
_CACHED = 2**18


class TokenLosses(NamedTuple):
    """`loss` is a scalar with gradient; `nll` and `kl` are fp32 [N] in nats, detached.

    `kl` is of whole distributions, whatever the loss leaves out. Rows whose target is IGNORE_INDEX
    have nll 0; their kl is computed all the same.
    """

    loss: Tensor
    nll: Tensor
    kl: Tensor


def fused_nll_kl(
    policy_hidden: Tensor,
    reference_hidden: Tensor | None,
    head: OutputHead,
    targets: Tensor,
    nll_weight: Tensor,
    kl_weight: Tensor,
    *,
    direction: Direction = "reverse",
    mask_target: bool = False,
    reference_head: OutputHead | None = None,
    chunk_size: int = CHUNK,
    on_gpu: bool | None = None,
) -> TokenLosses:
    """sum(nll_weight * nll + kl_weight * kl) over N tokens, and both terms per token.

    Args:
        policy_hidden: [N, d] final hidden states of the tuned model.
        reference_hidden: [N, d] of the base for the same tokens; None leaves KL out (kl is 0).
        head: what makes logits of hidden states. Where its weight or bias require gradients
            (full tuning) they are exact too, at the cost of one [V, d] buffer and one more
            product a chunk.
        targets: int64 [N], the next token or IGNORE_INDEX.
        nll_weight, kl_weight: [N], what a token counts for; tensors, so that lambda never
            leaves the device.
        mask_target: the KL in the loss leaves the true token out of both distributions.
        reference_head: where the base has its own head; `head` if None.
        on_gpu: whether to take a GPU's kernels; None asks where the tensors are.

    Cost: per chunk one product with the head for policy and reference together, one more for the
    gradient, which is skipped under no_grad; memory 4 x chunk_size x V fp32 (2 on a CPU) beyond
    the [N, d] gradient, and one more where a soft cap has a slope to remember.
    """
    needs = torch.is_grad_enabled() and (policy_hidden.requires_grad or head.weight.requires_grad)
    loss, nll, kl = _FusedNllKl.apply(
        policy_hidden,
        reference_hidden,
        head.weight,
        head.bias,
        _Heads(head, head if reference_head is None else reference_head),
        targets,
        nll_weight,
        kl_weight,
        _How(
            direction,
            mask_target,
            chunk_size,
            needs,
            policy_hidden.is_cuda if on_gpu is None else on_gpu,
        ),
    )
    return TokenLosses(loss, nll, kl)


class _How(NamedTuple):
    direction: Direction
    mask_target: bool
    chunk_size: int
    needs_grad: bool
    on_gpu: bool


class _Heads(NamedTuple):
    policy: OutputHead
    reference: OutputHead


class _FusedNllKl(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        r: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        heads: _Heads,
        targets: Tensor,
        nll_weight: Tensor,
        kl_weight: Tensor,
        how: _How,
    ) -> tuple[Tensor, Tensor, Tensor]:
        exact = torch.float64 if h.dtype == torch.float64 else torch.float32
        rows = h.shape[0]
        # counted: the KL that is in the loss, which may leave the target out
        nll, kl, counted = (torch.zeros(rows, dtype=exact, device=h.device) for _ in range(3))
        grads = _Gradients.of(h, weight, bias, exact) if how.needs_grad else None
        buffers = _Buffers.of(h, heads.policy, exact, how, with_reference=r is not None)
        for start in range(0, rows, buffers.rows):
            part = slice(start, min(start + buffers.rows, rows))
            z, z_r = _chunk_logits(h[part], None if r is None else r[part], heads, buffers, how)
            slope = _slope(z, heads.policy, buffers)
            target = targets[part].clamp_min(0).unsqueeze(1)
            kept = (targets[part] != IGNORE_INDEX).unsqueeze(1)
            w_nll = nll_weight[part].to(exact).unsqueeze(1) * kept
            w_kl = kl_weight[part].to(exact).unsqueeze(1)
            for first in range(0, len(z), buffers.block):
                some = slice(first, min(first + buffers.block, len(z)))
                here = slice(start + some.start, start + some.stop)
                policy = softmax(z[some], buffers.policy)
                picked = policy.log_sum - policy.z.gather(1, target[some])
                nll[here] = (picked * kept[some]).squeeze(1)
                if z_r is not None and buffers.reference is not None:
                    reference = softmax(z_r[some], buffers.reference)
                    kl[here], counted[here] = divergence(
                        policy,
                        reference,
                        Weights(w_nll[some], w_kl[some]),
                        how.direction,
                        target[some] if how.mask_target else None,
                        needs_grad=how.needs_grad,
                    )
                elif how.needs_grad:
                    torch.mul(policy.e, w_nll[some] / policy.sum, out=policy.z)
            if grads is not None:
                gradient = z.scatter_add_(1, target, -w_nll)
                if slope is not None:
                    gradient.mul_(slope)
                grads.add(gradient, h, part, heads.policy, how)
        ctx.dtypes = h.dtype, weight.dtype
        ctx.grads = grads
        loss = (nll * nll_weight).sum() + (counted * kl_weight).sum()
        ctx.mark_non_differentiable(nll, kl)
        return loss, nll, kl

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.grads is None:
            return (None,) * 9
        of_hidden, of_head = ctx.dtypes
        hidden, weight, bias = (
            None if g is None else (g * grad_loss.to(g.dtype)).to(dtype)
            for g, dtype in zip(ctx.grads, (of_hidden, of_head, of_head), strict=True)
        )
        return (hidden, None, weight, bias, *[None] * 5)


class _Gradients(NamedTuple):
    """Of hidden states [N, d], and of the head's weight [V, d] and bias [V] if they train."""

    hidden: Tensor
    weight: Tensor | None
    bias: Tensor | None

    @classmethod
    def of(cls, h: Tensor, weight: Tensor, bias: Tensor | None, exact: torch.dtype) -> _Gradients:
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

    def add(self, gradient: Tensor, h: Tensor, part: slice, head: OutputHead, how: _How) -> None:
        """Take in a chunk's `gradient` [n, V] in W h + b times the head's scale; h: [N, d]."""
        if head.scale != 1.0:
            gradient.mul_(head.scale)
        into_hidden(gradient, head.weight, out=self.hidden[part], on_gpu=how.on_gpu)
        if self.weight is not None:
            self.weight.addmm_(gradient.t(), h[part].to(gradient.dtype))
        if self.bias is not None:
            self.bias.add_(gradient.sum(dim=0))


class _Buffers(NamedTuple):
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
        cls, h: Tensor, head: OutputHead, dtype: torch.dtype, how: _How, *, with_reference: bool
    ) -> _Buffers:
        vocabulary = len(head.weight)
        rows = min(how.chunk_size, max(h.shape[0], 1))
        block = _block_rows(h, rows, vocabulary, on_gpu=how.on_gpu)

        def empty(count: int) -> Tensor:
            return torch.empty((count, vocabulary), dtype=dtype, device=h.device)

        slope = empty(rows) if head.cap and how.needs_grad else None
        if not with_reference:
            return cls(rows, block, empty(rows), empty(block), None, slope)
        return cls(rows, block, empty(2 * rows), empty(block), empty(block), slope)


def _slope(z: Tensor, head: OutputHead, buffers: _Buffers) -> Tensor | None:
    """1 - (z / cap)^2 of capped logits z [n, V], by which the cap multiplies their gradient."""
    if buffers.slope is None or head.cap is None:
        return None
    slope = torch.mul(z, z, out=buffers.slope[: len(z)])
    return slope.mul_(-1 / head.cap**2).add_(1)


def _chunk_logits(
    h: Tensor, r: Tensor | None, heads: _Heads, buffers: _Buffers, how: _How
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
