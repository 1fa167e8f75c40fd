"""Does the style score rise with the budget, and do its controls hold? Readings and a table.

    python benchmarks/style_score.py --base MODEL --style FOLDER --general FILE \\
        --output OUT --adapters ADAPTER_FOLDER ... [--passages 192]

An adapter's folder is named KIND-BUDGET-seedN, as those of benchmarks/dose_response.py are, whose
novels, split and row length are the same here. Every adapter is evaluated by
`styledial.evaluation.suite.evaluate` on the same prompts and sampling seed, so what differs is the
adapter. One line of JSON per adapter is appended to OUT/style.jsonl, and an interrupted
experiment goes on; --table prints what is there.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from styledial.build.texts import Texts  # noqa: E402
from styledial.data.novels import read_novels, read_text  # noqa: E402
from styledial.data.pack import pack  # noqa: E402
from styledial.data.passage import Passage  # noqa: E402

LENGTH, HELDOUT, GENERAL = 128, 49_152, 10_240
SHOWN = ("kl", "style_nll_gain", "style_score", "function_word_distance",
         "sentence_rhythm_distance", "distinct_2", "distinct_3", "longest_loop",
         "base_perplexity", "longest_copy", "long_copy_rate",
         "extraction_rate_16", "extraction_rate_32", "extraction_rate_64")  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--base")
    options.add_argument("--style", type=Path)
    options.add_argument("--general", type=Path)
    options.add_argument("--output", type=Path, required=True)
    options.add_argument("--adapters", type=Path, nargs="*", default=[])
    options.add_argument("--passages", type=int, default=192)
    options.add_argument("--places", type=int, default=96)
    options.add_argument("--table", action="store_true", help="print the table and stop")
    given = options.parse_args()
    if not given.table:
        read_adapters(given)
    print_table(given.output)


def read_adapters(given: argparse.Namespace) -> None:
    from peft import PeftModel

    from styledial.evaluation.suite import Effort, Subject, evaluate
    from styledial.models.load import load_base, load_tokenizer, quiet_libraries
    from styledial.models.policy import Policy, quiet_peft

    quiet_libraries()
    tokenizer = load_tokenizer(given.base)
    passages = read_novels(given.style, 0.08, cache=given.output / "cache")
    style, heldout = (
        pack([p for p in passages if p.split == split], tokenizer, LENGTH)
        for split in ("train", "heldout")
    )
    general = pack(
        [Passage(read_text(given.general), "general", ends_book=True)], tokenizer, LENGTH
    )
    texts = Texts(style, heldout.at_most(HELDOUT), general.at_most(GENERAL), ())
    done = {reading["adapter"] for reading in readings(given.output)}
    found = None
    for folder in given.adapters:
        if folder.name in done:
            continue
        started = time.perf_counter()
        # A fresh base each: PEFT puts its layers into the model that it is given.
        base = load_base(given.base, dtype="float32")
        with quiet_peft():
            policy = Policy(PeftModel.from_pretrained(base, str(folder)), None).eval()
        reading = {"batch_size": 16, "device": policy.head.weight.device, "direction": "reverse"}
        effort = Effort(given.passages, LENGTH, given.places)
        subject = Subject(policy, tokenizer, texts, reading)
        found = evaluate(subject, effort=effort, like=found)
        with (given.output / f"{folder.name}.pickle").open("wb") as kept:  # to look at by hand
            pickle.dump(found.passages, kept)
        line = {
            "adapter": folder.name,
            **found.as_json(),
            "seconds": round(time.perf_counter() - started, 1),
        }
        with (given.output / "style.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(
            folder.name, {name: round(r.value, 4) for name, r in found.metrics.items()}, flush=True
        )


def readings(output: Path) -> list[dict[str, Any]]:
    path = output / "style.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def print_table(output: Path) -> None:
    """Means over seeds for each budget, the controls, and Spearman's rank correlation."""
    from scipy.stats import spearmanr

    groups: dict[float, list[dict[str, Any]]] = {}
    for reading in readings(output):
        groups.setdefault(float(reading["adapter"].split("-")[1]), []).append(reading["metrics"])
    budgets = sorted(groups)
    means: dict[str, list[float]] = {}
    print(
        "| metric | "
        + " | ".join(f"{b:g} ({len(groups[b])})" for b in budgets)
        + " | base | books | Spearman |"
    )
    print("|---" * (len(budgets) + 4) + "|")
    for name in SHOWN:
        found = [[m[name] for m in groups[b] if name in m] for b in budgets]
        if not all(found):
            continue
        means[name] = [sum(m["value"] for m in each) / len(each) for each in found]
        controls = [
            _mean([m.get(side) for each in found for m in each]) for side in ("base", "books")
        ]
        rank = (
            spearmanr(budgets, means[name]).statistic if len(set(means[name])) > 1 else float("nan")
        )
        print(
            f"| {name} | "
            + " | ".join(f"{value:.4g}" for value in means[name])
            + f" | {controls[0]} | {controls[1]} | {rank:.2f} |"
        )
    for budget in budgets:
        each = [
            f"{m['style_score']['value']:.3f} ({m['style_score']['ci'][0]:.3f}-"
            f"{m['style_score']['ci'][1]:.3f})"
            for m in groups[budget]
        ]
        print(f"style_score at {budget:g}, each seed with its interval: " + ", ".join(each))


def _mean(values: list[float | None]) -> str:
    kept = [value for value in values if value is not None]
    return f"{sum(kept) / len(kept):.4g}" if kept else ""


if __name__ == "__main__":
    main()
