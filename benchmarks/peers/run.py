"""StyleDial beside its peers on the same work: whole optimizer updates, or whole commands, by turns.

    python benchmarks/peers/run.py --smollm2 FOLDER            the pieces of this device, or the
                                                               first --seconds (540) of them
    python benchmarks/peers/run.py --smollm2 FOLDER --whole    whole commands beside `trl sft`
    python benchmarks/peers/run.py --smollm2 FOLDER --memory   what tensors take at the worst moment,
                                                               on a CPU, by torch's profiler
    python benchmarks/peers/run.py --quick                     a tiny model: tries the script
    python benchmarks/peers/run.py --list                      what there is, and what is measured

The first call makes an environment with the peers (environment.py) in build/peers. Every way has a
process of its own (worker.py) and makes one update a turn: A B C, A B C, ... until there are five
turns. The first turn of a process warms up and is left out, unless it took more than a minute.

Every turn is written down when it is made, so that the same command goes on where an earlier one
was ended or ran out of its --seconds; nothing is started that would not fit in them. Ratios are
medians over turns of each way's seconds over those of the first in the same turn; so are those of
processor seconds, which count where other programs share the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from environment import FOLDER, ROOT, described, interpreter  # noqa: E402
from whole import WHOLE, one_command  # noqa: E402

SMOLLM2 = Path.home() / ".cache" / "styledial" / "smollm2-135m"
TURNS, WARM_SECONDS = 5, 60
# Ways in the order of their turns; the first is what the others are divided by.
GROUPS = {
    "trl": ("trl", "ours_plain", "ours", "ours_rows", "ours_cached", "ours_kept"),
    "asft": ("asft", "ours", "ours_cached", "ours_kept", "ours_kept_cached"),
    "heads": ("hf_kl", "ours", "liger_jsd", "trl_divergence"),
    "plain": ("hf_plain", "ours_plain"),
    "liger": ("liger_ce", "ours_plain"),
}


@dataclass(frozen=True)
class Piece:
    """Ways that take turns at one shape and size, or whole commands of so many `updates`."""

    group: str
    shape: str
    rows: int
    length: int
    checkpointing: bool = True
    updates: int = 0

    @property
    def name(self) -> str:
        """Its key in the results."""
        what = f"{self.updates} updates" if self.updates else self.group
        tail = "" if self.checkpointing else ", no checkpointing"
        return f"{self.shape} {self.rows} x {self.length}{tail}: {what}"

    @property
    def ways(self) -> tuple[str, ...]:
        """Who takes turns."""
        return WHOLE if self.updates else GROUPS[self.group]


def pieces(device: str, *, quick: bool, whole: bool) -> list[Piece]:
    """Those of a device, the most telling first."""
    if whole:
        shape, rows, length = ("bundled", 2, 64) if quick else ("smollm2", 2, 512)
        return [
            Piece("whole", shape, rows, length, updates=n)
            for n in ((2,) if quick else (8, 40, 200))
        ]
    if quick:
        groups = [g for g in GROUPS if g != "liger" or device == "gpu"]
        return [Piece(group, "tiny", 2, 64) for group in groups]
    if device == "gpu":
        shapes = ("qwen2.5-1.5b", "qwen2.5-7b", "llama-3-8b", "qwen2.5-14b")
        first = [Piece(group, shape, 2, 2048) for shape in shapes for group in GROUPS]
        return first + [Piece("trl", shape, 4, 512) for shape in shapes]
    sizes = [(2, 512), (4, 512), (1, 2048), (2, 2048)]
    found = [Piece("trl", "smollm2", *size) for size in sizes]
    found += [Piece("trl", "qwen2.5-0.5b", *size) for size in sizes]
    found += [Piece("trl", shape, 2, 512, False) for shape in ("smollm2", "qwen2.5-0.5b")]
    return found + [
        Piece(group, shape, 2, 512)
        for shape in ("smollm2", "qwen2.5-0.5b")
        for group in ("asft", "heads", "plain")
    ]


class Results:
    """The JSON file: what it was measured on, and of each piece its turns."""

    def __init__(self, path: Path, environment: dict[str, str]) -> None:
        self.path = path
        self.content: dict[str, Any] = {"environment": environment, "pieces": {}}
        if path.is_file():
            self.content = json.loads(path.read_text(encoding="utf-8"))
            if self.content["environment"] != environment:
                sys.exit(f"{path} is of another machine or other versions: move it away first.")

    def turns(self, piece: Piece) -> list[dict[str, Any]]:
        """Complete turns: of each way its update."""
        made: list[dict[str, Any]] = self.content["pieces"].get(piece.name, {}).get("turns", [])
        return made

    def add(self, piece: Piece, turn: dict[str, Any]) -> None:
        """Write a turn down, with the medians and ratios of all there are."""
        made = [*self.turns(piece), turn]
        self._of(piece).update({"turns": made, **summary(piece.ways, made)})
        self._write()

    def traced(self, piece: Piece) -> dict[str, int]:
        """Of each way that was traced, the bytes of its tensors at the worst moment."""
        found: dict[str, int] = self.content["pieces"].get(piece.name, {}).get("traced", {})
        return found

    def add_traced(self, piece: Piece, way: str, peak: int) -> None:
        """Write a way's peak down."""
        self._of(piece).setdefault("traced", {})[way] = peak
        self._write()

    def _of(self, piece: Piece) -> dict[str, Any]:
        found: dict[str, Any] = self.content["pieces"].setdefault(piece.name, {})
        return found

    def _write(self) -> None:
        aside = self.path.with_suffix(".part")
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")
        aside.replace(self.path)


def summary(ways: tuple[str, ...], turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of each way's seconds and of their ratios to the first way; its highest memory."""
    found: dict[str, Any] = {}
    for way in ways:
        made = [turn for turn in turns if way in turn]
        if not made:
            continue
        found[way] = {}
        for key, ratio in (("seconds", "ratio"), ("processor_seconds", "processor_ratio")):
            counted = [turn for turn in made if key in turn[way]]
            if counted:
                found[way][key] = median(turn[way][key] for turn in counted)
            paired = [turn for turn in counted if key in turn.get(ways[0], {})]
            if paired:
                found[way][ratio] = median(t[way][key] / t[ways[0]][key] for t in paired)
        for key in ("peak", "extra"):
            if key in made[0][way]:
                found[way][key] = max(turn[way][key] for turn in made)
    return {"summary": found}


class Worker:
    """A way's process; `failed` says why there is none."""

    def __init__(
        self,
        python: Path,
        way: str,
        piece: Piece,
        given: argparse.Namespace,
        *,
        trace: bool = False,
    ) -> None:
        self.way, self.failed = way, ""
        command = [str(python), str(HERE / "worker.py"), "--way", way, "--shape", piece.shape]
        command += ["--rows", str(piece.rows), "--length", str(piece.length)]
        command += ["--made", str(FOLDER / "models"), "--smollm2", str(given.smollm2)]
        command += ["--checkpointing"] * piece.checkpointing + ["--trace"] * trace
        log = FOLDER / "logs" / f"{way}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("w") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
            )
        self._read()

    def turn(self) -> dict[str, Any]:
        """One update; empty where the process has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.failed = self.failed or self._last_words()
            return {}
        return self._read()

    def end(self) -> None:
        """Let the process finish."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.failed = self._last_words()
            return {}
        found: dict[str, Any] = json.loads(line)
        del found["event"]
        return found

    def _last_words(self) -> str:
        lines = [x for x in self._log.read_text().splitlines() if x.strip()]
        return lines[-1] if lines else "ended without a word"


def by_turns(
    python: Path, piece: Piece, given: argparse.Namespace, until: float
) -> Iterator[dict[str, Any]]:
    """Turns of a piece for as long as another one fits before `until`; at least one."""
    # One after the other: on a GPU, and in a small memory, loading is the worst moment.
    workers = [Worker(python, way, piece, given) for way in _asked(piece, given)]
    try:
        longest, first = 0.0, True
        while not longest or time.monotonic() + 1.1 * longest < until:
            started = time.monotonic()
            made = {worker.way: worker.turn() for worker in workers if not worker.failed}
            longest = max(longest, time.monotonic() - started)
            for worker in [w for w in workers if w.failed]:
                print(f"  {worker.way}: {worker.failed}", flush=True)
                workers.remove(worker)
            made = {way: update for way, update in made.items() if update}
            if not made:
                return
            if not (first and longest < WARM_SECONDS):
                yield made
            first = False
    finally:
        for worker in workers:
            worker.end()


def _asked(piece: Piece, given: argparse.Namespace) -> list[str]:
    return [way for way in piece.ways if not given.ways or way in given.ways]


def whole_commands(
    python: Path, piece: Piece, given: argparse.Namespace, until: float
) -> Iterator[dict[str, Any]]:
    """The same of whole commands, each in a folder of its own."""
    model = given.smollm2 if piece.shape == "smollm2" else ROOT / "styledial" / "assets" / "base"
    longest = 0.0
    while not longest or time.monotonic() + 1.1 * longest < until:
        started = time.monotonic()
        yield {
            way: one_command(
                python, way, model, piece.rows, piece.length, piece.updates, given.text
            )
            for way in _asked(piece, given)
        }
        longest = time.monotonic() - started


def measure(results: Results, python: Path, piece: Piece, given: argparse.Namespace) -> None:
    """Turns of a piece until there are enough, or the time is used up."""
    print(piece.name, flush=True)
    source = whole_commands if piece.updates else by_turns
    for turn in source(python, piece, given, given.until):
        results.add(piece, turn)
        words = [f"{way} {update['seconds']:.2f} s" for way, update in turn.items()]
        print(f"  turn {len(results.turns(piece))}: {', '.join(words)}", flush=True)
        if len(results.turns(piece)) >= given.turns:
            return


def trace(results: Results, python: Path, piece: Piece, given: argparse.Namespace) -> None:
    """Two updates of each way that has no peak yet, one after the other."""
    print(piece.name, flush=True)
    for way in _asked(piece, given):
        if way in results.traced(piece) or time.monotonic() > given.until:
            continue
        worker = Worker(python, way, piece, given, trace=True)
        made = [worker.turn() for _ in range(2) if not worker.failed]
        worker.end()
        if worker.failed:
            print(f"  {way}: {worker.failed}", flush=True)
        else:
            results.add_traced(piece, way, made[-1]["traced"])
            print(f"  {way}: {made[-1]['traced'] / 2**30:.2f} GiB", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--whole", action="store_true", help="whole commands, beside `trl sft`")
    options.add_argument("--memory", action="store_true", help="of tensors, in place of time")
    options.add_argument("--quick", action="store_true", help="a tiny model, to try the script")
    options.add_argument("--list", action="store_true", help="show the pieces and end")
    options.add_argument("--only", default="", help="pieces with this in their name")
    options.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    options.add_argument("--turns", type=int, default=TURNS)
    options.add_argument("--seconds", type=float, default=540, help="of this call")
    options.add_argument("--smollm2", type=Path, default=SMOLLM2, help="the real model's folder")
    options.add_argument("--ways", nargs="+", help="of a piece's ways these alone")
    options.add_argument("--text", type=Path, help="a text for whole commands")
    options.add_argument("--python", type=Path, help="an environment that has the peers already")
    options.add_argument("--results", type=Path)
    given = options.parse_args()
    kind = "quick" if given.quick else given.device
    path = given.results or (
        FOLDER / "quick.json" if given.quick else HERE / f"results-{kind}.json"
    )
    given.until = time.monotonic() + given.seconds
    python = given.python or interpreter()
    results = Results(path, described(python))
    left = []
    for piece in pieces(given.device, quick=given.quick, whole=given.whole):
        if given.only not in piece.name:
            continue
        if given.list:
            print(f"{len(results.turns(piece))} of {given.turns}  {piece.name}")
        elif given.memory:
            trace(results, python, piece, given)
        elif len(results.turns(piece)) < given.turns:
            if time.monotonic() < given.until:
                measure(results, python, piece, given)
            left += [piece] if len(results.turns(piece)) < given.turns else []
    if not given.list:
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        print(f"{shown}: " + (f"{len(left)} pieces left: run it again" if left else "complete"))


if __name__ == "__main__":
    main()
