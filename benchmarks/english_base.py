"""A small English base for the second pair of the dose experiment.

    python benchmarks/english_base.py --text state_of_the_union.txt --output OUT [--steps 600]

Learns nine tenths of a text, a byte-level BPE of 2,048 tokens included, and leaves the last tenth
unread: OUT/base is the model, OUT/unseen.txt general text to measure forgetting on, OUT/seen.txt
what it has learnt from (general text to rehearse).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import torch  # noqa: E402
from build_base import LENGTH, as_passages, fit, qwen2_tokenizer, small_qwen2  # noqa: E402
from tokenizers import ByteLevelBPETokenizer  # noqa: E402
from transformers import Qwen2TokenizerFast  # noqa: E402

from styledial.data.novels import read_text  # noqa: E402
from styledial.data.pack import pack  # noqa: E402
from styledial.files import write_text  # noqa: E402

VOCABULARY = 2048


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--text", type=Path, required=True)
    options.add_argument("--output", type=Path, required=True)
    options.add_argument("--steps", type=int, default=600)
    given = options.parse_args()
    torch.manual_seed(0)
    text = read_text(given.text)
    cut = text.rfind("\n", 0, len(text) * 9 // 10)
    seen, unseen = text[:cut], text[cut:]
    write_text(given.output / "seen.txt", seen)
    write_text(given.output / "unseen.txt", unseen)
    tokenizer = english_tokenizer(seen)
    rows = pack(as_passages([seen]), tokenizer, LENGTH)
    # The judge of which weights to keep is the end of what is learnt, never the unseen text.
    judge, rows = (
        rows.select(list(range(len(rows)))[-64:]),
        rows.select(list(range(len(rows)))[:-64]),
    )
    model = small_qwen2(len(tokenizer))
    print(
        f"{sum(p.numel() for p in model.parameters()):,} parameters, {rows.total_targets:,} tokens"
    )
    model.load_state_dict(fit(model, rows, judge, given.steps))
    model.config.attention_dropout = 0.0
    model.save_pretrained(given.output / "base")
    tokenizer.save_pretrained(given.output / "base")


def english_tokenizer(text: str) -> Qwen2TokenizerFast:
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(text.split("\n"), vocab_size=VOCABULARY - 1, show_progress=False)
    return qwen2_tokenizer(trained._tokenizer)


if __name__ == "__main__":
    main()
