"""Temporary buffers inside operations, which a dispatch mode cannot see.

Each entry is for a kernel that the step runs, from its source: PyTorch 2.13's flash attention,
bitsandbytes 0.50's 4-bit product.
"""

from __future__ import annotations

from typing import Any

_BACKWARD = "_scaled_dot_product_flash_attention_for_cpu_backward"


def on_gpu(func: Any, args: tuple, result: Any) -> int:
    """Bytes that `func`'s CUDA counterpart takes and gives back before it returns.

    Flash attention's backward: the queries' gradient in fp32, padded to 128 tokens and 32
    numbers, a float a query, and with grouped queries the keys' and values' gradients for every
    query head. The 4-bit product of many rows: the weight in full, and its scales in fp32.
    """
    name = func.__name__ if hasattr(func, "__name__") else str(func)
    if name.startswith(_BACKWARD):
        query, key = args[1], args[2]
        batch, heads, length, size = query.shape
        padded = batch * heads * _up(length, 128)
        grouped = 0 if key.shape[1] == heads else 2 * query.numel() * query.element_size()
        return padded * (_up(size, 32) + 1) * 4 + grouped
    if name.startswith("gemm_4bit"):
        rows, (out, inner) = args[0], args[2]
        return out * inner * rows.element_size() + out * inner // 64 * 4
    return 0


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
