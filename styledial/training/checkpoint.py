"""Checkpoints: everything needed to resume a run exactly.

    output_dir/checkpoints/step-N/
        trainable.safetensors   the weights that training changes
        best.safetensors        those of the lowest held-out loss, where the run keeps them
        optimizer.pt            optimizer, schedule, loss scale; read back with weights_only
        rng-RANK.pt             random state of each process (dropout)
        state.json              step, tokens, controller, batch in force, counters
        manifest.json           size and SHA-256 of each of these

    .step-N.part --write, fsync, read back--> rename --> step-N --> older ones go, by keep

A folder appears under its name only when all of it is on the disk and has been read back. One
that doesn't agree with its manifest, or holds a non-finite number, counts as damaged and is
never loaded; an older one is only removed once a newer one is whole.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from styledial.errors import StyleDialError
from styledial.files import read_json, sync, write_json
from styledial.run_folder.checkpoint_files import remove_files, remove_unfinished
from styledial.run_folder.layout import CHECKPOINT_MANIFEST as MANIFEST
from styledial.run_folder.manifest import described
from styledial.training.nonfinite import Counters

STATE, WEIGHTS, REST = "state.json", "trainable.safetensors", "optimizer.pt"
BEST = "best.safetensors"


class CheckpointError(StyleDialError):
    """A checkpoint that could not be written, or one that must not be loaded."""


@dataclass
class TrainState:
    """The progress of a run: all state of the loop besides weights and optimizer.

    `step` counts optimizer updates, `tokens` the style tokens that carried loss. The batch in
    force may be smaller than the configured one, after running out of memory; the rows of an
    update over all processes, `effective_batch`, never change. `skipped` updates were not made
    because a loss or gradient was non-finite; `counters` are nonfinite.Counters by name.

    `first_steps`: the updates that the run was first planned for, 0 in early checkpoints;
    `planned_steps`: those that it was planned for when this was saved. `anchor`: what the base
    wrote as anchor text (build.anchor.AnchorPlan), which stays what it was when a run is resumed
    to more; in early checkpoints nothing.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    controller: dict[str, float] = field(default_factory=dict)
    effective_batch: int = 0
    micro_batch_size: int = 0
    step_downs: int = 0
    skipped: int = 0
    counters: dict[str, float] = field(default_factory=dict)
    first_steps: int = 0
    planned_steps: int = 0
    anchor: dict[str, Any] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)  # best.Best, without its weights
    heldout: dict[str, float] = field(default_factory=dict)  # last reading: its step and KL
    source: str = ""  # fingerprint of base, text and packing: see reference.fingerprint

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> TrainState:
        """What state.json holds; early checkpoints have the counters as a bare list, `watch`."""
        unnamed = record.pop("watch", None)
        if unnamed:
            record["counters"] = dict(zip(Counters._fields, unnamed, strict=True))
        return cls(**record)


@dataclass
class Snapshot:
    """A checkpoint in memory. `rng` has the random state of each process, by rank."""

    state: TrainState
    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    rng: list[dict[str, Tensor]]
    scaler: dict[str, Any] | None = None
    best: dict[str, Tensor] = field(default_factory=dict)


def save_checkpoint(folder: Path, snapshot: Snapshot, keep: int) -> Path:
    """Write `folder/step-N`, then remove all but the newest `keep`. Call on one process only.

    Raises CheckpointError where it can't be written (a full disk) or shouldn't be (NaN); what
    was there before is then still there. Costs one reading of the device and of the files.
    """
    step = snapshot.state.step
    final, aside = folder / f"step-{step}", folder / f".step-{step}.part"
    refuse_nonfinite(final, snapshot)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
        aside.mkdir(parents=True)
        _write(aside, snapshot)
        # A disk may report writes that it lost; older checkpoints are removed once this one is
        # checked.
        read_checkpoint(aside)
        _put_in_place(aside, final)
    except (OSError, SafetensorError, RuntimeError, CheckpointError) as error:
        # RuntimeError and SafetensorError: what torch.save and save_file make of a full disk.
        shutil.rmtree(aside, ignore_errors=True)
        reason = getattr(error, "strerror", None) or str(error).strip().split("\n")[0]
        raise CheckpointError(
            f"{final}: this checkpoint could not be written ({reason}).",
            f"{final}：检查点无法写入（{reason}）。",
        ) from error
    with contextlib.suppress(OSError):  # one checkpoint too many does no harm
        whole = [path for path in checkpoints(folder) if (path / MANIFEST).is_file()]
        for old in [*whole[:-keep], *folder.glob("step-*.damaged")]:
            _remove(old)
    return final


def checkpoints(folder: Path) -> list[Path]:
    """Folders named like a checkpoint, oldest first; not checked for damage."""
    found = [p for p in folder.glob("step-*") if p.name[5:].isdigit() and p.is_dir()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def read_checkpoint(path: Path) -> Snapshot:
    """What `path` holds, tensors on the CPU. Raises CheckpointError unless all of it is whole."""
    try:
        manifest = read_json(path / MANIFEST)["files"]
        if not {STATE, WEIGHTS, REST, "rng-0.pt"} <= manifest.keys():
            raise ValueError("a file is missing")
        for name, expected in manifest.items():
            if described(path / name) != expected:
                raise ValueError(f"{name} is not what was written")
        state = TrainState.from_json(read_json(path / STATE))
        rest = torch.load(path / REST, weights_only=True, map_location="cpu")
        ranks = sum(name.startswith("rng-") for name in manifest)
        rng = [torch.load(path / f"rng-{rank}.pt", weights_only=True) for rank in range(ranks)]
        best = load_file(path / BEST) if BEST in manifest else {}
        snapshot = Snapshot(state, load_file(path / WEIGHTS), **rest, rng=rng, best=best)
    except Exception as error:
        # The libraries raise many kinds of error; all mean that the files are damaged.
        raise CheckpointError(
            f"{path}: this checkpoint is damaged ({error}).", f"{path}：检查点已损坏（{error}）。"
        ) from error
    refuse_nonfinite(path, snapshot)
    return snapshot


def refuse_nonfinite(path: Path, snapshot: Snapshot) -> None:
    """Raises CheckpointError where a weight or an optimizer state is NaN or infinite."""
    for name, tensor in _tensors(snapshot):
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{path}: {name} holds non-finite values (NaN or infinity); such a checkpoint is "
                "neither saved nor loaded.",
                f"{path}：{name} 中有 NaN 或无穷大；这样的检查点既不保存也不加载。",
            )


def set_aside(path: Path) -> None:
    """Rename a damaged checkpoint; it is removed when the next good one is saved."""
    with contextlib.suppress(OSError):
        target = path.with_name(path.name + ".damaged")
        if target.is_dir():
            remove_files(target)
        path.rename(target)


def _write(aside: Path, snapshot: Snapshot) -> None:
    for name, weights in ((WEIGHTS, snapshot.weights), (BEST, snapshot.best)):
        if weights:
            plain = {key: w.detach().contiguous().cpu() for key, w in weights.items()}
            save_file(plain, aside / name)
    rest = {
        "optimizer": snapshot.optimizer,
        "scheduler": snapshot.scheduler,
        "scaler": snapshot.scaler,
    }
    torch.save(rest, aside / REST)
    for rank, states in enumerate(snapshot.rng):
        torch.save(states, aside / f"rng-{rank}.pt")
    write_json(aside / STATE, asdict(snapshot.state))
    written = sorted(aside.iterdir())
    for path in written:
        sync(path)
    files = {path.name: described(path) for path in written}
    write_json(aside / MANIFEST, {"format": 1, "files": files})
    sync(aside)


def _put_in_place(aside: Path, final: Path) -> None:
    if final.exists():  # of a run that went back to an older one: other settings, or damage
        final.rename(final.with_name(f".{final.name}.old"))
    aside.rename(final)
    sync(final.parent)


def _remove(path: Path) -> None:
    """Renamed first, so that an interrupted removal doesn't look like a checkpoint."""
    hidden = path.with_name(f".{path.name.removesuffix('.damaged')}.old")
    path.rename(hidden)
    remove_files(hidden)


def _tensors(snapshot: Snapshot) -> Iterator[tuple[str, Tensor]]:
    yield from snapshot.weights.items()
    for index, values in snapshot.optimizer.get("state", {}).items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                yield f"optimizer state {index}.{key}", value
