"""Checkpoint files in a run folder, and which of them this program wrote.

A checkpoint carries a manifest of its own (training checkpoint: size and SHA-256 of each file), so
the run's manifest needn't list it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from styledial.files import read_json
from styledial.run_folder.layout import CHECKPOINT_MANIFEST, CHECKPOINTS
from styledial.run_folder.manifest import Entry, as_written, described

_FOLDER = re.compile(r"step-\d+")
_FILE = re.compile(
    r"(?:trainable|best)\.safetensors|optimizer\.pt|rng-\d+\.pt|state\.json|manifest\.json"
)

_ASIDE = re.compile(r"\.(?:state|manifest)\.json\..*\.part")
_UNFINISHED = re.compile(r"\.step-\d+\.(?:part|old)")


def checkpoint_folders(run: Path) -> list[Path]:
    """Folders of `run` with a checkpoint's name and manifest; not checked for damage."""
    return [path for path in _named(run) if _listed(path) is not None]


def entries(run: Path) -> dict[str, Entry]:
    """Name -> entry, as the run's manifest has them, of all files of all checkpoints."""
    found: dict[str, Entry] = {}
    for path in checkpoint_folders(run):
        name = f"{CHECKPOINTS}/{path.name}"
        found |= {f"{name}/{file}": entry for file, entry in (_listed(path) or {}).items()}
        found[f"{name}/{CHECKPOINT_MANIFEST}"] = described(path / CHECKPOINT_MANIFEST)
    return found


def foreign(run: Path, *, damaged: bool) -> list[str]:
    """Files under a checkpoint's name that are not part of a checkpoint.

    `damaged` allows files of ours that are no longer as written: a resumed run renames such a
    checkpoint and resumes from the one before it.
    """
    folder = run / CHECKPOINTS
    if folder.exists() and not folder.is_dir():
        return [CHECKPOINTS]
    ours = entries(run)
    found = []
    for path in _named(run):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        if files and not any(_FILE.fullmatch(file.name) for file in files):
            found.append(path)
        elif damaged:
            found += [file for file in files if not _FILE.fullmatch(file.name)]
        else:
            found += [file for file in files if not _whole(run, file, ours)]
    return [path.relative_to(run).as_posix() for path in found]


def remove_unfinished(folder: Path) -> None:
    """Remove what was left in `folder` by interrupted writing or removing of checkpoints."""
    for path in folder.glob(".step-*"):
        if _UNFINISHED.fullmatch(path.name):
            remove_files(path)
    with contextlib.suppress(OSError):
        folder.rmdir()


def remove_files(path: Path) -> None:
    """Remove a checkpoint's own files from its folder, and the folder if nothing else is there."""
    for file in path.iterdir():
        if _FILE.fullmatch(file.name) or _ASIDE.fullmatch(file.name):
            file.unlink()
    with contextlib.suppress(OSError):
        path.rmdir()


def _whole(run: Path, file: Path, ours: dict[str, Entry]) -> bool:
    entry = ours.get(file.relative_to(run).as_posix())
    return entry is not None and as_written(file, entry)


def _named(run: Path) -> Iterator[Path]:
    folder = run / CHECKPOINTS
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if _FOLDER.fullmatch(path.name))


def _listed(path: Path) -> dict[str, Entry] | None:
    try:
        files = read_json(path / CHECKPOINT_MANIFEST)["files"]
        return {name: dict(entry) for name, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
