"""`styledial export`: an adapter for another program, at chosen strengths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.opening import importing, working
from styledial.cli.options import Adapter, BaseNow
from styledial.cli.outputs import at_home_folder
from styledial.commands import next_lines, rows
from styledial.config.as_written import chosen
from styledial.language import say
from styledial.run_folder.described import describe_adapter

if TYPE_CHECKING:
    from styledial.export.source import At
    from styledial.export.write import Exported

HELP = say(
    "Export an adapter for llama.cpp, Ollama, vLLM or plain PEFT. Or as one merged model.",
    "为 llama.cpp、Ollama、vLLM、PEFT 导出，或导出合并后的模型。",
)


# What reads a kind, for users who name the program.
_PROGRAMS = dict.fromkeys(
    ("llama.cpp", "llamacpp", "koboldcpp", "lmstudio", "lm-studio", "lm studio"), "gguf-lora"
)

To = Annotated[
    str,
    typer.Option(help=say("Format: ", "格式：") + "peft, merged, gguf-lora, gguf, ollama, vllm."),
]
Strengths = Annotated[
    str | None,
    typer.Option(
        help=say(
            "light,medium,strong or numbers, with commas; left out: those within reach.",
            "light,medium,strong 或数字，用逗号隔开；不写则为能达到的各档。",
        )
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        callback=at_home_folder,
        help=say("The new folder; left out: ADAPTER-TO.", "新文件夹；不写则为 适配器-用途。"),
    ),
]
Dtype = Annotated[
    str,
    typer.Option(
        help=say(
            "Precision of a merged model: auto (the base's), bfloat16, float16, float32.",
            "合并模型的精度：auto 保持基座精度；或 bfloat16、float16、float32。",
        )
    ),
]
Quant = Annotated[
    str,
    typer.Option(
        help=say(
            "Precision of a GGUF model: f16, bf16, f32, q8_0.",
            "GGUF 的精度：f16、bf16、f32、q8_0。",
        )
    ),
]
BaseGguf = Annotated[
    str | None,
    typer.Option(
        help=say(
            "The base as a GGUF file, to measure on with llama.cpp; for Ollama: what FROM names.",
            "GGUF 格式的基座：用 llama.cpp 在其上测量强度；对 Ollama 即 FROM 的内容。",
        )
    ),
]
LlamaCpp = Annotated[
    Path | None,
    typer.Option(
        help=say("Folder of llama.cpp, for --to gguf.", "llama.cpp 文件夹（用于 --to gguf）。")
    ),
]
Measure = Annotated[
    bool,
    typer.Option(help=say("Measure the strength as exported.", "测量导出后的强度。")),
]


def export(
    adapter: Adapter,
    to: To,
    strength: Strengths = None,
    output: Output = None,
    base: BaseNow = None,
    dtype: Dtype = "auto",
    quant: Quant = "f16",
    base_gguf: BaseGguf = None,
    llama_cpp: LlamaCpp = None,
    measure: Measure = True,
) -> None:
    """Write a new folder for another program. Raises UserError for what it can't hold."""
    with working(say(f"export {adapter} for {to}", f"导出 {adapter}，用于 {to}")):
        describe_adapter(adapter)  # a wrong folder is said before torch is imported
        with importing():
            from styledial.export.write import DTYPES, KINDS, QUANTS, Options
            from styledial.export.write import export as write

        dtype, quant = chosen(dtype, DTYPES, "model.dtype"), chosen(quant, QUANTS)
        options = Options(strength, output, base, dtype, quant, base_gguf, llama_cpp, measure)
        done = write(adapter, _PROGRAMS.get(to.lower(), chosen(to, KINDS)), options)
    for note in done.notes:
        typer.echo(note, err=True)
    for line in _closing(done):
        typer.echo(line)


def _closing(done: Exported) -> Iterator[str]:
    yield say(f"Exported for {done.kind}.", f"已导出，用于 {done.kind}。")
    folder = [(say("folder", "文件夹"), str(done.folder))]
    if (done.folder / "README.md").is_file():
        words = say("how to load it in other programs", "在其他程序中的加载方法")
        folder.append((say("read", "说明"), f"{done.folder / 'README.md'}  ({words})"))
    yield from rows([*folder, *((at.name, _strength(done, at)) for at in done.strengths)])
    if done.typed:
        yield from next_lines([(_what_next(done.kind), done.typed[0])])
        for line in done.typed[1:]:
            yield f"    {line}"


def _strength(done: Exported, at: At) -> str:
    asked = say("not measured", "未测量") if at.kl is None else f"KL {at.kl:.4g}"
    reading = done.readings.get(at.name)
    more = f"  {reading.words()}" if reading else ""
    return f"{asked}  " + say("scale", "缩放") + f" {at.scale:.4f}{more}"


def _what_next(kind: str) -> str:
    if kind == "ollama":
        return say("create the models in Ollama", "在 Ollama 中创建模型")
    if kind == "vllm":
        return say("start vLLM with them", "用 vLLM 启动")
    if kind == "gguf-lora":
        return say("start llama.cpp's server with it", "用 llama.cpp 的服务器启动")
    if kind in ("peft", "merged"):
        return say("write with it", "试着续写")
    return say("convert it with llama.cpp", "用 llama.cpp 转换")
