"""Saving and resuming: the state of a run into a checkpoint, and back.

newest         the newest checkpoint that is whole; damaged ones are put aside and named
same_rows      the same updates on another number of processes, or in smaller micro-batches
Checkpointer   save: parts -> checkpoint, on the first process; a failed write keeps the run going
               load: checkpoint -> parts
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from styledial.data.pack import PackedRows
from styledial.distributed.consensus import Consensus
from styledial.distributed.sharded_tensors import (
    full_state_dict,
    load_full_state_dict,
    sharded_like,
)
from styledial.errors import UserError
from styledial.models.policy import Policy
from styledial.training.best import Best
from styledial.training.checkpoint import (
    CheckpointError,
    Snapshot,
    TrainState,
    checkpoints,
    read_checkpoint,
    save_checkpoint,
    set_aside,
)
from styledial.training.components import Components
from styledial.training.out_of_memory import random_state, set_random_state
from styledial.training.reference import contents
from styledial.training.row_order import RowOrder
from styledial.training.stop_request import Stopped

Note = Callable[[str, str], None]


def newest(folder: Path, *, first: bool, consensus: Consensus, note: Note) -> Snapshot | None:
    """The newest whole checkpoint in `folder`, or None. Call on all processes.

    The first process looks and renames damaged ones. The others read the one it chose from the same
    disk, or receive it from the first if one of them doesn't see that disk.
    """
    found: Snapshot | None = None
    name: str | None = None
    if first:
        found, name = _newest_whole(folder, note)
    (name, *_) = consensus.gather(name)
    if name is None:
        note(
            "--resume: there is no usable checkpoint; the run starts from the beginning.",
            "--resume：没有可用的检查点，训练从头开始。",
        )
        return None
    if consensus.any(not (folder / name).is_dir())[0]:
        found = consensus.gather(found)[0]
    found = found or read_checkpoint(folder / name)
    note(f"--resume: continuing from {folder / name}", f"--resume：从 {folder / name} 继续")
    return found


def _newest_whole(folder: Path, note: Note) -> tuple[Snapshot | None, str | None]:
    for path in reversed(checkpoints(folder)):
        try:
            return read_checkpoint(path), path.name
        except CheckpointError as error:
            set_aside(path)
            note(
                f"{error.en} It is skipped, and renamed to {path.name}.damaged.",
                f"{error.zh} 已跳过，并改名为 {path.name}.damaged。",
            )
    return None, None


def same_rows(order: RowOrder, snapshot: Snapshot, note: Note) -> RowOrder:
    """`order` so that each update has the rows that it had in the run that saved `snapshot`.

    Raises UserError where another number of rows an update was asked for, or where they can't be
    divided over this number of processes.
    """
    state = snapshot.state
    earlier, rows = len(snapshot.rng), state.effective_batch
    asked = order.batch_size * order.accumulation
    if order.effective_batch != rows and asked * earlier != rows:
        raise UserError(
            f"--resume: that run has {rows} rows per update; batch size {order.batch_size} x "
            f"accumulation {order.accumulation} x {order.processes} processes makes "
            f"{order.effective_batch}. Keep the product, or start a new run with --overwrite.",
            f"--resume：原训练每次更新 {rows} 行；单卡批次 {order.batch_size} × 累积 "
            f"{order.accumulation} × {order.processes} 个进程为 {order.effective_batch} 行。"
            "请保持乘积不变，或用 --overwrite 重新训练。",
        )
    most = min(order.batch_size, state.micro_batch_size if state.step_downs else order.batch_size)
    # The rows of the earlier run, whatever number of processes shares them now.
    whole = RowOrder(order.rows, rows, 1, 1, order.seed, order.epochs)
    try:
        found = whole.regrouped(most, order.processes)
    except ValueError:
        raise UserError(
            f"--resume: the {rows} rows of an update can't be divided evenly over "
            f"{order.processes} processes; use a number that divides {rows}.",
            f"--resume：每次更新的 {rows} 行无法平均分给 {order.processes} 个进程；"
            f"请使用能整除 {rows} 的进程数。",
        ) from None
    if order.effective_batch == rows and most == order.batch_size:
        return order
    note(
        f"--resume: {rows} rows per update as before: batch size {found.batch_size} x "
        f"accumulation {found.accumulation} x {found.processes} processes",
        f"--resume：每次更新仍为 {rows} 行：单卡批次 {found.batch_size} × 累积 "
        f"{found.accumulation} × {found.processes} 个进程",
    )
    return found


@dataclass(frozen=True)
class Checkpointer:
    """Saves the state of a run's `parts` in `folder`, where `keep` checkpoints stay, and loads it.

    `source` is from `source_of`: what a checkpoint must have been made from.
    """

    folder: Path
    keep: int
    parts: Components
    source: str
    note: Note
    best: Best | None = None

    def save(self, state: TrainState) -> bool:
        """Write a checkpoint; call on all processes. False, with a warning, where it failed.

        Waits for the device. Training goes on after a failure: the older checkpoints are there.
        """
        parts = self.parts
        rng = parts.consensus.gather(random_state())
        state.counters = parts.counters.state_dict()
        state.skipped = int(state.counters["skipped"])
        state.controller = parts.controller.state_dict()
        state.source = self.source
        state.best = self.best.state() if self.best else {}
        weights, moments = parts.policy.trainable_state(), full_state_dict(parts.optimizer)
        failed = False
        if parts.accelerator.process_index == 0:
            schedule, scaler = parts.scheduler.state_dict(), parts.accelerator.scaler
            failed = not self._written(
                Snapshot(
                    state,
                    weights,
                    moments,
                    schedule,
                    rng,
                    scaler and scaler.state_dict(),
                    self.best.weights if self.best else {},
                )
            )
        # All ranks wait while the disk is busy, so no collective reaches its time limit.
        return not parts.consensus.any(failed)[0]

    def _written(self, snapshot: Snapshot) -> bool:
        try:
            save_checkpoint(self.folder, snapshot, self.keep)
        except CheckpointError as error:
            self.note(
                f"Warning: {error.en} Training continues; earlier checkpoints are kept.",
                f"警告：{error.zh}训练继续，已有检查点保留。",
            )
            return False
        return True

    def load(self, snapshot: Snapshot | None, seed: int) -> TrainState:
        """Put everything back as `snapshot` has it; where there is none, a fresh state.

        Peak learning rate and weight decay are those of the configuration now in force. Raises
        UserError where base or text are not those of the checkpoint.
        """
        rank = self.parts.accelerator.process_index
        if snapshot is None:
            _seed(seed, rank)
            return TrainState()
        state = snapshot.state
        if state.source != self.source:
            raise UserError(
                "--resume: the base model's weights or the prepared text are not those of the "
                "checkpoint (files were changed, or the packages that read them). Restore them, "
                "or start a new run with --overwrite.",
                "--resume：基座权重或处理后的文本与检查点不符（文件或读取它们的程序包有改动）。"
                "请恢复原样，或用 --overwrite 重新训练。",
            )
        load_weights(self.parts.policy, snapshot.weights)
        load_optimizer(self.parts, snapshot)
        self.parts.controller.load_state_dict(state.controller)
        self.parts.counters.load_state_dict(state.counters)
        if self.best:
            self.best.load(state.best, snapshot.best)
        if rank < len(snapshot.rng):
            set_random_state(snapshot.rng[rank])
        else:
            _seed(seed, rank, state.step)
        return state


def load_weights(policy: Policy, weights: dict[str, Tensor]) -> None:
    """Give the trained weights these values. Raises UserError where they are other weights."""
    own = {n: p for n, p in policy.named_parameters() if p.requires_grad}
    if own.keys() != weights.keys():
        raise UserError(
            "--resume: the weights in the checkpoint are not those that this run trains; start "
            "a new run with --overwrite.",
            "--resume：检查点中的权重与当前要训练的不一致；请用 --overwrite 重新训练。",
        )
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(sharded_like(weights[name], weight))


def load_optimizer(parts: Components, snapshot: Snapshot) -> None:
    """Put optimizer, schedule and loss scale back, with the learning rate of the schedule now in
    force: the same where the settings are the same."""
    optimizer, schedule, scaler = parts.optimizer, parts.scheduler, parts.accelerator.scaler
    groups = optimizer.state_dict()["param_groups"]
    for saved, now in zip(snapshot.optimizer["param_groups"], groups, strict=True):
        saved.update(initial_lr=now["initial_lr"], weight_decay=now["weight_decay"])
    load_full_state_dict(optimizer, snapshot.optimizer)
    made, peaks = snapshot.scheduler["last_epoch"], schedule.base_lrs
    rates = [peak * part(made) for peak, part in zip(peaks, schedule.lr_lambdas, strict=True)]
    schedule.load_state_dict({**snapshot.scheduler, "base_lrs": peaks, "_last_lr": rates})
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    if scaler and snapshot.scaler:
        scaler.load_state_dict(snapshot.scaler)


def source_of(policy: Policy, *rows: PackedRows) -> str:
    """Fingerprint of what a run reads: the base's weights, the tokens and their packing."""
    return hashlib.sha256("".join(contents(policy, each) for each in rows).encode()).hexdigest()


def stopped(state: TrainState, saved: bool, command: str) -> Stopped:
    """For a run that is stopped after update `state.step`; `command` resumes it."""
    if saved:
        return Stopped(
            f"Stopped after update {state.step}, and saved. Go on with:\n  {command}",
            f"已在第 {state.step} 步后停止并保存。继续训练：\n  {command}",
        )
    return Stopped(
        f"Stopped after update {state.step}; the checkpoint could not be written. Go on from the "
        f"one before it with:\n  {command}",
        f"已在第 {state.step} 步后停止，但检查点未能写入。从上一个检查点继续：\n  {command}",
    )


def _seed(seed: int, rank: int, step: int = 0) -> None:
    """Dropout of a process that has no saved random state: another stream on every rank."""
    torch.manual_seed(
        int.from_bytes(hashlib.sha256(f"{seed}/{rank}/{step}".encode()).digest()[:4], "big")
    )
