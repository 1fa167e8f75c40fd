"""From configuration to the model, its optimizer and its precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from styledial.config import Config
from styledial.models.load import load_base, recompute_activations
from styledial.models.policy import Policy, with_all_weights, with_lora
from styledial.models.quantise import check_choice
from styledial.training.step import trained

if TYPE_CHECKING:
    pass


def build_policy(config: Config) -> Policy:
    check_choice(
        load_in_4bit=config.model.load_in_4bit,
        load_in_8bit=config.model.load_in_8bit,
        use_peft=config.model.use_peft,
        use_dora=config.model.use_dora,
    )
    base = load_base(
        config.model.model_name_or_path,
        dtype=config.model.dtype,
        attn_implementation=config.model.attn_implementation,
        trust_remote_code=config.model.trust_remote_code,
        load_in_4bit=config.model.load_in_4bit,
        load_in_8bit=config.model.load_in_8bit,
        shardable=config.training.fsdp == "on",
    )
    if config.training.gradient_checkpointing:
        recompute_activations(base)
    if not config.model.use_peft:
        return with_all_weights(base)
    return with_lora(
        base,
        r=config.model.lora_r,
        lora_alpha=config.model.alpha,
        lora_dropout=config.model.lora_dropout,
        target_modules=config.model.lora_target_modules,
        use_dora=config.model.use_dora,
        use_rslora=config.model.use_rslora,
    )


def build_optimizer(config: Config, policy: Policy, total_steps: int) -> tuple[Any, Any]:
    from transformers import get_scheduler

    optimizer = torch.optim.AdamW(
        trained(policy),
        lr=config.training.learning_rate,
        weight_decay=config.training.weight_decay,
        fused=True,  # one kernel, and it can be told on the device to leave a step out: guards.py
    )
    scheduler = get_scheduler(
        config.training.lr_scheduler_type,
        optimizer,
        num_warmup_steps=round(config.training.warmup_ratio * total_steps),
        num_training_steps=total_steps,
    )
    return optimizer, scheduler


def mixed_precision(config: Config, policy: Policy) -> str:
    """Autocast is for full tuning alone: a LoRA run has its precision in its weights."""
    if not torch.cuda.is_available() or config.model.dtype == "float32":
        return "no"
    if policy.reference_head.dtype == torch.float16:
        return "fp16"
    return "no" if policy.is_adapter else "bf16"
