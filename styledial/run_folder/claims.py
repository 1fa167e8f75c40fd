"""Claiming a run folder.

claimed(folder, ...)   a training run: refused where the folder is in use, holds an earlier run
                       that isn't to be replaced, or anything that isn't ours to overwrite
check_free(folder, .)  the same asked beforehand, with nothing written
writing(folder)        a command that adds a file to a run, or this process's own run once more
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from styledial.errors import UserError
from styledial.files import read_json
from styledial.places import check_new
from styledial.run_folder import checkpoint_files, layout
from styledial.run_folder.manifest import Entry, Manifest, described
from styledial.run_folder.metrics import read_metrics
from styledial.run_folder.ownership import RunFolder, in_the_way

_owned: dict[Path, RunFolder] = {}  # of this process, by resolved path
_only_one = threading.Lock()


@dataclass(frozen=True)
class Claim:
    """What a training run needs of a folder. `adapter` is false for full tuning. `same_settings`
    says whether a train_config.yaml that was edited means what the run is given anyway. How the
    user's command names the folder, another one, and goes on with the run there: `setting`,
    `another`, `go_on`."""

    resume: bool = False
    overwrite: bool = False
    adapter: bool = True
    same_settings: Callable[[Path], bool] = lambda path: False
    setting: str = "training.output_dir"
    another: str = "training.output_dir=..."
    go_on: str = "--resume"


def check_free(folder: Path, claim: Claim) -> None:
    """Raises UserError where `claimed` would, but for a folder that is in use."""
    check_new(claim.setting, folder, folder=True)
    run = RunFolder(folder)
    run.manifest = Manifest.load(folder / layout.OWN) or Manifest()
    _check(run, claim)


@contextlib.contextmanager
def claimed(folder: Path, claim: Claim) -> Iterator[RunFolder]:
    """The folder, owned by this process. Raises UserError with nothing in it touched.

    Where the block fails before the run has saved anything, an earlier run that was set aside is
    put back.
    """
    if (folder / layout.OWN).exists():
        check_new(claim.setting, folder, folder=True)
    else:  # a folder that is no run gets no lock
        check_free(folder, claim)
    with _open(folder) as run:
        _check(run, claim)
        try:
            yield run
        except UserError:
            run.refused = True
            raise
        finally:
            if run.manifest.whole_run or (run.manifest.replaced and not run.changed):
                with contextlib.suppress(OSError):  # else the next process does it
                    run.put_back()


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[RunFolder]:
    """The folder of a run, for adding a file; raises lock.Taken where another process has it."""
    if run := _owned.get(folder.resolve()):
        yield run
        return
    with _open(folder) as run:
        if layout.SETTINGS not in run.manifest.files:
            run.record(_evident(folder))
        yield run


@contextlib.contextmanager
def _open(folder: Path) -> Iterator[RunFolder]:
    run, place = RunFolder(folder), folder.resolve()
    run.open()
    with _only_one:
        _owned[place] = run
    try:
        yield run
    finally:
        del _owned[place]
        run.close()


def _check(run: RunFolder, claim: Claim) -> None:
    folder = run.path
    if claim.resume and not run.manifest.files:
        run.manifest.files = _shown_by_checkpoints(folder)
    if run.holds_run() and not (claim.resume or claim.overwrite):
        raise UserError(
            f"{claim.setting}: {folder} holds an earlier run. Continue it ({claim.go_on}), "
            f"replace it (--overwrite), or name another folder ({claim.another}).",
            f"{claim.setting}：{folder} 中已有一次训练。请继续（{claim.go_on}）、"
            f"覆盖（--overwrite），或换一个文件夹（{claim.another}）。",
        )
    if foreign := _foreign(run, claim):
        raise in_the_way(folder, foreign, another=claim.another)
    finished = (folder / layout.SUMMARY).exists()
    if claim.resume and finished and not checkpoint_files.checkpoint_folders(folder):
        raise UserError(
            f"--resume: {folder} holds a finished run without checkpoints, so it cannot be "
            "continued. Start a new run with --overwrite or in another folder.",
            f"--resume：{folder} 是已完成的训练且没有检查点，无法继续。"
            "请用 --overwrite 重新训练，或换一个文件夹。",
        )


def _foreign(run: RunFolder, claim: Claim) -> list[str]:
    """What the run would have to overwrite, and must not; also a model that it did not write."""
    folder = run.path
    names = set(layout.written_names(adapter=claim.adapter))
    for pattern in layout.WEIGHTS:
        names |= {path.name for path in folder.glob(pattern)}
    settings = folder / layout.SETTINGS
    if claim.resume and settings.is_file() and claim.same_settings(settings):
        names.discard(layout.SETTINGS)
    found = run.not_ours(sorted(names))
    found += checkpoint_files.foreign(folder, damaged=claim.resume)
    for name in (layout.CACHE, layout.TRACKED, layout.OWN):
        if os.path.lexists(folder / name) and not (folder / name).is_dir():
            found.append(name)
    return found


def _shown_by_checkpoints(folder: Path) -> dict[str, Entry]:
    """Files of an interrupted run of a version that kept no manifest, by name."""
    if not checkpoint_files.checkpoint_folders(folder):
        return {}
    names = [layout.SETTINGS]
    if all("tokens" in record for record in read_metrics(folder / layout.METRICS)):
        names.append(layout.METRICS)
    return {name: described(folder / name) for name in names if (folder / name).is_file()}


def _evident(folder: Path) -> list[str]:
    """Of a run without a manifest, the files that a command writes anew, if they are such."""
    found = [
        name
        for name, keys in (
            (layout.EVALUATION, {"metrics", "settings"}),
            (layout.DIAL, {"trained_kl_beta", "points"}),
        )
        if keys <= _keys(folder / name)
    ]
    with contextlib.suppress(OSError):
        if "StyleDial" in (folder / layout.REPORT).read_text(encoding="utf-8", errors="replace"):
            found.append(layout.REPORT)
    return found


def _keys(path: Path) -> set[str]:
    try:
        return set(read_json(path))
    except (OSError, ValueError, TypeError):
        return set()
