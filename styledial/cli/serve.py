"""`styledial serve`: an OpenAI-compatible address on this machine, at any strength."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.opening import importing, working
from styledial.cli.options import Adapter, BaseNow
from styledial.errors import UserError
from styledial.language import say, typed
from styledial.progress import shown, stage
from styledial.run_folder.described import describe_adapter

if TYPE_CHECKING:
    from styledial.export.source import Source
    from styledial.serving.names import Names

HELP = say(
    "Serve an adapter on this machine with llama.cpp. The strength is in the model's name.",
    "用 llama.cpp 在本机提供服务：强度写在模型名中。",
)


def serve(
    adapter: Adapter,
    base_gguf: Annotated[
        str | None,
        typer.Option(
            help=say(
                "The base as a GGUF file; left out: the run's own, if it is one.",
                "GGUF 格式的基座；训练时用的就是 GGUF 文件则可不写。",
            )
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help=say("Port; 0: any.", "端口；0 为自动选择。"))
    ] = 8080,
    context: Annotated[
        int,
        typer.Option(
            min=0,
            help=say(
                "Context length in tokens; 0: the model's own.", "上下文 token 数；0 为默认。"
            ),
        ),
    ] = 4096,
    parallel: Annotated[
        int, typer.Option(min=1, help=say("Requests at once.", "同时处理的请求数。"))
    ] = 2,
    base: BaseNow = None,
) -> None:
    """Serve until Ctrl-C. Raises UserError without a GGUF base, with other engines' commands."""
    with working(say(f"serve {adapter}", f"提供 {adapter} 的服务")):
        describe_adapter(adapter)  # a wrong folder is said before torch is imported
        with importing():
            from styledial.export.source import read_source
            from styledial.export.write import gguf_file

        source = read_source(adapter, base)
    file = source.base_gguf if base_gguf is None else gguf_file(base_gguf)
    if file is None:
        raise _no_base(typed(source.adapter))
    _serve(source, file, port, context, parallel)


def _serve(source: Source, base: Path, port: int, context: int, parallel: int) -> None:
    from styledial.models.gguf_lora import write_gguf_lora
    from styledial.serving import engine
    from styledial.serving.names import Names
    from styledial.serving.proxy import listening

    with tempfile.TemporaryDirectory(prefix="styledial-") as place:
        lora = Path(place) / "lora.gguf"
        names = Names(source.name, source.points)
        with listening(names, port) as server:
            with shown(), stage(say("starting llama.cpp", "启动 llama.cpp"), background=True):
                write_gguf_lora(source.adapter, source.base_folder, lora, name=source.name)
                server.engine = engine.start(
                    base, lora, name=source.name, context=context, parallel=parallel
                )
            for line in _examples(names, server.server_address[1]):
                typer.echo(line)
            server.serve_forever()


def _examples(names: Names, port: int) -> Iterator[str]:
    address = f"http://127.0.0.1:{port}/v1"
    model = names.listed()[1]
    yield say(f"listening on {address}", f"监听 {address}")
    yield say("models: ", "模型：") + ", ".join(names.listed())
    yield (
        f"curl {address}/completions -H 'Content-Type: application/json' "
        f"""-d '{{"model": "{model}", "prompt": "...", "max_tokens": 100}}'"""
    )
    yield f'python: OpenAI(base_url="{address}", api_key="none").completions.create('
    yield f'    model="{model}", prompt="...", max_tokens=100)'


def _no_base(folder: str) -> UserError:
    """Nothing is served: what is missing, and the commands of other engines."""
    named = f"styledial serve {folder} --base-gguf BASE.gguf"
    vllm = f"styledial export {folder} --to vllm -o vllm && sh vllm/serve.sh"
    merged = f"styledial export {folder} --to merged -o merged && transformers serve merged/model"
    return UserError(
        f"serve: llama.cpp needs the base as a GGUF file; name it, at any strength:\n  {named}\n"
        f"Or use another engine. vLLM, with light, medium and strong:\n  {vllm}\n"
        f"transformers, with one strength:\n  {merged}",
        f"serve：llama.cpp 需要 GGUF 格式的基座，请指定（可选任意强度）：\n  {named}\n"
        f"或改用其他引擎。vLLM，轻微、中等、强烈三档：\n  {vllm}\n"
        f"transformers，单一强度：\n  {merged}",
    )
