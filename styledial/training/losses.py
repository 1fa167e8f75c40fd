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

from styledial.models.head import OutputHead
from styledial.training.divergence import Direction, divergence, softmax
from styledial.training.loss_chunks import (
    Buffers,
    Gradients,
    Heads,
    How,
    Tokens,
    cap_slope,
    chunk_logits,
    slices,
)

# Rows at a time: four fp32 buffers of CHUNK x V live at once on a GPU (0.31 GB at V = 152k), two
# on a CPU.
CHUNK = 128


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
        Heads(head, head if reference_head is None else reference_head),
        targets,
        nll_weight,
        kl_weight,
        How(
            direction,
            mask_target,
            chunk_size,
            needs,
            policy_hidden.is_cuda if on_gpu is None else on_gpu,
        ),
    )
    return TokenLosses(loss, nll, kl)


class _FusedNllKl(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        r: Tensor | None,
        weight: Tensor,
        bias: Tensor | None,
        heads: Heads,
        targets: Tensor,
        nll_weight: Tensor,
        kl_weight: Tensor,
        how: How,
    ) -> tuple[Tensor, Tensor, Tensor]:
        exact = torch.float64 if h.dtype == torch.float64 else torch.float32
        rows = h.shape[0]
        # counted: the KL that is in the loss, which may leave the target out
        nll, kl, counted = (torch.zeros(rows, dtype=exact, device=h.device) for _ in range(3))
        grads = Gradients.of(h, weight, bias, exact) if how.needs_grad else None
        buffers = Buffers.of(h, heads.policy, exact, how, with_reference=r is not None)
        for part in slices(rows, buffers.rows):
            z, z_r = chunk_logits(h[part], None if r is None else r[part], heads, buffers, how)
            slope = cap_slope(z, heads.policy, buffers)
            tokens = Tokens.of(targets[part], nll_weight[part], kl_weight[part], exact)
            for some in slices(len(z), buffers.block):
                here = slice(part.start + some.start, part.start + some.stop)
                z_r_here = None if z_r is None else z_r[some]
                nll[here], kl[here], counted[here] = _of_block(
                    z[some], z_r_here, tokens.part(some), buffers, how
                )
            if grads is not None:
                gradient = z.scatter_add_(1, tokens.target, -tokens.weights.nll)
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


def _of_block(
    z: Tensor, z_r: Tensor | None, tokens: Tokens, buffers: Buffers, how: How
) -> tuple[Tensor, Tensor, Tensor]:
    """NLL, KL, and the KL that is in the loss, [n] each, of logits z and z_r [n, V].

    With `how.needs_grad` the gradient in the logits, but for NLL's 1_y, takes the place of z.
    """
    policy = softmax(z, buffers.policy)
    picked = policy.log_sum - policy.z.gather(1, tokens.target)
    nll = (picked * tokens.kept).squeeze(1)
    if z_r is not None and buffers.reference is not None:
        target = tokens.target if how.mask_target else None
        kl, counted = divergence(
            policy,
            softmax(z_r, buffers.reference),
            tokens.weights,
            how.direction,
            target,
            needs_grad=how.needs_grad,
        )
        return nll, kl, counted
    if how.needs_grad:
        torch.mul(policy.e, tokens.weights.nll / policy.sum, out=policy.z)
    return nll, torch.zeros_like(nll), torch.zeros_like(nll)
