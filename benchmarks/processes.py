"""What several processes cost on one machine: `python benchmarks/processes.py --turns 5`.

Each turn trains the bundled base once in each way, one after the other, so that what else the
machine does falls on all of them alike: without a launcher (0), and by torchrun with 1, 2, ...
processes. The effective batch is the same, so the updates are. Seconds an update are those of the
loop, without imports, preparation and the end; `whole` is the clock around the command. Where
processes are as many as cores or more, they share these, and the table shows what sharing costs,
not what more GPUs bring.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BATCH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--processes", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--fsdp", action="store_true", help="also sharded, where more than 1")
    args = parser.parse_args()
    ways = [(count, False) for count in args.processes]
    ways += [(count, True) for count in args.processes if count > 1 and args.fsdp]
    found: dict[tuple[int, bool], list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(args.turns):
        for way in ways:
            found[way].append(once(*way, args.steps))
            print(
                f"turn {turn + 1} {words(way)}: %.3f s an update, whole %.1f s" % found[way][-1],
                file=sys.stderr,
                flush=True,
            )
    base = found[ways[0]]
    print(f"{os.cpu_count()} cores, medians of {args.turns} turns, load {os.getloadavg()[0]:.1f}\n")
    print("| way | s an update | x first (median of pairs, range) | whole s | more than first |")
    print("|---|---|---|---|---|")
    for way, values in found.items():
        ratios = [value[0] / first[0] for value, first in zip(values, base, strict=True)]
        more = [value[1] - first[1] for value, first in zip(values, base, strict=True)]
        print(
            f"| {words(way)} | {statistics.median(v[0] for v in values):.3f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) "
            f"| {statistics.median(v[1] for v in values):.1f} | {statistics.median(more):+.1f} |"
        )


def words(way: tuple[int, bool]) -> str:
    count, fsdp = way
    launcher = f"torchrun, {count}" if count else "no launcher"
    return launcher + (", FSDP2" if fsdp else "")


def once(count: int, fsdp: bool, steps: int) -> tuple[float, float]:
    """(seconds an update, seconds of the whole command)"""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, *(launcher if count else []), str(ROOT / "train.py"), "--preset", "quick",
            "model_name_or_path=bundled", "data_dir=bundled", f"output_dir={folder}/out",
            "max_length=64", f"max_steps={steps}", "learning_rate=0.002", "reference_cache=off",
            "gradient_checkpointing=false", "gradient_accumulation_steps=1", "anchor=off",
            f"per_device_train_batch_size={BATCH // max(count, 1)}", "evaluate_at_end=off", "validation_split=0.01",
            f"fsdp={'on' if fsdp else 'off'}",
        ]  # fmt: skip
        start = time.perf_counter()
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )
        whole = time.perf_counter() - start
        summary = json.loads((Path(folder) / "out/summary.json").read_text(encoding="utf-8"))
        return summary["tokens"] / summary["tokens_per_second"] / summary["steps"], whole


if __name__ == "__main__":
    main()
