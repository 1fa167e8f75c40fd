"""`styledial generate`: continue a prompt with base + adapter."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from styledial.cli.options import Adapter, BaseNow, Strength
from styledial.cli.streams import typed_text
from styledial.errors import UserError
from styledial.language import say

HELP = say("Continue a prompt with a trained adapter.", "用训练好的适配器续写。")


def generate(
    adapter: Adapter,
    prompt: Annotated[
        str | None, typer.Option(help=say("Text to continue.", "要续写的文字。"))
    ] = None,
    prompts: Annotated[
        str | None,
        typer.Option(
            help=say(
                "File with a prompt a line, or - for stdin; JSON lines are written.",
                "每行一个开头的文件，- 表示标准输入；输出 JSON 行。",
            )
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            help=say(
                "The same prompt at several strengths: 0,0.05,0.1; 0 is the base.",
                "以多个强度续写同一开头：0,0.05,0.1；0 为基座。",
            )
        ),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1)] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    kl_beta: Strength = None,
    base: BaseNow = None,
    temperature: Annotated[
        float,
        typer.Option(
            min=0.0,
            help=say("Sampling temperature; 0 is greedy decoding.", "采样温度；0 为贪心解码。"),
        ),
    ] = 0.8,
) -> None:
    """Print the prompt and its continuation. Raises UserError for an empty prompt."""
    if (prompt is None) == (prompts is None):
        raise UserError(
            "generate: give either --prompt TEXT or --prompts FILE.",
            "generate：请给出 --prompt 文字 或 --prompts 文件，二选一。",
        )
    if prompt == "":
        raise UserError(
            "--prompt: is empty; give the beginning of a text.", "--prompt：为空；请给出文章开头。"
        )
    if compare is not None and kl_beta is not None:
        raise UserError(
            "--compare names the strengths; leave --kl_beta out.",
            "--compare 已列出强度；请去掉 --kl_beta。",
        )
    prompt = None if prompt is None else typed_text("--prompt", prompt)
    from styledial.inference.model import load
    from styledial.inference.prompts import parse_compared, read_prompts, write_each

    strengths = None if compare is None else parse_compared(compare)
    wanted = [prompt] if prompt is not None else read_prompts(str(prompts))
    model = load(adapter, kl_beta, base=base)
    how = {"max_new_tokens": max_new_tokens, "seed": seed, "temperature": temperature}
    for each in write_each(model, wanted, strengths, **how):
        _show(each, as_json=prompts is not None, headed=strengths is not None)


def _show(written: dict[str, Any], *, as_json: bool, headed: bool) -> None:
    if as_json:
        typer.echo(json.dumps(written, ensure_ascii=False))
        return
    if headed:
        kl_beta = written["kl_beta"]
        typer.echo(f"--- KL {kl_beta:g}" if kl_beta else say("--- base", "--- 基座"))
    typer.echo(written["prompt"] + written["text"])
