"""A run folder that this process owns: writing into it, and setting an earlier run aside.

    run.write_text / write_json / place    a file of ours: aside, listed in the manifest, in place
    run.set_aside -> run.let_go            an earlier run: into OWN/replaced, removed later,
                  -> run.put_back          or put back, by this process or by the next one

Only files that the manifest lists and that are unchanged are overwritten, moved or removed.
claims.py decides who may own the folder.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from styledial.errors import UserError
from styledial.files import disk_problem, share, sync
from styledial.run_folder import checkpoint_files, layout
from styledial.run_folder.cache import remove_cache
from styledial.run_folder.lock import Lock
from styledial.run_folder.manifest import Manifest, as_written, described

_REPLACED, _LET_GO = "replaced", "let-go"


class RunFolder:
    """`path` is the folder as the user wrote it. `changed`: a resumed run has gone beyond what it
    found, so what it has set aside is out of date and stays there. `refused`: the run never began,
    and its cache is of no use."""

    def __init__(self, path: Path) -> None:
        self.path, self._own = path, path / layout.OWN
        self._made, self._made_folder = not self._own.exists(), not path.exists()
        self._had_cache = (path / layout.CACHE).exists()
        self._lock = Lock(path, self._own)
        self.manifest = Manifest()
        self.changed = self.refused = False

    def open(self) -> None:
        """Take the folder, and put right what a process that died had left half done.

        Raises lock.Taken, and UserError where nothing can be written.
        """
        try:
            self._lock.acquire()
            self.manifest = Manifest.load(self._own) or Manifest()
            self._tidy()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise cannot_write(self.path, error.strerror or str(error)) from None
            raise

    def close(self) -> None:
        """Release the folder. One that holds nothing of a run is left as it was found."""
        with contextlib.suppress(OSError):
            if self._lock.held:
                self._tidy_up()
        self._lock.release()
        if self._made_folder:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def _tidy_up(self) -> None:
        resumable = bool(checkpoint_files.checkpoint_folders(self.path))
        # A resume needs the cache of the run that it goes on with, not one of a refused start.
        if self.refused and not (resumable and self._had_cache):
            remove_cache(self.path)
        if resumable:
            return
        written = Manifest.load(self._own) or Manifest()
        if self._made and not (written.files or written.replaced):
            shutil.rmtree(self._own)

    # What is ours

    def ours(self, name: str) -> bool:
        """Whether the manifest lists the file, and it is as it was written."""
        entry = self.manifest.files.get(name)
        return entry is not None and as_written(self.path / name, entry)

    def not_ours(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that stand here and aren't ours."""
        return [n for n in names if os.path.lexists(self.path / n) and not self.ours(n)]

    def holds_run(self) -> bool:
        """Whether files or checkpoints of a run are here, or set aside by a process that died."""
        there = any((self.path / name).exists() for name in self.manifest.files)
        return (
            there
            or bool(self.manifest.replaced)
            or bool(checkpoint_files.checkpoint_folders(self.path))
        )

    # Writing

    def write_text(self, name: str, text: str, *, grows: bool = False) -> None:
        """Write the file whole or not at all. `grows`: this process will append to it."""
        with self.aside() as aside:
            (aside / "text").write_text(text, encoding="utf-8", newline="\n")
            self.place({name: aside / "text"}, grows=grows)

    def write_json(self, name: str, value: Any) -> None:
        """Write the file whole or not at all. Raises UserError as `place` does."""
        self.write_text(name, json.dumps(value, ensure_ascii=False, indent=2) + "\n")

    @contextlib.contextmanager
    def aside(self) -> Iterator[Path]:
        """A folder for files on their way in. A disk that takes no more is a UserError."""
        with disk_errors(self.path):
            folder = Path(tempfile.mkdtemp(prefix="part-", dir=self._own))
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def place(self, files: Mapping[str, Path], *, grows: bool = False) -> None:
        """Move finished files to their names. Raises UserError where one isn't ours to replace."""
        self._check_owner()
        if foreign := self.not_ours(files):
            raise in_the_way(self.path, foreign)
        for name, aside in files.items():
            share(aside)
            sync(aside)
            self._list(name, aside, grows)
        self.manifest.save(self._own)
        for name, aside in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            aside.replace(self.path / name)
        for folder in {(self.path / name).parent for name in files}:
            sync(folder)

    def _list(self, name: str, aside: Path, grows: bool) -> None:
        entry = described(aside, grows=grows)
        if (self.path / name).exists():
            entry["before"] = described(self.path / name)["sha256"]
        self.manifest.files[name] = entry

    def record(self, names: Iterable[str], *, grows: bool = False) -> None:
        """List files as they stand here: what was appended to, or shown to be a run's own."""
        with disk_errors(self.path):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    self.manifest.files[name] = described(self.path / name, grows=grows)
            self.manifest.save(self._own)

    # Replacing

    def set_aside_run(self) -> None:
        """Move all of an earlier run aside, checkpoints too, until the new run has saved something.
        Files that were changed since they were written stay where they are."""
        self._check_owner()
        self.let_go()
        if not self.holds_run():
            return
        self.manifest.whole_run = True
        self._set_aside({**self.manifest.files, **checkpoint_files.entries(self.path)})
        self.manifest.files.clear()
        self.manifest.moved = True
        self.manifest.save(self._own)

    def set_aside(self, names: Iterable[str]) -> None:
        """Move those of `names` that are ours aside; may be called again for more."""
        self._check_owner()
        self._set_aside({n: e for n, e in self.manifest.files.items() if n in set(names)})
        self.manifest.save(self._own)

    def _set_aside(self, entries: Mapping[str, Any]) -> None:
        whole = {n: e for n, e in entries.items() if as_written(self.path / n, e)}
        self.manifest.replaced.update(whole)
        self.manifest.save(self._own)
        for name in whole:
            _move(self.path / name, self._own / _REPLACED / name)
            self.manifest.files.pop(name, None)
        _remove_empty(self.path, whole)

    def put_back(self) -> None:
        """Move what was set aside back, in place of what was written since.

        May be cut short at any point, and is then begun again by the next process.
        """
        earlier = self.manifest = Manifest.load(self._own) or self.manifest
        if earlier.whole_run and earlier.moved:
            self._remove_begun()
        for name in earlier.replaced:
            source, target = self._own / _REPLACED / name, self.path / name
            if source.exists() and (self.ours(name) or not os.path.lexists(target)):
                _move(source, target)
        listed = {n: e for n, e in earlier.replaced.items() if not n.startswith(layout.CHECKPOINTS)}
        kept = {} if earlier.whole_run else earlier.files
        self.manifest = Manifest({**kept, **listed})
        self.manifest.save(self._own)
        _remove_empty(self._own / _REPLACED, earlier.replaced, root_too=True)

    def _remove_begun(self) -> None:
        """The files of a run that has saved nothing whole, but for those whose place is taken."""
        files = {**self.manifest.files, **checkpoint_files.entries(self.path)}
        begun = {n: e for n, e in files.items() if n not in self.manifest.replaced}
        for name, entry in begun.items():
            if as_written(self.path / name, entry):
                (self.path / name).unlink()
        checkpoint_files.remove_unfinished(self.path / layout.CHECKPOINTS)
        _remove_empty(self.path, begun)

    def saved_whole(self) -> None:
        """Note that the new run has saved something that it can be resumed from."""
        if self.manifest.whole_run:
            self.let_go()

    def let_go(self) -> None:
        """Remove what was set aside, once the new run is saved."""
        if not (self.manifest.replaced or self.manifest.whole_run):
            return
        source, target = self._own / _REPLACED, self._own / _LET_GO
        if source.exists():
            source.rename(target)  # from here on there is no way back
        self._forget_replaced()
        shutil.rmtree(target, ignore_errors=True)

    def _forget_replaced(self) -> None:
        self.manifest = Manifest(self.manifest.files)
        self.manifest.save(self._own)

    def _tidy(self) -> None:
        """After a process that was killed: its unfinished files go, an earlier run comes back."""
        for left in self._own.glob("part-*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in self._own.glob(".*.part"):
            left.unlink(missing_ok=True)
        manifest = self.manifest
        if (self._own / _LET_GO).exists():
            self._forget_replaced()
            shutil.rmtree(self._own / _LET_GO, ignore_errors=True)
        elif manifest.moved and checkpoint_files.checkpoint_folders(self.path):
            self.let_go()  # the new run has saved something whole
        elif manifest.whole_run:
            self.put_back()

    def _check_owner(self) -> None:
        if self._lock.lost:
            raise UserError(
                f"{self.path}: another machine has taken over this folder because this process "
                "was paused for too long; nothing more is written there.",
                f"{self.path}：本进程暂停过久，文件夹已被另一台机器接管；不再写入。",
            )


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn errors of a full or read-only disk into one UserError."""
    try:
        yield
    except Exception as error:
        if reason := disk_problem(error):
            raise cannot_write(folder, reason) from error
        raise


def cannot_write(folder: Path, reason: str) -> UserError:
    """The error for a folder that cannot be written, with the reason."""
    return UserError(
        f"{folder}: cannot write to this folder ({reason}). What was saved before is kept. Free "
        "some disk space, or allow writing there, and run the command again.",
        f"{folder}：无法写入此文件夹（{reason}）。此前保存的内容都在。"
        "请腾出空间或允许写入，然后重新运行。",
    )


def in_the_way(folder: Path, names: list[str], *, another: str = "") -> UserError:
    """The error for files that this program would overwrite and didn't write; `another`: how a
    training is sent to another folder."""
    listed = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    other = " and run the command again", "后重新运行"
    if another:
        other = f", or name another folder ({another})", f"，或换一个文件夹（{another}）"
    return UserError(
        f"{folder}: contains files that StyleDial would overwrite but did not write, or that were "
        f"changed since ({listed}). No file was changed. Move them away{other[0]}.",
        f"{folder}：其中有会被覆盖、但并非 StyleDial 写下（或写下后被改动）的文件（{listed}）。"
        f"未改动任何文件。请将其移走{other[1]}。",
    )


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:  # checkpoints/ may be a link to another disk
            raise
        shutil.copy2(source, target)
        sync(target)
        source.unlink()
    sync(target.parent)


def _remove_empty(root: Path, names: Iterable[str], *, root_too: bool = False) -> None:
    """Folders between `root` and the files `names` in which nothing is left."""
    parts = {part for name in names for part in PurePosixPath(name).parents}
    for part in sorted(parts, key=lambda part: -len(part.parts)):
        if part.parts or root_too:
            with contextlib.suppress(OSError):
                (root / part).rmdir()
