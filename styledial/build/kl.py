"""From configuration to the KL parts: the controller and the base's hidden states."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from styledial.config import OFF, Config
from styledial.data.pack import PackedRows
from styledial.distributed.ranks import Place, taking_turns
from styledial.errors import UserError
from styledial.models.policy import Policy
from styledial.training import reference
from styledial.training.components import Anchor, Controller
from styledial.training.controller import FixedCoefficient, KLController
from styledial.units import disk_size

if TYPE_CHECKING:
    from styledial.build.texts import Texts


def build_controller(config: Config, device: torch.device) -> Controller:
    """Lambda for the budget, or the fixed one."""
    training = config.training
    if training.kl_target is not None and training.mode.has_controller:
        return KLController(training.kl_target, share=training.kl_rows, device=device)
    return FixedCoefficient(training.mode.fixed_lambda(training.kl_beta), device=device)


def build_references(
    config: Config,
    policy: Policy,
    texts: Texts,
    anchor: Anchor | None,
    cache: Path,
    epochs: float,
    here: Place,
    *,
    sharded: bool = False,
) -> reference.References | None:
    """Where the base's hidden states come from; None where nothing asks for them.

    A cache is kept where rows are read again, disk space allows and all processes share the disk;
    none where the base is `sharded`, as all processes have to take part in each pass.
    """
    of_style = config.training.mode.reads_kl
    if not of_style and anchor is None:
        return None
    style = texts.style if of_style else None
    general = anchor.rows if anchor else None
    folder = None
    if not sharded and config.training.reference_cache != OFF:
        size = sum(_bytes(policy, rows) for rows in (style, general) if rows is not None)
        folder = _cache_folder(config, size, cache, epochs, here)
    if folder is None:
        return reference.References(policy, None, None, of_style=of_style)
    caches = [
        None if rows is None else _cache(config, policy, rows, folder) for rows in (style, general)
    ]
    return reference.References(policy, *caches, of_style=of_style)


def _shape(policy: Policy, rows: PackedRows) -> tuple[int, int, int]:
    """(rows, T, d) of the base's hidden states."""
    return len(rows), rows.max_length, policy.head.weight.shape[1]


def _bytes(policy: Policy, rows: PackedRows) -> int:
    return reference.cache_bytes(_shape(policy, rows), policy.reference_head.weight.dtype)


def _cache_folder(
    config: Config, size: int, cache: Path, epochs: float, here: Place
) -> Path | None:
    """Where caches of `size` bytes are kept; None where `auto` keeps none."""
    wanted = config.training.reference_cache
    if wanted == "auto":
        useful = epochs > 1 and here.one_machine and reference.has_room(cache, size)
        return cache if useful else None
    folder = Path(wanted).expanduser()
    if not reference.has_room(folder, size):
        raise UserError(
            f"training.reference_cache: {folder} has no room for {disk_size(size)}; use "
            "auto, off, or a folder on a larger disk.",
            f"training.reference_cache：{folder} 空间不足，需要 {disk_size(size)}；"
            "请改用 auto、off 或更大磁盘上的文件夹。",
        )
    return folder


def _cache(
    config: Config, policy: Policy, rows: PackedRows, folder: Path
) -> reference.ReferenceCache:
    dtype = policy.reference_head.weight.dtype
    name = reference.fingerprint([config.model.model_name_or_path, str(dtype)], policy, rows)
    try:
        with taking_turns(folder):
            return reference.ReferenceCache(folder, name, _shape(policy, rows), dtype)
    except OSError as error:
        raise UserError(
            f"training.reference_cache: cannot write to {folder} ({error.strerror}); use off "
            "or another folder.",
            f"training.reference_cache：无法写入 {folder}（{error.strerror}）；"
            "请用 off 或换一个文件夹。",
        ) from None


def calibration_rows(texts: Texts, tokens: int) -> PackedRows:
    """A little of the held-out text that landing reads; the other half stays unseen."""
    return texts.heldout.select(texts.halves()[0]).at_most(tokens)


def reads_heldout(step: int, steps: int, times: int) -> bool:
    """Whether held-out text is to be read after update `step` of `steps`: at most `times`, evenly,
    the last at the end."""
    return step % math.ceil(steps / times) == 0 or step == steps


def calibrates(config: Config, step: int, steps: int) -> bool:
    """Whether that reading moves the controller's aim: from a quarter of the run on."""
    return config.training.mode.has_controller and steps // 4 <= step < steps
