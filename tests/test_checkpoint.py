"""A checkpoint is whole or it doesn't count, whatever happens while it is written."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch

from styledial.training import checkpoint
from styledial.training.checkpoint import (
    CheckpointError,
    Snapshot,
    TrainState,
    checkpoints,
    read_checkpoint,
    save_checkpoint,
    set_aside,
)
from styledial.training.nonfinite import UpdateCounters, UpdateCounts


def snapshot(step: int, size: int = 3000) -> Snapshot:
    """A real optimizer's state after one update."""
    torch.manual_seed(step)
    weight = torch.nn.Parameter(torch.randn(size))
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    weight.square().sum().backward()
    optimizer.step()
    return Snapshot(
        TrainState(step=step, tokens=7 * step, controller={"aim": 0.1}),
        {"w": weight.detach()},
        optimizer.state_dict(),
        {"last_epoch": step},
        [{"cpu": torch.get_rng_state()}, {"cpu": torch.get_rng_state()}],
    )


def newest_step(folder: Path) -> int:
    """Of the newest checkpoint that loads; 0 where none does."""
    for path in reversed(checkpoints(folder)):
        try:
            return read_checkpoint(path).state.step
        except CheckpointError:
            continue
    return 0


def test_what_is_saved_comes_back_to_the_bit(tmp_path: Path) -> None:
    saved = snapshot(3)
    found = read_checkpoint(save_checkpoint(tmp_path, saved, keep=2))
    assert found.state == saved.state
    assert torch.equal(found.weights["w"], saved.weights["w"])
    assert torch.equal(
        found.optimizer["state"][0]["exp_avg"], saved.optimizer["state"][0]["exp_avg"]
    )
    assert [r["cpu"].tolist() for r in found.rng] == [r["cpu"].tolist() for r in saved.rng]
    assert found.scheduler == {"last_epoch": 3}


def test_a_checkpoint_from_before_the_counters_had_names_is_read() -> None:
    values = [2.0, 0.0, 7.0, 1.0, 5.0, 9.5, 3.25, 0.5, 40.0]
    state = TrainState.from_json({"step": 42, "skipped": 2, "watch": values})
    counters = UpdateCounters(torch.device("cpu"))
    counters.load_state_dict(state.counters)
    found = counters.counts(counters.tensor().tolist())
    assert found == UpdateCounts(2, 0, 7, 1, 5, 9.5, 3.25)
    assert counters.state_dict() == state.counters
    assert list(state.counters.values()) == values


def test_the_newest_ones_stay(tmp_path: Path) -> None:
    for step in (8, 9, 10, 11):
        save_checkpoint(tmp_path, snapshot(step), keep=2)
    assert [p.name for p in checkpoints(tmp_path)] == ["step-10", "step-11"]
    assert {p.name for p in tmp_path.iterdir()} == {"step-10", "step-11"}


# Everything that touches the disk while a checkpoint is written, by the name it is called under.
CALLS = [
    (checkpoint, "save_file"), (checkpoint.torch, "save"), (checkpoint, "write_json"),
    (checkpoint, "sync"), (Path, "mkdir"), (Path, "rename"), (Path, "open"), (Path, "replace"),
    (shutil, "rmtree"), (os, "fsync"),
]  # fmt: skip


class Crash(BaseException):
    """The process is gone: nothing that runs after it may count, and nothing catches it."""


def inject(monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException, after: bool) -> list:
    """Make the `at`-th call of CALLS fail, before it acts or after it has; returns the calls."""
    made: list[str] = []

    def failing(real, name):
        def call(*args, **kwargs):
            made.append(name)
            mine = len(made) == at + 1
            if mine and not after:
                raise error
            result = real(*args, **kwargs)
            if mine:
                raise error
            return result

        return call

    for owner, name in CALLS:
        monkeypatch.setattr(owner, name, failing(getattr(owner, name), name))
    return made


def count_of_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    folder = tmp_path / "counted"
    save_checkpoint(folder, snapshot(10), keep=1)
    with monkeypatch.context() as patch:
        made = inject(patch, -1, Crash(), after=False)
        save_checkpoint(folder, snapshot(20), keep=1)
    return len(made)


@pytest.mark.parametrize(
    ("error", "after"),
    [
        (Crash(), False),
        (OSError(28, "No space left on device"), True),
        pytest.param(Crash(), True, marks=pytest.mark.slow),
        pytest.param(OSError(28, "No space left on device"), False, marks=pytest.mark.slow),
    ],
)
def test_a_failure_at_any_call_leaves_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, after: bool
) -> None:
    calls = count_of_calls(tmp_path, monkeypatch)
    assert calls > 30
    first, second = snapshot(10), snapshot(20)
    for at in range(calls):
        folder = tmp_path / f"{at}"
        save_checkpoint(folder, first, keep=1)
        with monkeypatch.context() as patch:
            inject(patch, at, error, after)
            with contextlib.suppress(Crash, CheckpointError):
                save_checkpoint(folder, second, keep=1)
        found = newest_step(folder)
        assert found in (10, 20), at
        # And the run can go on saving from there.
        save_checkpoint(folder, snapshot(30), keep=1)
        assert newest_step(folder) == 30
        assert [p.name for p in folder.iterdir()] == ["step-30"], at
        shutil.rmtree(folder)


def limits() -> list[int]:
    """File sizes at which the kernel cuts a write: inside each file, and at its very ends."""
    return [0, 1, 100, 300, 1000, 4000, 8000, 12_000, 12_100, 20_000, 26_000, 30_000, 60_000]


@pytest.mark.parametrize("dies", [pytest.param(False, marks=pytest.mark.slow), True])
def test_writes_cut_short_by_the_kernel(tmp_path: Path, dies: bool) -> None:
    """RLIMIT_FSIZE: the write that goes past the limit is partial, the next one fails (EFBIG) or,
    with the signal's default action, ends the process on the spot."""
    base = tmp_path / "base"
    save_checkpoint(base, snapshot(10), keep=1)
    outcomes = set()
    for limit in limits():
        folder = tmp_path / f"{limit}"
        shutil.copytree(base, folder)
        child = os.fork()
        if not child:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL if dies else signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            try:
                save_checkpoint(folder, snapshot(20), keep=1)
            except CheckpointError:
                os._exit(3)
            except BaseException:
                os._exit(4)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            outcomes.add("killed")
            assert os.WTERMSIG(status) == signal.SIGXFSZ
            assert newest_step(folder) == 10
        else:
            assert os.WEXITSTATUS(status) in (0, 3)
            outcomes.add("saved" if os.WEXITSTATUS(status) == 0 else "refused")
            assert newest_step(folder) == (20 if os.WEXITSTATUS(status) == 0 else 10)
    assert outcomes == ({"killed", "saved"} if dies else {"refused", "saved"})


def test_a_file_cut_short_without_an_error_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that says it has written what it hasn't."""
    save_checkpoint(tmp_path, snapshot(10), keep=1)
    for owner, name in ((checkpoint, "save_file"), (checkpoint.torch, "save")):
        real = getattr(owner, name)

        def halved(what, path, real=real):
            real(what, path)
            os.truncate(path, path.stat().st_size // 2)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, halved)
            with pytest.raises(CheckpointError, match="could not be written"):
                save_checkpoint(tmp_path, snapshot(20), keep=1)
        assert newest_step(tmp_path) == 10


def test_any_damage_is_noticed(tmp_path: Path) -> None:
    whole = save_checkpoint(tmp_path / "good", snapshot(20), keep=1)
    for name in sorted(p.name for p in whole.iterdir()):
        for how in ("missing", "empty", "shorter", "one bit"):
            path = tmp_path / "step-20"
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(whole, path)
            content = (path / name).read_bytes()
            if how == "missing":
                (path / name).unlink()
            else:
                middle = len(content) // 2
                changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
                cut = {"empty": b"", "shorter": content[:-1], "one bit": changed}[how]
                (path / name).write_bytes(cut)
            if (name, how) == ("manifest.json", "shorter"):
                continue  # only its last line break is gone
            with pytest.raises(CheckpointError):
                read_checkpoint(path)


def test_nan_is_neither_saved_nor_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, snapshot(10), keep=1)
    bad = snapshot(20)
    bad.optimizer["state"][0]["exp_avg"][5] = float("nan")
    with pytest.raises(CheckpointError, match="non-finite values"):
        save_checkpoint(tmp_path, bad, keep=1)
    assert newest_step(tmp_path) == 10
    with monkeypatch.context() as patch:  # of a program that didn't ask
        patch.setattr(checkpoint, "refuse_nonfinite", lambda path, snapshot: None)
        save_checkpoint(tmp_path, bad, keep=2)
    with pytest.raises(CheckpointError, match="non-finite values"):
        read_checkpoint(tmp_path / "step-20")


def test_a_damaged_newer_one_doesnt_push_the_good_one_out(tmp_path: Path) -> None:
    for step in (10, 90):
        save_checkpoint(tmp_path, snapshot(step), keep=2)
    (tmp_path / "step-90/optimizer.pt").write_bytes(b"")
    set_aside(tmp_path / "step-90")
    save_checkpoint(tmp_path, snapshot(20), keep=1)
    assert [p.name for p in tmp_path.iterdir()] == ["step-20"]


def test_the_manifest_names_every_file(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, snapshot(1), keep=1)
    files = json.loads((path / "manifest.json").read_text())["files"]
    assert set(files) | {"manifest.json"} == {p.name for p in path.iterdir()}
