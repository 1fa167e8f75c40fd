"""The table of families in docs/models.md: what of each is adapted, and how its texts lie in rows.

    python scripts/family_table.py

Builds the tiny random models of tests/families.py; tests/test_models_matrix.py takes each of them
the whole way.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from families import FAMILIES, WITH_IMAGES, build_family

from styledial.models.load import load_base, quiet_libraries
from styledial.models.policy import with_lora
from styledial.models.support import keeps_texts_apart
from styledial.models.text_part import has_experts


def main() -> None:
    """Print the table."""
    import transformers

    quiet_libraries()
    print(f"transformers {transformers.__version__}, `all-linear`, attention on a CPU.\n")
    print("| `model_type` | attention | texts in a row | logits | adapted |")
    print("|---|---|---|---|---|")
    for name in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            print(_row(name, load_base(str(build_family(name, Path(folder))), dtype="float32")))


def _row(name: str, base: Any) -> str:
    attention = base.config._attn_implementation
    part = " of the text part" if name in WITH_IMAGES else ""
    part += ", not the experts" if has_experts(base) else ""
    policy = with_lora(base, r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear")
    layers = {n.split(".lora_")[0].rpartition(".")[2] for n in policy.trainable_state()}
    head = policy.head
    kinds = [
        *(["bias"] if head.bias is not None else []),
        *(["scale"] if head.scale != 1 else []),
        *(["soft cap"] if head.cap else []),
    ]
    rows = "several" if keeps_texts_apart(name) else "one"
    adapted = ", ".join(sorted(layers)) + part
    return f"| `{name}` | {attention} | {rows} | {', '.join(kinds) or 'product'} | {adapted} |"


if __name__ == "__main__":
    main()
