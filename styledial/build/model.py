"""From configuration to the model, its optimizer and its precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from styledial.config import Config
from styledial.models.configuration import quantisation_of
from styledial.models.frozen import recompute_activations
from styledial.models.generation import answers_by_template
from styledial.models.load import load_base
from styledial.models.policy import Policy, with_all_weights, with_lora
from styledial.models.prequantised import check_use, kept_bits
from styledial.models.quantise import check_choice
from styledial.models.text_part import check_experts
from styledial.training.schedule import Schedule, scheduler
from styledial.training.step import trained

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from styledial.build.texts import Texts


def build_policy(config: Config) -> Policy:
    """The base, loaded, under a fresh adapter or with all its weights to be trained.

    Raises ModelError where the base is not available or can't be trained as configured.
    """
    check_quantisation(config, _files(config))
    model = config.model
    base = load_base(
        model.model_name_or_path,
        dtype=model.dtype,
        attn_implementation=model.attn_implementation,
        trust_remote_code=model.trust_remote_code,
        load_in_4bit=model.load_in_4bit,
        load_in_8bit=model.load_in_8bit,
        shardable=config.training.fsdp == "on",
    )
    return policy_on(base, config)


def as_its_files(config: Config) -> Config:
    """With load_in_4bit or load_in_8bit set where the base's own files are in so many bits, so that
    plan, checks and base.json know. Of a hub's model that isn't here, its config.json is asked for;
    where that isn't available, `config` as it is. Raises ModelError for a path that isn't a model.
    """
    if config.model.load_in_4bit or config.model.load_in_8bit:
        return config
    bits = kept_bits(_files(config))
    return config.with_values({f"model.load_in_{bits}bit": True}, "the base") if bits else config


def _files(config: Config) -> Mapping[str, Any]:
    model = config.model
    return quantisation_of(model.model_name_or_path, trust_remote_code=model.trust_remote_code)


def check_quantisation(config: Config, files: Mapping[str, Any]) -> None:
    """Raises ModelError where the settings of a quantised base, or of an adapter on the experts,
    contradict each other. `files`: how the base's own files are quantised."""
    model = config.model
    if model.use_peft and model.lora_experts:
        check_experts(dropout=model.lora_dropout, use_dora=model.use_dora)
    bits = 4 if model.load_in_4bit else 8 if model.load_in_8bit else None
    check_use(files, bits, use_peft=model.use_peft, use_dora=model.use_dora)
    check_choice(
        load_in_4bit=model.load_in_4bit,
        load_in_8bit=model.load_in_8bit,
        use_peft=model.use_peft,
        use_dora=model.use_dora,
    )


def policy_on(base: PreTrainedModel, config: Config) -> Policy:
    """What `config` trains on a frozen base, be it loaded or, for the memory plan, shapes alone."""
    model = config.model
    recompute_as_set(base, config)
    if not model.use_peft:
        return with_all_weights(base)
    return with_lora(
        base,
        r=model.lora_r,
        lora_alpha=model.alpha,
        lora_dropout=model.lora_dropout,
        target_modules=model.lora_target_modules,
        use_dora=model.use_dora,
        use_rslora=model.use_rslora,
        experts=model.lora_experts,
    )


def recompute_as_set(base: PreTrainedModel, config: Config) -> None:
    """Gradient checkpointing of the layers that `config` says, if any."""
    if config.training.recomputed:
        recompute_activations(base, every=round(1 / config.training.recomputed))


def answers_prompts(
    config: Config, texts: Texts, policy: Policy, tokenizer: PreTrainedTokenizerBase
) -> bool:
    """Whether samples and passages are answers to a user's message: as model.chat says; left to
    itself, where the base was taught to answer, or the run teaches it by dialogues."""
    asked = config.model.chat
    if asked == "auto" and texts.dialogues:
        asked = "on"
    return answers_by_template(policy.causal_lm, tokenizer, asked)


def build_optimizer(config: Config, policy: Policy, total_steps: int) -> tuple[Any, Any]:
    """(AdamW on the trained weights, its learning rate schedule)."""
    optimizer = torch.optim.AdamW(
        trained(policy),
        lr=config.training.learning_rate,
        weight_decay=config.training.weight_decay,
        fused=True,  # one kernel, which can be told on the device to skip a step: nonfinite.py
    )
    return optimizer, scheduler(optimizer, schedule_of(config, total_steps))


def schedule_of(config: Config, total_steps: int) -> Schedule:
    """How the learning rate goes over a run of so many updates."""
    training = config.training
    warmup = training.warmup_steps
    if warmup is None:
        warmup = round(training.warmup_ratio * total_steps)
    return Schedule(training.lr_scheduler_type, warmup, total_steps, training.min_lr_ratio)


def mixed_precision(policy: Policy, *, on_gpu: bool | None = None) -> str:
    """accelerate's `mixed_precision`: "no", "fp16" or "bf16"; `on_gpu` None asks this machine.

    Autocast is for full tuning alone, as a LoRA run has its precision in its weights; but a base
    in fp16 needs its loss scaled, and accelerate does both together.
    """
    dtype = policy.reference_head.weight.dtype
    if dtype == torch.float32 or not (torch.cuda.is_available() if on_gpu is None else on_gpu):
        return "no"
    if dtype == torch.float16:
        return "fp16"
    return "no" if policy.is_adapter else "bf16"
