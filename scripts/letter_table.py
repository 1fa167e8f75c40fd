"""Count how often letters follow each other in each language -> styledial/assets/letters.json.

    python scripts/letter_table.py FOLDER    FOLDER holds de.txt, ru.txt, zh.txt, ... in UTF-8

Alphabets get a table of pairs, scripts with thousands of characters the cost of each character.
Costs are whole bits (minus log2 of the frequency, rounded), one letter each: 0-9, then a-z. Only
these numbers go into the package, never text.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
import unicodedata
from collections import Counter
from pathlib import Path

from styledial.data.reading.letters import DIGITS, TABLE, fold
from styledial.data.reading.unit_tables import is_letter

IDEOGRAPHIC = ("zh", "ja", "ko")
BASIC = set("abcdefghijklmnopqrstuvwxyz")
_SMALLEST_SHARE = 1 / 40_000  # of all letters; rarer ones are foreign to the language
_PRIOR = 2.0  # how many occurrences of the pair's second letter alone the table is smoothed with


def pairs(text: str) -> dict[str, object]:
    """{"letters": "abc", "bits": row of costs after each of space, a, b, c}"""
    folded = [c if is_letter(c) else " " for c in fold(unicodedata.normalize("NFC", text))]
    single = Counter(folded)
    enough = sum(single.values()) * _SMALLEST_SHARE
    latin = sum(single[c] for c in BASIC) > sum(n for c, n in single.items() if c != " ") / 2
    letters = {c for c, n in single.items() if n > enough and c != " "}
    letters = letters | BASIC if latin else letters - BASIC
    order = [" ", *sorted(letters)]
    chain = [c for c in folded if c in letters or c == " "]
    chain = [
        c for c, before in zip(chain, [" ", *chain], strict=False) if (c, before) != (" ", " ")
    ]
    total = len(chain) + len(order)
    share = {c: (chain.count(c) + 1) / total for c in order}
    seen, begun = Counter(itertools.pairwise(chain)), Counter(chain)
    rows = []
    for a in order:
        costs = [(seen[a, b] + _PRIOR * share[b] * 8) / (begun[a] + _PRIOR * 8) for b in order]
        rows.append("".join(_digit(-math.log2(cost)) for cost in costs))
    return {"letters": "".join(order[1:]), "bits": rows}


def singles(text: str, kana: bool) -> dict[str, object]:
    """{"characters": {cost: "characters of that cost"}}"""
    counts = Counter(c for c in text if "\x7f" < c < "\ue000" or "\uf8ff" < c != "\ufffd")
    if not kana:
        counts = Counter({c: n for c, n in counts.items() if not "\u3040" < c < "\u3100"})
    total = sum(counts.values())
    kept: dict[str, list[str]] = {}
    for c, n in sorted(counts.items()):
        if n > 1 and ord(c) < 0x10000:
            kept.setdefault(_digit(-math.log2(n / total)), []).append(c)
    return {"characters": {cost: "".join(cs) for cost, cs in sorted(kept.items())}}


def _digit(bits: float) -> str:
    return DIGITS[min(max(round(bits), 0), len(DIGITS) - 1)]


def main() -> None:
    found = {}
    for path in sorted(Path(sys.argv[1]).glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        name = path.stem
        found[name] = singles(text, name == "ja") if name in IDEOGRAPHIC else pairs(text)
    rows = ",\n".join(
        f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in found.items()
    )
    TABLE.write_text("{\n" + rows + "\n}\n", encoding="utf-8")
    print(f"{TABLE}: {len(found)} languages, {TABLE.stat().st_size >> 10} KB")


if __name__ == "__main__":
    main()
