"""A lock: one process owns a run folder.

    OWN/lock         held through the kernel, which lets go of it when the process ends
    OWN/owner.json   pid, host and start of the owner, for the sentence that another one gets;
                     touched every few seconds

Network drives may have no locks, or locks that other machines don't see. There an owner whose
owner.json is still being touched is alive, and one whose file stays as it is for three times as
long is not. The times are only compared with each other, so clocks need not be in step.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from styledial.errors import UserError
from styledial.files import read_json, write_json

LOCK, OWNER = "lock", "owner.json"
BEAT = 4.0  # seconds between two touches
_STALE = 3 * BEAT
_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


class Taken(UserError):
    """Another process owns the folder."""


class Lock:
    """Held from `acquire` until `release` or the end of the process. `lost`: another machine took
    over the folder, because this process had been paused for too long."""

    def __init__(self, run: Path, own: Path) -> None:
        """`run` is the folder that is owned, `own` the folder in it that holds the lock."""
        self._run, self._own = run, own
        self._token = secrets.token_hex(8)
        self._handle: int | None = None
        self._ended = threading.Event()
        self.lost = False

    def acquire(self) -> None:
        """Raises Taken, with who owns the folder; OSError where nothing can be written there."""
        while self._handle is None:
            self._own.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._own / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                sure = _lock(handle)
                if sure is None or self._alive(sure):
                    raise self._taken()
                if os.fstat(handle).st_nlink:  # else its folder was removed a moment ago
                    self._handle = handle
            finally:
                if self._handle is None:
                    os.close(handle)
        self._write_owner()
        threading.Thread(target=self._beat, daemon=True).start()

    @property
    def held(self) -> bool:
        """Whether this process holds the lock."""
        return self._handle is not None

    def release(self) -> None:
        """Give the lock back; without effect where it isn't held."""
        self._ended.set()
        if self._handle is None:
            return
        if not self.lost:
            with contextlib.suppress(OSError):
                (self._own / OWNER).unlink()
        os.close(self._handle)  # and with it the kernel's lock
        self._handle = None

    def _write_owner(self) -> None:
        write_json(
            self._own / OWNER,
            {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "token": self._token,
                "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            },
        )

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            if self._owner().get("token") != self._token:
                self.lost = not self._ended.is_set()
                return
            with contextlib.suppress(OSError):
                os.utime(self._own / OWNER)  # takes no room: a full disk doesn't stop it

    def _alive(self, sure: bool) -> bool:
        """Whether the owner that owner.json names lives. `sure`: the kernel gave us its lock."""
        owner = self._owner()
        if not owner:
            return False
        if owner.get("host") == socket.gethostname() and (sure or not _runs(owner.get("pid"))):
            return False
        before = self._touched()
        until = time.monotonic() + _STALE
        while time.monotonic() < until:
            time.sleep(BEAT / 8)
            if self._touched() != before:
                return bool(self._owner())
        return False

    def _touched(self) -> int | None:
        """By way of an open file, as a network drive may remember the time that it had."""
        try:
            with (self._own / OWNER).open("rb") as file:
                return os.fstat(file.fileno()).st_mtime_ns
        except OSError:
            return None

    def _owner(self) -> dict[str, Any]:
        return _named_owner(self._own)

    def _taken(self) -> Taken:
        until = time.monotonic() + 1.0  # it may have taken the lock a moment ago
        while not (owner := self._owner()) and time.monotonic() < until:
            time.sleep(0.02)
        pid, host = owner.get("pid", "?"), owner.get("host", "?")
        started = owner.get("started", "?")
        return Taken(
            f"{self._run}: is in use by another StyleDial process (pid {pid} on {host}, started "
            f"{started}). Wait until it ends, stop it, or name another folder.",
            f"{self._run}：正被另一个 StyleDial 进程使用（主机 {host}，pid {pid}，开始于 "
            f"{started}）。请等它结束、将其停止，或换一个文件夹。",
        )


def owner_here(own: Path) -> int | None:
    """The process of this machine that holds the lock in `own`; None where none does.

    Asks the kernel only where owner.json names a process that runs, so no start is disturbed.
    """
    owner = _named_owner(own)
    pid = owner.get("pid")
    if owner.get("host") != socket.gethostname() or not isinstance(pid, int) or not _runs(pid):
        return None
    try:
        handle = os.open(own / LOCK, os.O_RDWR)
    except OSError:
        return None
    try:
        return pid if _lock(handle) is None else None
    finally:
        os.close(handle)


def _named_owner(own: Path) -> dict[str, Any]:
    try:
        return dict(read_json(own / OWNER))
    except (OSError, ValueError, TypeError):
        return {}


def _lock(handle: int) -> bool | None:
    """True: the kernel's lock is ours. None: held by another process. False: not supported here."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return _lock_on_windows(handle)
    except OSError as error:
        return None if error.errno in _HELD else False
    return True


def _lock_on_windows(handle: int) -> bool | None:
    try:
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except ImportError:
        return False
    except OSError as error:
        return None if error.errno in _HELD else False
    return True


def _runs(pid: Any) -> bool:
    """Whether this machine has such a process; True on Windows, where that isn't cheap to ask."""
    if os.name == "nt" or not isinstance(pid, int):
        return os.name == "nt"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True
