"""How long training takes on this machine's CPU, before the first update: by operations and by the
time of a product of matrices. What a run says after its first updates is measured."""

from __future__ import annotations

import time

import torch

from styledial.build.rows import has_anchor
from styledial.config import Config
from styledial.memory.show import text_tokens

# Of a CPU's speed at large products, what a step reaches; assumed. The bundled base reaches about
# that on two idle cores.
_REACHED = 0.5


def cpu_seconds(config: Config, parameters: int, updates: int | None = None) -> float | None:
    """The time of all updates; None where there is no text. `updates` None: as many as the sizes
    of the novels' files make it.

    Operations: 2 a weight and token forward, 4 backward, 2 more with checkpointing, and 2 of the
    base where KL is read: on all of the anchor's rows, which are added, on the others by kl_mode.
    """
    training = config.training
    if updates is None and training.max_steps > 0:
        updates = training.max_steps
    if updates is None:
        tokens = text_tokens(config) * (1 - config.data.validation_split)
        tokens *= training.num_train_epochs
    else:
        batch = training.micro_batch * training.gradient_accumulation_steps
        tokens = float(updates * batch * config.data.max_length)
    # A CPU has memory: `auto` is nearly always false there.
    twice = 0.0 if training.gradient_checkpointing == "auto" else training.recomputed
    own = 6 + 2 * twice
    passes = own + 2 * training.mode.reads_kl
    if has_anchor(config):
        ratio = config.data.anchor_ratio
        passes += (own + 2) * ratio / (1 - ratio)
    return tokens * passes * parameters / (_speed() * _REACHED) or None


def _speed() -> float:
    """Operations a second of this CPU in fp32 products of 1,024 x 1,024; some 0.1 s."""
    a = torch.ones(1024, 1024)
    a @ a  # the first one starts the threads
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < 0.1:
        a @ a
        done += 1
    return done * 2 * 1024**3 / (time.perf_counter() - began)
