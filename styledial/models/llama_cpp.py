"""llama.cpp in this process, through xllamacpp (the extra `llamacpp`): a GGUF base and a LoRA."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from styledial.errors import ModelError, UserError

_DRAWS = 32


class LlamaCpp:
    """A GGUF base with a GGUF LoRA whose scale each request chooses; on the CPU.

    One thread and a cache in float32 give the same figures each time. Raises ModelError for
    files that llama.cpp doesn't load, UserError without xllamacpp.
    """

    def __init__(self, base: Path, lora: Path, *, context: int = 256, threads: int = 1) -> None:
        xllamacpp = package()
        params = xllamacpp.CommonParams()
        params.model.path = str(base)
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(lora), 1.0)]
        params.n_ctx, params.n_parallel, params.n_gpu_layers = context, 1, 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.warmup, params.verbosity = False, -1
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        try:
            self._server = xllamacpp.Server(params)
        except (RuntimeError, OSError) as error:
            raise ModelError(
                f"{base}: llama.cpp doesn't load it with {lora.name} ({error}). Name a GGUF of the "
                "adapter's own base.",
                f"{base}：llama.cpp 无法加载它与 {lora.name}（{error}）。"
                "请使用适配器所属基座的 GGUF。",
            ) from None

    def complete(self, prompt: str | list[int], *, scale: float, **how: Any) -> dict[str, Any]:
        """A completion with the LoRA at `scale`; `how` as llama.cpp's server takes it."""
        asked = {
            "prompt": prompt, "lora": [{"id": 0, "scale": scale}], "cache_prompt": False, **how
        }  # fmt: skip
        answer: dict[str, Any] = self._server.handle_completions(asked)
        return answer

    def next_token(self, ids: list[int], vocabulary: int, *, scale: float) -> torch.Tensor:
        """Log-probabilities [vocabulary] of the token after `ids`, at temperature 1.

        llama.cpp reports them beside the token that it draws, and not at all where that is an end
        of text or a part of a character: then another is drawn. Raises ModelError where none of
        `_DRAWS` is reported.
        """
        how = {"n_predict": 1, "logprobs": vocabulary, "temperature": 1.0}
        all_of_them = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
        for seed in range(_DRAWS):
            found = self.complete(ids, scale=scale, seed=seed, **how, **all_of_them)
            if found["choices"][0]["logprobs"]:
                break
        else:
            raise ModelError(
                "llama.cpp reports no probabilities here: the model ends its text at once. Add "
                "--no-measure to `styledial export`.",
                "llama.cpp 在此处没有给出概率：模型立即结束了文本。请给 `styledial export` 加上 "
                "--no-measure。",
            )
        (place,) = found["choices"][0]["logprobs"]["content"]
        logits = torch.full((vocabulary,), -torch.inf, dtype=torch.float64)
        for each in place["top_logprobs"]:
            logits[each["id"]] = each["logprob"]
        return logits.log_softmax(-1)  # its own sums in float32 are off by 2e-4 for 49,152 tokens


def is_installed() -> bool:
    """Whether xllamacpp is here; it isn't imported."""
    return find_spec("xllamacpp") is not None


def package() -> Any:
    """The module xllamacpp; raises UserError where it isn't installed."""
    try:
        import xllamacpp
    except ImportError:
        raise UserError(
            "llama.cpp is needed for this; install it: pip install 'styledial[llamacpp]'.",
            "此功能需要 llama.cpp；请安装：pip install 'styledial[llamacpp]'。",
        ) from None
    return xllamacpp
