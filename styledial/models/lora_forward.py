"""LoRA's forward with the same numbers and fewer copies.

    y = W x + s B A x          W x in the base's precision, B A x in fp32

PEFT's forward leaves three fp32 tensors as wide as the layer's output (B A x, s B A x, the sum)
and, for the backward pass, an fp32 copy of x for every layer that reads it. Here the first is
scaled and added to in place, and x is kept as it came and widened again when it is needed. Each
number goes through the same operations in the same order, so results and gradients are those of
PEFT to the last bit (tests/test_models_lora_forward.py).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from peft import PeftModel


def with_fewer_copies(model: PeftModel) -> PeftModel:
    """Give every plain LoRA layer of the model the forward above; others keep PEFT's.

    Layers with dropout or DoRA, and whatever is asked in a special way (merged, switched off,
    under autocast), are left to PEFT.
    """
    from peft.tuners.lora import layer

    rounding: dict[type, bool] = {layer.Linear: False}
    if "peft.tuners.lora.bnb" in sys.modules:  # PEFT has asked it for quantised layers
        from peft.tuners.lora.bnb import Linear4bit, Linear8bitLt

        rounding |= {Linear4bit: True, Linear8bitLt: True}
    for module in model.modules():
        if type(module) in rounding:
            module.forward = _forward_of(module, rounding[type(module)])
    return model


def _forward_of(module: Any, rounded: bool) -> Any:
    original = module.forward

    def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        names = module.active_adapters
        plain = (
            len(names) == 1
            and names[0] in module.lora_A
            and not args
            and not kwargs
            and not module.disable_adapters
            and not module.merged
            and names[0] not in module.lora_variant
            and isinstance(module.lora_dropout[names[0]], nn.Identity)
            and module.lora_B[names[0]].bias is None
            and not torch.is_autocast_enabled(x.device.type)
        )
        if not plain:
            return original(x, *args, **kwargs)
        down, up = module.lora_A[names[0]].weight, module.lora_B[names[0]].weight
        base = module.base_layer(x)
        return _Added.apply(x, base, down, up, module.scaling[names[0]], rounded)

    return forward


class _Added(torch.autograd.Function):
    """x [..., in], base [..., out], down [r, in], up [out, r] -> base + scale x down^T up^T.

    `rounded`: the sum's second term is rounded to the base's precision first, as PEFT does for
    quantised layers; else the sum is, once.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, base: Tensor, down: Tensor, up: Tensor, scale: float, rounded: bool
    ) -> Tensor:
        narrow = F.linear(x.to(down.dtype), down)
        added = F.linear(narrow, up).mul_(scale)
        ctx.save_for_backward(x, narrow, down, up)
        ctx.scale = scale
        if rounded:
            return base + added.to(base.dtype)
        return added.add_(base).to(base.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, narrow, down, up = ctx.saved_tensors
        wide = gradient.to(up.dtype).mul(ctx.scale).flatten(0, -2)
        # The transposes are where autograd has them: sums are added up in the same order.
        up_gradient = wide.t() @ narrow.flatten(0, -2)
        inner = wide @ up
        del wide
        down_gradient = inner.t() @ x.to(down.dtype).flatten(0, -2)
        x_gradient = None
        if ctx.needs_input_grad[0]:
            x_gradient = (inner @ down).to(x.dtype).view(x.shape)
        return x_gradient, gradient, down_gradient, up_gradient, None, None
