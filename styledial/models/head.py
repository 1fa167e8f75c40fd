"""The output head of a causal LM: from final hidden states to logits.

    z = scale (W h + b)                 most families: scale 1, no bias
    z = cap tanh(scale (W h + b) / cap) where the family caps its logits (Gemma 2 and 3n)

The loss computes this itself, a chunk of tokens at a time, so it has to know all of it. What the
configuration doesn't tell is found by support.check_behaviour, which compares with the model's own
logits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CAPS = ("final_logit_softcapping", "logits_soft_cap")  # Gemma, nanochat; RecurrentGemma
_FACTORS = ("logit_scale", "lm_head_multiplier")  # Cohere; Falcon-H1
_DIVISORS = ("logits_scaling",)  # Granite, MiniCPM3


class OutputHead(NamedTuple):
    """weight [V, d]; bias [V] or None; `scale` multiplies; `cap` None without a soft cap."""

    weight: Tensor
    bias: Tensor | None = None
    scale: float = 1.0
    cap: float | None = None


def output_head(model: PreTrainedModel) -> OutputHead:
    """The head of `model`, whose weights it shares."""
    layer: Any = model.get_output_embeddings()
    config = model.config.get_text_config()
    scale = 1.0
    for name in _FACTORS:
        scale *= getattr(config, name, None) or 1.0
    for name in _DIVISORS:
        scale /= getattr(config, name, None) or 1.0
    caps = [cap for name in _CAPS if (cap := getattr(config, name, None))]
    return OutputHead(
        layer.weight, getattr(layer, "bias", None), scale, float(caps[0]) if caps else None
    )
