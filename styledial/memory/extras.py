"""Memory outside the trace: each item with a name, an amount and its source.

allocator       reserved minus in use: rounding and holes, from the replay (allocator.py)
cuda_context    kernels and state of CUDA itself (gpus.CONTEXT)
cublas          workspace of matrix products: PyTorch's default, 8 MiB + 128 KiB, 32 on Hopper
quantisation    bitsandbytes' own kernels: an allowance of 64 MiB, not measured. Its scales and
                the weights that it unpacks are in the trace.
nccl            buffers of one communicator: 0.5 to 0.7 GiB; the larger, and the buffer in which
                gradients are summed (distributed/consensus.py)
"""

from __future__ import annotations

from styledial.distributed.consensus import BUFFER_BYTES
from styledial.memory.gpus import CONTEXT

MIB, GIB = 2**20, 2**30


def extras(
    *, on_gpu: bool, hopper: bool, quantised: bool, processes: int, holes: int
) -> dict[str, int]:
    """Bytes by name; nothing at all on a CPU. `holes`: reserved minus allocated."""
    if not on_gpu:
        return {}
    return {
        "allocator": holes,
        "cuda_context": CONTEXT,
        "cublas": 32 * MIB if hopper else 8 * MIB + 128 * 1024,
        "quantisation": 64 * MIB if quantised else 0,
        "nccl": int(0.7 * GIB) + BUFFER_BYTES if processes > 1 else 0,
    }
