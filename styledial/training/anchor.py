"""Anchor text sampled from the base itself, so that no general text is needed.

Sequences are sampled at temperature 1 from the full distribution, so they are what the base
"knows"; each begins with a token drawn from the user's own text, by its frequency there.
Holding KL(base || tuned) down on them keeps the base's behaviour (compare self-distillation
replay: data-free, no labels). Figures: docs/experiments.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from styledial.data.pack import PackedRows
from styledial.language import say
from styledial.models.generation import counting
from styledial.progress import tracked

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# 32k tokens: in the trials more text of the base's own changed nothing that could be measured.
TOKENS = 32_768
# Rows written at once: as many as this, and as keep their keys and values under half a GiB; for a
# 14B 64 rows of 512 tokens would be 6 GiB, more than the training step needs beside the weights.
_BATCH, _CACHE = 64, 2**29


def cache_bytes(config: Any, length: int, itemsize: int) -> int:
    """Keys and values of one row of `length` tokens in all layers of a model of this config."""
    text = config.get_text_config()
    # Layers of one kind in most families; in some, each has sizes of its own.
    layers = getattr(text, "per_layer_config", None) or [text] * text.num_hidden_layers
    return int(2 * sum(map(_key_width, layers)) * length * itemsize)


def _key_width(layer: Any) -> int:
    """Numbers in a token's key, all heads, of a layer or of a model whose layers are alike."""
    heads = getattr(layer, "num_key_value_heads", None) or layer.num_attention_heads
    size = getattr(layer, "head_dim", None) or layer.hidden_size // layer.num_attention_heads
    return int(heads * size)


def rows_at_once(config: Any, length: int, itemsize: int) -> int:
    """How many rows of `length` tokens the base writes in one go: a function of its shape alone,
    so that the same seed gives the same rows."""
    return max(1, min(_BATCH, _CACHE // cache_bytes(config, length, itemsize)))


@torch.no_grad()
def sample_rows(
    base: PreTrainedModel,
    style: PackedRows,
    *,
    seed: int,
    tokens: int = TOKENS,
    rank: int = 0,
    processes: int = 1,
    gather: Callable[[list[Any]], list[Any]] = list,
) -> PackedRows:
    """About `tokens` tokens sampled from the base, as rows of the same length as `style`.

    Costs one generation of max_length tokens for every `rows_at_once`, 64 at most; no row is
    shorter, so none needs a mask. Each has its own seed. They are divided among the
    `processes` and collected by `gather`; the same seed gives the same rows on the same kind of
    device, whatever the number of processes.
    """
    length = style.max_length
    rows = max(8, tokens // length)
    generator = np.random.default_rng(seed)
    first = style.tokens[
        generator.integers(len(style), size=rows), generator.integers(length, size=rows)
    ]
    first = np.where(first < 0, ~first, first)  # questions of dialogues are kept as ~t
    at_once = rows_at_once(base.config, length, base.dtype.itemsize)
    starts = list(range(0, rows, at_once))
    written = []
    words = say("the base writes anchor text", "基座生成锚定文本")
    with torch.random.fork_rng():
        # As many for each process, some twice: a sharded base needs all of them in each pass.
        for turn in tracked(range(0, len(starts), processes), words):
            start = starts[min(turn + rank, len(starts) - 1)]
            torch.manual_seed(seed + start)
            opening = torch.from_numpy(first[start : start + at_once].astype(np.int64))
            with counting(1, length) as count:
                ids = base.generate(
                    input_ids=opening.unsqueeze(1).to(base.device),
                    attention_mask=torch.ones(
                        len(opening), 1, dtype=torch.long, device=base.device
                    ),
                    max_new_tokens=length,
                    min_new_tokens=length,  # never ends early: an end is not what is to be learnt
                    do_sample=True,
                    temperature=1.0,
                    top_k=0,
                    top_p=1.0,
                    repetition_penalty=1.0,
                    use_cache=True,
                    pad_token_id=0,
                    stopping_criteria=count,
                )
            written.append((start, ids.cpu().numpy().astype(np.int32)))
    whole = dict(gather(written))
    return PackedRows(
        np.concatenate([whole[start] for start in starts]), [[(0, length + 1)]] * rows
    )
