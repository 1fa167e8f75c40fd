"""Training in real_base.py: a way's run as a user would write it, in pieces, up to its adapter."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from real_base_style import general_text, style_folder
from real_base_time import STARTING, Costs, Until
from real_base_ways import ANCHOR_WEIGHTS, BUDGETS, KINDS, PASSES, Way
from safetensors.torch import save_file

from styledial.config import Config
from styledial.config.resolve import resolve
from styledial.data.pack import PackedRows
from styledial.distributed import ranks
from styledial.files import write_json, written_aside
from styledial.monitor.screen import Screen
from styledial.run.prepare import Parts, prepare
from styledial.run.updates import Updates
from styledial.run_folder import layout
from styledial.training.anchor import book_openings, sample_rows
from styledial.training.checkpoint import checkpoints
from styledial.training.row_order import RowOrder

LENGTH, ROWS, ANCHOR_ROWS = 128, 8, 2


class Training:
    """The adapters of the ways, made where they aren't there yet."""

    def __init__(self, given: argparse.Namespace, request: Until, costs: Costs) -> None:
        self.given, self.request, self.costs = given, request, costs

    def adapter(self, way: Way) -> Path:
        return self.given.work / "adapters" / f"{way}.safetensors"

    def updates_left(self, way: Way) -> int:
        if self._trained(way):
            return 0
        saved = checkpoints(self._run(way) / layout.CHECKPOINTS)
        return self.given.updates - (int(saved[-1].name[5:]) if saved else 0)

    def _trained(self, way: Way) -> bool:
        return way.kind == "base" or self.adapter(way).is_file()

    def _run(self, way: Way) -> Path:
        return self.given.work / "runs" / str(way)

    def config(self, way: Way) -> Config:
        """The run as a user would write it."""
        settings = {
            "model_name_or_path": self.given.base, "dtype": self.given.dtype,
            "data_dir": style_folder(self.given, way.style), "general": general_text(self.given),
            "output_dir": self._run(way), "max_length": LENGTH,
            "per_device_train_batch_size": ROWS, "gradient_accumulation_steps": 1,
            "max_steps": self.given.updates, "learning_rate": self.given.rate,
            "gradient_checkpointing": "false", "seed": way.seed, "save_steps": 5,
            "save_total_limit": 1, "evaluate_at_end": "off",
            "reference_cache": self.given.work / "references",
            "kl_beta": way.budget or BUDGETS[0],
        }  # fmt: skip
        assignments = [f"{key}={value}" for key, value in settings.items()]
        return resolve(assignments=[*assignments, *KINDS[way.kind], *self.given.set])

    def train(self, way: Way) -> bool:
        """Whether its adapter is there; training goes on from its last update."""
        if self._trained(way):
            return True
        updates = self.updates_left(way)  # 0 where only the adapter is still to be kept
        per_update = self.costs.of_update(way.kind)
        # Training may be left after any update; a piece of fewer than four isn't worth its start.
        long = self.request.left < STARTING + updates * per_update
        least = STARTING + (min(updates, 4) if long else updates) * per_update
        if not self.request.fits(f"{way} training, {updates} updates of {per_update:.0f} s", least):
            return False
        config, run = self.config(way), self._run(way)
        parts = prepare(
            config,
            run,
            ranks.place(),
            Screen(),
            resuming=bool(checkpoints(run / layout.CHECKPOINTS)),
            changed=[],
            when_too_large="refuse",
        )
        if way.kind == "replay":
            parts = with_replay(parts, self._replay_rows(way, parts))
        if way.kind in ANCHOR_WEIGHTS:
            parts = with_anchor_weight(parts, ANCHOR_WEIGHTS[way.kind])
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
        state, path = parts.state, self.adapter(way)
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


def with_anchor_weight(parts: Parts, weight: float) -> Parts:
    """The same run with KL on its anchor text `weight` times as heavy as NLL."""
    assert parts.core.anchor is not None
    anchor = dataclasses.replace(parts.core.anchor, weight=weight)
    return dataclasses.replace(parts, core=dataclasses.replace(parts.core, anchor=anchor))
