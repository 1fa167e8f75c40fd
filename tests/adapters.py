"""An adapter that changes what the model says, without training one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from styledial.models.load import load_base
from styledial.models.policy import Policy, with_lora


def random_adapter(base: Path, *, spread: float = 0.05, seed: int = 1, **how: Any) -> Policy:
    """A LoRA of rank 4 on every linear layer, whose B is random: a fresh one has 0 there."""
    policy = with_lora(
        load_base(str(base), dtype="float32"),
        r=4,
        lora_alpha=8,
        lora_dropout=0.0,
        target_modules="all-linear",
        **how,
    )
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.normal_(0.0, spread, generator=dice)
    return policy
