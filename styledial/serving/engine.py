"""llama.cpp's own server in this process: a GGUF base with the adapter as a LoRA."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from styledial.errors import ModelError
from styledial.models.llama_cpp import package


@dataclass(frozen=True)
class Engine:
    """A running server; only who knows `key` may ask it. It ends with `server`."""

    address: str
    key: str
    server: Any


def start(base: Path, lora: Path, *, name: str, context: int, parallel: int) -> Engine:
    """Load base and LoRA and listen on a free port of the loopback address.

    `name` is what answers call the model; `context` tokens are shared by `parallel` requests, 0 is
    what the model was made for. Raises ModelError for files that llama.cpp doesn't load, UserError
    without xllamacpp.
    """
    xllamacpp = package()
    key = secrets.token_hex(16)
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = str(base), {name}
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(lora), 1.0)]
    params.n_ctx, params.n_parallel = context, parallel
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.api_keys, params.ui, params.use_jinja = [key], False, True
    params.warmup, params.verbosity = False, -1
    try:
        server = xllamacpp.Server(params)
    except (RuntimeError, OSError) as error:
        raise ModelError(
            f"{base}: llama.cpp doesn't load it with this adapter ({error}). Name a GGUF of the "
            "adapter's own base.",
            f"{base}：llama.cpp 无法加载它与此适配器（{error}）。请使用适配器所属基座的 GGUF。",
        ) from None
    return Engine(server.listening_address, key, server)
