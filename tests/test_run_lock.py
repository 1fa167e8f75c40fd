"""A run folder has one owner, on this machine and on others."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest
from run_folders import AGAIN, FRESH, RESUME, a_run, code_of, forked, refused

from styledial.errors import UserError
from styledial.run_folder import lock
from styledial.run_folder.claims import claimed, writing
from styledial.run_folder.layout import OWN
from styledial.run_folder.lock import LOCK, OWNER, Lock, Taken


@pytest.fixture
def quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT", 0.1)
    monkeypatch.setattr(lock, "_STALE", 0.3)


def test_the_second_is_refused_with_who_has_it(tmp_path: Path) -> None:
    with claimed(tmp_path / "out", FRESH) as run:
        run.write_text("summary.json", "{}")
        for claim in (FRESH, AGAIN, RESUME):
            said = refused(tmp_path / "out", claim, "is in use", socket.gethostname())
            assert f"pid {os.getpid()} on {socket.gethostname()}, started 20" in said
        child = forked(lambda: writing_elsewhere(tmp_path / "out"))
        assert code_of(child) == 2
        with writing(tmp_path / "out") as same:  # this process's own report, say
            assert same is run
    with claimed(tmp_path / "out", AGAIN):
        pass


def writing_elsewhere(folder: Path) -> None:
    from styledial.run_folder import claims

    claims._owned.clear()  # this is another process
    with writing(folder) as run:
        run.write_text("style_dial.json", "{}")


def test_of_two_that_start_at_once_one_goes(tmp_path: Path) -> None:
    """Both used to run to their end, with the configuration of one and the weights of the other."""
    folder = tmp_path / "out"

    def run() -> None:
        with claimed(folder, FRESH) as own:
            own.write_text("summary.json", str(os.getpid()))
            time.sleep(0.3)
            assert (folder / "summary.json").read_text() == str(os.getpid())

    for _ in range(5):
        children = [forked(run) for _ in range(4)]
        assert sorted(code_of(child) for child in children) == [0, 2, 2, 2]
        shutil.rmtree(folder)


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    def hold() -> None:
        with claimed(tmp_path / "out", FRESH) as run:
            run.write_text("train_config.yaml", "x")
            time.sleep(60)

    child = forked(hold)
    while not (tmp_path / "out/train_config.yaml").exists():
        time.sleep(0.01)
    refused(tmp_path / "out", AGAIN, f"pid {child}")
    os.kill(child, signal.SIGKILL)
    code_of(child)
    with claimed(tmp_path / "out", AGAIN):
        pass


@pytest.mark.parametrize("beats", [True, False])
def test_an_owner_on_another_machine(tmp_path: Path, quick_beat: None, beats: bool) -> None:
    """Its lock isn't seen from here: what tells is whether its owner.json is touched."""
    (tmp_path / OWN).mkdir()
    owner = {"pid": 77, "host": "node-2", "started": "2026-11-26T10:00:00", "token": "t"}
    (tmp_path / OWN / OWNER).write_text(json.dumps(owner))

    def beat() -> None:
        for _ in range(100):
            os.utime(tmp_path / OWN / OWNER)
            time.sleep(0.05)

    child = forked(beat) if beats else 0
    own = Lock(tmp_path, tmp_path / OWN)
    if beats:
        with pytest.raises(Taken, match=r"pid 77 on node-2, started 2026-11-26T10:00"):
            own.acquire()
        os.kill(child, signal.SIGKILL)
        code_of(child)
    else:
        own.acquire()
        own.release()
        assert not (tmp_path / OWN / OWNER).exists()


def test_a_disk_without_locks(
    tmp_path: Path, quick_beat: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the pid tells on the same machine, and the touching of owner.json for a living one."""
    monkeypatch.setattr(lock, "_lock", lambda handle: False)
    first, second = (Lock(tmp_path, tmp_path / OWN) for _ in range(2))
    first.acquire()
    with pytest.raises(Taken):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
    child = forked(Lock(tmp_path, tmp_path / OWN).acquire)  # and it is gone without a release
    code_of(child)
    assert (tmp_path / OWN / OWNER).exists()
    first.acquire()
    first.release()


def test_a_process_that_stood_still_and_was_replaced_writes_no_more(
    tmp_path: Path, quick_beat: None
) -> None:
    with contextlib.suppress(UserError), claimed(tmp_path / "out", FRESH) as run:
        path = tmp_path / "out" / OWN / OWNER
        path.write_text(json.dumps({**json.loads(path.read_text()), "token": "another"}))
        until = time.monotonic() + 5
        while not run._lock.lost and time.monotonic() < until:
            time.sleep(0.02)
        with pytest.raises(UserError, match="another machine"):
            run.write_text("summary.json", "{}")
    assert not (tmp_path / "out/summary.json").exists()


def test_lock_files_are_small_and_stay(tmp_path: Path) -> None:
    a_run(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out" / OWN).iterdir()} == {LOCK, "manifest.json"}


# Replacing, and dying in the middle of it
