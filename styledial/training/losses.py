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
The gradients follow from d softmax; the reverse form is that of Ziegler et al. 2019 (arXiv
1909.08593) written for a whole distribution instead of one sampled token. Temperature is 1.

Logits are accumulated in fp32 also where the weights are bf16: bf16 logits give gradient errors
of several per cent exactly where p and q nearly agree, which is where a KL budget works.
"""  # noqa: E501

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from styledial.data.pack import IGNORE_INDEX

Direction = Literal["reverse", "forward"]
# Rows at a time: four fp32 buffers of CHUNK x V live at once on a GPU (0.31 GB at V = 152k), two
# on a CPU.
CHUNK = 128
# Logits whose four buffers a CPU's second-level cache holds.
_CACHED = 2**18


class TokenLosses(NamedTuple):
    """`loss` is a scalar with gradient; `nll` and `kl` are fp32 [N] in nats, detached.

    Rows whose target is IGNORE_INDEX have nll 0; their kl is computed all the same.
    """

    loss: Tensor
    nll: Tensor
    kl: Tensor


def fused_nll_kl(
    policy_hidden: Tensor,
    reference_hidden: Tensor | None,
    head: Tensor,
    targets: Tensor,
    nll_weight: Tensor,
    kl_weight: Tensor,
    *,
    direction: Direction = "reverse",
    reference_head: Tensor | None = None,
    chunk_size: int = CHUNK,
) -> TokenLosses:
    """sum(nll_weight * nll + kl_weight * kl) over N tokens, and both terms per token.

    Args:
        policy_hidden: [N, d] final hidden states of the tuned model.
        reference_hidden: [N, d] of the base for the same tokens; None leaves KL out (kl is 0).
        head: [V, d] output head. Where it requires gradients (full tuning) they are exact too,
            at the cost of one [V, d] buffer and one more product a chunk.
        targets: int64 [N], the next token or IGNORE_INDEX.
        nll_weight, kl_weight: [N], what a token counts for; tensors, so that lambda never
            leaves the device.
        reference_head: [V, d] where the base has its own head; `head` if None.

    Cost: per chunk one product with the head for policy and reference together, one more for the
    gradient, which is skipped under no_grad; memory 4 x chunk_size x V fp32 (2 on a CPU) beyond
    the [N, d] gradient.
    """
    needs = torch.is_grad_enabled() and (policy_hidden.requires_grad or head.requires_grad)
    loss, nll, kl = _FusedNllKl.apply(
        policy_hidden, reference_hidden, head, head if reference_head is None else reference_head,
        targets, nll_weight, kl_weight, direction, chunk_size, needs,
    )  # fmt: skip
    return TokenLosses(loss, nll, kl)


class _FusedNllKl(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, r: Tensor | None, head: Tensor, reference_head: Tensor,
                targets: Tensor, nll_weight: Tensor, kl_weight: Tensor, direction: Direction,
                chunk_size: int, needs_grad: bool) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        exact = torch.float64 if h.dtype == torch.float64 else torch.float32
        rows, vocabulary = h.shape[0], head.shape[0]
        step = min(chunk_size, max(rows, 1))
        nll = torch.zeros(rows, dtype=exact, device=h.device)
        kl = torch.zeros(rows, dtype=exact, device=h.device)
        # fp16 would lose gradients of 1/tokens; they wait in fp32 for the loss scale.
        kept_dtype = exact if h.dtype == torch.float16 else h.dtype
        grad_h = torch.zeros_like(h, dtype=kept_dtype) if needs_grad else None
        grad_head = (
            torch.zeros(head.shape, dtype=exact, device=h.device)
            if needs_grad and head.requires_grad
            else None
        )
        # Buffers live through all chunks: on a CPU, fresh pages cost as much as the arithmetic.
        block = _block_rows(h, step, vocabulary)
        sizes = (step, block) if r is None else (2 * step, block, block)
        buffers = [torch.empty((n, vocabulary), dtype=exact, device=h.device) for n in sizes]
        for start in range(0, rows, step):
            part = slice(start, min(start + step, rows))
            count = part.stop - start
            z, z_r = buffers[0][:count], buffers[0][count : 2 * count]
            if r is None:
                logits(h[part], head, out=z)
            elif reference_head is head:
                # One product of both: the head, which is what is large, is fetched once.
                logits(torch.cat([h[part], r[part]]), head, out=buffers[0][: 2 * count])
            else:
                logits(h[part], head, out=z)
                logits(r[part], reference_head, out=z_r)
            target = targets[part].clamp_min(0).unsqueeze(1)
            kept = (targets[part] != IGNORE_INDEX).unsqueeze(1)
            w_nll = nll_weight[part].to(exact).unsqueeze(1) * kept
            w_kl = kl_weight[part].to(exact).unsqueeze(1)
            for first in range(0, count, block):
                some = slice(first, min(first + block, count))
                here = slice(start + some.start, start + some.stop)
                policy = _softmax(z[some], buffers[1])
                picked = policy.log_sum - policy.z.gather(1, target[some])
                nll[here] = (picked * kept[some]).squeeze(1)
                if r is None:
                    if needs_grad:
                        torch.mul(policy.e, w_nll[some] / policy.sum, out=policy.z)
                    continue
                reference = _softmax(z_r[some], buffers[2])
                divergence = _reverse if direction == "reverse" else _forward
                kl[here] = divergence(policy, reference, w_nll[some], w_kl[some], needs_grad)
            if grad_h is not None:
                gradient = z.scatter_add_(1, target, -w_nll)
                into_hidden(gradient, head, out=grad_h[part])
                if grad_head is not None:
                    grad_head.addmm_(gradient.t(), h[part].to(exact))
        ctx.hidden_dtype = h.dtype
        ctx.grads = grad_h, None if grad_head is None else grad_head.to(head.dtype)
        loss = (nll * nll_weight).sum() + (kl * kl_weight).sum()
        ctx.mark_non_differentiable(nll, kl)
        return loss, nll, kl

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        grad_h, grad_head = ctx.grads
        if grad_h is not None:
            grad_h = (grad_h * grad_loss.to(grad_h.dtype)).to(ctx.hidden_dtype)
        if grad_head is not None:
            grad_head = grad_head * grad_loss.to(grad_head.dtype)
        return (grad_h, None, grad_head, *[None] * 7)


class _Softmax(NamedTuple):
    """Of logits z [n, V]: e = exp(z - highest), its sum [n, 1], and the highest z [n, 1].

    Probabilities are e / sum and log-probabilities z - log_sum; neither is ever written out,
    the [n, 1] factors join later products instead.
    """

    z: Tensor
    e: Tensor
    sum: Tensor
    highest: Tensor

    @property
    def log_sum(self) -> Tensor:
        """log sum exp z, [n, 1]."""
        return self.highest + self.sum.log()

    def above(self, other: _Softmax) -> Tensor:
        """log_sum - other.log_sum, [n, 1], from parts that are near each other: two log_sums of
        12 are rounded by 1e-6, which is visible in a KL of 0.05."""
        return self.highest - other.highest + (self.sum / other.sum).log()


def _block_rows(hidden: Tensor, rows: int, vocabulary: int) -> int:
    """Rows whose element-wise work is done together.

    On a CPU as many as its cache holds, or each of a dozen steps would fetch the rows from memory
    again; on a GPU all rows of the chunk, as launching costs more there.
    """
    if _on_gpu(hidden) or hidden.device.type != "cpu":
        return rows
    return max(1, min(rows, _CACHED // vocabulary))


def _softmax(z: Tensor, e: Tensor) -> _Softmax:
    """`e` [at least n, V] is overwritten."""
    highest = z.amax(dim=-1, keepdim=True)
    e = torch.sub(z, highest, out=e[: len(z)]).exp_()
    # Summed apart from exp: torch.sum adds pairwise, where log_softmax adds one by one and is
    # off by 2e-6 at V = 152k, which is visible in a KL of 0.05.
    total = e.sum(dim=-1, keepdim=True)
    return _Softmax(z, e, total, highest)


def _reverse(
    policy: _Softmax, reference: _Softmax, w_nll: Tensor, w_kl: Tensor, needs_grad: bool
) -> Tensor:
    """KL(p || q) of each row; the gradient in the logits takes the place of the policy's z, the
    other buffers are overwritten."""
    difference = torch.sub(policy.z, reference.z, out=reference.z)
    offset = policy.above(reference)
    kl = _row_dot(policy.e, difference, spare=reference.e) / policy.sum - offset
    if needs_grad:
        # p (w_nll + w_kl (difference - offset - kl)), the constants of a row gathered first
        factor = (w_nll - w_kl * (offset + kl)) / policy.sum
        difference.mul_(w_kl / policy.sum).add_(factor)
        torch.mul(difference, policy.e, out=policy.z)
    return kl.squeeze(1)


def _forward(
    policy: _Softmax, reference: _Softmax, w_nll: Tensor, w_kl: Tensor, needs_grad: bool
) -> Tensor:
    """KL(q || p) of each row; otherwise as `_reverse`."""
    difference = torch.sub(reference.z, policy.z, out=reference.z)
    offset = reference.above(policy)
    kl = _row_dot(reference.e, difference, spare=policy.z) / reference.sum - offset
    if needs_grad:
        p = policy.e.mul_((w_nll + w_kl) / policy.sum)
        torch.sub(p, reference.e.mul_(w_kl / reference.sum), out=policy.z)
    return kl.squeeze(1)


def _row_dot(a: Tensor, b: Tensor, spare: Tensor) -> Tensor:
    """[n, 1]: sum(a * b) over the vocabulary; `spare` [n, V] is overwritten.

    Not bmm: it adds one by one, and the positive and negative terms of a small KL cancel.
    """
    return torch.mul(a, b, out=spare).sum(dim=-1, keepdim=True)


def logits(hidden: Tensor, head: Tensor, out: Tensor) -> Tensor:
    """hidden [n, d] x head [V, d]^T into `out` [n, V], accumulated and kept in fp32."""
    hidden = hidden.to(head.dtype)
    if _on_gpu(hidden):
        if head.dtype == out.dtype:
            return torch.mm(hidden, head.t(), out=out)
        # bf16 operands, fp32 result: tensor cores at full rate without rounding the logits.
        return torch.mm(hidden, head.t(), out_dtype=out.dtype, out=out)
    # In tiles that stay in cache, up to twice as fast as the product in one (docs/experiments.md).
    for tile in _vocabulary_tiles(head, 2048):
        torch.mm(hidden.to(out.dtype), head[tile].to(out.dtype).t(), out=out[:, tile])
    return out


def into_hidden(gradient: Tensor, head: Tensor, out: Tensor) -> None:
    """gradient [n, V] x head [V, d] into `out` [n, d]."""
    if head.dtype == gradient.dtype:
        product = torch.mm(gradient, head)
    elif _on_gpu(gradient) and head.dtype == torch.float16:
        # A row's gradient is scaled to 1 and back: 1/tokens is below what fp16 can hold.
        size = gradient.abs().amax(dim=1, keepdim=True).clamp_min(1e-30)
        product = torch.mm((gradient / size).to(head.dtype), head).float() * size
    elif _on_gpu(gradient):
        product = torch.mm(gradient.to(head.dtype), head)
    else:
        product = torch.zeros(out.shape, dtype=gradient.dtype, device=out.device)
        for tile in _vocabulary_tiles(head):
            product.addmm_(gradient[:, tile], head[tile].to(gradient.dtype))
    out.copy_(product)


def _on_gpu(tensor: Tensor) -> bool:
    """The memory plan, whose tensors are nowhere, answers for the device that it plans for."""
    return tensor.is_cuda


def _vocabulary_tiles(head: Tensor, size: int = 8192) -> list[slice]:
    """Parts of a head; where the CPU has to widen a bf16 one, it does so a tile at a time, not as
    a copy."""
    return [slice(start, start + size) for start in range(0, head.shape[0], size)]
