"""Atomic file writes: write to a temporary file, fsync, rename."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def expanded(path: str | Path) -> Path:
    """The path with its ~ replaced; "~nobody" stays as it is, a folder that isn't there."""
    try:
        return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's raises for "~nobody"
    except ValueError:  # a NUL in it; opening the path reports it
        return Path(path)


def beside(folder: Path, ending: str) -> Path:
    """FOLDER-ending, next to the folder, whichever way it is written: `.` and `..` have no name."""
    path = folder if folder.name not in ("", "..") else folder.resolve()
    return path.with_name(f"{folder.resolve().name}-{ending}")


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well.

    On any failure `path` is as it was before and the temporary file is gone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    aside = Path(name)
    try:
        with _named(path):
            yield aside
            sync(aside)
            share(aside)
            aside.replace(path)
            sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`, which is absent or empty, that takes its place when the
    block ends well. On any failure nothing is left of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        with _named(target):
            yield aside
            for path in (*aside.rglob("*"), aside):
                share(path)
                sync(path)
            if target.is_dir():
                target.rmdir()
            aside.rename(target)
            _sync_or_remove(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sync_or_remove(folder: Path) -> None:
    """A folder that was just made survives a crash, or is gone: the same command works again."""
    try:
        sync(folder.parent)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with LF line ends; the file is replaced whole or not at all."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON; the file is replaced whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


# What a disk says that takes no more: full, a quota, read-only, no permission, a limit, broken.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}  # never said of reading
_REFUSALS = _FULL | {errno.EACCES, errno.EIO}


def read_json(path: Path) -> Any:
    """What a JSON file holds, with or without the mark that editors on Windows put before it.

    Raises OSError or ValueError, also where it is nested too deep.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ValueError(f"{path}: nested too deep") from None


def disk_problem(error: BaseException) -> str | None:
    """Why the disk took no more, in the system's words; None where `error` is of another kind."""
    number = _number(error)
    return os.strerror(number) if number in _REFUSALS else None


def is_of_writing(error: BaseException) -> bool:
    """Whether a disk takes no more, and no file that is read is at fault."""
    return _number(error) in _FULL


def _number(error: BaseException) -> int | None:
    """The system's number of `error`.

    Libraries in Rust (safetensors, tokenizers) raise errors of their own, with the number inside.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.search(r"\b(?:os error|code:) (\d+)", str(error))
    return int(found[1]) if found else None


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """A disk's refusal in this block names the file that was to be written, not the one aside."""
    try:
        yield
    except Exception as error:
        if disk_problem(error) is None:
            raise
        number = _number(error)
        raise OSError(number, os.strerror(number or 0), str(path)) from error


def share(path: Path) -> None:
    """Permissions as the user's umask has them: mkstemp and safetensors make files private."""
    path.chmod((0o777 if path.is_dir() else 0o666) & ~_umask())


def sync(path: Path) -> None:
    """Ask the disk to keep `path` (a file, or a folder's list of names) through a crash."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle for a folder; the rename is journalled there.
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def is_gguf(path: Path) -> bool:
    """Whether it is a file that begins as GGUF does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"
