"""The ways that are compared: each makes whole optimizer updates of a LoRA adapter on its own loop.

    ours              StyleDial's loop, KL(tuned || base) computed each time
    ours_cached       the same with the base's hidden states kept, as from the second epoch on
    ours_rows         KL on a quarter of an update's rows, at least one (kl_rows: 0.25)
    ours_kept         no activations recomputed, where the others recompute all of them
    ours_kept_cached  the same with the cache
    ours_plain        the same without KL (kl_mode: off)
    trl               TRL's SFTTrainer with packing; its head works in tiles; no KL
    trl_divergence    NLL and KL by TRL's tiled heads, on transformers' Trainer
    hf_plain          transformers' Trainer with the model's own loss over full logits; no KL
    hf_kl             transformers' Trainer with NLL + KL as anybody would write it, over full logits
    asft              DFT + 0.1 KL(base || tuned) over full logits, against a second copy of the
                      base, as LLaMA-Factory sets ASFT up (arXiv 2509.23753)
    liger_jsd         NLL + KL by Liger's fused linear JSD, on transformers' Trainer
    liger_ce          Liger's fused linear cross entropy, on transformers' Trainer; no KL; GPU only

Weights in fp32 on a CPU and bf16 on a GPU, the adapter in fp32, AdamW, constant learning rate,
gradients clipped at 1. Whoever needs the base's distribution switches the adapter off, but asft.
"""

from __future__ import annotations

from collections.abc import Callable

import trainer_losses as losses
from our_way import ours
from trainer_ways import trl, with_trainer
from turns import Turns
from work import Work

WAYS: dict[str, Callable[[Work, Turns], None]] = {
    "ours": ours,
    "ours_cached": lambda work, turns: ours(work, turns, cached=True),
    "ours_rows": lambda work, turns: ours(work, turns, kl_rows=0.25),
    "ours_kept": lambda work, turns: ours(work, turns, checkpointing="false"),
    "ours_kept_cached": lambda work, turns: ours(work, turns, checkpointing="false", cached=True),
    "ours_plain": lambda work, turns: ours(work, turns, mode="off"),
    "trl": trl,
    "trl_divergence": lambda work, turns: with_trainer(work, turns, losses.trl_divergence),
    "hf_plain": lambda work, turns: with_trainer(work, turns, losses.own_loss, shifts=True),
    "hf_kl": lambda work, turns: with_trainer(work, turns, losses.naive),
    "asft": lambda work, turns: with_trainer(work, turns, losses.asft, copy_of_base=True),
    "liger_jsd": lambda work, turns: with_trainer(work, turns, losses.liger_jsd),
    "liger_ce": lambda work, turns: with_trainer(work, turns, losses.liger_ce),
}
