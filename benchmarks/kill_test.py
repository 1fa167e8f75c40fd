"""Does a run that is killed again and again end as the one that was left alone, bit for bit?

    python benchmarks/kill_test.py --kills 50                  one process
    python benchmarks/kill_test.py --kills 20 --processes 2    two; half of the kills hit one rank

One run goes through; another is ended with SIGKILL at random moments and resumed after each.
Moments are of three kinds: in the middle of updates, while a checkpoint is being written, and
while the run starts. Then adapter, metrics (but for timings) and figures are compared.

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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from forked import Forks, import_all  # noqa: E402

from styledial import finish  # noqa: E402
from styledial.config import resolve  # noqa: E402
from styledial.metrics import read_metrics  # noqa: E402
from styledial.run import train_from_config  # noqa: E402

# Dropout and a reference cache, because both remember: the random state, and rows on disk.
SETTINGS = [
    "model.model_name_or_path=bundled", "data.data_dir=bundled", "data.max_length=48",
    "model.lora_r=4", "model.lora_dropout=0.1", "training.learning_rate=0.002",
    "training.per_device_train_batch_size=4", "training.gradient_accumulation_steps=2",
    "training.gradient_checkpointing=false", "training.save_steps=2",
]  # fmt: skip
TIMINGS = ("second", "memory", "time/", "wall", "path")


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
    import_all()
    finish._SAMPLE_TOKENS = 4  # samples are not what this is about
    steps = asked.steps or 3 * asked.kills
    settings = [*SETTINGS, f"training.max_steps={steps}", *asked.settings]
    whole, killed = asked.output / "whole", asked.output / "killed"

    began = time.perf_counter()
    statuses = Run(settings, whole, asked.processes).wait()
    if any(statuses):
        sys.exit(f"the run that was left alone failed: {statuses}, see {whole}.log")
    seconds = time.perf_counter() - began
    kinds = kill_again_and_again(settings, killed, asked, steps, seconds)
    statuses = Run(settings, killed, asked.processes).wait()
    if any(statuses):
        sys.exit(f"the run that was killed didn't come to its end: {statuses}, see {killed}.log")
    different = differences(whole, killed)
    print(json.dumps({
        "kills": sum(kinds.values()), "kinds": kinds, "processes": asked.processes,
        "steps": steps, "save_steps": 2, "identical": not different, "different": different,
        "adapter_sha256": digest(killed / "adapter_model.safetensors"),
        "seconds": round(time.perf_counter() - began, 1),
    }))  # fmt: skip
    sys.exit(1 if different else 0)


def kill_again_and_again(
    settings: list[str], output: Path, asked: argparse.Namespace, steps: int, seconds: float
) -> dict[str, int]:
    """Start, kill, start again; returns how many kills there were of each kind."""
    chance = random.Random(asked.seed)
    kinds = {"update": 0, "checkpoint": 0, "start": 0}
    for number in range(asked.kills):
        kind = chance.choices(list(kinds), weights=(6, 3, 1))[0]
        done = last_step(output)
        # So far that all kills together are spread over the run.
        target = min(done + chance.randint(1, max(1, 2 * steps // asked.kills)), steps - 1)
        run = Run(settings, output, asked.processes)
        if kind == "start":
            run.watch(lambda: False, chance.uniform(0, seconds / 4))
        else:
            run.watch(lambda target=target: last_step(output) >= target - 1)
            before = time.perf_counter()
            run.watch(lambda target=target: last_step(output) >= target)
            an_update = time.perf_counter() - before
            if kind == "checkpoint":
                run.watch(lambda: any((output / "checkpoints").glob(".step-*.part")))
                run.watch(lambda: False, chance.uniform(0, 0.02))
            else:
                run.watch(lambda: False, chance.uniform(0, an_update))
        if not run.alive():
            print(f"kill {number + 1}: the run had ended, nothing to kill", file=sys.stderr)
            run.wait()
            continue
        whom = (
            range(asked.processes) if chance.random() < 0.5 else [chance.randrange(asked.processes)]
        )
        run.kill(list(whom))
        kinds[kind] += 1
        print(f"kill {number + 1} ({kind}) after update {last_step(output)}", file=sys.stderr)
    return kinds


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

    def watch(self, happened, seconds: float = float("inf")) -> None:
        """Until it has happened, the run has ended, or so many seconds are over."""
        until = time.perf_counter() + seconds
        while self.alive() and time.perf_counter() < until and not happened():
            time.sleep(0.001)

    def kill(self, ranks: list[int]) -> None:
        """SIGKILL those; the others lose their connection and end by themselves."""
        for rank in ranks:
            os.kill(self.children[rank], signal.SIGKILL)
        self.wait()


def last_step(output: Path) -> int:
    """The last update that metrics.jsonl tells of; 0 before the first."""
    records = read_metrics(output / "metrics.jsonl")
    return records[-1]["step"] if records else 0


def differences(one: Path, two: Path) -> list[str]:
    """Names of what isn't the same in two runs, timings left out."""
    found = []
    if digest(one / "adapter_model.safetensors") != digest(two / "adapter_model.safetensors"):
        found.append("adapter_model.safetensors")
    if plain(read_metrics(one / "metrics.jsonl")) != plain(read_metrics(two / "metrics.jsonl")):
        found.append("metrics.jsonl")
    a, b = (json.loads((f / "summary.json").read_text(encoding="utf-8")) for f in (one, two))
    found += [f"summary.json {key}" for key in plain([a])[0] if a[key] != b.get(key)]
    return found


def plain(records: list[dict]) -> list[dict]:
    """Without what depends on the clock, the machine's memory, or how much a cache had saved."""
    return [
        {k: v for k, v in record.items()
         if not any(word in k for word in TIMINGS) and k != "reference_rows_saved"}
        for record in records
    ]  # fmt: skip


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
