"""StyleDial's way among the ways that are compared."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from material import CLIP, LEARNING_RATE, LORA, UPDATES, token_rows
from turns import Turns
from work import DEVICE, DTYPE, SEED, Work

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def _our_settings(work: Work, mode: str, kl_rows: float, checkpointing: str) -> list[str]:
    return [
        f"training.kl_rows={kl_rows}",
        f"model.model_name_or_path={work.folder}",
        f"model.lora_r={LORA['r']}",
        f"model.lora_alpha={LORA['lora_alpha']}",
        f"model.lora_dropout={LORA['lora_dropout']}",
        f"data.max_length={work.length}",
        "data.anchor=off",
        f"training.per_device_train_batch_size={work.rows}",
        "training.gradient_accumulation_steps=1",
        f"training.kl_mode={mode}",
        f"training.learning_rate={LEARNING_RATE}",
        "training.lr_scheduler_type=constant",
        f"training.gradient_checkpointing={checkpointing or str(work.checkpointing).lower()}",
    ]


def ours(
    work: Work,
    turns: Turns,
    *,
    mode: str = "budget",
    cached: bool = False,
    kl_rows: float = 1.0,
    checkpointing: str = "",
) -> None:
    """The training loop itself; only what surrounds it (texts, checkpoints, screen) is left out.

    `checkpointing` is `gradient_checkpointing` where it isn't that of the others."""
    from styledial.build.kl import build_controller
    from styledial.build.model import build_optimizer, policy_on
    from styledial.config import resolve
    from styledial.data.pack import PackedRows
    from styledial.distributed.consensus import Consensus
    from styledial.models.load import load_base
    from styledial.training.checkpoint import TrainState
    from styledial.training.components import Components, Hooks
    from styledial.training.loop import train
    from styledial.training.nonfinite import UpdateCounters
    from styledial.training.reference import ReferenceCache, References
    from styledial.training.row_order import RowOrder

    config = resolve(None, None, {}, _our_settings(work, mode, kl_rows, checkpointing))
    base = load_base(str(work.folder), dtype=str(DTYPE).removeprefix("torch."))
    base.to(DEVICE)
    turns.loaded()
    torch.manual_seed(SEED)
    policy = policy_on(base, config).to(DEVICE)
    tokens = token_rows(work.shape, work.folder, work.length, work.rows)
    rows = PackedRows(tokens, [[(0, work.length + 1)]] * len(tokens))
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=DEVICE.type == "cpu")
    optimizer, scheduler = build_optimizer(config, policy, UPDATES)
    with tempfile.TemporaryDirectory() as folder:
        shape = (len(rows), work.length, policy.head.weight.shape[1])
        cache = ReferenceCache(Path(folder), "peers", shape, DTYPE) if cached else None
        parts = Components(
            policy=policy,
            wrapped=accelerator.prepare_model(policy, evaluation_mode=True),
            rows=rows,
            accelerator=accelerator,
            consensus=Consensus(1),
            optimizer=accelerator.prepare_optimizer(optimizer),
            scheduler=scheduler,
            controller=build_controller(config, DEVICE),
            counters=UpdateCounters(DEVICE),
            references=References(policy, cache, None) if mode != "off" else None,
            kl_rows=config.training.kl_rows,
            max_grad_norm=CLIP,
        )
        logged: list[Any] = []

        def after_step(state: TrainState, stop: bool) -> bool:
            metrics = logged.pop()
            turns.end(nll=metrics.nll, kl=metrics.kl)
            return turns.begin()

        turns.ready()
        if turns.begin():
            order = RowOrder(len(rows), work.rows, 1, 1, 0)
            hooks = Hooks(on_log=logged.append, after_step=after_step)
            train(parts, order, TrainState(), total_steps=UPDATES, hooks=hooks)
