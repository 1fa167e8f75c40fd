"""Where a run took place: versions of the libraries, memory that was used and that there is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from styledial import __version__

_PACKAGES = ("torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors")


def versions() -> dict[str, str]:
    """Of ourselves, Python and the libraries that decide a run's figures."""
    found = {"styledial": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    if torch.cuda.is_available():
        found["cuda"] = torch.version.cuda or "none"
        found["device"] = torch.cuda.get_device_name()
    return found


def peak_memory_bytes() -> int:
    """The most this process has held: GPU memory allocated, or resident memory on a CPU."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows has no such module and no cheap equivalent.
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def memory_bytes() -> int:
    """What the GPU, or without one this machine, has in all; 0 where that can't be asked."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 0
