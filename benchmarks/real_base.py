"""The dial on a real language model beside its rivals, made in pieces of a few minutes.

    python benchmarks/real_base.py --way budget-0.1 anchor sft --style shakespeare
    python benchmarks/real_base.py --budget-minutes 20      all ways, as far as 20 minutes go
    python benchmarks/real_base.py --list                   what is done, and what is left
    python benchmarks/real_base.py --dtype bfloat16 --read land text chat --results FOLDER
                                                            half the time, the figures alone
    python benchmarks/real_base_table.py                    the tables

Base: SmolLM2-135M-Instruct, as ../shared/models/get_smollm2.py leaves it. Styles: tinyshakespeare
and a Gutenberg novel, cleaned by our own reader. General text, only ever measured on: State of the
Union addresses. Ways, each on the same rows in the same order per seed; a budget in the name, or
trained once and scaled to every budget:

    budget-B   KL budget B, anchor written by the base (a fifth of the tokens): the default
    ninth-B    the same with the anchor at a ninth         rows-B    KL on a quarter of the rows
    masked-B   KL without the true token                   mlp-B     LoRA on the MLP alone
    anchor     NLL, and KL on the anchor alone             sft       NLL alone
    replay     NLL, also on text that the base wrote, a fifth of the tokens
    dera       base and the sft adapter, mixed at decoding (arXiv 2402.02992)
    base       nothing: the untuned model in the same tables

Everything stops cleanly at SIGTERM or Ctrl-C and goes on where it was: training from its last
update, readings from the last one made. Adapters, checkpoints and caches stay in --work; figures,
one JSON a run, go to --results. A finished piece is never made twice.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from real_base_readings import (  # noqa: E402
    Mixed,
    Tuned,
    chat_figures,
    passage_figures,
    questions,
    samples,
    text_figures,
    written,
)
from safetensors.torch import load_file, save_file  # noqa: E402

from styledial.build.model import build_policy  # noqa: E402
from styledial.build.texts import Texts, prepare_texts, read_material  # noqa: E402
from styledial.config import Config  # noqa: E402
from styledial.config.resolve import resolve  # noqa: E402
from styledial.data.pack import PackedRows  # noqa: E402
from styledial.distributed import ranks  # noqa: E402
from styledial.errors import StyleDialError  # noqa: E402
from styledial.evaluation.chat import ENGLISH, answered  # noqa: E402
from styledial.evaluation.writing import Passage, Passages, openings, sample  # noqa: E402
from styledial.files import write_json, written_aside  # noqa: E402
from styledial.models.load import load_tokenizer, quiet_libraries  # noqa: E402
from styledial.monitor.screen import Screen  # noqa: E402
from styledial.run.prepare import Parts, prepare  # noqa: E402
from styledial.run.updates import Updates  # noqa: E402
from styledial.run_folder import layout  # noqa: E402
from styledial.training.anchor import book_openings, sample_rows  # noqa: E402
from styledial.training.checkpoint import checkpoints  # noqa: E402
from styledial.training.landing import find_scale  # noqa: E402
from styledial.training.measure import BaseStates, Distance, halves  # noqa: E402
from styledial.training.resume import load_weights  # noqa: E402
from styledial.training.row_order import RowOrder  # noqa: E402
from styledial.training.stop_request import StopRequest  # noqa: E402

BUDGETS = (0.2, 0.1, 0.05)  # the largest first: its scales bound those of the others
LENGTH, ROWS, ANCHOR_ROWS = 128, 8, 2
LANDING, REPORT, GENERAL = 8192, 8192, 6144  # tokens read
PASSAGES, PASSAGE = 48, 64
MLP = "[gate_proj, up_proj, down_proj]"
KINDS: dict[str, tuple[str, ...]] = {
    "base": (),
    "budget": (),
    "ninth": ("anchor_ratio=0.1112",),
    "rows": ("kl_rows=0.25",),
    "masked": ("kl_mask_target=on",),
    "mlp": (f"lora_target_modules={MLP}",),
    "anchor": ("kl_mode=anchor",),
    "sft": ("kl_mode=anchor", "anchor=off"),
    "replay": ("kl_mode=anchor", "anchor=off"),
    "dera": (),
}
BUDGETED = ("budget", "ninth", "rows", "masked", "mlp")
ORDER = (
    *("base", "budget-0.1", "anchor", "sft", "dera", "replay", "rows-0.1", "masked-0.1"),
    *("mlp-0.1", "ninth-0.1", "budget-0.2", "budget-0.05", "rows-0.2", "masked-0.2"),
    *("rows-0.05", "masked-0.05"),
)
STYLES = {"shakespeare": "tinyshakespeare.txt", "gutenberg": "gutenberg/3261.txt"}
# Passes over a token of style text that an update makes: forward 1, backward 2, the base's 1 where
# KL is read; anchor rows are a quarter of the style rows and always take all four.
PASSES = {
    "budget": 5, "ninth": 4.5, "rows": 4.25, "masked": 5, "mlp": 5, "anchor": 4, "sft": 3,
    "replay": 3.75,
}  # fmt: skip
# Seconds until something was measured on this machine: a pass over 1,024 tokens on two cores.
PASS = 4.0
READ = {"land": 150, "text": 130, "chat": 30, "questions": 60, "passages": 90, "samples": 60}
STARTING = 60.0


def main() -> None:
    given = _options()
    quiet_libraries()
    torch.set_grad_enabled(True)
    bench = Bench(given)
    ways = [
        Way.named(name, style, seed)
        for style in given.style
        for seed in given.seed
        for name in given.way
    ]
    left = sum(bench.left(way) for way in ways)
    print(f"{len(ways)} ways; about {left / 60:.0f} minutes left (estimated)", flush=True)
    for way in ways:
        print(f"{way}: {bench.state(way)}", flush=True)
    if given.list:
        return
    with bench.request.listening(), bench.request.deferred():
        for way in ways:
            try:
                if not bench.make(way):
                    return
            except StyleDialError as error:  # a setting that this version doesn't have, say
                print(f"{way}: left out. {error}", flush=True)


def _options() -> argparse.Namespace:
    home = Path.home() / ".cache" / "styledial"
    shared = ROOT.parent / "shared" / "corpora"
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--way", nargs="+", default=list(ORDER))
    options.add_argument("--style", nargs="+", default=["shakespeare"], choices=list(STYLES))
    options.add_argument("--seed", type=int, nargs="+", default=[0])
    options.add_argument("--budget-minutes", type=float, help="no piece begins that will not fit")
    options.add_argument("--updates", type=int, default=40)
    options.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    options.add_argument("--share", type=float, default=1.0, help="of the usual text is read")
    options.add_argument("--read", nargs="+", default=list(READ), choices=list(READ))
    options.add_argument("--dtype", default="float32", help="of the base's weights")
    options.add_argument("--base", type=Path, default=home / "smollm2-135m")
    options.add_argument("--texts", type=Path, default=shared, help="style_en and general_en")
    options.add_argument("--work", type=Path, default=home / "real_base")
    options.add_argument("--results", type=Path, default=ROOT / "benchmarks/results/real_base")
    options.add_argument("--list", action="store_true", help="say what is done and left")
    given = options.parse_args()
    if not (given.base / "config.json").is_file():
        options.error(f"--base {given.base}: no model; ../shared/models/get_smollm2.py fetches it")
    if not (given.texts / "style_en").is_dir():
        options.error(f"--texts {given.texts}: has no style_en with the novels")
    return given


@dataclass(frozen=True)
class Way:
    """A way to train, on a style, with a seed; `budget` None for one that is scaled to all."""

    kind: str
    budget: float | None
    style: str
    seed: int

    @classmethod
    def named(cls, name: str, style: str, seed: int) -> Way:
        kind, dash, budget = name.partition("-")
        if kind not in KINDS or (kind in BUDGETED) != bool(dash):
            sys.exit(f"--way {name}: one of {', '.join(ORDER)}")
        return cls(kind, float(budget) if dash else None, style, seed)

    def __str__(self) -> str:
        return f"{self.style}/{self.name}-seed{self.seed}"

    @property
    def name(self) -> str:
        return self.kind if self.budget is None else f"{self.kind}-{self.budget:g}"

    @property
    def trained_as(self) -> Way:
        """The way whose adapter this one reads."""
        return dataclasses.replace(self, kind="sft") if self.kind == "dera" else self

    @property
    def strengths(self) -> tuple[float, ...]:
        """KL at which it is read: the strongest budget is dialled to the others too."""
        if self.kind == "base":
            return (0.0,)
        return BUDGETS if self.budget in (None, BUDGETS[0]) else (self.budget,)


class Until(StopRequest):
    """Asked to stop by a signal, or by the time that was given."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__()
        self.deadline = time.monotonic() + seconds if seconds else float("inf")

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()

    def asked(self) -> bool:
        return super().asked() or self.left < 0


class Bench:
    """The pieces, what they cost, and where their results are."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.request = Until(given.budget_minutes and given.budget_minutes * 60)
        self.costs = Costs(given.work / "seconds.json")
        self.states = BaseStates()
        self.styles: dict[str, Style] = {}

    def make(self, way: Way) -> bool:
        """All pieces of `way` that are left; False where the time or a signal ended it."""
        if not self._train(way.trained_as):
            return False
        tuned: Tuned | None = None
        for name, strength in self._readings_left(way):
            if not self._fits(f"{way} {name} at {strength:g}", self.costs.of(name)):
                return False
            tuned = tuned or self._tuned(way)
            with self.costs.timed(name):
                self._read(way, tuned, name, strength)
        return True

    def left(self, way: Way) -> float:
        """Seconds that its pieces will take, as far as is known."""
        train = self._updates_left(way.trained_as) * self.costs.of_update(way.kind)
        return train + sum(self.costs.of(name) for name, _ in self._readings_left(way))

    def state(self, way: Way) -> str:
        updates, readings = self._updates_left(way.trained_as), len(list(self._readings_left(way)))
        if not updates and not readings:
            return "done"
        return f"{updates} updates and {readings} readings left, {self.left(way) / 60:.0f} min"

    def _fits(self, piece: str, seconds: float) -> bool:
        if self.request.asked() or seconds > self.request.left:
            print(f"stopped before {piece} (about {seconds / 60:.1f} min)", flush=True)
            return False
        print(f"{piece}: about {seconds / 60:.1f} min (estimated)", flush=True)
        return True

    # Training

    def _adapter(self, way: Way) -> Path:
        return self.given.work / "adapters" / f"{way}.safetensors"

    def _updates_left(self, way: Way) -> int:
        if self._trained(way):
            return 0
        saved = checkpoints(self._run(way) / layout.CHECKPOINTS)
        return self.given.updates - (int(saved[-1].name[5:]) if saved else 0)

    def _trained(self, way: Way) -> bool:
        return way.kind == "base" or self._adapter(way).is_file()

    def _run(self, way: Way) -> Path:
        return self.given.work / "runs" / str(way)

    def config(self, way: Way) -> Config:
        """The run as a user would write it."""
        settings = {
            "model_name_or_path": self.given.base, "dtype": self.given.dtype,
            "data_dir": self.style(way.style).folder, "general": self.general,
            "output_dir": self._run(way), "max_length": LENGTH,
            "per_device_train_batch_size": ROWS, "gradient_accumulation_steps": 1,
            "max_steps": self.given.updates, "learning_rate": self.given.rate,
            "gradient_checkpointing": "false", "seed": way.seed, "save_steps": 5,
            "save_total_limit": 1, "evaluate_at_end": "off",
            "reference_cache": self.given.work / "references",
            "kl_beta": way.budget or BUDGETS[0],
        }  # fmt: skip
        return resolve(assignments=[*(f"{k}={v}" for k, v in settings.items()), *KINDS[way.kind]])

    def _train(self, way: Way) -> bool:
        """Whether its adapter is there; training goes on from its last update."""
        if self._trained(way):
            return True
        updates = self._updates_left(way)  # 0 where only the adapter is still to be kept
        per_update = self.costs.of_update(way.kind)
        # Training may be left after any update; a piece of fewer than four isn't worth its start.
        long = self.request.left < STARTING + updates * per_update
        least = STARTING + (min(updates, 4) if long else updates) * per_update
        if not self._fits(f"{way} training, {updates} updates of {per_update:.0f} s", least):
            return False
        config, run = self.config(way), self._run(way)
        parts = prepare(
            config, run, ranks.place(), Screen(),
            resuming=bool(checkpoints(run / layout.CHECKPOINTS)), changed=[],
            when_too_large="refuse",
        )  # fmt: skip
        if way.kind == "replay":
            parts = with_replay(parts, self._replay_rows(way, parts))
        began, first = time.monotonic(), parts.state.step
        Updates(parts, None, self.request).run()
        state, seconds = parts.state, time.monotonic() - began
        self.costs.add(f"update {way.kind}", seconds / max(state.step - first, 1))
        if state.step < parts.steps:
            print(f"{way}: stopped after update {state.step}, and saved", flush=True)
            return False
        self._keep_adapter(way, parts)
        return True

    def _keep_adapter(self, way: Way, parts: Parts) -> None:
        state, path = parts.state, self._adapter(way)
        facts = {
            "updates": state.step, "tokens": state.tokens, "seconds": round(state.seconds, 1),
            "passes": PASSES[way.kind], "lambda": float(parts.core.controller.coefficient),
            "rate": self.given.rate, "settings": list(KINDS[way.kind]),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as aside:
            weights = {n: w.contiguous() for n, w in parts.core.policy.trainable_state().items()}
            save_file(weights, aside, metadata={"facts": json.dumps(facts)})
        write_json(path.with_suffix(".json"), facts)
        shutil.rmtree(self._run(way))  # checkpoints and cache, which nothing needs any more

    def _replay_rows(self, way: Way, parts: Parts) -> PackedRows:
        """Text that the base wrote, as the anchor's, but to be learnt."""
        path = self.given.work / f"replay-{way.style}-{way.seed}.npz"
        if not path.is_file():
            tokens = self.given.updates * ANCHOR_ROWS * LENGTH
            with parts.core.policy.as_base() as base:
                first = book_openings(parts.texts.style, tokens // LENGTH, way.seed)
                sample_rows(base, first, LENGTH, seed=way.seed).save(path)
        return PackedRows.load(path)

    # Readings

    def style(self, name: str) -> Style:
        if name not in self.styles:
            self.styles[name] = Style(name, self)
        return self.styles[name]

    @property
    def general(self) -> Path:
        return self.given.texts / "general_en" / "state_of_the_union.txt"

    def _result(self, way: Way) -> Path:
        return self.given.results / f"{way}.json"

    def _found(self, way: Way) -> dict[str, Any]:
        path = self._result(way)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def _readings_left(self, way: Way) -> Iterator[tuple[str, float]]:
        found = self._found(way).get("readings", {})
        for name in self.given.read:
            for strength in way.strengths:
                done = found.get(f"{strength:g}", {})
                if name not in done and not (way.kind == "base" and name == "land"):
                    yield name, strength

    def _tuned(self, way: Way) -> Tuned:
        policy = build_policy(self.config(way.trained_as))
        if way.kind != "base":
            load_weights(policy, load_file(self._adapter(way.trained_as)))
        return (Mixed if way.kind == "dera" else Tuned)(policy.eval(), self.states)

    def _read(self, way: Way, tuned: Tuned, name: str, strength: float) -> None:
        """One reading, into the run's JSON at once."""
        found = self._found(way) or self._fresh(way)
        at = found["readings"].setdefault(f"{strength:g}", {})
        style = self.style(way.style)

        def keep() -> None:
            self._result(way).parent.mkdir(parents=True, exist_ok=True)
            write_json(self._result(way), found)

        if name == "land":
            at[name] = self._landed(tuned, strength, found["kl_at"], style, keep)
        else:
            scale = at["land"]["scale"] if "land" in at else 1.0
            at[name] = _read_before(found, name, scale) or style.read(name, tuned, scale)
        keep()
        shown = {k: v for k, v in at[name].items() if k not in ("answers", "written")}
        print(f"{way} {name} at {strength:g}: {json.dumps(shown)}", flush=True)

    def _fresh(self, way: Way) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if way.kind != "base":
            path = self._adapter(way.trained_as).with_suffix(".json")
            facts = json.loads(path.read_text(encoding="utf-8"))
        return {
            "way": way.name, "style": way.style, "seed": way.seed, "training": facts,
            "threads": torch.get_num_threads(), "dtype": self.given.dtype,
            "share": self.given.share, "kl_at": {}, "readings": {},
        }  # fmt: skip

    def _landed(
        self,
        tuned: Tuned,
        budget: float,
        known: dict[str, float],
        style: Style,
        keep: Callable[[], None],
    ) -> dict[str, float]:
        """The scale that meets `budget` on the landing half; `known` has what was read before."""

        def kl_at(scale: float) -> float:
            key = f"{scale:.6f}"
            if key not in known:
                known[key] = Distance.of(tuned.sums(style.landing, scale)).kl
                keep()
            return known[key]

        above = [float(scale) for scale, kl in known.items() if kl > budget]
        scale, kl = find_scale(kl_at, budget, highest=min(above, default=1.0))
        return {"scale": round(scale, 6), "kl": kl}


def _read_before(found: dict[str, Any], name: str, scale: float) -> dict[str, Any] | None:
    """The same reading at the same scale: where a budget wasn't reached, two strengths are one."""
    for at in found["readings"].values():
        if name in at and at.get("land", {}).get("scale") == scale:
            return at[name]
    return None


class Costs:
    """Seconds of each kind of piece: as measured on this machine, else guessed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, float] = (
            json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        )

    def of(self, reading: str) -> float:
        return self.known.get(reading, READ[reading])

    def of_update(self, kind: str) -> float:
        if kind in ("base", "dera"):
            kind = "sft"
        # What another kind took, by the passes that it makes.
        rates = [s / PASSES[name[7:]] for name, s in self.known.items() if name[7:] in PASSES]
        per_pass = float(np.mean(rates)) if rates else PASS
        return self.known.get(f"update {kind}", per_pass * PASSES[kind])

    def add(self, name: str, seconds: float) -> None:
        earlier = self.known.get(name, seconds)
        self.known[name] = round((earlier + seconds) / 2, 2)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, self.known)

    def timed(self, name: str) -> _Timer:
        return _Timer(self, name)


class _Timer:
    def __init__(self, costs: Costs, name: str) -> None:
        self.costs, self.name = costs, name

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.costs.add(self.name, time.monotonic() - self.began)


class Style:
    """One style's texts, and what the base writes there: made when asked for, kept in --work."""

    def __init__(self, name: str, bench: Bench) -> None:
        self.name, self.bench = name, bench
        given = bench.given
        self.folder = given.work / "styles" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        source = given.texts / "style_en" / STYLES[name]
        if not (self.folder / source.name).is_file():
            shutil.copyfile(source, self.folder / source.name)
        self.tokenizer = load_tokenizer(str(given.base))

    @cached_property
    def texts(self) -> Texts:
        config = self.bench.config(Way("base", None, self.name, 0))
        cache = self.bench.given.work / "cache" / self.name
        return prepare_texts(config, read_material(config, cache, print), self.tokenizer)

    @cached_property
    def landing(self) -> PackedRows:
        return self._half(0, self._tokens(LANDING))

    @cached_property
    def report(self) -> PackedRows:
        return self._half(1, self._tokens(REPORT))

    @cached_property
    def general(self) -> PackedRows:
        return self.texts.general.at_most(self._tokens(GENERAL))

    def _tokens(self, usual: int) -> int:
        return round(usual * self.bench.given.share)

    def _half(self, which: int, tokens: int) -> PackedRows:
        return self.texts.heldout.select(halves(self.texts.heldout)[which]).at_most(tokens)

    def read(self, name: str, tuned: Tuned, scale: float) -> dict[str, Any]:
        """The figures of one kind."""
        if name == "text":
            return text_figures(tuned, scale, self.report, self.general, self.tokenizer)
        if name == "chat":
            return chat_figures(tuned, scale, self._chat(tuned))
        if name == "questions":
            return questions(tuned, scale, self.tokenizer)
        passages = self._passages(tuned)
        if name == "passages":
            return passage_figures(written(tuned, scale, passages, seed=1), self.tokenizer)
        return {"written": samples(tuned, scale, passages, self.texts, self.tokenizer)}

    def _chat(self, tuned: Tuned) -> PackedRows:
        """The base's answers; the same rows each time, so that its states are kept."""
        if not hasattr(self.bench, "chat"):
            path = self.bench.given.work / "chat.npz"
            if not path.is_file():
                with tuned.policy.as_base() as base:
                    answered(base, self.tokenizer, ENGLISH, seed=1).save(path)
            self.bench.chat = PackedRows.load(path)
        return self.bench.chat

    def _passages(self, tuned: Tuned) -> Passages:
        """Openings of the held-out text with what the base writes there."""
        found = openings(self.texts.heldout, self.texts.style, passages=PASSAGES, tokens=PASSAGE)
        if found is None:
            sys.exit(f"{self.name}: too little held-out text")
        path = self.bench.given.work / f"passages-{self.name}.json"
        if not path.is_file():
            with tuned.policy.as_base() as base:
                theirs = sample(base, found, seed=1, words="")
            write_json(path, [[p.place, p.ids.tolist(), p.ended] for p in theirs])
        theirs = [
            Passage(place, np.array(ids, dtype=np.int64), ended)
            for place, ids, ended in json.loads(path.read_text(encoding="utf-8"))
        ]
        return found.written_by([], theirs)


@dataclass(frozen=True)
class Replayed(RowOrder):
    """Style rows, and rows of another text behind them in the same table."""

    other: RowOrder | None = None

    def update(self, step: int) -> list[int]:
        mine = super().update(step)
        return mine + [self.rows + row for row in self.other.update(step)]

    def micro_batches(self, step: int, rank: int) -> list[list[int]]:
        return self.spread(self.update(step), rank)


def with_replay(parts: Parts, rows: PackedRows) -> Parts:
    """The same run with `rows` to be learnt beside the style's."""
    style = parts.core.rows
    joined = PackedRows(np.concatenate([style.tokens, rows.tokens]), [*style.pieces, *rows.pieces])
    other = RowOrder(len(rows), ANCHOR_ROWS, 1, 1, parts.order.seed + 1)
    order = Replayed(**vars(parts.order), other=other)
    core = dataclasses.replace(parts.core, rows=joined)
    return dataclasses.replace(parts, core=core, order=order)


if __name__ == "__main__":
    main()
