"""Updates of small real models on the CPU, as training makes them, to hold the memory plan against."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import torch

from styledial.build.kl import build_controller
from styledial.build.model import build_optimizer, build_policy
from styledial.build.rows import ANCHOR_WEIGHT, anchor_rows, has_anchor
from styledial.config import Config, resolve
from styledial.data.pack import PackedRows
from styledial.distributed.consensus import Consensus
from styledial.models.policy import Policy
from styledial.training.checkpoint import TrainState
from styledial.training.components import Anchor, Components, Hooks
from styledial.training.loop import train
from styledial.training.nonfinite import UpdateCounters
from styledial.training.reference import References
from styledial.training.row_order import RowOrder

LENGTH, VOCABULARY = 128, 4096
_SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def small_model(kind: str, folder: Path, **changes: object) -> Path:
    """A random model of 4 layers; large enough that activations are most of what a step holds."""
    from tiny_models import tokenizer_for
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    shape = AutoConfig.for_model(kind, **{**_SHAPE, **changes})
    AutoModelForCausalLM.from_config(shape).save_pretrained(folder)
    tokenizer_for(kind).save_pretrained(folder)
    return folder


def small_config(model: Path, *settings: str) -> Config:
    return resolve(
        None,
        None,
        {},
        [
            f"model.model_name_or_path={model}",
            "model.dtype=float32",
            f"data.max_length={LENGTH}",
            "training.per_device_train_batch_size=4",
            "training.gradient_accumulation_steps=1",
            "data.anchor=bundled",
            *settings,
        ],
    )


def make_updates(
    config: Config,
    policy: Policy,
    *,
    packed: bool,
    updates: int = 2,
    phase=lambda name: None,
    after_step=lambda state, stop: True,
):
    """The training loop itself on random tokens, where the policy is; `packed`: two texts a row."""
    from accelerate import Accelerator

    training = config.training
    rows = random_rows(config.data.max_length, policy.head.weight.shape[0], packed)
    device = policy.head.weight.device
    accelerator = Accelerator(cpu=device.type == "cpu")
    order = RowOrder(
        len(rows), training.micro_batch, training.gradient_accumulation_steps, 1, training.seed
    )
    optimizer, scheduler = build_optimizer(config, policy, 10)
    anchor = references = None
    if has_anchor(config):
        held = RowOrder(len(rows), anchor_rows(config, order.effective_batch), 1, 1, 1)
        anchor = Anchor(rows, held, ANCHOR_WEIGHT)
    if training.mode.reads_kl or anchor:
        references = References(policy, None, None, of_style=training.mode.reads_kl)
    parts = Components(
        policy=policy,
        wrapped=accelerator.prepare_model(policy, evaluation_mode=True),
        rows=rows,
        accelerator=accelerator,
        consensus=Consensus(1),
        optimizer=accelerator.prepare_optimizer(optimizer),
        scheduler=scheduler,
        controller=build_controller(config, device),
        counters=UpdateCounters(device),
        anchor=anchor,
        references=references,
        direction=training.kl_direction,
        mask_target=training.masks_target,
        kl_rows=training.kl_rows,
        max_grad_norm=training.max_grad_norm,
    )
    hooks = Hooks(phase=phase, after_step=after_step)
    return train(parts, order, TrainState(), total_steps=updates, hooks=hooks)


def random_rows(length: int, vocabulary: int, packed: bool) -> PackedRows:
    tokens = np.random.default_rng(0).integers(0, vocabulary, (64, length + 1), dtype=np.int32)
    half = length // 2
    pieces = [(0, half), (half, length + 1 - half)] if packed else [(0, length + 1)]
    return PackedRows(tokens, [list(pieces)] * len(tokens))


def measured_peak(config: Config, *, packed: bool) -> int:
    """Bytes in use at the worst moment of two updates: the weights, and what torch's profiler sees
    come and go."""
    policy = build_policy(config)
    there = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for root in (policy, policy.frozen_copy)
        if root is not None
        for tensor in (*root.parameters(), *root.buffers())
    }
    gc.collect()  # what goes while the profiler listens and came before would count as negative
    activity = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activity, profile_memory=True) as profile:
        make_updates(config, policy, packed=packed)
    assert profile.profiler is not None
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    used = np.cumsum([e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())])
    return sum(there.values()) + int(used.max())
