"""The tables of real_base.py, as Markdown on standard output.

    python benchmarks/real_base_table.py [RESULTS] [--samples 0.1]

KL and NLL in nats per token on held-out text that landing didn't read; bits per character; right:
share of plain questions answered; score, along, apart, beyond: real_base_readings.markers. Passes
are what an update costs for each token of style text, seconds an update's as measured.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
Found = dict[str, Any]
COLUMNS: dict[str, Callable[[Found, Found], Any]] = {
    "way": lambda run, at: run["way"],
    "seed": lambda run, at: run["seed"],
    "scale": lambda run, at: f"{at['land']['scale']:.3f}" if "land" in at else "",
    "KL": lambda run, at: f"{at['text']['kl']:.4f}",
    "bits": lambda run, at: f"{at['text']['bits']:.4f}",
    "style NLL": lambda run, at: f"{at['text']['style_nll']:.4f}",
    "general NLL": lambda run, at: (
        f"{at['text']['general_nll'] - at['text']['general_nll_base']:+.4f}"
    ),
    "general KL": lambda run, at: f"{at['text']['general_kl']:.4f}",
    "chat KL": lambda run, at: f"{at['chat']['chat_kl']:.4f}",
    "right": lambda run, at: f"{at['questions']['right']:.0%}",
    "score": lambda run, at: f"{at['passages']['style_score'][0]:.2f}",
    "along": lambda run, at: f"{at['passages']['markers']['along']:.2f}",
    "apart": lambda run, at: f"{at['passages']['markers']['apart']:.2f}",
    "beyond": lambda run, at: f"{at['passages']['markers']['beyond']:.0%}",
    "passes": lambda run, at: run["training"].get("passes", ""),
    "seconds": lambda run, at: _seconds(run["training"]),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("results", type=Path, nargs="?", default=HERE / "results/real_base")
    options.add_argument("--samples", help="a KL: what every way writes there, side by side")
    given = options.parse_args()
    runs = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(given.results.glob("*/*.json"))
    ]
    lines = side_by_side(runs, given.samples) if given.samples else tables(runs)
    print("\n".join(lines))


def tables(runs: list[Found]) -> Iterator[str]:
    """A table for each style and strength; a cell that was not read is empty, and a column that no
    run has is left out."""
    columns = {
        name: of
        for name, of in COLUMNS.items()
        if any(_cell(of, run, at) != "" for run in runs for at in run["readings"].values())
    }
    at: dict[tuple[str, str], list[tuple[Found, Found]]] = defaultdict(list)
    for run in runs:
        for strength, found in run["readings"].items():
            at[run["style"], strength].append((run, found))
    for (style, strength), rows in sorted(at.items()):
        yield from ["", f"**{style}, KL {strength}**", "", "| " + " | ".join(columns) + " |"]
        yield "|" + "---|" * len(columns)
        for run, found in rows:
            yield "| " + " | ".join(str(_cell(of, run, found)) for of in columns.values()) + " |"


def _cell(of: Callable[[Found, Found], Any], run: Found, at: Found) -> Any:
    try:
        return of(run, at)
    except KeyError:
        return ""


def _seconds(training: Found) -> str:
    return f"{training['seconds'] / training['updates']:.1f}"


def side_by_side(runs: list[Found], strength: str) -> Iterator[str]:
    """The same openings as continued by the base and by every way at one strength."""
    for style in sorted({run["style"] for run in runs}):
        written = {
            run["way"]: run["readings"][at]["samples"]["written"]
            for run in runs
            for at in ("0" if run["way"] == "base" else strength,)
            if run["style"] == style and "samples" in run["readings"].get(at, {})
        }
        prompts = [each["prompt"] for each in next(iter(written.values()), [])]
        for number, prompt in enumerate(prompts):
            yield from [f"**{style} {number + 1}.** {_line(prompt)}", ""]
            yield from (f"- {way}: {_line(all_[number]['text'])}" for way, all_ in written.items())
            yield ""


def _line(text: str) -> str:
    return " / ".join(text.strip().split("\n"))


if __name__ == "__main__":
    main()
