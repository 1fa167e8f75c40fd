"""The table of docs/performance.md and .zh.md, filled in from the results that were measured.

python benchmarks/peers/table.py            writes it between the marks in both files
python benchmarks/peers/table.py --check    ends with 1 where they aren't up to date
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DOCS = HERE.parents[1] / "docs"
BEGIN, END = "<!-- begin: benchmarks/peers/table.py -->", "<!-- end -->"
WORDS = {
    "performance.md": {
        "none": "Nothing has been measured with these scripts yet.",
        "head": "| way | seconds (median) | x the first | processor seconds, x the first | extra peak GiB, process | tensors |",
        "of": "{turns} turns",
    },
    "performance.zh.md": {
        "none": "还没有用这些脚本测过。",
        "head": "| 做法 | 秒（中位数） | 与第一行之比 | CPU 秒数，与第一行之比 | 额外峰值 GiB，进程 | 张量 |",
        "of": "{turns} 轮",
    },
}


def block(words: dict[str, str], results: list[dict[str, Any]]) -> Iterator[str]:
    """Lines of the block: each machine, and under it each piece's ways."""
    if not results:
        yield words["none"]
    for result in results:
        shown = ", ".join(f"{name} {value}" for name, value in result["environment"].items())
        yield from (f"**{result['environment']['device']}** ({shown})", "")
        for name, piece in result["pieces"].items():
            if "turns" not in piece:  # its memory alone was measured
                continue
            yield f"{name} ({words['of'].format(turns=len(piece['turns']))})"
            yield from ("", words["head"], "|---|---|---|---|---|---|")
            for way, found in piece["summary"].items():
                ratio, used = (_ratio(found, key) for key in ("ratio", "processor_ratio"))
                extra, tensors = _gib(found.get("extra")), _gib(piece.get("traced", {}).get(way))
                yield f"| `{way}` | {found['seconds']:.2f} | {ratio} | {used} | {extra} | {tensors} |"
            yield ""


def _gib(size: int | None) -> str:
    return "" if size is None else f"{size / 2**30:.2f}"


def _ratio(found: dict[str, Any], key: str) -> str:
    return f"{found[key]:.2f}" if key in found else ""


def filled(content: str, lines: list[str]) -> str:
    """`content` with the lines between the marks."""
    before, _, rest = content.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n" + "\n".join(lines).strip() + f"\n{END}{after}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--check", action="store_true", help="write nothing")
    given = options.parse_args()
    paths = sorted(HERE.glob("results-*.json"))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    stale = []
    for name, words in WORDS.items():
        path = DOCS / name
        content = path.read_text(encoding="utf-8")
        made = filled(content, list(block(words, results)))
        if made != content:
            stale.append(name)
            if not given.check:
                path.write_text(made, encoding="utf-8")
    if given.check and stale:
        sys.exit(f"not up to date: {', '.join(stale)}; run python benchmarks/peers/table.py")


if __name__ == "__main__":
    main()
