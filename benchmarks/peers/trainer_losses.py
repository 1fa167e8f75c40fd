"""The losses of the ways on transformers' Trainer: loss(model, inputs)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from work import DEVICE


def _inputs_and_targets(inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    ids = inputs["input_ids"]
    return ids[:, :-1], ids[:, 1:].flatten()


def own_loss(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """The model's own loss over full logits; no KL."""
    ids = inputs["input_ids"]
    return model(input_ids=ids, labels=ids).loss


def naive(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """NLL + KL as anybody would write it, over full logits."""
    ids, targets = _inputs_and_targets(inputs)
    with torch.no_grad(), model.disable_adapter():
        log_q = model(input_ids=ids).logits.flatten(0, 1).float().log_softmax(-1)
    logits = model(input_ids=ids).logits.flatten(0, 1).float()
    log_p = logits.log_softmax(-1)
    kl = F.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)
    return F.cross_entropy(logits, targets) + 0.5 * kl.mean()


def asft(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """DFT + 0.1 KL(base || tuned), against a second copy of the base."""
    ids, targets = _inputs_and_targets(inputs)
    with torch.no_grad():
        q = model.copy_of_base(input_ids=ids).logits.flatten(0, 1).softmax(-1)
    logits = model(input_ids=ids).logits.flatten(0, 1).float()
    nll = F.cross_entropy(logits, targets, reduction="none")
    kl = F.kl_div(logits.log_softmax(-1), q, reduction="none").sum(-1)
    return (nll * torch.exp(-nll.detach())).mean() + 0.1 * kl.mean()


def _hidden(model: Any, ids: Tensor) -> Tensor:
    """[B * T, d] of the model as it is, adapter on or off."""
    return model.get_base_model().model(input_ids=ids).last_hidden_state.flatten(0, 1)


def _both_hidden(model: Any, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    with torch.no_grad(), model.disable_adapter():
        reference = _hidden(model, ids)
    return _hidden(model, ids), reference, model.get_base_model().lm_head.weight


def liger_jsd(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """NLL + KL by Liger's fused linear JSD."""
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

    ids, targets = _inputs_and_targets(inputs)
    hidden, reference, head = _both_hidden(model, ids)
    loss = LigerFusedLinearJSDLoss(
        weight_hard_loss=0.5, weight_soft_loss=0.5, beta=0.0, compiled=DEVICE.type == "cuda"
    )
    return 2 * loss(hidden, head, reference, head, targets)


def liger_ce(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """Liger's fused linear cross entropy; no KL."""
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    ids, targets = _inputs_and_targets(inputs)
    head = model.get_base_model().lm_head.weight
    return LigerFusedLinearCrossEntropyLoss()(head, _hidden(model, ids), targets)


def trl_divergence(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """NLL and KL by TRL's tiled heads."""
    from trl.kernels.chunked_divergence import VOCAB_CHUNK_SIZE, ChunkedDivergenceFunction
    from trl.kernels.chunked_logprob import ChunkedLogProbFunction

    ids, targets = _inputs_and_targets(inputs)
    hidden, reference, head = _both_hidden(model, ids)
    log_p = ChunkedLogProbFunction.apply(
        hidden, head, None, targets, 1.0, VOCAB_CHUNK_SIZE, None, 1.0, ()
    )[0]
    kl = ChunkedDivergenceFunction.apply(
        hidden, head, None, reference, head, None, 1.0, 1.0, 1.0, None, 1.0, None
    )[0]
    return -log_p.mean() + 0.5 * kl.mean()
