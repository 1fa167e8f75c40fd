"""The idea of StyleDial in one page: fine-tune on novels, held at a chosen distance from the base.

    python scripts/minimal_loop.py [--kl_beta 0.05] [--steps 60]

A model learns a style by lowering its NLL on the novels, and forgets what it knew by moving away
from its base. The distance is KL(tuned || base), in nats per token; `kl_beta` is how much of it
may be spent. A controller moves lambda, the weight of KL in the loss, until training stays there;
at the end the adapter is scaled so that text which training hasn't seen gives that KL exactly.

Left out here, and in styledial/training/: the loss in chunks that fit a GPU (losses.py), anchor
text against forgetting (anchor.py), micro-batches and several processes (loop.py), checkpoints
(checkpoint.py), what goes wrong (nonfinite.py, out_of_memory.py).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from styledial.data.novels import read_novels
from styledial.data.pack import IGNORE_INDEX, Batch, PackedRows, pack
from styledial.data.texts import ASSETS
from styledial.models.load import load_base, load_tokenizer
from styledial.models.policy import Policy, with_lora
from styledial.training.controller import KLController
from styledial.training.landing import land

ROWS, LENGTH = 8, 128  # an update's sequences, and the tokens in each


def main() -> None:
    """Train, scale, and say what came of it on held-out text."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--kl_beta", type=float, default=0.05)
    options.add_argument("--steps", type=int, default=60)
    given = options.parse_args()
    torch.manual_seed(0)

    tokenizer = load_tokenizer("bundled")
    passages = read_novels(ASSETS / "wuxia", 0.2)
    style, heldout = (
        pack([p for p in passages if p.split == split], tokenizer, LENGTH)
        for split in ("train", "heldout")
    )
    policy = with_lora(
        load_base("bundled", dtype="float32"),
        r=8,
        lora_alpha=16,
        lora_dropout=0.0,
        target_modules="all-linear",
    )
    everything = heldout.batch(list(range(len(heldout))))
    with torch.no_grad():
        before, _ = nll_and_kl(policy, everything)
    train(policy, style, given.kl_beta, given.steps)
    with torch.no_grad():
        landing = land(policy, lambda: nll_and_kl(policy, everything)[1].item(), given.kl_beta)
        after, kl = nll_and_kl(policy, everything)
    scale = landing["adapter_scale"]
    print(f"held-out NLL {before:.3f} -> {after:.3f}, KL {kl:.4f} of {given.kl_beta:g}")
    print(f"adapter scaled by {scale:.3f}")


def train(policy: Policy, style: PackedRows, kl_beta: float, steps: int) -> None:
    """`steps` updates of ROWS random rows; a line every tenth."""
    weights = [p for p in policy.parameters() if p.requires_grad]  # of the adapter alone
    optimizer = torch.optim.AdamW(weights, lr=3e-3)
    controller = KLController(kl_beta)
    for step in range(1, steps + 1):
        batch = style.batch(torch.randint(len(style), (ROWS,)).tolist())
        nll, kl = nll_and_kl(policy, batch)
        weight = controller.coefficient  # lambda
        loss = (nll + weight * kl) / (1 + weight)  # so that lambda doesn't change the step's size
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        controller.update(kl.detach())  # too far from the base: lambda rises
        if step % 10 == 0:
            print(f"{step:4}  NLL {nll:.3f}  KL {kl:.4f}  lambda {weight:.3f}")


def nll_and_kl(policy: Policy, batch: Batch) -> tuple[Tensor, Tensor]:
    """Means over the batch's tokens: -log p(next token), and KL(p || q) over the vocabulary."""
    hidden = policy(batch.input_ids, batch.position_ids)  # [B, T, d], adapter on
    reference = policy.reference(batch.input_ids, batch.position_ids)  # adapter off: the base
    log_p = (hidden @ policy.head.weight.T).log_softmax(-1)  # [B, T, V]
    log_q = (reference @ policy.reference_head.weight.T).log_softmax(-1)
    kept = batch.targets != IGNORE_INDEX
    nll = -log_p.gather(-1, batch.targets.clamp_min(0).unsqueeze(-1)).squeeze(-1)
    kl = (log_p.exp() * (log_p - log_q)).sum(-1)
    return nll[kept].mean(), kl[kept].mean()


if __name__ == "__main__":
    main()
