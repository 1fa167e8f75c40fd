"""`styledial merge`: an adapter and its base as one plain model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial import progress
from styledial.cli.opening import importing, working
from styledial.cli.options import (
    Adapter,
    BaseNow,
    StrengthOption,
    TrustCode,
    asked_strength,
    trusting,
)
from styledial.cli.outputs import at_home_folder
from styledial.commands import command, next_lines, rows
from styledial.config.as_written import chosen
from styledial.errors import UserError
from styledial.language import say
from styledial.units import disk_size

if TYPE_CHECKING:
    from styledial.run.strengths import Chosen

HELP = say(
    "Merge an adapter into its base: a plain model for any program.",
    "将适配器并入基座，得到任何程序都能加载的完整模型。",
)
_DTYPES = ("auto", "bfloat16", "float16", "float32")


def merge(
    adapter: Adapter,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", callback=at_home_folder, help=say("The new folder.", "新文件夹。")
        ),
    ],
    base: BaseNow = None,
    trust_remote_code: TrustCode = False,
    strength: StrengthOption = None,
    dtype: Annotated[
        str,
        typer.Option(
            help=say(
                "auto keeps the base's; bfloat16, float16, float32.",
                "auto 保持基座精度；或 bfloat16、float16、float32。",
            )
        ),
    ] = "auto",
) -> None:
    """Write base and adapter as one model. Raises UserError for an unknown dtype."""
    dtype = chosen(dtype, _DTYPES, "model.dtype")
    if dtype not in _DTYPES:
        raise UserError(
            f"--dtype {dtype}: there are {', '.join(_DTYPES)}.",
            f"--dtype {dtype}：可选 {', '.join(_DTYPES)}。",
        )
    wanted = asked_strength(strength)
    from styledial.run.strengths import choose
    from styledial.run_folder.described import check_adapter, check_target, prompt_of

    check_target(output)
    check_adapter(adapter)
    at = choose(adapter, wanted)
    with working(say(f"merge {adapter} into its base", f"将 {adapter} 并入基座")):
        with importing():
            from styledial.models.load import quiet_libraries
            from styledial.models.merge import left_by_merge, merge_adapter

        quiet_libraries()
        if left := left_by_merge(adapter):
            progress.line(say(*left))
        how = trusting(trust_remote_code)
        merge_adapter(adapter, output, base=base, dtype=dtype, scale=at.scale, **how)
    for line in _closing(output, at, prompt_of(adapter)):
        typer.echo(line)


def _closing(output: Path, chosen: Chosen, prompt: str) -> Iterator[str]:
    size = disk_size(sum(path.stat().st_size for path in output.iterdir()))
    yield say("Merged: one plain model, in safetensors.", "已合并为一个完整模型（safetensors）。")
    yield from rows(
        [
            (say("folder", "文件夹"), f"{output}  ({size})"),
            (say("strength", "强度"), chosen.words()),
            (
                say("loads in", "可用于"),
                say(
                    "transformers, vLLM, llama.cpp's converter",
                    "transformers、vLLM、llama.cpp 转换器",
                ),
            ),
        ]
    )
    from styledial.models.base_files import written_dtype

    if written_dtype(output) in ("bfloat16", "float16"):
        yield say(
            "In 16 bits weights are rounded, so the strength may differ from this by some percent. "
            "`styledial export ADAPTER --to merged` measures it; --dtype float32 keeps it.",
            "16 位精度会舍入权重，实际强度可能有百分之几的出入。"
            "`styledial export 适配器 --to merged` 会测量；--dtype float32 可完整保留。",
        )
    yield from next_lines(
        [
            (say("write with it", "用它续写"), command("generate", output, "--prompt", prompt)),
        ]
    )
