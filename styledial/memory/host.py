"""The memory of this machine that a run on its CPU can have."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.memory.gpus import Card
from styledial.models.configuration import model_config

if TYPE_CHECKING:
    from styledial.config import Config

# Left free: Python and its libraries, the texts, and what other programs ask for meanwhile.
_MARGIN = 0.3
# A container's limit and what it uses, under cgroup version 2 and version 1.
_GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
# Of what it uses: files that were read a while ago, such as a model that was just downloaded. They
# go as soon as a program asks for memory. The first is version 1's, with its subgroups.
_CACHED = re.compile(r"^(?:total_inactive_file|inactive_file) (\d+)$", re.MULTILINE)


def host_card(processes: int = 1) -> Card | None:
    """What is free now, shared by so many processes here; None where it can't be asked."""
    free = free_memory()
    if free is None:
        return None
    return Card("CPU", free // processes, margin=_MARGIN, is_gpu=False)


def plainly_fits(config: Config, card: Card) -> bool:
    """Whether a run that keeps every activation needs so little that no plan has to say so.

    A bound of fp32 from the model's widths, above what plans of dense models give: weights (three
    times, for what is trained), 24 hidden and 8 intermediate values a token and layer, and the
    scores of attention where they are kept. False where a width isn't known.
    """
    model = config.model
    shape = model_config(
        model.model_name_or_path, trust_remote_code=model.trust_remote_code
    ).get_text_config()
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    widths = [getattr(shape, name, None) for name in names]
    if not all(isinstance(width, int) for width in widths) or not _is_dense(shape):
        return False
    hidden, inner, layers, heads = (int(width or 0) for width in widths)
    length = config.data.max_length
    scores = heads * length if model.attn_implementation == "eager" else 0
    tokens = config.training.micro_batch * length
    kept = tokens * layers * (24 * hidden + 8 * inner + 4 * scores)
    weights = layers * (4 * hidden + 3 * inner) * hidden + 2 * shape.vocab_size * hidden
    logits = 4 * 128 * shape.vocab_size
    trained = 1 if model.use_peft else 4
    return 4 * (kept + (2 + trained) * weights + logits) <= card.memory * (1 - card.margin)


def _is_dense(shape: Any) -> bool:
    return not any("expert" in name for name in shape.to_dict())


def free_memory() -> int | None:
    """Bytes that programs can still have, within a container's limit; None where it is unknown."""
    limits = (_of_container(*group) for group in _GROUPS)
    return min((n for n in (_of_machine(), *limits) if n is not None), default=None)


def _of_machine() -> int | None:
    path = Path("/proc/meminfo")
    if path.is_file():
        found = re.search(r"^MemAvailable:\s*(\d+) kB", path.read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    try:
        # No system but Linux tells what could be freed in one word: a half of all there is.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def _of_container(folder: Path, most: str, used: str) -> int | None:
    """What its limit leaves; None where `folder` isn't there or there is no limit ("max")."""
    try:
        limit, in_use = (int((folder / name).read_text()) for name in (most, used))
        cached = _CACHED.findall((folder / "memory.stat").read_text())
    except (OSError, ValueError):
        return None
    return max(limit - in_use + max(map(int, cached), default=0), 0)
