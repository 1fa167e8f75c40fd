"""The fused loss against torch's own cross entropy, distributions and autograd."""

import pytest
import torch
from torch.distributions import Categorical, kl_divergence
from torch.nn import functional as F

from styledial.data.pack import IGNORE_INDEX
from styledial.models.head import OutputHead
from styledial.training.losses import fused_nll_kl


def inputs(rows: int, width: int, vocabulary: int, dtype: torch.dtype, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    make = lambda *shape: torch.randn(*shape, generator=generator, dtype=dtype)  # noqa: E731
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    targets[torch.rand(rows, generator=generator) < 0.2] = IGNORE_INDEX
    h = make(rows, width)
    weights = torch.rand(2, rows, generator=generator, dtype=dtype)
    head = make(vocabulary, width) / width**0.5
    return h, h + 0.3 * make(rows, width), head, targets, weights


def naive(h, r, head, targets, weights, direction, masked=False):
    log_p, log_q = (h @ head.T).log_softmax(-1), (r @ head.T).log_softmax(-1)
    nll = F.cross_entropy(h @ head.T, targets, reduction="none", ignore_index=IGNORE_INDEX)
    kl = counted = distance(log_p, log_q, direction)
    if masked:  # the logits without the target's, in a table of their own
        others = torch.ones_like(log_p, dtype=torch.bool)
        others.scatter_(1, targets.clamp_min(0).unsqueeze(1), False)
        rest = [logs[others].view(len(logs), -1).log_softmax(-1) for logs in (log_p, log_q)]
        counted = distance(*rest, direction)
    return (weights[0] * nll + weights[1] * counted).sum(), nll, kl


def distance(log_p, log_q, direction):
    p, q = Categorical(logits=log_p), Categorical(logits=log_q)
    return kl_divergence(p, q) if direction == "reverse" else kl_divergence(q, p)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("direction", ["reverse", "forward"])
@pytest.mark.parametrize(
    ("rows", "width", "vocabulary", "chunk"),
    [(37, 16, 101, 8), (5, 8, 30, 64), (64, 4, 1000, 64), (24, 8, 152_064, 16)],
)
def test_equals_the_naive_computation(direction, rows, width, vocabulary, chunk, masked) -> None:
    h, r, head, targets, weights = inputs(rows, width, vocabulary, torch.float32)
    h1, h2 = h.clone().requires_grad_(), h.clone().requires_grad_()
    how = {"direction": direction, "mask_target": masked, "chunk_size": chunk}
    ours = fused_nll_kl(h1, r, OutputHead(head), targets, *weights, **how)
    # The authority computes in fp64, so that the difference seen is our own rounding.
    exact = h2.double(), r.double(), head.double()
    loss, nll, kl = naive(*exact, targets, weights, direction, masked)
    ours.loss.backward()
    loss.backward()
    for mine, theirs in ((ours.loss, loss), (ours.nll, nll), (ours.kl, kl), (h1.grad, h2.grad)):
        scale = theirs.abs().max()
        assert ((mine - theirs).abs().max() / scale).item() < 1e-5


# Every kind of head that a family has: a plain product, Phi's bias, Granite's scale, Gemma 2's cap.
HEADS = {
    "product": {},
    "bias": {"bias": True},
    "scale": {"scale": 0.5},
    "cap": {"cap": 1.5},
    "all": {"bias": True, "scale": 2.0, "cap": 3.0},
}


def head_of(weight, bias=False, scale=1.0, cap=None) -> OutputHead:
    made = torch.linspace(-1, 1, len(weight), dtype=weight.dtype) if bias else None
    return OutputHead(weight, made, scale, cap)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("direction", ["reverse", "forward"])
@pytest.mark.parametrize("kind", HEADS)
def test_gradcheck(direction, kind, masked) -> None:
    h, r, weight, targets, weights = inputs(7, 5, 11, torch.float64)
    head = head_of(weight, **HEADS[kind])
    learnt = [h, weight] if head.bias is None else [h, weight, head.bias]
    reference_head = head_of(weight.clone(), **HEADS[kind])
    for tensor in learnt:
        tensor.requires_grad_()

    def loss(h, weight, bias=None):
        ours = OutputHead(weight, bias, head.scale, head.cap)
        how = {"direction": direction, "reference_head": reference_head, "chunk_size": 3}
        return fused_nll_kl(h, r, ours, targets, *weights, mask_target=masked, **how).loss

    assert torch.autograd.gradcheck(loss, learnt)


@pytest.mark.parametrize("kind", HEADS)
def test_logits_are_those_of_the_head(kind) -> None:
    h, r, weight, targets, weights = inputs(20, 8, 300, torch.float32)
    head = head_of(weight, **HEADS[kind])

    def theirs(hidden):
        z = head.scale * (
            hidden.double() @ weight.double().T + (0 if head.bias is None else head.bias)
        )
        return z if head.cap is None else head.cap * torch.tanh(z / head.cap)

    h.requires_grad_()
    ours = fused_nll_kl(h, r, head, targets, *weights, chunk_size=6)
    nll = F.cross_entropy(theirs(h), targets, reduction="none", ignore_index=IGNORE_INDEX)
    p, q = Categorical(logits=theirs(h)), Categorical(logits=theirs(r))
    kl = kl_divergence(p, q)
    (gradient,) = torch.autograd.grad((weights[0] * nll + weights[1] * kl).sum(), h)
    (own,) = torch.autograd.grad(ours.loss, h)
    for mine, expected in ((ours.nll, nll), (ours.kl, kl), (own, gradient)):
        assert ((mine - expected).abs().max() / expected.abs().max()).item() < 1e-5


def test_equal_models_are_exactly_zero_apart() -> None:
    h, _, head, targets, weights = inputs(16, 8, 50, torch.float32)
    for direction in ("reverse", "forward"):
        assert (
            fused_nll_kl(h, h, OutputHead(head), targets, *weights, direction=direction)
            .kl.eq(0)
            .all()
        )


def test_without_a_reference_it_is_cross_entropy() -> None:
    h, _, head, targets, weights = inputs(16, 8, 50, torch.float32)
    h.requires_grad_()
    ours = fused_nll_kl(h, None, OutputHead(head), targets, weights[0], weights[1])
    expected = F.cross_entropy(h @ head.T, targets, reduction="none", ignore_index=IGNORE_INDEX)
    torch.testing.assert_close(ours.nll, expected.detach())
    assert ours.kl.eq(0).all()
    (grad,) = torch.autograd.grad(ours.loss, h)
    torch.testing.assert_close(grad, torch.autograd.grad((weights[0] * expected).sum(), h)[0])


@pytest.mark.parametrize("direction", ["reverse", "forward"])
def test_beside_a_certain_token_nothing_is_left_to_compare(direction) -> None:
    """The masked KL of such rows was -2.7 or 10, and its gradient sometimes NaN."""
    certain = torch.tensor([300.0, 0, 1, 2, 3])
    open_, other = torch.tensor([4.0, 0, 1, 2, 3]), torch.tensor([3.0, 2, 1, 2, 0])
    h = torch.stack([certain, certain, open_, open_]).requires_grad_()
    r = torch.stack([certain.flip(0), other, certain, other])
    weights = torch.ones(2, 4)
    targets = torch.zeros(4, dtype=torch.int64)
    how = {"direction": direction, "mask_target": True}
    ours = fused_nll_kl(h, r, OutputHead(torch.eye(5)), targets, *weights, **how)
    exact = h.detach().double().requires_grad_()
    nll = F.cross_entropy(exact, targets, reduction="sum")
    last = naive(
        exact[3:],
        r[3:].double(),
        torch.eye(5).double(),
        targets[3:],
        weights[:, 3:],
        direction,
        True,
    )
    (nll + last[0] - last[1].sum()).backward()
    ours.loss.backward()
    assert ours.loss.item() == pytest.approx((nll + last[0] - last[1].sum()).item(), rel=1e-5)
    torch.testing.assert_close(h.grad.double(), exact.grad, rtol=1e-5, atol=1e-6)
    # A vocabulary of one token has no others at all.
    alone = torch.randn(3, 4, requires_grad=True)
    one = fused_nll_kl(
        alone, torch.randn(3, 4), OutputHead(torch.randn(1, 4)), targets[:3], *weights[:, :3], **how
    )
    one.loss.backward()
    assert one.loss.item() == 0
    assert alone.grad.eq(0).all()


def test_all_rows_masked_gives_zero_loss_and_gradient() -> None:
    h, r, head, targets, weights = inputs(9, 8, 50, torch.float32)
    h.requires_grad_()
    targets[:] = IGNORE_INDEX
    ours = fused_nll_kl(h, r, OutputHead(head), targets, weights[0], torch.zeros(9))
    ours.loss.backward()
    assert ours.loss.item() == 0
    assert ours.nll.eq(0).all()
    assert h.grad.eq(0).all()


def test_bf16_weights_keep_fp32_logits() -> None:
    """bf16 logits would be off by several per cent where the models nearly agree."""
    h, _, head, targets, weights = inputs(32, 64, 500, torch.float32)
    h, head = h.bfloat16(), head.bfloat16()
    r = (h.float() + 0.05 * torch.randn(h.shape)).bfloat16()
    wide = h.float().requires_grad_()
    loss, _, kl = naive(
        wide.double(), r.double(), head.double(), targets, weights * 0 + 1, "reverse"
    )
    h.requires_grad_()
    ours = fused_nll_kl(h, r, OutputHead(head), targets, torch.ones(32), torch.ones(32))
    assert ((ours.kl - kl).abs().max() / kl.max()).item() < 1e-3
    ours.loss.backward()
    loss.backward()
    error = (h.grad.float() - wide.grad).norm() / wide.grad.norm()
    assert error < 5e-3  # the gradient itself is stored in bf16


def test_gradient_follows_the_scale_of_the_loss() -> None:
    """DDP and accumulation multiply the loss; the gradient has to follow."""
    h, r, head, targets, weights = inputs(9, 8, 50, torch.float32)
    h.requires_grad_()
    (one,) = torch.autograd.grad(fused_nll_kl(h, r, OutputHead(head), targets, *weights).loss, h)
    (four,) = torch.autograd.grad(
        fused_nll_kl(h, r, OutputHead(head), targets, *weights).loss * 4, h
    )
    torch.testing.assert_close(four, 4 * one)
