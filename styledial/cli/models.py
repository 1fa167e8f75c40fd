"""`styledial models`: the known models, and whether any other one can be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.options import as_model_name
from styledial.language import say
from styledial.models.registry import MODELS, KnownModel, known, on_hugging_face
from styledial.units import disk_size

HELP = say(
    "List the known models, or say whether NAME (on the hub, or a folder) can be trained.",
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
    repo, revision = split_revision(name)
    model = known(repo)
    if model is not None and not folder.is_dir():
        typer.echo("\n".join(_card(model)))
        return
    from styledial.models.chatglm.layout import check_is_chatglm3, is_original
    from styledial.models.inspect import check_folder, read_config
    from styledial.models.locate import find_base
    from styledial.models.support import TESTED, check_supported

    if folder.is_dir():
        config = read_config(Path(find_base(name)))
    else:
        from styledial.hub.download import place, remote_config

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
    typer.echo(
        say(f"{name}: yes, it can be trained (model type {kind}", f"{name}：可以训练（类型 {kind}")
        + ("" if seen else say("; a family not tested here", "；未专门测试的系列"))
        + say(").", "）。")
    )


def _table() -> list[str]:
    titles = [say("model", "模型"), say("parameters", "参数量"), say("download", "下载大小"),
              say("licence", "许可"), say("gated", "需授权"), "ModelScope"]  # fmt: skip
    rows = [
        [
            model.name,
            f"{model.parameters / 1e9:.2f} B",
            disk_size(model.parameters * 2),
            model.licence,
            say("yes", "是") if model.gated else say("no", "否"),
            model.modelscope,
        ]
        for model in MODELS
    ]
    widths = [max(_width(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    lines = [
        "  ".join(cell + " " * (w - _width(cell)) for cell, w in zip(row, widths, strict=True))
        for row in [titles, *rows]
    ]
    return [
        *(line.rstrip() for line in lines),
        "",
        say(
            "Others load the same way: `styledial models NAME` says whether one can be trained.",
            "其他模型走同样的路径：`styledial models NAME` 可判断能否训练。",
        ),
    ]


def _card(model: KnownModel) -> list[str]:
    config = model.config
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    gate = (
        say(" (gated: accept it on the page first)", "（需先在页面上同意）") if model.gated else ""
    )
    rows = [
        (say("model", "模型"), model.name),
        ("Hugging Face", model.page),
        ("ModelScope", f"https://www.modelscope.cn/models/{model.modelscope}"),
        (say("parameters", "参数量"), f"{model.parameters:,}"),
        (say("licence", "许可"), model.licence + gate),
        (say("architecture", "架构"), model.model_type
         + (say(", converted once", "，首次使用时转换一次") if model.needs_conversion else "")),
        (say("layers x width", "层数 x 宽度"),
         f"{config['num_hidden_layers']} x {config['hidden_size']}"),
        (say("heads / KV heads", "注意力头 / KV 头"), f"{heads} / {kv_heads}"),
        (say("vocabulary", "词表"), f"{config['vocab_size']:,}"),
        (say("LoRA layers", "LoRA 层"), ", ".join(model.lora_layers)),
    ]  # fmt: skip
    widest = max(_width(label) for label, _ in rows)
    return [f"{label}{' ' * (widest - _width(label))}  {value}" for label, value in rows]


def _width(text: str) -> int:
    """Columns on a terminal, where a Chinese character takes two."""
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
