"""Does a run that is killed again and again end as the one that was left alone, bit for bit?

    python benchmarks/kill_test.py --kills 50                  one process
    python benchmarks/kill_test.py --kills 20 --processes 2    two; half of the kills hit one rank

One run goes through; another is ended with SIGKILL at random moments and resumed after each:

    start        while the run starts or resumes
    update       in an update, held-out readings included
    checkpoint   while a checkpoint is written
    end          after the last update, while the run lands, measures and saves; the last tenth

Then adapter, metrics (but for timings) and figures are compared. Where one of two processes is
killed the other is ended as torchrun does it: SIGTERM, and SIGKILL after 30 seconds.

Everything is imported once and each run is a fork, so that what costs time is the run. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from alike import ADAPTER, differences, digest  # noqa: E402
from forked import Forks, get_ready  # noqa: E402

from styledial.config import resolve  # noqa: E402
from styledial.run.train import train_from_config  # noqa: E402
from styledial.run_folder.metrics import read_metrics  # noqa: E402

# Dropout and a reference cache, because both remember: the random state, and rows on disk.
SETTINGS = [
    "model.model_name_or_path=bundled", "data.data_dir=bundled", "data.max_length=48",
    "model.lora_r=4", "model.lora_dropout=0.1", "training.learning_rate=0.002",
    "training.per_device_train_batch_size=4", "training.gradient_accumulation_steps=2",
    "training.gradient_checkpointing=false", "training.save_steps=2",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--steps", type=int, help="updates of the run; default 3 for each kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("outputs/kill_test"))
    parser.add_argument("settings", nargs="*", help="section.key=value")
    asked = parser.parse_args()
    shutil.rmtree(asked.output, ignore_errors=True)
    asked.output.mkdir(parents=True)
    get_ready()
    steps = asked.steps or 3 * asked.kills
    settings = [*SETTINGS, f"training.max_steps={steps}", *asked.settings]
    whole, killed = asked.output / "whole", asked.output / "killed"

    began = time.perf_counter()
    run = Run(settings, whole, asked.processes)
    run.watch(lambda: last_step(whole) > 0)
    start = time.perf_counter() - began
    run.watch(lambda: last_step(whole) == steps)
    before = time.perf_counter()
    codes = run.wait()
    end = time.perf_counter() - before
    if any(codes):
        sys.exit(f"the run that was left alone failed: {codes}, see {whole}.log")
    killer = Killer(settings, killed, asked.processes, steps, start, end, random.Random(asked.seed))
    for kind in killer.kinds(asked.kills):
        while not killer.kill(kind):
            print("the run had ended, nothing to kill; once more", file=sys.stderr)
    codes = Run(settings, killed, asked.processes).wait()
    if any(codes):
        sys.exit(f"the run that was killed didn't come to its end: {codes}, see {killed}.log")
    different = differences(whole, killed)
    print(json.dumps({
        "kills": sum(killer.made.values()), "kinds": killer.made, "processes": asked.processes,
        "one_process_hit": killer.one_hit, "half_a_checkpoint_left": killer.half_written,
        "steps": steps, "identical": not different, "different": different,
        "adapter_sha256": digest(killed / ADAPTER),
        "seconds": round(time.perf_counter() - began, 1),
    }))  # fmt: skip
    sys.exit(1 if different else 0)


class Killer:
    """Starts the run in `output` and kills it, once for each call of `kill`.

    `start` and `end` are the seconds before the first update and after the last one.
    `half_written` counts the kills that left half a checkpoint behind.
    """

    def __init__(
        self, settings: list[str], output: Path, processes: int, steps: int, start: float,
        end: float, chance: random.Random,
    ) -> None:  # fmt: skip
        self.settings, self.output, self.processes = settings, output, processes
        self.steps, self.start, self.end, self.chance = steps, start, end, chance
        self.made = {"update": 0, "checkpoint": 0, "start": 0, "end": 0}
        self.one_hit = self.half_written = self._before_the_end = 0

    def kinds(self, kills: int) -> list[str]:
        at_end = max(1, kills // 10)
        self._before_the_end = kills - at_end
        earlier = self.chance.choices(
            ["update", "checkpoint", "start"], (6, 3, 1), k=kills - at_end
        )
        return [*earlier, *["end"] * at_end]

    def kill(self, kind: str) -> bool:
        """False where the run came to its end first."""
        output, chance = self.output, self.chance
        done = last_step(output)
        if done >= self.steps - 1:
            kind = "end"  # neither an update nor a checkpoint is left to hit
        # What is left of the run, shared out over the kills that are left. A kill comes about one
        # update after its target.
        left = max(1, self._before_the_end - sum(self.made.values()))
        target = done + chance.randint(1, max(1, 2 * (self.steps - 1 - done) // left - 3))
        run = Run(self.settings, output, self.processes)
        if kind == "start":
            run.watch(lambda: False, chance.uniform(0, self.start))
        elif kind == "end":
            run.watch(lambda: last_step(output) >= self.steps)
            # Where it was there before already, it starts once more.
            more = self.start if done >= self.steps else 0.0
            run.watch(lambda: False, chance.uniform(0, self.end + more))
        else:
            run.watch(lambda: last_step(output) >= min(target, self.steps - 1))
            if kind == "checkpoint":
                run.watch(lambda: any((output / "checkpoints").glob(".step-*.part")), often=True)
                run.watch(lambda: False, chance.uniform(0, 0.02))
            else:
                an_update = read_metrics(output / "metrics.jsonl")[-1]["time/seconds"]
                run.watch(lambda: False, chance.uniform(0, an_update))
        running = run.running()  # of two, the one that writes no results leaves first
        if any(run.ended.values()):
            sys.exit(f"a run failed by itself: {run.ended}, see {output}.log")
        if not running:
            self.start, self.end = 0.7 * self.start, 0.7 * self.end  # it is faster than thought
            return False
        one = len(running) > 1 and chance.random() < 0.5
        run.kill([chance.choice(running)] if one else running)
        self.made[kind] += 1
        self.one_hit += one
        self.half_written += any((output / "checkpoints").glob(".step-*.part"))
        print(f"{self.made} after update {last_step(output)}", file=sys.stderr)
        return True


class Run(Forks):
    """One run of `processes` forked processes, resumed if there is something to resume."""

    def __init__(self, settings: list[str], output: Path, processes: int) -> None:
        def work(rank: int) -> None:
            log = os.open(f"{output}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            config = resolve(None, None, {}, [*settings, f"training.output_dir={output}"])
            train_from_config(config, resume=True)

        super().__init__(processes, work)

    def watch(
        self, happened: Callable[[], bool], seconds: float = float("inf"), often: bool = False
    ) -> None:
        """Until it has happened, the run has ended, or so many seconds are over."""
        until = time.perf_counter() + seconds
        while not happened() and (left := until - time.perf_counter()) > 0:
            if not self.running() or any(self.ended.values()):
                return
            time.sleep(min(0.001 if often else 0.01, left))

    def kill(self, children: list[int]) -> None:
        """SIGKILL those; any others are ended as a launcher does it."""
        for child in children:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.1)  # torchrun looks ten times a second
        for number, seconds in ((signal.SIGTERM, 30.0), (signal.SIGKILL, 0.0)):
            for child in self.running():
                os.kill(child, number)
            until = time.perf_counter() + seconds
            while self.running() and time.perf_counter() < until:
                time.sleep(0.01)
        self.wait()


def last_step(output: Path) -> int:
    """The last update that metrics.jsonl tells of; 0 before the first."""
    records = read_metrics(output / "metrics.jsonl")
    return records[-1]["step"] if records else 0


if __name__ == "__main__":
    main()
