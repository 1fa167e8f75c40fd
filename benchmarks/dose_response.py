"""Does the budget do what it says, and what does it cost? Runs and a table.

    python benchmarks/dose_response.py --base MODEL --style FOLDER --general FILE \\
        --output OUT [--budgets 0.02 ...] [--seeds 0 1 2] [--kinds budget self general ...]
    python benchmarks/dose_table.py OUT [--figure FILE.svg]

Kinds of run, each on the same rows in the same order per seed:

    budget      KL budget, no anchor             self     budget, anchor text from the base
    general     budget, anchor is general text   sft      NLL alone; also read at half strength
    replay      NLL on style + a fifth general   penalty  fixed coefficient, reverse
    penalty-f   fixed coefficient, forward       asft     DFT-weighted NLL + 0.1 forward KL

Runs without a budget are also read scaled down, `sft` and `replay` along their training too
(stopped early).
One line of JSON per reading is appended to OUT/readings.jsonl, so an interrupted experiment goes
on; adapters with a budget are kept, landed, in OUT/adapters. Held-out style and general test text
are never trained on, and the anchor's general text is another source than the general test text.
All runs read the base's hidden states from one reference cache, which changes no figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from accelerate import Accelerator  # noqa: E402
from dose_rivals import train_rival  # noqa: E402

from styledial.data.novels import read_novels, read_text  # noqa: E402
from styledial.data.pack import PackedRows, pack  # noqa: E402
from styledial.data.passage import Passage  # noqa: E402
from styledial.dial import read_points, scale_for  # noqa: E402
from styledial.models.adapter import save_model, scale_adapter, scaled  # noqa: E402
from styledial.models.load import load_base, load_tokenizer, quiet_libraries  # noqa: E402
from styledial.models.policy import Policy, with_lora  # noqa: E402
from styledial.training.anchor import TOKENS, book_openings, sample_rows  # noqa: E402
from styledial.training.components import Anchor, Components, Hooks  # noqa: E402
from styledial.training.controller import FixedCoefficient, KLController  # noqa: E402
from styledial.training.landing import find_scale  # noqa: E402
from styledial.training.loop import train  # noqa: E402
from styledial.training.measure import halves, measure  # noqa: E402
from styledial.training.reference import ReferenceCache, References, fingerprint  # noqa: E402
from styledial.training.row_order import RowOrder  # noqa: E402

BATCH, RATE = 16, 2e-3
CPU = torch.device("cpu")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--base", required=True)
    options.add_argument("--style", type=Path, required=True)
    options.add_argument("--general", type=Path, required=True, help="only ever measured on")
    options.add_argument("--anchor", default="bundled", help="general text of another source")
    options.add_argument("--output", type=Path, required=True)
    options.add_argument(
        "--budgets", type=float, nargs="+", default=[0.02, 0.05, 0.08, 0.1, 0.15, 0.2]
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument(
        "--kinds", nargs="+", default=["self", "budget", "general", "sft", "replay"]
    )
    options.add_argument("--steps", type=int, default=120)
    options.add_argument("--length", type=int, default=128)
    options.add_argument("--anchor-rows", type=int, default=BATCH // 4, help="beside 16 style rows")
    options.add_argument("--anchor-weight", type=float, default=1.0)
    given = options.parse_args()
    quiet_libraries()
    bench = Bench(given)
    for seed in given.seeds:
        for kind in given.kinds:
            for budget in given.budgets if kind in BUDGETED else [None]:
                bench.run(kind, budget, seed)


BUDGETED = {"budget", "self", "general"}
PENALTIES = {"penalty": (0.5, "reverse"), "penalty-f": (0.5, "forward"), "asft": (0.1, "forward")}


class Bench:
    """The texts, packed once, and the runs over them."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.tokenizer = load_tokenizer(given.base)
        passages = read_novels(given.style, 0.08, cache=given.output / "cache")
        length = given.length
        self.style = pack([p for p in passages if p.split == "train"], self.tokenizer, length)
        heldout = pack([p for p in passages if p.split == "heldout"], self.tokenizer, length)
        self.heldout = heldout.at_most(24_576)
        self.landing, self.report = halves(self.heldout)
        general = [Passage(read_text(given.general), "general", ends_book=True)]
        self.test = pack(general, self.tokenizer, length).at_most(10_240)
        self.anchor_text = self._anchor_text(given.anchor)
        self.accelerator = Accelerator(cpu=True)
        self.sampled: dict[int, PackedRows] = {}

    def _anchor_text(self, source: str) -> PackedRows:
        from styledial.data.texts import general_passages

        return pack(
            general_passages(source, "--anchor", bundled="modern"),
            self.tokenizer,
            self.given.length,
        )

    def run(self, kind: str, budget: float | None, seed: int) -> None:
        path = self.given.output / "readings.jsonl"
        name = self._name(kind)
        done = {(r["kind"], r["budget"], r["seed"]) for r in readings(self.given.output)}
        if (name, budget, seed) in done:
            return
        torch.manual_seed(seed)
        policy = with_lora(
            load_base(self.given.base, dtype="float32"),
            r=8,
            lora_alpha=16,
            lora_dropout=0.0,
            target_modules="all-linear",
        )
        started = time.perf_counter()
        found = self._train(kind, budget, seed, policy)
        seconds = time.perf_counter() - started
        with path.open("a", encoding="utf-8") as file:
            for reading in found:
                line = {
                    "kind": name,
                    "budget": budget,
                    "seed": seed,
                    **reading,
                    "seconds": round(seconds, 1),
                }
                file.write(json.dumps(line) + "\n")
                print(line, flush=True)

    def _name(self, kind: str) -> str:
        """The kind, with what is unusual about its anchor."""
        rows, weight = self.given.anchor_rows, self.given.anchor_weight
        usual = kind not in ("self", "general") or (rows, weight) == (BATCH // 4, 1.0)
        return kind if usual else f"{kind}, {rows} rows, weight {weight:g}"

    def _train(
        self, kind: str, budget: float | None, seed: int, policy: Policy
    ) -> list[dict[str, Any]]:
        steps = self.given.steps
        optimizer = torch.optim.AdamW(
            [p for p in policy.parameters() if p.requires_grad],
            lr=RATE,
            weight_decay=0.0,
            fused=True,
        )
        from transformers import get_scheduler

        scheduler = get_scheduler("cosine", optimizer, round(0.05 * steps), steps)
        controller: Any = (
            KLController(budget) if budget else FixedCoefficient(PENALTIES.get(kind, (0.0, ""))[0])
        )
        order = RowOrder(len(self.style), BATCH, 1, 1, seed)
        found: list[dict[str, Any]] = []
        calibration = self.heldout.select(self.landing).at_most(6_144)

        def after_step(state: Any, stop: bool = False) -> bool:
            if budget and state.step % (steps // 12) == 0 and steps // 4 <= state.step < steps:
                controller.calibrate(measure(policy, calibration, batch_size=BATCH, device=CPU).kl)
            if kind in ("sft", "replay") and state.step in (steps // 12, steps // 6, steps // 3):
                found.append(self._reading(policy, 1.0, f"step {state.step}"))
            return True

        if kind in ("replay", "asft"):
            general = RowOrder(len(self.anchor_text), BATCH // 4, 1, 1, order.seed + 1)
            train_rival(
                kind,
                policy,
                (self.style, self.anchor_text),
                (order, general),
                optimizer,
                scheduler,
                steps=steps,
                after_step=after_step,
            )
        else:
            from styledial.training.checkpoint import TrainState

            parts = self._parts(kind, seed, policy, optimizer, scheduler, controller)
            hooks = Hooks(after_step=after_step)
            train(parts, order, TrainState(), total_steps=steps, log_every=steps, hooks=hooks)
        if budget:
            found += self._landed(policy, budget)
            name = f"{self._name(kind)}-{budget:.2f}-seed{seed}".replace(", ", "-").replace(" ", "")
            save_model(policy, self.given.output / "adapters" / name)
            return found
        scales = (1.0, 0.85, 0.7, 0.5, 0.35)
        return found + [self._reading(policy, s, f"scale {s:g}") for s in scales]

    def _parts(
        self,
        kind: str,
        seed: int,
        policy: Policy,
        optimizer: Any,
        scheduler: Any,
        controller: Any,
    ) -> Components:
        from styledial.distributed.consensus import Consensus
        from styledial.training.nonfinite import UpdateCounters

        anchor = self._anchor(kind, policy, seed)
        return Components(
            policy=policy,
            wrapped=policy,
            rows=self.style,
            accelerator=self.accelerator,
            consensus=Consensus(1),
            optimizer=optimizer,
            scheduler=scheduler,
            controller=controller,
            counters=UpdateCounters(CPU),
            anchor=anchor,
            references=None if kind == "sft" else self._references(policy, anchor),
            direction=PENALTIES.get(kind, (0, "reverse"))[1],
        )

    def _anchor(self, kind: str, policy: Policy, seed: int) -> Anchor | None:
        if kind == "self":
            if seed not in self.sampled:
                with policy.as_base() as base:
                    length = self.style.max_length
                    first = book_openings(self.style, TOKENS // length, seed)
                    self.sampled[seed] = sample_rows(base, first, length, seed=seed)
            rows = self.sampled[seed]
        elif kind == "general":
            rows = self.anchor_text
        else:
            return None
        order = RowOrder(len(rows), self.given.anchor_rows, 1, 1, seed + 1)
        return Anchor(rows, order, self.given.anchor_weight)

    def _references(self, policy: Policy, anchor: Anchor | None) -> References:
        """Every run trains on the same style rows, so all share one cache of the base's states."""
        caches = []
        for rows in (self.style, anchor.rows if anchor else None):
            if rows is None:
                caches.append(None)
                continue
            shape = (len(rows), rows.max_length, policy.head.weight.shape[1])
            name = fingerprint([self.given.base], policy, rows)
            caches.append(ReferenceCache(self.given.output / "cache", name, shape, torch.float32))
        return References(policy, *caches)

    def _landed(self, policy: Policy, budget: float) -> list[dict[str, Any]]:
        def kl_at(scale: float) -> float:
            with scaled(policy, scale):
                return measure(
                    policy, self.heldout, batch_size=BATCH, device=CPU, only=self.landing
                ).kl

        scale, _ = find_scale(kl_at, budget)
        found = [self._reading(policy, scale, "landed", scale=scale)]
        scale_adapter(policy, scale)
        if budget >= 0.2:
            found += self._dialled(policy)
        return found

    def _dialled(self, policy: Policy) -> list[dict[str, Any]]:
        """The landed run asked for smaller strengths, as `styledial dial` turns them into scales;
        the dial is measured on one half of the held-out text and checked on the other."""

        def measure_at(scale: float) -> tuple[float, float, float]:
            with scaled(policy, scale):
                read = measure(
                    policy, self.heldout, batch_size=BATCH, device=CPU, only=self.landing
                )
            return read.kl, read.nll, 0.0  # general text plays no part in finding a scale

        points = read_points(measure_at)
        found = []
        for wanted in (0.05, 0.08, 0.1, 0.15):
            scale = scale_for(points, wanted)
            found.append(self._reading(policy, scale, f"dialled {wanted:g}", scale=scale))
        return found

    def _reading(self, policy: Policy, strength: float, at: str, **more: float) -> dict[str, Any]:
        with scaled(policy, strength):
            style = measure(policy, self.heldout, batch_size=BATCH, device=CPU, only=self.report)
            general = measure(policy, self.test, batch_size=BATCH, device=CPU)
        return {
            "at": at,
            "kl": style.kl,
            "style_nll": style.nll,
            "style_nll_base": style.nll_base,
            "general_nll": general.nll,
            "general_nll_base": general.nll_base,
            "general_kl": general.kl,
            **more,
        }


def readings(output: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(output.glob("readings*.jsonl")):
        found += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return found


if __name__ == "__main__":
    main()
