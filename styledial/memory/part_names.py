"""What the parts of a memory plan are called, in two languages: for the plan and the report."""

from __future__ import annotations

from styledial.language import say

_KINDS = {
    "weights": ("base weights", "基座权重"),
    "adapter": ("adapter", "适配器"),
    "optimizer": ("optimizer", "优化器"),
    "gradients": ("gradients", "梯度"),
    "activations": ("activations", "激活"),
    "loss": ("loss", "损失"),
    "allocator": ("allocator overhead and fragmentation", "分配器开销与碎片"),
    "cuda_context": ("CUDA context", "CUDA 上下文"),
    "cublas": ("cuBLAS workspace", "cuBLAS 工作区"),
    "quantisation": ("bitsandbytes kernels", "bitsandbytes 内核"),
    "nccl": ("NCCL and the sum of gradients", "NCCL 与梯度求和"),
}
_PHASES = {
    "batch": ("between steps", "两步之间"),
    "reference": ("in the reference pass", "参考前向"),
    "forward": ("in the forward pass", "前向"),
    "loss": ("in the loss", "损失计算"),
    "backward": ("in the backward pass", "反向"),
    "optimizer": ("in the optimizer's step", "优化器更新"),
    "sampling": ("while the anchor text is sampled", "采样锚定文本"),
}


def part_name(name: str) -> str:
    """Of a kind in `breakdown` or `extras`; an unknown one as it is."""
    return say(*_KINDS.get(name, (name, name)))


def phase_name(name: str) -> str:
    """When the peak is; an unknown phase as it is."""
    return say(*_PHASES.get(name, (name, name)))
