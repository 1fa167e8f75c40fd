"""A run's cache: a folder is removed only if it was marked as a cache when it was made."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from styledial.run_folder.layout import CACHE

# The mark that backup programs know: https://bford.info/cachedir/
_TAG = "CACHEDIR.TAG"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# The cache of a run of StyleDial.\n"


def make_cache(run: Path) -> Path:
    """Make the cache of the run in `run`; an existing folder is used as it is."""
    folder = run / CACHE
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
        (folder / _TAG).write_text(_SIGNATURE, encoding="utf-8")
    return folder


def remove_cache(run: Path) -> None:
    """Remove it, unless the folder was there before and so may hold something else."""
    if (run / CACHE / _TAG).is_file():
        shutil.rmtree(run / CACHE, ignore_errors=True)


def leave(run: Path) -> None:
    """Tidy up on a machine that writes no results: its cache goes, and the folder if empty."""
    remove_cache(run)
    with contextlib.suppress(OSError):
        run.rmdir()
