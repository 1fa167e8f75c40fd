"""The output folder: whose it is, and what a run may do to it."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from styledial.errors import UserError

PLAN = "plan.json"  # what memory was planned; only where there was a GPU to plan for
# What a run writes; nothing else in the folder is ever touched.
RUN_FILES = ("summary.json", "metrics.jsonl", "samples.md", "samples.json",
             "data_manifest.json", "report.html", "train_config.yaml",
             "adapter_config.json", "adapter_model.safetensors", "model.safetensors",
             "style_dial.json", "evaluation.json", "base.json", "config.json", PLAN,
             "generation_config.json")  # fmt: skip
CHECKPOINTS = "checkpoints"
TRACKED = "tensorboard"  # event files; other trackers keep theirs for good
CACHE = ".styledial-cache"  # sampled anchor text and reference states; gone when the run is done


def claim_output_dir(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Make sure a run may write into `folder`; create it. Nothing is removed here.

    Raises UserError where it is a file, can't be written, or holds an earlier run and the user
    said neither `resume` nor `overwrite`.
    """
    try:
        _check_claim(folder, resume, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"training.output_dir: cannot write to {folder} ({error.strerror}); name another.",
            f"training.output_dir：无法写入 {folder}（{error.strerror}）；请换一个文件夹。",
        ) from None


def _check_claim(folder: Path, resume: bool, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"training.output_dir: {folder} is a file; name a folder.",
            f"training.output_dir：{folder} 是文件；请写文件夹。",
        )
    if holds_run(folder) and not (resume or overwrite):
        raise UserError(
            f"training.output_dir: {folder} holds an earlier run. Go on with it (--resume), "
            "replace it (--overwrite), or name another folder (training.output_dir=...).",
            f"training.output_dir：{folder} 中已有一次训练。请继续（--resume）、"
            "覆盖（--overwrite），或换一个文件夹（training.output_dir=...）。",
        )
    if resume and (folder / "summary.json").exists() and not (folder / CHECKPOINTS).exists():
        raise UserError(
            f"--resume: {folder} holds a finished run without checkpoints; there is nothing to go "
            "on from. Train afresh with --overwrite or into another folder.",
            f"--resume：{folder} 是已完成的训练且没有检查点，无法继续。"
            "请用 --overwrite 重新训练，或换一个文件夹。",
        )


def release_output_dir(folder: Path) -> None:
    """Undo a claim whose run never began: no cache and no empty folder stays behind."""
    if not (folder / CHECKPOINTS).exists():
        shutil.rmtree(folder / CACHE, ignore_errors=True)
    with contextlib.suppress(OSError):  # not empty: somebody's files, or another process
        folder.rmdir()


def leave(folder: Path) -> None:
    """Tidy up on a machine that writes no results: its cache goes, and the folder if empty."""
    shutil.rmtree(folder / CACHE, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def holds_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in (*RUN_FILES, CHECKPOINTS))


def clear_earlier_run(folder: Path) -> None:
    """Remove an earlier run's files, once the new run is sure to start."""
    for name in RUN_FILES:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    shutil.rmtree(folder / "export", ignore_errors=True)
    shutil.rmtree(folder / TRACKED, ignore_errors=True)
