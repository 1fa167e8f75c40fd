"""Which part of a model is trained: the layers that read text.

A model that also reads images or sound keeps its towers beside a `language_model`, and only that
is adapted. What routes tokens to experts is left alone too: an adapter there moves tokens from
expert to expert, which a budget on the output cannot control. An adapter's names are those within
the whole model, so that it loads on the model that people serve.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torch import nn

from styledial.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ROUTERS = r"(?:.*\.)?(?:gate|wg|\w*router|shared_expert_gate)"
# PEFT reads these names on a mixture of experts as those of the experts, wherever they stand.
_EXPERT_LAYERS = {"gate", "gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"}


def text_backbone(model: PreTrainedModel) -> Any:
    """The module that makes final hidden states [B, T, d] of input_ids [B, T]."""
    found: Any = model.base_model
    found = getattr(found, "language_model", found)
    # Llama 4 keeps a whole causal LM there, and its backbone under another name than it says.
    return found.model if found.get_output_embeddings() is not None else found


def default_layers(model: PreTrainedModel) -> str | list[str]:
    """What `all-linear` stands for: every linear layer of the text part, but of a mixture of
    experts the layers that every token goes through, by name."""
    head, backbone = model.get_output_embeddings(), text_backbone(model)
    layers = [
        (name, module)
        for name, module in backbone.named_modules()
        if is_linear(module) and module is not head and ".experts." not in name
    ]
    found = {name.rpartition(".")[2] for name, _ in layers}
    if has_experts(model):
        return sorted(n for n in found - _EXPERT_LAYERS if not re.fullmatch(_ROUTERS, n))
    # PEFT's own `all-linear` passes GPTQ's and AWQ's layers over.
    ordinary = all(isinstance(module, nn.Linear) for _, module in layers)
    return "all-linear" if ordinary else sorted(found)


def is_linear(module: nn.Module) -> bool:
    """A linear layer, GPTQ's and AWQ's among them, which aren't torch's: their weights are packed
    into `qweight`."""
    return isinstance(module, nn.Linear) or hasattr(module, "qweight")


def has_experts(model: PreTrainedModel) -> bool:
    """Whether it is a mixture of experts."""
    return any(name.endswith(".experts") for name, _ in text_backbone(model).named_modules())


def expert_weights(model: PreTrainedModel) -> list[str]:
    """The experts' weights [experts, ., .], as PEFT's `target_parameters`: what holds those of a
    layer's experts in one tensor. Raises ModelError where the model has none."""
    found = {
        f"experts.{weight}"
        for name, module in text_backbone(model).named_modules()
        if name.endswith(".experts")
        for weight, values in module.named_parameters(recurse=False)
        if values.dim() == 3
    }
    if not found:
        kind = model.config.model_type
        raise ModelError(
            f"model.lora_experts: {kind} has no experts whose weights lie in one tensor a layer; "
            "set model.lora_experts: false.",
            f"model.lora_experts：{kind} 没有按层合为一个张量的专家权重；"
            "请设 model.lora_experts: false。",
        )
    return sorted(found)


def check_experts(*, dropout: float, use_dora: bool) -> None:
    """Raises ModelError for settings that don't go with an adapter on the experts."""
    for wrong, name, allowed in (
        (dropout > 0, "lora_dropout", "0"),
        (use_dora, "use_dora", "false"),
    ):
        if wrong:
            raise ModelError(
                f"model.lora_experts doesn't work with model.{name}: an expert's adapter is added "
                f"to its weights. Set model.{name}: {allowed}, or model.lora_experts: false.",
                f"model.lora_experts 不能与 model.{name} 同用：专家的适配器直接加在权重上。"
                f"请设 model.{name}: {allowed}，或 model.lora_experts: false。",
            )


def adapts_experts(model: nn.Module) -> bool:
    """Whether an adapter on the experts' weights is in the model."""
    return any(type(module).__name__ == "ParamWrapper" for module in model.modules())


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
    # Mamba's kernels take these weights from the layer and pass the adapter by.
    mixers = {n.rpartition(".")[2] for n, m in model.named_modules() if _is_mamba(m)}
    if mixers:
        patterns.append(rf"(?:.*\.)?(?:{'|'.join(sorted(mixers))})\.(?!in_proj$).*")
    return "|".join(patterns) or None


def _is_mamba(module: nn.Module) -> bool:
    return hasattr(module, "A_log") and hasattr(module, "in_proj")


def _name_of(wanted: nn.Module, model: nn.Module) -> str:
    return next(name for name, module in model.named_modules() if module is wanted)
