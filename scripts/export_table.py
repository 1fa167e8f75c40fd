"""Read merges and adapters of nine tiny models with older and newer libraries: the docs' table.

    python scripts/export_table.py ENVIRONMENT

ENVIRONMENT is a folder for the older libraries, made by older_readers.py where it is empty.
The same way as tests/test_export.py. Largest difference of a logit to the tuned model's, fp32.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "scripts")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from exports import FAMILIES, exported, published_base, read_elsewhere  # noqa: E402
from older_readers import make_environment  # noqa: E402


def main() -> None:
    import peft
    import transformers

    older = make_environment(Path(sys.argv[1]).absolute())
    newer = Path(sys.executable)
    versions = f"transformers {transformers.__version__}", f"PEFT {peft.__version__}"
    titles = ["model", "largest logit", "merge, transformers 4.57.6", f"merge, {versions[0]}",
              "adapter, PEFT 0.13.2", f"adapter, {versions[1]}"]  # fmt: skip
    print("| " + " | ".join(titles) + " |")
    print("|---" * len(titles) + "|")
    for name in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            print(_row(name, Path(folder), older, newer), flush=True)


def _row(name: str, folder: Path, older: Path, newer: Path) -> str:
    from styledial.models.load import load_base, quiet_libraries

    quiet_libraries()
    os.environ["STYLEDIAL_HOME"] = str(folder / "home")
    base = published_base(name, folder / "base")
    adapter, merged, logits = exported(base, folder / "out")
    jobs = [[str(merged)], [str(load_base(str(base)).base_folder), str(adapter)]]
    read = {python: read_elsewhere(python, folder, jobs) for python in (older, newer)}
    gaps = [
        (read[python][job]["logits"] - logits).abs().max().item()
        for job in (0, 1)
        for python in (older, newer)
    ]
    largest = logits.abs().max().item()
    return f"| {name} | {largest:.1f} | " + " | ".join(f"{gap:.1e}" for gap in gaps) + " |"


if __name__ == "__main__":
    main()
