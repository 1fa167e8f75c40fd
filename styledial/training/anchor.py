"""Anchor text sampled from the base itself, so that no general text is needed.

Sequences are sampled at temperature 1 from the full distribution, so they are what the base
"knows"; each begins with an everyday word (data/everyday.py) or with a token of the user's own
text. Holding KL(base || tuned) down on them keeps the base's behaviour (compare self-distillation
replay: data-free, no labels). Figures: docs/experiments.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from styledial.data.pack import PackedRows
from styledial.language import say
from styledial.models.writing_in_batches import WHOLE_DISTRIBUTION, extend
from styledial.progress import tracked

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# 32k tokens: in the trials, more text of the base had no measurable effect.
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


@dataclass(frozen=True)
class Shares:
    """The part of the text that this process writes, and how the parts are exchanged."""

    rank: int = 0
    processes: int = 1
    gather: Callable[[list[Any]], list[Any]] = list


def in_turns(
    count: int, at_once: int, write: Callable[[int, int], Any], shares: Shares
) -> list[Any]:
    """The results of `write(start, how many)` for `count` texts, `at_once` at a time, in order.

    The texts are divided among the processes, the same number for each (some are written twice),
    because a sharded base needs all processes in each pass. The result doesn't depend on the number
    of processes, as each part has its own seed.
    """
    starts = list(range(0, count, at_once))
    written = []
    words = say("the base writes anchor text", "基座生成锚定文本")
    for turn in tracked(range(0, len(starts), shares.processes), words):
        start = starts[min(turn + shares.rank, len(starts) - 1)]
        written.append((start, write(start, min(at_once, count - start))))
    whole = dict(shares.gather(written))
    return [whole[start] for start in starts]


def book_openings(style: PackedRows, rows: int, seed: int) -> np.ndarray:
    """int64 [rows, 1]: tokens of the user's text, by their frequency there."""
    generator = np.random.default_rng(seed)
    first = style.tokens[
        generator.integers(len(style), size=rows),
        generator.integers(style.max_length, size=rows),
    ]
    # Questions of dialogues are kept as ~t.
    return np.where(first < 0, ~first, first).astype(np.int64)[:, None]


def sample_rows(
    base: PreTrainedModel,
    openings: np.ndarray,
    length: int,
    *,
    seed: int,
    shares: Shares = Shares(),
) -> PackedRows:
    """A row of `length` + 1 tokens sampled from the base for each of `openings`, int64 [rows, n].

    Costs one generation of a row for every `rows_at_once`, 64 at most; no row ends early, so none
    needs a mask. The same seed gives the same rows on the same kind of device.
    """
    more = length + 1 - openings.shape[1]

    def write(start: int, rows: int) -> np.ndarray:
        opened = openings[start : start + rows]
        written = extend(
            base,
            opened,
            tokens=more,
            seed=seed + start,
            min_new_tokens=more,  # never ends early
            **WHOLE_DISTRIBUTION,
        )
        return np.concatenate([opened, written], axis=1).astype(np.int32)

    at_once = rows_at_once(base.config, length, base.dtype.itemsize)
    parts = in_turns(len(openings), at_once, write, shares)
    return PackedRows(np.concatenate(parts), [[(0, length + 1)] for _ in openings])
