"""Which of transformers' classes a configuration is loaded as, and with which attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PretrainedConfig


def auto_class(config: PretrainedConfig) -> Any:
    """The Auto class used for serving: a model that also reads images is loaded whole, so that the
    adapter's names match."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    sees = getattr(config, "vision_config", None) is not None
    if sees and type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        return AutoModelForImageTextToText
    return AutoModelForCausalLM


def with_attention(make: Callable[..., Any], wanted: str, config: PretrainedConfig) -> Any:
    """make(attn_implementation=...) with `wanted`, or with the best that the family has where it
    has no sdpa: eager, the slowest, last. Raises what the last try raises.

    sdpa can't cap the scores, as Gemma 2 does; older versions of transformers (5.20 still) took it
    all the same and left the cap out without a word.
    """
    instead = ["flex_attention"] * torch.cuda.is_available() + ["eager"]
    choices = [wanted, *instead] if wanted == "sdpa" else [wanted]
    if wanted == "sdpa" and getattr(config.get_text_config(), "attn_logit_softcapping", None):
        choices.remove("sdpa")
    for choice in choices[:-1]:
        try:
            return make(attn_implementation=choice)
        except (ValueError, ImportError) as error:
            if not _has_no_such_attention(error):
                raise
    return make(attn_implementation=choices[-1])


def _has_no_such_attention(error: Exception) -> bool:
    text = str(error)
    return "does not support" in text and "attention" in text
