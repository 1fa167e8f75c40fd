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
    served = f"{at.name}={at.name}"
    file, scale = f"{name}.gguf", f"{at.scale:.4f}"
    kobold = f"koboldcpp --model {typed(gguf)} --lora {file} --loramult {scale}"
    return [
        ("transformers + PEFT", ("peft", "vllm"), _in_python(base, at.name)),
        ("vLLM", ("vllm", "peft"), f"vllm serve {base} --enable-lora --lora-modules {served}"),
        ("llama.cpp", ("gguf-lora",), llama_server(gguf, file, at)),
        ("koboldcpp", ("gguf-lora",), kobold),
        ("Ollama", ("ollama",), f"ollama create {name}-{at.name} -f Modelfile.{at.name}"),
    ]


def _in_python(base: str, adapter: str | None = None) -> str:
    """Python that loads the model, and an adapter on it."""
    lines = ["from transformers import AutoModelForCausalLM, AutoTokenizer"]
    if adapter is not None:
        lines.append("from peft import PeftModel")
    lines.append(f'model = AutoModelForCausalLM.from_pretrained("{base}")')
    if adapter is not None:
        lines.append(f'model = PeftModel.from_pretrained(model, "{adapter}")')
    lines.append(f'tokenizer = AutoTokenizer.from_pretrained("{adapter or base}")')
    return "\n".join(lines)


def llama_server(base: str | Path, lora: str | Path, at: At) -> str:
    """llama.cpp's server with the adapter at one strength."""
    return f"llama-server -m {typed(base)} --lora-scaled {typed(lora)}:{at.scale:.4f}"


def _whole(name: str) -> list[tuple[str, tuple[str, ...], str]]:
    file = f"{name}-f16.gguf"
    return [
        ("transformers", ("merged",), _in_python("model")),
        ("vLLM", ("merged",), "vllm serve model"),
        ("llama.cpp", ("gguf",), f"llama-server -m {file}"),
        ("koboldcpp", ("gguf",), f"koboldcpp --model {file}"),
        ("Ollama", ("gguf",), f"echo 'FROM ./{file}' > Modelfile; ollama create {name}"),
    ]
