"""The table of docs/export.md: strength asked, and measured after each way of exporting a run.

    python scripts/strength_table.py RUN BASE.gguf [light,medium,0.02]

RUN has its dial (`styledial dial RUN`); BASE.gguf is its base, which is measured as it is and
rewritten as F16 and Q8_0. Needs the extras gguf and llamacpp.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))


def main() -> None:
    from gguf_bases import requantised

    from styledial.export.write import Options, export
    from styledial.strength import parse_strengths

    run, gguf = Path(sys.argv[1]), Path(sys.argv[2])
    strengths = sys.argv[3] if len(sys.argv) > 3 else "light,medium,0.02"
    wanted = parse_strengths(strengths)
    names = [each.folder for each in wanted]
    print("| exported as | " + " | ".join(f"{each.kl:g}" for each in wanted) + " | base |")
    print("|---|" + "---|" * (len(names) + 1))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for dtype in ("float32", "bfloat16"):
            read = {}
            for each in wanted:
                target = folder / f"{dtype}-{each.folder}"
                how = Options(strength=each.name, output=target, dtype=dtype)
                read |= export(run, "merged", how).readings
            show(f"merged, {dtype}", [read[name] for name in names])
        for kind in ("F16", "Q8_0", "as it is"):
            base = gguf if kind == "as it is" else requantised(gguf, folder / f"{kind}.gguf", kind)
            how = Options(strengths, folder / f"lora-{kind}", base_gguf=str(base))
            found = export(run, "gguf-lora", how).readings
            show(f"GGUF LoRA, {gguf.name if base == gguf else kind}", [found[n] for n in names])


def show(words: str, readings: list) -> None:
    """KL as exported (KL of the adapter at the same positions)."""
    cells = [f"{each.exported:.4f} ({each.adapter:.4f})" for each in readings]
    base = readings[0].base
    shown = "-" if base is None else f"{base:.1e}"
    print(f"| {words} | " + " | ".join(cells) + f" | {shown} |", flush=True)


if __name__ == "__main__":
    main()
