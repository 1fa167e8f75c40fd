"""`styledial merge`: an adapter and its base as one plain model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from styledial.cli.options import Adapter, BaseNow, Strength, TrustCode, scale_of, trusting
from styledial.config.as_written import chosen
from styledial.language import say

HELP = say(
    "Merge an adapter into its base: a plain model for any program.",
    "将适配器并入基座，得到任何程序都能加载的完整模型。",
)


def merge(
    adapter: Adapter,
    output: Annotated[
        Path, typer.Option("--output", "-o", help=say("The new folder.", "新文件夹。"))
    ],
    base: BaseNow = None,
    trust_remote_code: TrustCode = False,
    kl_beta: Strength = None,
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
    from styledial.errors import UserError
    from styledial.models.merge import left_by_merge, merge_adapter

    choices = ("auto", "bfloat16", "float16", "float32")
    dtype = chosen(dtype, choices, "model.dtype")
    if dtype not in choices:
        raise UserError(
            f"--dtype {dtype}: there are {', '.join(choices)}.",
            f"--dtype {dtype}：可选 {', '.join(choices)}。",
        )
    scale = scale_of(adapter, kl_beta)
    if left := left_by_merge(adapter):
        typer.echo(say(*left), err=True)
    how = trusting(trust_remote_code)
    typer.echo(str(merge_adapter(adapter, output, base=base, dtype=dtype, scale=scale, **how)))
