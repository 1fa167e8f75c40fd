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
from styledial.training.head_products import into_hidden, logits

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
    on_gpu: bool | None = None,
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
        on_gpu: whether to take a GPU's kernels; None asks where the tensors are.

    Cost: per chunk one product with the head for policy and reference together, one more for the
    gradient, which is skipped under no_grad; memory 4 x chunk_size x V fp32 (2 on a CPU) beyond
    the [N, d] gradient.
    """
    needs = torch.is_grad_enabled() and (policy_hidden.requires_grad or head.requires_grad)
    loss, nll, kl = _FusedNllKl.apply(
        policy_hidden,
        reference_hidden,
        head,
        head if reference_head is None else reference_head,
        targets,
        nll_weight,
        kl_weight,
        _How(direction, chunk_size, needs, policy_hidden.is_cuda if on_gpu is None else on_gpu),
    )
    return TokenLosses(loss, nll, kl)


class _How(NamedTuple):
    direction: Direction
    chunk_size: int
    needs_grad: bool
    on_gpu: bool


class _FusedNllKl(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        r: Tensor | None,
        head: Tensor,
        reference_head: Tensor,
        targets: Tensor,
        nll_weight: Tensor,
        kl_weight: Tensor,
        how: _How,
    ) -> tuple[Tensor, Tensor, Tensor]:
        exact = torch.float64 if h.dtype == torch.float64 else torch.float32
        rows = h.shape[0]
        nll = torch.zeros(rows, dtype=exact, device=h.device)
        kl = torch.zeros(rows, dtype=exact, device=h.device)
        grad_h, grad_head = _gradients_for(h, head, exact) if how.needs_grad else (None, None)
        buffers = _Buffers.of(h, head, exact, how, with_reference=r is not None)
        for start in range(0, rows, buffers.rows):
            part = slice(start, min(start + buffers.rows, rows))
            z, z_r = _chunk_logits(
                h[part], None if r is None else r[part], head, reference_head, buffers, how
            )
            target = targets[part].clamp_min(0).unsqueeze(1)
            kept = (targets[part] != IGNORE_INDEX).unsqueeze(1)
            w_nll = nll_weight[part].to(exact).unsqueeze(1) * kept
            w_kl = kl_weight[part].to(exact).unsqueeze(1)
            for first in range(0, len(z), buffers.block):
                some = slice(first, min(first + buffers.block, len(z)))
                here = slice(start + some.start, start + some.stop)
                policy = _softmax(z[some], buffers.policy)
                picked = policy.log_sum - policy.z.gather(1, target[some])
                nll[here] = (picked * kept[some]).squeeze(1)
                if z_r is not None and buffers.reference is not None:
                    reference = _softmax(z_r[some], buffers.reference)
                    kl[here] = _divergence(policy, reference, w_nll[some], w_kl[some], how)
                elif how.needs_grad:
                    torch.mul(policy.e, w_nll[some] / policy.sum, out=policy.z)
            if grad_h is not None:
                gradient = z.scatter_add_(1, target, -w_nll)
                into_hidden(gradient, head, out=grad_h[part], on_gpu=how.on_gpu)
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
        return (grad_h, None, grad_head, *[None] * 5)


def _gradients_for(h: Tensor, head: Tensor, exact: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Zeros to add to: of the hidden states [N, d], and of the head [V, d] where that trains."""
    # fp16 would lose gradients of 1/tokens; they wait in fp32 for the loss scale.
    grad_h = torch.zeros_like(h, dtype=exact if h.dtype == torch.float16 else h.dtype)
    if not head.requires_grad:
        return grad_h, None
    return grad_h, torch.zeros(head.shape, dtype=exact, device=h.device)


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

    @classmethod
    def of(
        cls, h: Tensor, head: Tensor, dtype: torch.dtype, how: _How, *, with_reference: bool
    ) -> _Buffers:
        rows = min(how.chunk_size, max(h.shape[0], 1))
        block = _block_rows(h, rows, len(head), on_gpu=how.on_gpu)

        def empty(count: int) -> Tensor:
            return torch.empty((count, len(head)), dtype=dtype, device=h.device)

        if not with_reference:
            return cls(rows, block, empty(rows), empty(block), None)
        return cls(rows, block, empty(2 * rows), empty(block), empty(block))


def _chunk_logits(
    h: Tensor, r: Tensor | None, head: Tensor, reference_head: Tensor, buffers: _Buffers, how: _How
) -> tuple[Tensor, Tensor | None]:
    """Logits [n, V] of policy and reference for a chunk's hidden states [n, d], in the buffers."""
    count = len(h)
    z, z_r = buffers.logits[:count], buffers.logits[count : 2 * count]
    if r is None:
        return logits(h, head, out=z, on_gpu=how.on_gpu), None
    if reference_head is head:
        # One product of both: the head, which is what is large, is fetched once.
        logits(torch.cat([h, r]), head, out=buffers.logits[: 2 * count], on_gpu=how.on_gpu)
    else:
        logits(h, head, out=z, on_gpu=how.on_gpu)
        logits(r, reference_head, out=z_r, on_gpu=how.on_gpu)
    return z, z_r


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


def _block_rows(hidden: Tensor, rows: int, vocabulary: int, *, on_gpu: bool) -> int:
    """Rows whose element-wise work is done together.

    On a CPU as many as its cache holds, or each of a dozen steps would fetch the rows from memory
    again; on a GPU all rows of the chunk, as launching costs more there.
    """
    if on_gpu or hidden.device.type != "cpu":
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


def _divergence(
    policy: _Softmax, reference: _Softmax, w_nll: Tensor, w_kl: Tensor, how: _How
) -> Tensor:
    """KL of each row [n]; the gradient in the logits takes the place of the policy's z, the other
    buffers are overwritten."""
    of = _reverse if how.direction == "reverse" else _forward
    return of(policy, reference, w_nll, w_kl, how.needs_grad)


def _reverse(
    policy: _Softmax, reference: _Softmax, w_nll: Tensor, w_kl: Tensor, needs_grad: bool
) -> Tensor:
    """KL(p || q) of each row; otherwise as `_divergence`."""
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
    """KL(q || p) of each row; otherwise as `_divergence`."""
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
