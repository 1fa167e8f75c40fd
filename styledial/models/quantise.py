"""A base in 4 or 8 bits, with bitsandbytes: NF4 (QLoRA, arXiv 2305.14314) or LLM.int8().

Only the linear layers inside the model are quantised; embeddings, norms and the output head stay
as they are, and so does LoRA, in fp32. The KL reference is the same quantised base, adapter off.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from styledial.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedModel

INSTALL = "pip install 'styledial[quantise]'"


def check_choice(
    *, load_in_4bit: bool, load_in_8bit: bool, use_peft: bool = True, use_dora: bool = False
) -> None:
    """Raises ModelError, naming the settings, for what can't go together or isn't installed."""
    if not (load_in_4bit or load_in_8bit):
        return
    if load_in_4bit and load_in_8bit:
        raise ModelError(
            "model.load_in_4bit and model.load_in_8bit are both true; choose one (4 bits need "
            "half the memory, 8 bits are a little closer to the original).",
            "model.load_in_4bit 与 model.load_in_8bit 同时为 true；请只选一个"
            "（4 位显存减半，8 位更接近原模型）。",
        )
    chosen = "load_in_4bit" if load_in_4bit else "load_in_8bit"
    if not use_peft:
        raise ModelError(
            f"model.{chosen}: quantised weights can't be trained themselves; set model.use_peft: "
            f"true, or {chosen}: false.",
            f"model.{chosen}：量化后的权重本身无法训练；请设 model.use_peft: true，"
            f"或 {chosen}: false。",
        )
    if load_in_8bit and use_dora:
        # PEFT asks int8 layers for scales that bitsandbytes 0.50 has moved elsewhere by then.
        raise ModelError(
            "model.use_dora doesn't work on 8-bit weights; set load_in_4bit: true in place of "
            "load_in_8bit, or use_dora: false.",
            "model.use_dora 不能用于 8 位权重；请把 load_in_8bit 换成 load_in_4bit: true，"
            "或设 use_dora: false。",
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            f"model.{chosen}: needs bitsandbytes, which isn't installed: `{INSTALL}`. Where there "
            f"is none for your machine, set {chosen}: false and choose a smaller model.",
            f"model.{chosen}：需要 bitsandbytes，尚未安装：`{INSTALL}`。若本机没有可用版本，"
            f"请设 {chosen}: false 并选较小的模型。",
        )


def loading_options(
    *, load_in_4bit: bool, load_in_8bit: bool, dtype: torch.dtype, shardable: bool = False
) -> dict[str, Any]:
    """What `from_pretrained` is given besides; nothing where neither is asked.

    Weights are quantised while they are read, on the device that will train: the GPU of this
    process, or the CPU, where bitsandbytes is correct but slow.
    """
    if not (load_in_4bit or load_in_8bit):
        return {}
    import torch
    from transformers import BitsAndBytesConfig

    if load_in_4bit:
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,  # 4.13 bits a weight in place of 4.5
            bnb_4bit_compute_dtype=dtype,
            # The same bits under another name: FSDP parts floating-point tensors only.
            bnb_4bit_quant_storage=dtype if shardable else torch.uint8,
        )
    else:
        config = BitsAndBytesConfig(load_in_8bit=True)
    return {"quantization_config": config, "device_map": device_of_quantised()}


def device_of_quantised() -> dict[str, Any]:
    """Where weights that can't be moved later are loaded, as transformers' device_map."""
    import torch

    return {"": torch.cuda.current_device() if torch.cuda.is_available() else "cpu"}


def same_arithmetic(model: PreTrainedModel) -> None:
    """Make 4-bit layers compute alike with and without gradients.

    bitsandbytes (0.50) has another kernel for inputs that need no gradient. The tuned model runs
    with gradients and its reference without, so a fresh adapter would already be some distance
    away: 3e-3 in the logits of a tiny model, where the KL has to be exactly 0. Single tokens
    on a GPU, which only generation feeds, keep the faster kernel; on a CPU it repacks the weights
    for good, in a form that has no gradients.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.forward = _as_in_training(module)


def _as_in_training(module: nn.Module) -> Any:
    import torch

    original = module.forward

    def forward(x: Tensor) -> Tensor:
        needed = torch.is_grad_enabled() and x.requires_grad
        if needed or (x.is_cuda and x.numel() == x.shape[-1]):
            return original(x)
        with torch.enable_grad():
            return original(x.detach().requires_grad_()).detach()

    return forward


def is_quantised(model: PreTrainedModel) -> bool:
    """Whether the model's weights are quantised."""
    return getattr(model, "quantization_method", None) is not None
