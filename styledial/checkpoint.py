"""Checkpoints: everything a run needs to go on as if it had never stopped.

    output_dir/checkpoints/step-N/
        trainable.safetensors   the weights that training changes
        optimizer.pt            optimizer and schedule, read back with weights_only
        rng-RANK.pt             random state of each process (dropout)
        state.json              step, tokens, controller

A folder appears under its name only when all of it is on the disk.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from styledial.errors import UserError
from styledial.files import sync, write_json


@dataclass
class TrainState:
    """Where a run is. The one home of what the loop changes besides weights and optimizer.

    `step` counts optimizer updates, `tokens` the style tokens that carried loss.
    """

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    controller: dict[str, float] = field(default_factory=dict)


def save_checkpoint(
    folder: Path,
    state: TrainState,
    weights: dict[str, Tensor],
    optimizer: dict[str, Any],
    scheduler: dict[str, Any],
    keep: int,
) -> Path:
    """Write `folder/step-N` and remove all but the newest `keep`. Call on one process only."""
    final = folder / f"step-{state.step}"
    aside = folder / f".step-{state.step}.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    save_file(
        {n: w.contiguous().cpu() for n, w in weights.items()}, aside / "trainable.safetensors"
    )
    torch.save({"optimizer": optimizer, "scheduler": scheduler}, aside / "optimizer.pt")
    torch.save({"cpu": torch.get_rng_state()}, aside / "rng-0.pt")
    write_json(aside / "state.json", asdict(state))
    for path in [*aside.iterdir(), aside]:
        sync(path)
    if final.exists():
        shutil.rmtree(final)
    aside.rename(final)
    sync(folder)
    for old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    found = [
        p for p in folder.glob("step-*") if p.name[5:].isdigit() and (p / "state.json").exists()
    ]
    return sorted(found, key=lambda path: int(path.name[5:]))


def load_checkpoint(path: Path) -> tuple[TrainState, dict[str, Tensor], dict[str, Any]]:
    """(state, weights, {"optimizer", "scheduler"}). Raises UserError for a damaged one."""
    try:
        state = TrainState(**json.loads((path / "state.json").read_text(encoding="utf-8")))
        weights = load_file(path / "trainable.safetensors")
        rest = torch.load(path / "optimizer.pt", weights_only=True, map_location="cpu")
        torch.set_rng_state(torch.load(path / "rng-0.pt", weights_only=True)["cpu"])
    except Exception as error:
        # Many libraries, many kinds of error; all mean that the files aren't what was written.
        raise UserError(
            f"{path}: this checkpoint cannot be read ({error}). Remove that folder to resume "
            "from the one before it.",
            f"{path}：检查点无法读取（{error}）。删除该文件夹后可从上一个检查点继续。",
        ) from error
    return state, weights, rest
