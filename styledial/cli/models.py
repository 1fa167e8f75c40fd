"""`styledial models`: the known models, and whether any other one can be trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.opening import importing, working
from styledial.cli.options import as_model_name
from styledial.commands import command, next_lines, rows
from styledial.config import BUNDLED
from styledial.errors import ModelError
from styledial.language import say
from styledial.models.registry import MODELS, KnownModel, known, on_hugging_face
from styledial.units import disk_size

HELP = say(
    "List the known models, or say whether another can be trained. NAME: on the hub, or a folder.",
    "列出已知模型，或判断 NAME（模型名或文件夹）能否训练。",
)


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            callback=as_model_name, help=say("A model's name or folder.", "模型名或文件夹。")
        ),
    ] = None,
    use_mirror: Annotated[
        bool, typer.Option("--use-mirror", help=say("Ask hf-mirror.com.", "使用 hf-mirror.com。"))
    ] = False,
) -> None:
    """Print the known models, or whether `name` can be trained."""
    if name is None:
        typer.echo("\n".join(_table()))
        return
    from styledial.models.locate import split_revision

    folder = Path(name).expanduser()
    model = known(split_revision(name)[0])
    if model is not None and not folder.is_dir():
        typer.echo("\n".join(_card(model)))
        return
    with working(say(f"checking {name}", f"检查 {name}")):
        try:
            answer = _answer(name, folder, use_mirror=use_mirror)
        except ModelError as error:
            raise error.of("") from None
    typer.echo(answer)
    if name == BUNDLED or folder.exists():
        memory = command("plan", f"model.model_name_or_path={name}")
        for line in next_lines([(say("the memory that it needs", "需要多少显存"), memory)]):
            typer.echo(line)


def _answer(name: str, folder: Path, *, use_mirror: bool) -> str:
    """Whether the model of this name, in `folder` or on the hub, can be trained; raises ModelError
    where it can't."""
    with importing():
        from styledial.models.chatglm.layout import check_is_chatglm3, is_original
        from styledial.models.inspect import check_folder, read_config
        from styledial.models.locate import find_base
        from styledial.models.prequantised import said_of
        from styledial.models.support import TESTED, check_supported

    if folder.is_file():
        return _answer_of_gguf(name)
    if name == BUNDLED or folder.is_dir():
        folder = Path(find_base(name))
        config = read_config(folder)
    else:
        from styledial.hub.download import place, remote_config
        from styledial.models.locate import split_revision

        repo, revision = split_revision(name)

        find_base(name)
        config = remote_config(on_hugging_face(repo), place(use_mirror=use_mirror), revision)
    kind = config.get("model_type")
    if is_original(config):
        check_is_chatglm3(config, folder)
        kind = "chatglm3"
    else:
        check_supported(config, name)
        if folder.is_dir():
            check_folder(folder)
    seen = kind == "chatglm3" or kind in TESTED
    files = said_of(config)
    return (
        say(f"{name}: yes, it can be trained (model type {kind}", f"{name}：可以训练（类型 {kind}")
        + ("" if seen else say("; a family not tested here", "；未专门测试的系列"))
        + (say(f"; {files[0]}", f"；{files[1]}") if files else "")
        + say(").", "）。")
    )


def _answer_of_gguf(name: str) -> str:
    from styledial.models.configuration import model_config

    kind = model_config(name).model_type
    return say(
        f"{name}: yes, it can be trained (model type {kind}, dequantised when it is loaded).",
        f"{name}：可以训练（类型 {kind}，加载时反量化）。",
    )


def _table() -> Iterator[str]:
    """The known models, at 80 columns: what matters before a download."""
    head = (
        say("model", "模型"),
        say("size", "参数量"),
        say("download", "下载"),
        "bf16",
        say("4-bit", "4 位"),
        say("gated", "需授权"),
    )
    yield from _in_columns(
        [head]
        + [
            (
                model.name,
                say(f"{model.parameters / 1e9:.1f} B", f"{model.parameters / 1e8:.0f} 亿"),
                disk_size(model.parameters * 2),
                f"{model.memory_16bit:.1f} GiB",
                f"{model.memory_4bit:.1f} GiB",
                say("yes", "是") if model.gated else "",
            )
            for model in MODELS
        ]
    )
    yield ""
    yield say(
        "bf16, 4-bit: GPU memory that LoRA training needs at least (planned, not\n"
        "measured; one row of 512 tokens at a time). `styledial plan`: for your settings.",
        "bf16 与 4 位：LoRA 训练至少需要的显存（估算，未实测；每次一行 512 token）。\n"
        "`styledial plan` 可按你的设置估算。",
    )
    yield say(
        "`styledial models NAME` tells more of one; of any other model or folder it says\n"
        "whether it can be trained.",
        "`styledial models 名称` 显示其中一个的详情；对其他模型或文件夹，判断能否训练。",
    )


def _in_columns(table: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The first column to the left, figures to the right; Chinese characters take two columns."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    for row in table:
        blanks = [" " * (width - cell_len(cell)) for width, cell in zip(widths, row, strict=True)]
        first, *others = zip(row, blanks, strict=True)
        yield "  ".join([first[0] + first[1], *(blank + cell for cell, blank in others)]).rstrip()


def _card(model: KnownModel) -> list[str]:
    config = model.config
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    gate = (
        say(" (gated: accept it on the page first)", "（需先在页面上同意）") if model.gated else ""
    )
    table = [
        (say("model", "模型"), model.name),
        ("Hugging Face", model.page),
        ("ModelScope", f"https://www.modelscope.cn/models/{model.modelscope}"),
        (say("parameters", "参数量"), f"{model.parameters:,}"),
        (say("licence", "许可"), model.licence + gate),
        (say("memory, LoRA", "显存（LoRA）"),
         f"bf16 {model.memory_16bit:.1f} GiB, 4-bit {model.memory_4bit:.1f} GiB"),
        (say("architecture", "架构"), model.model_type
         + (say(", converted once", "，首次使用时转换一次") if model.needs_conversion else "")),
        (say("layers x width", "层数 x 宽度"),
         f"{config['num_hidden_layers']} x {config['hidden_size']}"),
        (say("heads / KV heads", "注意力头 / KV 头"), f"{heads} / {kv_heads}"),
        (say("vocabulary", "词表"), f"{config['vocab_size']:,}"),
        (say("LoRA layers", "LoRA 层"), ", ".join(model.lora_layers)),
    ]  # fmt: skip
    return list(rows(table, indent=""))
