"""The other moment that can need most: the base writes its own anchor text before the first step.

No gradients and no optimizer yet, but a cache of keys and values for every row that is written. It
grows by a token at a time, each growth a copy; replayed, as that leaves holes in the allocator.
"""

from __future__ import annotations

from typing import Any

from styledial.memory.allocator import reserved
from styledial.memory.trace import GRAIN, Event
from styledial.training.anchor import cache_bytes, rows_at_once


def sampling_bytes(
    shape: Any, length: int, itemsize: int, weights: int, on_gpu: bool
) -> tuple[int, int]:
    """(in use, reserved) while rows of `length` tokens are written beside `weights` bytes.

    Counts the cache, the copy that grows, and four fp32 rows of the vocabulary for each row.
    """
    text = shape.get_text_config()
    layers = text.num_hidden_layers
    rows = rows_at_once(shape, length, itemsize)
    token = cache_bytes(shape, 1, itemsize) * rows // (2 * layers)  # of one layer's keys
    logits = 4 * rows * text.vocab_size * 4
    used = weights + 2 * layers * token * length + token * length + logits
    if not on_gpu:
        return used, used
    events = [Event(0, _grain(logits))]
    held = [(0, 0)] * (2 * layers)
    number = 1
    for step in range(1, length + 1, 8):  # every eighth growth: as many holes, an eighth the time
        size = _grain(token * min(step + 7, length))
        for i, (key, before) in enumerate(held):
            events.append(Event(number, size))
            if before:
                events.append(Event(key, -before))
            held[i] = (number, size)
            number += 1
    return used, weights + reserved(events)


def _grain(size: int) -> int:
    return -(-size // GRAIN) * GRAIN
