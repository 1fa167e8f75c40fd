"""How five programs load an export; where one reads another kind, the export that makes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from styledial.export.source import At
from styledial.language import typed

ONE_MODEL = ("merged", "gguf")  # kinds that need no base


def programs(name: str, kind: str, base: str, gguf: str, at: At) -> Iterator[tuple[str, str]]:
    """(program, what is typed in the export's folder); `gguf`: the base as a GGUF file."""
    rows = _whole(name) if kind in ONE_MODEL else _adapters(name, base, gguf, at)
    for program, kinds, line in rows:
        yield program, line if kind in kinds else f"styledial export RUN --to {kinds[0]}"


def _adapters(name: str, base: str, gguf: str, at: At) -> list[tuple[str, tuple[str, ...], str]]:
    loaded = f'AutoModelForCausalLM.from_pretrained("{base}")'
    served = f"{at.name}={at.name}"
    file, scale = f"{name}.gguf", f"{at.scale:.4f}"
    peft = f'PeftModel.from_pretrained({loaded}, "{at.name}")'
    kobold = f"koboldcpp --model {typed(gguf)} --lora {file} --loramult {scale}"
    return [
        ("transformers + PEFT", ("peft", "vllm"), peft),
        ("vLLM", ("vllm", "peft"), f"vllm serve {base} --enable-lora --lora-modules {served}"),
        ("llama.cpp", ("gguf-lora",), llama_server(gguf, file, at)),
        ("koboldcpp", ("gguf-lora",), kobold),
        ("Ollama", ("ollama",), f"ollama create {name}-{at.name} -f Modelfile.{at.name}"),
    ]


def llama_server(base: str | Path, lora: str | Path, at: At) -> str:
    """llama.cpp's server with the adapter at one strength."""
    return f"llama-server -m {typed(base)} --lora-scaled {typed(lora)}:{at.scale:.4f}"


def _whole(name: str) -> list[tuple[str, tuple[str, ...], str]]:
    file = f"{name}-f16.gguf"
    return [
        ("transformers", ("merged",), 'AutoModelForCausalLM.from_pretrained("model")'),
        ("vLLM", ("merged",), "vllm serve model"),
        ("llama.cpp", ("gguf",), f"llama-server -m {file}"),
        ("koboldcpp", ("gguf",), f"koboldcpp --model {file}"),
        ("Ollama", ("gguf",), f"echo 'FROM ./{file}' > Modelfile; ollama create {name}"),
    ]
