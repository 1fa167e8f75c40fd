"""Does a run that is killed again and again end as the one that was left alone, bit for bit?

    python benchmarks/kill_test.py --kills 200                 one process, any of four signals
    python benchmarks/kill_test.py --kills 20 --processes 2    two, SIGKILL; half hit one rank

One run goes through. Others are ended at random moments of their whole life, from loading to the
report, by SIGTERM, SIGHUP, SIGINT or SIGKILL, and started again after each until they are complete:

    fresh        in a folder of its own, gone on with by --resume
    overwrite    in the place of a finished run: until this one has saved something, each start is
                 with --overwrite, and the earlier run has to stand there whole after the next one

After every kill: is the earlier run or the new one there, is what was saved whole, did a signal
other than SIGKILL end in exit code 75, and are the user's own files (decoys, among ours and under
names like ours) what they were? At the end of each run adapter, metrics (but for timings) and
figures are compared with those of the run that was left alone.

Everything is imported once and each run is a fork, so that what costs time is the run. POSIX only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from alike import ADAPTER, differences, digest  # noqa: E402
from forked import Forks, get_ready  # noqa: E402
from running import LITTLE_TEXT  # noqa: E402

from styledial.config import resolve  # noqa: E402
from styledial.errors import StyleDialError  # noqa: E402
from styledial.run.train import train_from_config  # noqa: E402
from styledial.run_folder.claims import writing  # noqa: E402
from styledial.training.checkpoint import CheckpointError, checkpoints, read_checkpoint  # noqa: E402

# Dropout and a reference cache, because both remember: the random state, and rows on disk.
SETTINGS = [
    "model.model_name_or_path=bundled", "data.data_dir=bundled", "data.max_length=48",
    "model.lora_r=4", "model.lora_dropout=0.1", "training.learning_rate=0.002",
    "training.per_device_train_batch_size=4", "training.gradient_accumulation_steps=2",
    "training.gradient_checkpointing=false", "training.save_steps=2",
]  # fmt: skip
SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL]
# The user's own, beside a run's files and under names like theirs.
DECOYS = ("notes.txt", "config.json", "checkpoints/best.pt", "checkpoints/step-2-kept/optimizer.pt",
          "export/mine/adapter_config.json", "tensorboard/mine", "summary.json.bak")  # fmt: skip
PATIENCE = 60.0  # seconds for a run to end after it was asked to


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--steps", type=int, default=6, help="updates of a run")
    parser.add_argument("--each", type=int, default=6, help="kills of one run, at most")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no new run after that")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("outputs/kill_test"))
    parser.add_argument("settings", nargs="*", help="section.key=value")
    asked = parser.parse_args()
    shutil.rmtree(asked.output, ignore_errors=True)
    asked.output.mkdir(parents=True)
    get_ready()
    for each in LITTLE_TEXT:
        setattr(*each)
    began = time.perf_counter()
    series = Series(asked)
    while series.left() > 0 and time.perf_counter() - began < asked.seconds:
        series.one_run("overwrite" if series.runs["fresh"] > series.runs["overwrite"] else "fresh")
        print(series.made, series.runs, series.wrong, file=sys.stderr)
    print(
        json.dumps(
            {
                "kills": sum(series.made.values()),
                "signals": dict(series.made),
                "runs": dict(series.runs),
                "processes": asked.processes,
                "one_process_hit": series.one_hit,
                "before_anything_was_saved": series.unsaved,
                "earlier_run_put_back": series.put_back,
                "half_a_checkpoint_left": series.half_written,
                "ended_by_exit_code": dict(series.codes),
                "steps": asked.steps,
                "identical": not series.wrong,
                "wrong": series.wrong,
                "adapter_sha256": digest(series.whole / ADAPTER),
                "seconds": round(time.perf_counter() - began, 1),
            }
        )
    )
    sys.exit(1 if series.wrong else 0)


class Series:
    """Runs that are killed, one after the other, and what was found wrong."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked, self.chance = asked, random.Random(asked.seed)
        self.settings = [*SETTINGS, f"training.max_steps={asked.steps}", *asked.settings]
        self.made: Counter[str] = Counter()
        self.runs: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.one_hit = self.unsaved = self.put_back = self.half_written = 0
        self.whole = asked.output / "whole"
        started = time.perf_counter()
        self._finish(self.whole, resume=False)
        self.seconds = time.perf_counter() - started
        self.earlier = asked.output / "earlier"  # of another seed: its adapter is another
        self._finish(self.earlier, "training.seed=7", resume=False)

    def left(self) -> int:
        return self.asked.kills - sum(self.made.values())

    def one_run(self, kind: str) -> None:
        self.runs[kind] += 1
        output = self.asked.output / f"{kind}-{self.runs[kind]}"
        if kind == "overwrite":
            shutil.copytree(self.earlier, output)
        for name in DECOYS:
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(f"mine: {name}")
        decoys = {name: digest(output / name) for name in DECOYS}
        for _ in range(min(self.asked.each, self.left())):
            if not self._kill(output, kind):
                break  # it came to its end first
            self._check(output, kind)
        how = {"overwrite": True} if self._is_earlier(output) else {"resume": True}
        if not (output / "summary.json").exists() or self._is_earlier(output):
            self._finish(output, **how)
        self._expect(not differences(self.whole, output), output, "another result")
        for name, expected in decoys.items():
            there = (output / name).exists() and digest(output / name) == expected
            self._expect(there, output, f"{name} was touched")
        if not self.wrong:
            shutil.rmtree(output)

    def _kill(self, output: Path, kind: str) -> bool:
        """Start the run, or go on with it, and end it at a random moment."""
        how = {"resume": True}
        if kind == "overwrite" and self._is_earlier(output):
            how = {"overwrite": True}
        run = Run(self.settings, output, self.asked.processes, **how)
        until = time.perf_counter() + self.chance.uniform(0.0, self.seconds)
        while run.running() and time.perf_counter() < until:
            time.sleep(0.005)
        running = run.running()
        if not running or any(run.ended.values()):
            self._expect(not any(run.ended.values()), output, f"failed by itself: {run.ended}")
            run.wait()
            return False
        number = signal.SIGKILL if len(running) > 1 else self.chance.choice(SIGNALS)
        one = len(running) > 1 and self.chance.random() < 0.5
        codes = run.kill([self.chance.choice(running)] if one else running, number)
        self.one_hit += one
        self.made[number.name] += 1
        self.codes.update(map(str, codes))
        # 0: the signal came when all was written, so SIGKILL too may find the process ending by
        # itself; -15 and 130: before the handler was installed.
        allowed = {0, -number} if number == signal.SIGKILL else {75, 0, -number, 130}
        hit = {run.ended[child] for child in running}  # a rank may have ended by itself before
        self._expect(one or hit <= allowed, output, f"{number.name} ended in {codes}")
        if hit == {0}:
            whole = (output / "summary.json").exists() and not self._is_earlier(output)
            self._expect(whole, output, "exit code 0, and not finished")
        return True

    def _check(self, output: Path, kind: str) -> None:
        """What has to be so after each kill."""
        self.half_written += any((output / "checkpoints").glob(".step-*.part"))
        aside = (output / ".styledial-run/replaced").exists()
        with writing(output):  # as the next process does
            pass
        self.put_back += aside and self._is_earlier(output)
        saved = False
        for path in checkpoints(output / "checkpoints"):
            try:
                saved = bool(read_checkpoint(path))
            except CheckpointError as error:
                self._expect(False, output, str(error))
        self.unsaved += not saved or self._is_earlier(output)
        if kind == "overwrite" and self._is_earlier(output):
            self._expect(contents(output) >= contents(self.earlier), output, "earlier run: torn")
        elif kind == "overwrite":
            self._expect(saved, output, "neither the earlier run nor anything of the new one")

    def _is_earlier(self, output: Path) -> bool:
        """Whether the run that was there before stands there, finished."""
        path = output / "summary.json"
        return path.exists() and digest(path) == digest(self.earlier / "summary.json")

    def _finish(self, output: Path, *more: str, **how: bool) -> None:
        codes = Run([*self.settings, *more], output, self.asked.processes, **how).wait()
        if any(codes):
            sys.exit(f"a run that was left alone failed: {codes}, see {output}.log")

    def _expect(self, fine: bool, output: Path, words: str) -> None:
        if not fine:
            self.wrong.append(f"{output.name}: {words}")


class Run(Forks):
    """One run of `processes` forked processes."""

    def __init__(self, settings: list[str], output: Path, processes: int, **how: bool) -> None:
        def work(rank: int) -> None:
            log = os.open(f"{output}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            config = resolve(None, None, {}, [*settings, f"training.output_dir={output}"])
            try:
                train_from_config(config, **how)
            except StyleDialError as error:
                os.write(log, f"{error}\n".encode())
                os._exit(error.exit_code)
            except KeyboardInterrupt:
                os._exit(130)  # before the handler was installed

        super().__init__(processes, work)

    def kill(self, children: list[int], number: int) -> list[int]:
        """Send the signal; any others are ended as a launcher does it: SIGTERM, later SIGKILL."""
        for child in children:
            os.kill(child, number)
        if len(self.children) > 1:
            time.sleep(0.1)  # torchrun looks ten times a second
            for child in self.running():
                os.kill(child, signal.SIGTERM)
        until = time.perf_counter() + PATIENCE
        while self.running() and time.perf_counter() < until:
            time.sleep(0.01)
        for child in self.running():
            os.kill(child, signal.SIGKILL)
        return self.wait()


def contents(folder: Path) -> set[tuple[str, str]]:
    """(name, hash) of a run's files."""
    return {
        (path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".styledial")
    }


if __name__ == "__main__":
    main()
