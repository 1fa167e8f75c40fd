"""A disk that refuses from the n-th write on, whichever library makes it: Python, torch, Rust.

    built(FOLDER)                          faults.so of faults.c, or None without a C compiler
    came_of(SPEC, faults.so)               what came of each n, from a process that has it preloaded

A command runs in a fork for each n, on a copy of a finished run with files of the user's in it; then
once more on a disk that works. `wrong` says what of a promise was broken, [] is as it should be.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from alike import differences
from run_folders import contents
from running import ENV, LITTLE_TEXT, SHORT_END, Done, invoke

from styledial.run_folder.layout import CACHE, OWN, TRACKED

NEVER = 1 << 40
MINE = {
    "notes.txt": "mine", "checkpoints/best.pt": "mine", "config.json": "mine",
    "export/mine/adapter_config.json": "mine", f"{TRACKED}/mine": "mine",
}  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """`args` of a command that works in `place`/out, a copy of the finished run `start`, or nothing
    where it is empty. `step`: each so manieth write is tried. `lasts`: all later ones fail too."""

    args: list[str]
    place: str
    start: str = ""
    number: int = errno.ENOSPC
    lasts: bool = True
    offset: int = 0
    step: int = 1


def built(folder: Path) -> Path | None:
    """The library to preload; None where there is no compiler, or it isn't Linux."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    made = folder / "faults.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made


def came_of(spec: Spec, library: Path) -> list[dict[str, Any]]:
    """One record for each n: {"at", "code", "said", "wrong"}."""
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(asdict(spec))],
        env={**ENV, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class _Tried:
    """The cases of one spec, in the process that has the library."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.place = spec, Path(spec.place)
        self.out, self.log = self.place / "out", self.place.with_name("log")
        self.trains = spec.args[0] == "train"
        self.faults = ctypes.CDLL(None)
        self.faults.faults_arm.argtypes = [
            ctypes.c_char_p, ctypes.c_long, ctypes.c_long, ctypes.c_int,
        ]  # fmt: skip
        self.faults.faults_counted.restype = ctypes.c_long

    def run(self) -> None:
        self._prepare()
        writes = self._writes()
        self.whole = Path(shutil.copytree(self.out, self.place.with_name("whole")))
        for at in range(self.spec.offset, writes, self.spec.step):
            self._prepare()
            code, said = self._forked(self.spec.args, at)
            wrong = [f"exit code {code}"] * (code not in (0, 2))
            wrong += ["traceback"] * ("Traceback" in said or "internal error" in said)
            wrong += ["nothing said"] * (code == 2 and not said.strip())
            wrong += self._lost()
            if code == 2:
                wrong += self._trained_on() if self.trains else self._repeated()
            print(json.dumps({"at": at, "code": code, "said": said[-2000:], "wrong": wrong}))

    def _prepare(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        if self.spec.start:
            shutil.copytree(self.spec.start, self.out)
            for name, text in MINE.items():
                (self.out / name).parent.mkdir(parents=True, exist_ok=True)
                (self.out / name).write_text(text)
        self.before = left(self.out)

    def _lost(self) -> list[str]:
        wanted = MINE if self.spec.start else {}
        now = {name: (self.out / name) for name in wanted}
        return [
            f"lost {name}"
            for name, path in now.items()
            if not path.is_file() or path.read_text() != MINE[name]
        ]

    def _repeated(self) -> list[str]:
        """The same command works, and leaves what it would have left."""
        gone = [f"lost {name}" for name in self.before if name not in left(self.out)]
        rest = [f"left {p.name}" for p in self.place.iterdir() if p != self.out]
        if self.spec.number == errno.EROFS and self.spec.lasts:
            rest = []  # what is on a read-only disk can't be removed
        code, said = self._forked(self.spec.args)
        if code:
            return [*gone, *rest, f"then {said}"]
        return [*gone, *rest, *self._differing(self.out)]

    def _trained_on(self) -> list[str]:
        """The earlier run, or a checkpoint of the new one, is whole; the run goes on from there."""
        plain = [a for a in self.spec.args if a not in ("--overwrite", "--resume")]
        if self.before:
            self._forked(plain)  # refused, as a run is there: it puts right what is half done
        untouched = bool(self.before) and left(self.out) == self.before
        if self.before and not untouched and not _checkpoints(self.out):
            return ["neither run is left"]
        tries = [[*plain, "--resume"], plain]
        if untouched:
            tries = [self.spec.args]
        found = [self._forked(each) for each in tries[: None if not self.before else 1]]
        if not any(code == 0 for code, _ in found):
            return [f"then {said}" for _, said in found]
        return [*self._lost(), *self._differing(self.out), *differences(self.whole, self.out)]

    def _differing(self, folder: Path) -> list[str]:
        """Names that are too many or missing; other event files are there after another start."""
        names = [
            {n for n in left(each) if not n.startswith(TRACKED)} for each in (folder, self.whole)
        ]
        rest = {p.name for p in (folder / OWN).iterdir()} - {"lock", "manifest.json"}
        return [f"differs {name}" for name in sorted((names[0] ^ names[1]) | rest)]

    def _writes(self) -> int:
        """How many writes the whole command makes."""
        counter = self.place.with_name("writes")

        def counted() -> Done:
            self._arm(NEVER)
            done = _command(self.spec.args)
            counter.write_text(str(self.faults.faults_counted()))
            return done

        code, said = self._in_a_fork(counted)
        assert code == 0, said
        return int(counter.read_text())

    def _forked(self, args: list[str], at: int = NEVER) -> tuple[int, str]:
        def run() -> Done:
            if at < NEVER:
                self._arm(at)
            return _command(args)

        return self._in_a_fork(run)

    def _arm(self, at: int) -> None:
        last = NEVER if self.spec.lasts else at
        self.faults.faults_arm(str(self.place).encode(), at, last, self.spec.number)

    def _in_a_fork(self, run: Callable[[], Done]) -> tuple[int, str]:
        """Its exit code, 99 for an error that nobody caught, and all that it printed."""
        child = os.fork()
        if child == 0:
            handle = os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o666)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            code = 99
            try:
                done = run()
                os.write(2, done.stderr.encode())
                code = done.returncode
            except BaseException:
                os.write(2, traceback.format_exc().encode())
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return code, self.log.read_text(encoding="utf-8", errors="replace")


def left(folder: Path) -> dict[str, str]:
    """Path -> hash, but for the cache, which the next start may use."""
    found = contents(folder) if folder.is_dir() else {}
    return {name: digest for name, digest in found.items() if not name.startswith(CACHE)}


def _checkpoints(folder: Path) -> Iterable[Path]:
    return list((folder / "checkpoints").glob("step-*/manifest.json"))


def _command(args: list[str]) -> Done:
    with pytest.MonkeyPatch.context() as patch:
        for each in [*SHORT_END, *LITTLE_TEXT] if args[0] == "train" else []:
            patch.setattr(*each)
        return invoke(*args)


if __name__ == "__main__":
    import accelerate  # noqa: F401 - once, and not in every fork
    import peft  # noqa: F401
    import torch
    import transformers  # noqa: F401

    torch.set_num_threads(1)
    _Tried(Spec(**json.loads(sys.argv[1]))).run()
