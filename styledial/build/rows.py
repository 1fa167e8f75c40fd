"""What the configuration alone says of a run's rows: anchor text, and several texts in one row.

Apart from build/anchor.py and build/texts.py, which make them, so that a plan imports no readers.
"""

from __future__ import annotations

from styledial.config import OFF, Config
from styledial.models.configuration import model_config
from styledial.models.support import keeps_texts_apart

SELF = "self"  # data.anchor: text that the base writes
# The anchor's forward KL counts as much as the style text's loss; see docs/experiments.md.
ANCHOR_WEIGHT = 1.0


def has_anchor(config: Config) -> bool:
    """Whether updates hold anchor text; plain fine-tuning (kl_mode: off) has none."""
    return config.data.anchor != OFF and config.training.mode.has_anchor


def writes_anchor(config: Config) -> bool:
    """Whether the base writes the anchor text itself, before the first update."""
    return has_anchor(config) and config.data.anchor == SELF


def anchor_rows(config: Config, effective_batch: int) -> int:
    """Anchor rows that an update of so many rows of the user's text gets, at least one."""
    ratio = config.data.anchor_ratio
    return max(1, round(effective_batch * ratio / (1 - ratio)))


def shares_rows(config: Config) -> bool:
    """Whether short texts may share a row: what keeps them apart has to be in the model and in the
    attention that is used; see data.pack.pack. Raises ModelError where there is no such model."""
    if config.model.attn_implementation == "flash_attention_2":
        return False
    model = config.model
    shape = model_config(model.model_name_or_path, trust_remote_code=model.trust_remote_code)
    return keeps_texts_apart(shape.model_type)
