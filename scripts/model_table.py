"""Take each of the guide's six, tiny and random, the whole way and print the docs' table.

    python scripts/model_table.py

The same way as tests/test_models_six.py: train, adapter, generate, merge, reload.
"""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from rehearsal import Figures, rehearse  # noqa: E402
from tiny_models import GUIDE, TEXT, build  # noqa: E402


def main() -> None:
    print(
        "| model | tiny parameters | KL of a fresh adapter | NLL of text learnt, before -> after "
        "| merged vs adapter, logits | tokenizer after reload |"
    )
    print("|---|---|---|---|---|---|")
    for name in GUIDE:
        with tempfile.TemporaryDirectory() as folder:
            print(row(figures(name, Path(folder))), flush=True)


def figures(name: str, folder: Path) -> Figures:
    os.environ["STYLEDIAL_HOME"] = str(folder / "home")
    books = folder / "books"
    books.mkdir()
    (books / "book.txt").write_text(TEXT * 3, encoding="utf-8")
    return rehearse(name, build(name, folder / "base"), folder, books)


def row(found: Figures) -> str:
    same = "same ids" if found.round_trip else "differs"
    return (
        f"| `{found.name}` | {found.parameters:,} | {found.fresh_kl} | {found.nll_before:.3f} -> "
        f"{found.nll_after:.3f} | {found.merge_gap:.1e} | {same} |"
    )


if __name__ == "__main__":
    main()
