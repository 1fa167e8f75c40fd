"""The configured model on the meta device, from its config.json: no weights, GPU or network.

    config.json (or the table of the guide's six) -> model on `meta`, LoRA injected
        -> every parameter and buffer as a fake tensor with a storage of its own

Two steps, since PEFT can't inject into fake tensors and `meta` has another attention kernel.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from styledial.build.model import check_quantisation, policy_on, recompute_as_set
from styledial.errors import ModelError
from styledial.memory.shorten import Repeat, shorten
from styledial.models import quantise
from styledial.models.classes import auto_class, with_attention
from styledial.models.frozen import frozen
from styledial.models.inspect import built_from
from styledial.models.policy import Policy
from styledial.models.prequantised import settings_in, unmeasured

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

    from styledial.config import Config
    from styledial.config.schema import ModelSettings


def cut(shape: PretrainedConfig, layers: int) -> None:
    """The same model with fewer layers, or more."""
    text = shape.get_text_config()
    kinds = getattr(text, "layer_types", None)
    if kinds:
        text.layer_types = [kinds[i % len(kinds)] for i in range(layers)]
    text.num_hidden_layers = layers


def build_skeleton(
    config: Config, shape: PretrainedConfig, dtype: torch.dtype, *, short: bool = False
) -> tuple[Policy, Repeat | None]:
    """The policy that training would have, on `meta`; `short`: without the layers that others can
    stand for, and which those are. Raises ModelError as training would."""
    files = settings_in(shape)
    check_quantisation(config, files)
    if kind := unmeasured(files):
        raise ModelError(
            f"model.model_name_or_path: the base's files are quantised ({kind}); memory is not "
            "planned for these. Training doesn't need the plan.",
            f"model.model_name_or_path：基座的权重已量化（{kind}），不为这类基座估算显存；"
            "训练不需要估算。",
        )
    if config.model.use_dora and config.model.load_in_4bit:
        raise ModelError(
            "model.use_dora on a 4-bit base: memory cannot be estimated, but training works.",
            "4 位基座上的 model.use_dora：无法估算显存，但可以训练。",
        )
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = _base(config.model, deepcopy(shape), dtype)  # `shorten` changes its configuration
        recompute_as_set(base, config)  # which layers, before any is taken out
        repeat = shorten(base) if short and _adapts_all_alike(config.model) else None
        return policy_on(base, config), repeat


def _adapts_all_alike(settings: ModelSettings) -> bool:
    """Whether no layer's number decides on its adapter: a pattern or a longer name may hold one."""
    targets = settings.lora_target_modules
    if not settings.use_peft or targets == "all-linear":
        return True
    return isinstance(targets, list) and not any(c.isdigit() for name in targets for c in name)


def _base(settings: ModelSettings, shape: PretrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """As load.load_base gives it, but for the weights."""
    # The kernels of flash-attn are not here; theirs is sdpa's own flash kernel.
    wanted = "eager" if settings.attn_implementation == "eager" else "sdpa"
    make = partial(
        auto_class(shape).from_config,
        shape,
        dtype=dtype,
        trust_remote_code=settings.trust_remote_code,
    )
    with built_from(settings.model_name_or_path):
        base = with_attention(make, wanted, shape)
    if settings.load_in_4bit or settings.load_in_8bit:
        quantised(base, settings, dtype)
    return frozen(base)


def quantised(base: Any, settings: Any, dtype: torch.dtype) -> None:
    """Linear layers as bitsandbytes has them, as transformers would put them there."""
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.quantizers.base import get_keys_to_not_convert

    options = quantise.loading_options(
        load_in_4bit=settings.load_in_4bit, load_in_8bit=settings.load_in_8bit, dtype=dtype
    )
    bits = options["quantization_config"]
    replace_with_bnb_linear(base, get_keys_to_not_convert(base), bits)
    # PEFT asks these two which kind of layer it adapts.
    base.is_loaded_in_4bit, base.is_loaded_in_8bit = settings.load_in_4bit, settings.load_in_8bit
    if settings.load_in_4bit:
        quantise.same_arithmetic(base)


def materialise(policy: Policy, dtype: torch.dtype) -> None:
    """Give every parameter and buffer a fake storage; to be called inside FakeTensorMode.

    Ties stay ties. 4- and 8-bit weights get the packed storage and the scales that
    bitsandbytes keeps beside it.
    """
    made: dict[int, Tensor] = {}

    def fake(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            made[id(tensor)] = torch.empty(tensor.shape, dtype=tensor.dtype)
        return made[id(tensor)]

    replaced: dict[int, nn.Parameter] = {}
    for module in [m for root in _roots(policy) for m in root.modules()]:
        for name, parameter in module._parameters.items():
            if parameter is None:
                continue
            if type(parameter).__name__ == "Params4bit":
                module._parameters[name] = _packed(module, parameter, dtype)
            elif type(parameter).__name__ == "Int8Params":
                module._parameters[name] = _int8(module, parameter)
            else:
                if id(parameter) not in replaced:
                    replaced[id(parameter)] = nn.Parameter(fake(parameter), parameter.requires_grad)
                module._parameters[name] = replaced[id(parameter)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = fake(buffer)


def _roots(policy: Policy) -> list[nn.Module]:
    """The model, and the frozen copy that full tuning keeps beside it."""
    return [policy] if policy.frozen_copy is None else [policy, policy.frozen_copy]


def _packed(module: Any, meta: Any, dtype: torch.dtype) -> Any:
    """NF4 with double quantisation: half a byte a weight, a byte for 64, a float for 16384."""
    from bitsandbytes.functional import QuantState

    weights = meta.shape[0] * meta.shape[1]
    blocks = -(-weights // 64)
    second = QuantState(
        absmax=torch.empty(-(-blocks // 256)),
        code=torch.empty(256),
        blocksize=256,
        dtype=torch.float32,
    )
    state = QuantState(
        absmax=torch.empty(blocks, dtype=torch.uint8),
        shape=meta.shape,
        dtype=dtype,
        blocksize=64,
        code=torch.empty(16),
        quant_type="nf4",
        offset=torch.empty(()),
        state2=second,
    )
    # Not a Params4bit: that class can't be made of a fake tensor. The layer asks for no more.
    weight: Any = nn.Parameter(torch.empty(-(-weights // 2), 1, dtype=torch.uint8), False)
    weight.quant_state = module.quant_state = state
    return weight


def _int8(module: Any, meta: Any) -> Any:
    """A byte a weight and a float a row. The layer's own forward looks for outliers in the data,
    which fakes don't have; `_Int8Product` allocates as it does when it finds none."""
    weight = nn.Parameter(torch.empty(meta.shape, dtype=torch.int8), requires_grad=False)
    module.row_scales = torch.empty(meta.shape[0])

    def forward(x: Tensor) -> Tensor:
        product = _Int8Product.apply(x, weight, module.row_scales)
        return product if module.bias is None else product + module.bias

    module.forward = forward
    return weight


class _Int8Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, scales: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        half = rows.to(torch.float16)
        _values, _scales = torch.empty_like(half, dtype=torch.int8), half.new_empty(len(rows))
        products = rows.new_empty(len(rows), len(weight), dtype=torch.int32)
        out = products.to(x.dtype)
        # bitsandbytes keeps the input although its gradient doesn't need it.
        ctx.kept, ctx.weight, ctx.scales, ctx.shape = rows, weight, scales, x.shape
        return out.reshape(*x.shape[:-1], len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        wide = ctx.weight.to(ctx.kept.dtype).mul_(ctx.scales.unsqueeze(1).to(ctx.kept.dtype))
        gradient = gradient.reshape(-1, gradient.shape[-1]).to(wide.dtype)
        return torch.matmul(gradient, wide).view(ctx.shape), None, None


def weights_of(policy: Policy) -> Iterator[tuple[Tensor, str]]:
    """Every storage that is there before the first step, as (tensor, kind)."""
    for root in _roots(policy):
        yield from weights_in(root, is_adapter=policy.is_adapter)


def weights_in(root: nn.Module, *, is_adapter: bool) -> Iterator[tuple[Tensor, str]]:
    """Those of one module; with `is_adapter` the trained ones are of kind "adapter"."""
    for module in root.modules():
        for parameter in module._parameters.values():
            if parameter is None:
                continue
            yield parameter, "adapter" if parameter.requires_grad and is_adapter else "weights"
            state = getattr(parameter, "quant_state", None)
            if state is not None:
                parts = (state.absmax, state.state2.absmax, state.state2.code, state.code)
                for part in parts:
                    yield part, "weights"
        for buffer in module._buffers.values():
            if buffer is not None:
                yield buffer, "weights"
        scales = module.__dict__.get("row_scales")
        if scales is not None:
            yield scales, "weights"


@contextmanager
def packed_rows(packed: bool) -> Iterator[None]:
    """Inside FakeTensorMode, rows that hold several texts, or rows of one text each.

    Which of them is a question about data, which transformers answers with yes for tensors
    without any: a mask, and keys and values repeated for it. Here it is answered as `packed`.
    """
    from transformers import masking_utils

    original = masking_utils.find_packed_sequence_indices
    try:
        masking_utils.find_packed_sequence_indices = lambda position_ids: (
            original(position_ids) if packed else None
        )
        yield
    finally:
        masking_utils.find_packed_sequence_indices = original
