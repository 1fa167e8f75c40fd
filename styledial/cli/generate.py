"""`styledial generate`: continue a prompt with a trained style."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from styledial import progress
from styledial.cli.opening import importing, working
from styledial.cli.options import (
    Adapter,
    BaseNow,
    NewTokens,
    Plain,
    Seed,
    StrengthOption,
    Temperature,
    TrustCode,
    asked_strength,
    trusting,
)
from styledial.cli.streams import printable, typed_text
from styledial.errors import UserError
from styledial.language import say
from styledial.strength import name_of

HELP = say(
    "Continue a prompt with a run, an adapter or a merged model.",
    "用训练好的适配器（或合并后的模型）续写。",
)


Prompt = Annotated[str | None, typer.Option(help=say("Text to continue.", "要续写的文字。"))]
Prompts = Annotated[
    str | None,
    typer.Option(
        help=say(
            "File with a prompt a line, or - for stdin; JSON lines are written.",
            "每行一个开头的文件，- 表示标准输入；输出 JSON 行。",
        )
    ),
]
Compared = Annotated[
    str | None,
    typer.Option(
        help=say(
            "The same prompt at several strengths: 0,0.05,0.1; 0 is the base.",
            "以多个强度续写同一开头：0,0.05,0.1；0 为基座。",
        )
    ),
]


def generate(
    adapter: Adapter,
    prompt: Prompt = None,
    prompts: Prompts = None,
    compare: Compared = None,
    max_new_tokens: NewTokens = 200,
    seed: Seed = 42,
    strength: StrengthOption = None,
    base: BaseNow = None,
    trust_remote_code: TrustCode = False,
    temperature: Temperature = 0.8,
    plain: Plain = False,
) -> None:
    """Print the prompt and its continuation, or the answer of a base that answers.

    Raises UserError for an empty prompt.
    """
    _check(prompt, prompts, compare, strength)
    prompt = None if prompt is None else typed_text("--prompt", prompt)
    wanted = asked_strength(strength)
    from styledial.dial import load_dial
    from styledial.run.strengths import choose
    from styledial.run_folder.described import describe_adapter, is_plain_model

    merged = is_plain_model(adapter)
    if merged and wanted:
        raise UserError(
            f"--strength: {adapter} is a merged model and has the strength that it was merged at. "
            "Name the adapter's folder instead, or leave --strength out.",
            f"--strength：{adapter} 是合并后的模型，强度已固定。请改写适配器的文件夹，"
            "或去掉 --strength。",
        )
    if not merged:
        describe_adapter(adapter)
        if compare is not None:
            load_dial(adapter)  # whether its strengths are measured
    chosen = None if merged else choose(adapter, wanted)
    what = chosen.words() if chosen and chosen.kl is not None else ""
    with working(
        say(f"generate with {adapter}", f"用 {adapter} 续写") + (f" · {what}" * bool(what))
    ):
        with importing():
            from styledial.inference.model import load
            from styledial.inference.prompts import parse_compared, read_prompts, write_each

        strengths = None if compare is None else parse_compared(compare)
        texts = [prompt] if prompt is not None else read_prompts(str(prompts))
        kl = chosen.kl if chosen and wanted else None
        answers = False if plain else None
        model = load(adapter, kl, base=base, answers=answers, **trusting(trust_remote_code))
        if model.is_chat:
            progress.line(_answered())
        how = {"max_new_tokens": max_new_tokens, "seed": seed, "temperature": temperature}
        for each in write_each(model, texts, strengths, **how):
            with progress.paused():
                shown = _shown(each, as_json=prompts is not None, headed=compare is not None)
                typer.echo(printable(shown) if sys.stdout.isatty() else shown)


def _check(
    prompt: str | None, prompts: str | None, compare: str | None, strength: str | None
) -> None:
    """Raises UserError for options that don't go together."""
    if (prompt is None) == (prompts is None):
        raise UserError(
            "generate: give either --prompt TEXT or --prompts FILE.",
            "generate：请给出 --prompt 文字 或 --prompts 文件，二选一。",
        )
    if prompt == "":
        raise UserError(
            "--prompt: is empty; give the beginning of a text.", "--prompt：为空；请给出文章开头。"
        )
    if compare is not None and strength is not None:
        raise UserError(
            "--compare names the strengths; leave --strength out.",
            "--compare 已列出强度；请去掉 --strength。",
        )


def _answered() -> str:
    return say(
        "The prompt is a message in the base's chat template; --plain continues it as text.",
        "提示按基座的对话模板作为消息提问；--plain 则直接续写。",
    )


def _shown(written: dict[str, Any], *, as_json: bool, headed: bool) -> str:
    if as_json:
        return json.dumps(written, ensure_ascii=False)
    text = str(written["text"] if written["answers"] else written["prompt"] + written["text"])
    if not headed:
        return text
    kl = written["kl_beta"]
    head = (
        say(f"--- {name_of(kl)}, KL {kl:g}", f"--- {name_of(kl)}，KL {kl:g}")
        if kl
        else say("--- base", "--- 基座")
    )
    return f"{head}\n{text}"
