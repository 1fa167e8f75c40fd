"""KL of each row of logits in place, and its gradient: the element-wise part of losses.py.

All work is done in the buffers that it is given, and no [n, V] tensor is made.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Direction = Literal["reverse", "forward"]
# Of the e = exp(z - highest) of all tokens but one, the least sum from which their distribution can
# be told: below it the others are rounded away, beside a token that is certain.
_LEAST_REST = 1e-30


class Softmax(NamedTuple):
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

    def above(self, other: Softmax) -> Tensor:
        """log_sum - other.log_sum, [n, 1], from parts that are near each other: two log_sums of
        12 are rounded by 1e-6, which is visible in a KL of 0.05."""
        return self.highest - other.highest + (self.sum / other.sum).log()


def softmax(z: Tensor, e: Tensor) -> Softmax:
    """Of logits z [n, V]; `e` [at least n, V] is overwritten."""
    highest = z.amax(dim=-1, keepdim=True)
    e = torch.sub(z, highest, out=e[: len(z)]).exp_()
    # Summed apart from exp: torch.sum adds pairwise, where log_softmax adds one by one and is
    # off by 2e-6 at V = 152k, which is visible in a KL of 0.05.
    total = e.sum(dim=-1, keepdim=True)
    return Softmax(z, e, total, highest)


class Weights(NamedTuple):
    """What a token's NLL and KL count for in the loss, [n, 1] each."""

    nll: Tensor
    kl: Tensor


def divergence(
    policy: Softmax,
    reference: Softmax,
    weights: Weights,
    direction: Direction,
    target: Tensor | None,
    *,
    needs_grad: bool,
) -> tuple[Tensor, Tensor]:
    """KL of each row, and the KL that is in the loss, [n] each.

    They are one, unless `target` [n, 1] names a token of each row that the loss's KL leaves out
    of both distributions. With `needs_grad` the gradient of weights.nll NLL + weights.kl KL in the
    logits, but for NLL's 1_y, takes the place of the policy's z; the other buffers are overwritten.
    """
    of = _reverse if direction == "reverse" else _forward
    kl, counted = of(policy, reference, weights, target, needs_grad)
    return kl.squeeze(1), counted.squeeze(1)


def _reverse(
    policy: Softmax, reference: Softmax, weights: Weights, target: Tensor | None, needs_grad: bool
) -> tuple[Tensor, Tensor]:
    """KL(p || q) of each row, [n, 1]; otherwise as `divergence`."""
    difference = torch.sub(policy.z, reference.z, out=reference.z)
    kl = counted = _mean(policy, difference) - policy.above(reference)
    of_nll, rest = weights.nll / policy.sum, _Rest.whole(policy, reference)
    if target is not None:
        rest = _Rest.of(policy, reference, target)
        counted = _mean(rest.policy, difference) - rest.policy.above(rest.reference)
        counted = counted.where(rest.is_known, 0.0)
    if needs_grad:
        # p w_nll + p' w_kl (difference - offset - kl), the constants of a row gathered first
        of_kl = weights.kl.where(rest.is_known, 0.0) / rest.policy.sum
        factor = of_nll - of_kl * (rest.policy.above(rest.reference) + counted)
        difference.mul_(of_kl).add_(factor)
        torch.mul(difference, policy.e, out=policy.z)
        rest.put_back(policy.z, of_nll, target)
    return kl, counted


def _forward(
    policy: Softmax, reference: Softmax, weights: Weights, target: Tensor | None, needs_grad: bool
) -> tuple[Tensor, Tensor]:
    """KL(q || p) of each row, [n, 1]; otherwise as `divergence`."""
    difference = torch.sub(reference.z, policy.z, out=reference.z)
    reference = reference._replace(z=policy.z)  # the policy's logits aren't needed any more
    kl = counted = _mean(reference, difference) - reference.above(policy)
    of_nll, rest = weights.nll / policy.sum, _Rest.whole(policy, reference)
    if target is not None:
        rest = _Rest.of(policy, reference, target)
        counted = _mean(rest.reference, difference) - rest.reference.above(rest.policy)
        counted = counted.where(rest.is_known, 0.0)
    if needs_grad:
        of_kl = weights.kl.where(rest.is_known, 0.0)
        p = policy.e.mul_(of_nll + of_kl / rest.policy.sum)
        torch.sub(p, reference.e.mul_(of_kl / rest.reference.sum), out=policy.z)
        rest.put_back(policy.z, of_nll, target)
    return kl, counted


class _Rest(NamedTuple):
    """Both distributions without a token of each row, and the policy's e [n, 1] of that token.

    is_known: bool [n, 1], false where one of the two leaves next to nothing beside that token: the
    KL of what is left, a quotient of roundings, then counts as 0.
    """

    policy: Softmax
    reference: Softmax
    is_known: Tensor
    left_out: Tensor | None

    @classmethod
    def whole(cls, policy: Softmax, reference: Softmax) -> _Rest:
        """Nothing is left out."""
        known = torch.ones_like(policy.sum, dtype=torch.bool)
        return cls(policy, reference, known, None)

    @classmethod
    def of(cls, policy: Softmax, reference: Softmax, target: Tensor) -> _Rest:
        """`target`'s entries of both e become 0."""
        left_out = policy.e.gather(1, target)
        # Summed anew: sum - e would lose all digits where the token is nearly certain.
        p, q = (
            each.e.scatter_(1, target, 0.0).sum(dim=-1, keepdim=True)
            for each in (policy, reference)
        )
        return cls(
            policy._replace(sum=p.clamp_min(_LEAST_REST)),
            reference._replace(sum=q.clamp_min(_LEAST_REST)),
            (p >= _LEAST_REST) & (q >= _LEAST_REST),
            left_out,
        )

    def put_back(self, gradient: Tensor, of_nll: Tensor, target: Tensor | None) -> None:
        """NLL alone has a gradient in the logit of the token that was left out."""
        if target is not None and self.left_out is not None:
            gradient.scatter_(1, target, self.left_out * of_nll)


def _mean(of: Softmax, values: Tensor) -> Tensor:
    """[n, 1]: the mean of `values` [n, V] under a distribution, whose z is overwritten.

    Not bmm: it adds one by one, and the positive and negative terms of a small KL cancel.
    """
    return torch.mul(of.e, values, out=of.z).sum(dim=-1, keepdim=True) / of.sum
