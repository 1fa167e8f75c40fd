"""Which part of a model is trained: the layers that read text.

A model that also reads images or sound keeps its towers beside a `language_model`, and only that
is adapted. What routes tokens to experts is left alone too: an adapter there moves tokens from
expert to expert, which no budget on the output sees coming. An adapter's names are those within
the whole model, so that it loads on the model that people serve.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

_ROUTERS = r"(?:.*\.)?(?:gate|router|shared_expert_gate)"


def text_backbone(model: PreTrainedModel) -> Any:
    """The module that makes final hidden states [B, T, d] of input_ids [B, T]."""
    found: Any = model.base_model
    found = getattr(found, "language_model", found)
    # Llama 4 keeps a whole causal LM there, and its backbone under another name than it says.
    return found.model if found.get_output_embeddings() is not None else found


def not_adapted(model: PreTrainedModel) -> str | None:
    """A pattern, as PEFT's `exclude_modules`, of the layers that no adapter may be put on; None
    where there are none."""
    names = {name for name, _ in model.named_modules()}
    patterns = []
    inside = _name_of(text_backbone(model), model)
    if inside != _name_of(model.base_model, model):
        patterns.append(rf"(?!{re.escape(inside)}\.).*")
    if any(re.fullmatch(_ROUTERS, name) for name in names):
        patterns.append(_ROUTERS)
    return "|".join(patterns) or None


def _name_of(wanted: nn.Module, model: nn.Module) -> str:
    return next(name for name, module in model.named_modules() if module is wanted)
