"""A base as training needs it: frozen, never random, layers computed again where that is asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel

# Names of rates: attention_dropout, resid_pdrop, layerdrop, router_jitter_noise.
_RANDOM = re.compile("drop|jitter")


def frozen(model: PreTrainedModel) -> PreTrainedModel:
    """Prepare a model as the base: no gradients, no randomness, no cache."""
    model.config.use_cache = False
    model.generation_config = _only_its_tokens(model.generation_config)
    model.requires_grad_(False).eval()
    _without_randomness(model)
    return model


def _only_its_tokens(config: GenerationConfig) -> GenerationConfig:
    """generation_config.json reduced to its token ids: beams, stop strings and penalties would
    change every text, or fail; what a text is written with is said where it is written."""
    from transformers import GenerationConfig

    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return GenerationConfig(**{name: getattr(config, name) for name in names})


def _without_randomness(model: PreTrainedModel) -> None:
    """No dropout, layerdrop or jitter of a mixture's router in the base: tuned and reference passes
    would draw different ones, and the KL between equal models would not be 0. Families keep the
    rates in modules of their own, in attributes, or read them from the configuration each time. The
    adapter has a dropout of its own."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for holder in (module, getattr(module, "config", None)):
            # Other programs' modules may keep a dict there, or nothing.
            for name, value in list(getattr(holder, "__dict__", {}).items()):
                if isinstance(value, float) and _RANDOM.search(name):
                    setattr(holder, name, 0.0)


def recompute_activations(model: PreTrainedModel, *, every: int = 1) -> None:
    """Gradient checkpointing of each layer, or of one in `every`, under the name that this
    transformers has for it."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    enable = getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)
    enable({"use_reentrant": False})
    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    for number, layer in enumerate(layers):
        layer.gradient_checkpointing = number % every == 0
