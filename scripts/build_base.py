"""Rebuild the bundled base model from the texts in styledial/assets: a small Qwen2.

    python scripts/build_base.py [--steps 500] [--output styledial/assets/base]

It learns modern prose (assets/modern) and one wuxia tale (assets/legend), and has never seen
the sample novels (assets/wuxia) or the text that forgetting is measured on (assets/general).
The weights kept are those with the lowest NLL on assets/general's first file, which is the only
use of that file's text; they are saved in bf16.

Tokens are characters: a byte-level BPE whose only merges build each character of the texts from
its bytes, so any text can be written, and transformers loads it as an ordinary Qwen2 tokenizer.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers  # noqa: E402
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2TokenizerFast  # noqa: E402

from styledial.data.pack import PackedRows, pack  # noqa: E402
from styledial.data.passage import Passage  # noqa: E402
from styledial.data.texts import ASSETS  # noqa: E402
from styledial.models.head import output_head  # noqa: E402
from styledial.training.losses import fused_nll_kl  # noqa: E402

LENGTH = 128
END = "<|endoftext|>"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--steps", type=int, default=500)
    options.add_argument("--output", type=Path, default=ASSETS / "base")
    given = options.parse_args()
    torch.manual_seed(0)

    tokenizer = character_tokenizer(texts("modern", "legend", "wuxia", "general"))
    rows = pack(as_passages(texts("modern", "legend")), tokenizer, LENGTH)
    judge = pack(as_passages(texts("general")[:1]), tokenizer, LENGTH)
    model = small_qwen2(len(tokenizer))
    size = sum(p.numel() for p in model.parameters())
    print(f"{len(tokenizer)} tokens, {size:,} parameters, {rows.total_targets:,} training tokens")
    best = fit(model, rows, judge, given.steps)
    model.load_state_dict(best)
    model.config.attention_dropout = 0.0
    model.to(torch.bfloat16).save_pretrained(given.output)
    tokenizer.save_pretrained(given.output)


def texts(*folders: str) -> list[str]:
    return [
        path.read_text(encoding="utf-8").strip()
        for folder in folders
        for path in sorted((ASSETS / folder).glob("*.txt"))
    ]


def as_passages(contents: list[str]) -> list[Passage]:
    return [Passage(text, str(i), ends_book=True) for i, text in enumerate(contents)]


def character_tokenizer(contents: list[str]) -> Qwen2TokenizerFast:
    counts = Counter(character for text in contents for character in text)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    vocabulary = {s: i for i, s in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    for character, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        symbols = byte_level.pre_tokenize_str(character)[0][0]
        left = symbols[0]
        for right in symbols[1:]:
            if left + right not in vocabulary:
                vocabulary[left + right] = len(vocabulary)
                merges.append((left, right))
            left += right
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    core.pre_tokenizer = byte_level
    core.decoder = decoders.ByteLevel()
    return qwen2_tokenizer(core)


def qwen2_tokenizer(core: Tokenizer) -> Qwen2TokenizerFast:
    """As transformers saves and loads it, with the end of a text as its one special token."""
    core.add_special_tokens([AddedToken(END, special=True)])
    return Qwen2TokenizerFast(
        tokenizer_object=core,
        eos_token=END,
        pad_token=END,
        unk_token=None,
        model_max_length=1_000_000,
    )


def small_qwen2(vocabulary: int) -> Qwen2ForCausalLM:
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=math.ceil(vocabulary / 64) * 64,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=6,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            attention_dropout=0.1,
            bos_token_id=None,
            eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1,
        )
    )


def fit(
    model: Qwen2ForCausalLM, rows: PackedRows, judge: PackedRows, steps: int
) -> dict[str, torch.Tensor]:
    """AdamW with warm-up and a cosine over `steps`; the weights that predict `judge` best."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.3, betas=(0.9, 0.98))
    generator = torch.Generator().manual_seed(0)
    best, state = math.inf, {}
    for step in range(1, steps + 1):
        rate = 2e-3 * min(1.0, step / 50) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        optimizer.param_groups[0]["lr"] = rate
        chosen = torch.randint(len(rows), (24,), generator=generator).tolist()
        model.train()
        loss = mean_nll(model, rows, chosen)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 25 == 0:
            model.eval()
            with torch.no_grad():
                judged = mean_nll(model, judge, list(range(len(judge)))).item()
            print(f"step {step}: nll {loss.item():.3f}, judge {judged:.3f}", flush=True)
            if judged < best:
                best, state = judged, {k: v.clone() for k, v in model.state_dict().items()}
    return state


def mean_nll(model: Qwen2ForCausalLM, rows: PackedRows, chosen: list[int]) -> torch.Tensor:
    batch = rows.batch(chosen)
    hidden = model.model(batch.input_ids, position_ids=batch.position_ids).last_hidden_state
    targets = batch.targets.flatten()
    weight = (targets >= 0).float()
    return fused_nll_kl(
        hidden.flatten(0, 1), None, output_head(model), targets, weight / weight.sum(), weight
    ).loss


if __name__ == "__main__":
    main()
