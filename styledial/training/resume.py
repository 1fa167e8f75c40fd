"""Saving a run and going on with it: the parts of the run into a checkpoint, and back.

newest      the newest checkpoint that is whole; damaged ones are put aside and named
same_rows   the same updates on another number of processes, or in smaller micro-batches
Keeper      save: parts -> checkpoint, on the first process; a failed write keeps the run going
            restore: checkpoint -> parts
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from styledial.data.pack import PackedRows
from styledial.distributed.consensus import Agreement
from styledial.distributed.sharded_tensors import load_state, parted_like, whole_state
from styledial.errors import UserError
from styledial.models.policy import Policy
from styledial.training.checkpoint import (
    CheckpointError,
    Snapshot,
    TrainState,
    checkpoints,
    read_checkpoint,
    save_checkpoint,
    set_aside,
)
from styledial.training.loop import Controller
from styledial.training.nonfinite import Watch
from styledial.training.out_of_memory import random_state, set_random_state
from styledial.training.reference import contents
from styledial.training.row_order import RowOrder
from styledial.training.stop_request import Stopped

Note = Callable[[str, str], None]


def newest(folder: Path, *, first: bool, agreement: Agreement, note: Note) -> Snapshot | None:
    """The newest whole checkpoint in `folder`, or None. Call on all processes.

    The first process looks and puts damaged ones aside; the others read what it chose from the
    same disk, or get it from the first where one of them doesn't see that disk.
    """
    found: Snapshot | None = None
    name: str | None = None
    if first:
        found, name = _newest_whole(folder, note)
    (name, *_) = agreement.gather(name)
    if name is None:
        note(
            "--resume: no checkpoint that can be used; the run starts from the beginning.",
            "--resume：没有可用的检查点，训练从头开始。",
        )
        return None
    if agreement.any(not (folder / name).is_dir())[0]:
        found = agreement.gather(found)[0]
    found = found or read_checkpoint(folder / name)
    note(f"--resume: going on from {folder / name}", f"--resume：从 {folder / name} 继续")
    return found


def _newest_whole(folder: Path, note: Note) -> tuple[Snapshot | None, str | None]:
    for path in reversed(checkpoints(folder)):
        try:
            return read_checkpoint(path), path.name
        except CheckpointError as error:
            set_aside(path)
            note(
                f"{error.en} It is left out, and renamed to {path.name}.damaged.",
                f"{error.zh} 已跳过，并改名为 {path.name}.damaged。",
            )
    return None, None


def same_rows(order: RowOrder, snapshot: Snapshot, note: Note) -> RowOrder:
    """`order` so that each update has the rows that it had in the run that saved `snapshot`.

    Raises UserError where another number of rows an update was asked for, or where they can't be
    shared out over this number of processes.
    """
    state = snapshot.state
    earlier, rows = len(snapshot.rng), state.effective_batch
    asked = order.batch_size * order.accumulation
    if order.effective_batch != rows and asked * earlier != rows:
        raise UserError(
            f"--resume: an update of that run has {rows} rows; batch size {order.batch_size} x "
            f"accumulation {order.accumulation} x {order.processes} processes makes "
            f"{order.effective_batch}. Keep the product, or start a new run with --overwrite.",
            f"--resume：原训练每次更新 {rows} 行；单卡批次 {order.batch_size} × 累积 "
            f"{order.accumulation} × {order.processes} 个进程为 {order.effective_batch} 行。"
            "请保持乘积不变，或用 --overwrite 重新训练。",
        )
    most = min(order.batch_size, state.micro_batch_size if state.step_downs else order.batch_size)
    # The rows of the earlier run, whatever number of processes shares them now.
    whole = RowOrder(order.rows, rows, 1, 1, order.seed)
    try:
        found = whole.regrouped(most, order.processes)
    except ValueError:
        raise UserError(
            f"--resume: the {rows} rows of an update can't be shared out evenly over "
            f"{order.processes} processes; use a number that divides {rows}.",
            f"--resume：每次更新的 {rows} 行无法平均分给 {order.processes} 个进程；"
            f"请使用能整除 {rows} 的进程数。",
        ) from None
    if order.effective_batch == rows and most == order.batch_size:
        return order
    note(
        f"--resume: {rows} rows an update as before: batch size {found.batch_size} x accumulation "
        f"{found.accumulation} x {found.processes} processes",
        f"--resume：每次更新仍为 {rows} 行：单卡批次 {found.batch_size} × 累积 "
        f"{found.accumulation} × {found.processes} 个进程",
    )
    return found


@dataclass
class Keeper:
    """The parts of a run that a checkpoint is made of. `keep` checkpoints stay in `folder`."""

    folder: Path
    keep: int
    policy: Policy
    optimizer: Any
    scheduler: Any
    controller: Controller
    watch: Watch
    agreement: Agreement
    rank: int
    source: str
    note: Note
    scaler: Any = None

    def save(self, state: TrainState) -> bool:
        """Write a checkpoint; call on all processes. False, with a warning, where it failed.

        Waits for the device. Training goes on after a failure: the older checkpoints are there.
        """
        rng = self.agreement.gather(random_state())
        values = self.watch.values.tolist()
        weights, moments = self.policy.trainable_state(), whole_state(self.optimizer)
        state.controller = self.controller.state_dict()
        state.watch, state.skipped = values, int(values[0])
        state.source = self.source
        problem: CheckpointError | None = None
        if self.rank == 0:
            snapshot = Snapshot(
                state, weights, moments,
                self.scheduler.state_dict(), rng, self.scaler and self.scaler.state_dict(),
            )  # fmt: skip
            try:
                save_checkpoint(self.folder, snapshot, self.keep)
            except CheckpointError as error:
                problem = error
                self.note(
                    f"Warning: {error.en} Training goes on; earlier checkpoints are kept.",
                    f"警告：{error.zh}训练继续，已有检查点保留。",
                )
        # Nobody runs on while the disk is busy: a time limit of a collective would count.
        return not self.agreement.any(problem is not None)[0]

    def restore(self, snapshot: Snapshot | None, seed: int) -> TrainState:
        """Put everything back as `snapshot` has it; where there is none, a fresh state.

        Peak learning rate and weight decay are those of the configuration now in force. Raises
        UserError where base or text are not those of the checkpoint.
        """
        if snapshot is None:
            _seed(seed, self.rank)
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
        self._load_weights(snapshot)
        groups = self.optimizer.state_dict()["param_groups"]
        for saved, now in zip(snapshot.optimizer["param_groups"], groups, strict=True):
            saved.update(initial_lr=now["initial_lr"], weight_decay=now["weight_decay"])
        load_state(self.optimizer, snapshot.optimizer)
        base = self.scheduler.base_lrs
        self.scheduler.load_state_dict({**snapshot.scheduler, "base_lrs": base})
        self._set_learning_rate()
        if self.scaler and snapshot.scaler:
            self.scaler.load_state_dict(snapshot.scaler)
        self.controller.load_state_dict(state.controller)
        self.watch.values = torch.tensor(state.watch).to(self.watch.values)
        if self.rank < len(snapshot.rng):
            set_random_state(snapshot.rng[self.rank])
        else:
            _seed(seed, self.rank, state.step)
        return state

    def _load_weights(self, snapshot: Snapshot) -> None:
        own = {n: p for n, p in self.policy.named_parameters() if p.requires_grad}
        if own.keys() != snapshot.weights.keys():
            raise UserError(
                "--resume: the checkpoint holds other weights than this run trains; start a new "
                "run with --overwrite.",
                "--resume：检查点中的权重与当前要训练的不一致；请用 --overwrite 重新训练。",
            )
        with torch.no_grad():
            for name, weight in own.items():
                weight.copy_(parted_like(snapshot.weights[name], weight))

    def _set_learning_rate(self) -> None:
        """As the schedule now in force has it: the same where the settings are the same."""
        schedule = self.scheduler
        schedule._last_lr = []
        for group, base, rate in zip(
            self.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
        ):
            group["lr"] = base * rate(schedule.last_epoch)
            schedule._last_lr.append(group["lr"])


def source_of(policy: Policy, *rows: PackedRows) -> str:
    """Fingerprint of what a run reads: the base's weights, the tokens and their packing."""
    return hashlib.sha256("".join(contents(policy, each) for each in rows).encode()).hexdigest()


def stopped(state: TrainState, saved: bool, command: str) -> Stopped:
    """For a run that is stopped after update `state.step`; `command` goes on with it."""
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
