"""The dial on a real language model beside its rivals, made in pieces of a few minutes.

    python benchmarks/real_base.py --way budget-0.1 anchor sft --style shakespeare
    python benchmarks/real_base.py --budget-minutes 20      all ways, as far as 20 minutes go
    python benchmarks/real_base.py --list                   what is done, and what is left
    python benchmarks/real_base.py --dtype bfloat16 --read land text chat --results FOLDER
                                                            half the time, the figures alone
    python benchmarks/real_base_table.py                    the tables

Base: SmolLM2-135M-Instruct, as ../shared/models/get_smollm2.py leaves it. Styles: tinyshakespeare
(`scenes`: its beginning) and a Gutenberg novel, cleaned by our own reader. General text, only ever measured on: State of the
Union addresses. Ways, each on the same rows in the same order per seed; a budget in the name, or
trained once and scaled to every budget:

    budget-B   KL budget B, anchor written by the base (a fifth of the tokens): the default
    ninth-B    the same with the anchor at a ninth         rows-B    KL on a quarter of the rows
    masked-B   KL without the true token                   mlp-B     LoRA on the MLP alone
    anchor     NLL, and KL on the anchor alone             sft       NLL alone
    budget4-B, anchor4      as without the 4, with KL on the anchor four times as heavy
    replay     NLL, also on text that the base wrote, a fifth of the tokens
    dera       base and the sft adapter, mixed at decoding (arXiv 2402.02992)
    base       nothing: the untuned model in the same tables

Everything stops cleanly at SIGTERM or Ctrl-C and goes on where it was: training from its last
update, readings from the last one made. Adapters, checkpoints and caches stay in --work; figures,
one JSON a run, go to --results. A finished piece is never made twice.

The parts: real_base_ways.py (what is compared), real_base_time.py (what fits the time),
real_base_training.py, real_base_style.py (texts) and real_base_readings.py (figures).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from real_base_readings import Mixed, Tuned  # noqa: E402
from real_base_style import STYLES, Style  # noqa: E402
from real_base_time import READ, Costs, Until  # noqa: E402
from real_base_training import Training  # noqa: E402
from real_base_ways import ORDER, Way  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from styledial.build.model import build_policy  # noqa: E402
from styledial.errors import StyleDialError  # noqa: E402
from styledial.files import write_json  # noqa: E402
from styledial.models.load import quiet_libraries  # noqa: E402
from styledial.training.landing import find_scale  # noqa: E402
from styledial.training.measure import BaseStates, Distance  # noqa: E402
from styledial.training.resume import load_weights  # noqa: E402


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
    options.add_argument("--set", nargs="+", default=[], help="KEY=VALUE, other settings of a run")
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


class Bench:
    """The pieces, what they cost, and where their results are."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.request = Until(given.budget_minutes and given.budget_minutes * 60)
        self.costs = Costs(given.work / "seconds.json")
        self.training = Training(given, self.request, self.costs)
        self.states = BaseStates()
        self.styles: dict[str, Style] = {}

    def make(self, way: Way) -> bool:
        """All pieces of `way` that are left; False where the time or a signal ended it."""
        if not self.training.train(way.trained_as):
            return False
        tuned: Tuned | None = None
        for name, strength in self._readings_left(way):
            if not self.request.fits(f"{way} {name} at {strength:g}", self.costs.of(name)):
                return False
            tuned = tuned or self._tuned(way)
            with self.costs.timed(name):
                self._read(way, tuned, name, strength)
        return True

    def left(self, way: Way) -> float:
        """Seconds that its pieces will take, as far as is known."""
        train = self.training.updates_left(way.trained_as) * self.costs.of_update(way.kind)
        return train + sum(self.costs.of(name) for name, _ in self._readings_left(way))

    def state(self, way: Way) -> str:
        """What is left of it, in words."""
        updates = self.training.updates_left(way.trained_as)
        readings = len(list(self._readings_left(way)))
        if not updates and not readings:
            return "done"
        return f"{updates} updates and {readings} readings left, {self.left(way) / 60:.0f} min"

    def style(self, name: str) -> Style:
        if name not in self.styles:
            self.styles[name] = Style(name, self.given, self.training.config)
        return self.styles[name]

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
        policy = build_policy(self.training.config(way.trained_as))
        if way.kind != "base":
            load_weights(policy, load_file(self.training.adapter(way.trained_as)))
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
            path = self.training.adapter(way.trained_as).with_suffix(".json")
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


if __name__ == "__main__":
    main()
