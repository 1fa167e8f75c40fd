"""`styledial generate`: continue a prompt with a trained style."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from styledial import progress
from styledial.cli.opening import importing, working
from styledial.cli.options import (
    BaseNow,
    NewTokens,
    Plain,
    Seed,
    StrengthOrBase,
    Temperature,
    TrustCode,
    Writer,
    asked_strength,
    trusting,
)
from styledial.cli.streams import printable, typed_text
from styledial.errors import UserError
from styledial.language import say
from styledial.strength import Strength, name_of, parse_strengths
from styledial.units import strength as figure

if TYPE_CHECKING:
    from styledial.run.strengths import Chosen

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
    model: Writer,
    prompt: Prompt = None,
    prompts: Prompts = None,
    compare: Compared = None,
    max_new_tokens: NewTokens = 200,
    seed: Seed = 42,
    strength: StrengthOrBase = None,
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
    chosen = _chosen(model, asked_strength(strength, base=True), compare)
    what = f" · {chosen.words()}" if chosen and chosen.kl is not None else ""
    with working(say(f"generate with {model}", f"用 {model} 续写") + what):
        with importing():
            from styledial.inference.model import load
            from styledial.inference.prompts import parse_compared, read_prompts, write_each

        strengths = None if compare is None else parse_compared(compare)
        texts = [prompt] if prompt is not None else read_prompts(str(prompts))
        kl = chosen.kl if chosen and strength is not None else None
        answers = False if plain else None
        loaded = load(model, kl, base=base, answers=answers, **trusting(trust_remote_code))
        if loaded.is_chat:
            progress.line(_answered())
        how = {"max_new_tokens": max_new_tokens, "seed": seed, "temperature": temperature}
        for each in write_each(loaded, texts, strengths, **how):
            with progress.paused():
                shown = _shown(each, as_json=prompts is not None, headed=compare is not None)
                typer.echo(printable(shown) if sys.stdout.isatty() else shown)


def _chosen(model: str, wanted: Strength | None, compare: str | None) -> Chosen | None:
    """The scale of an adapter; None of a whole model. Raises UserError for a strength that isn't
    within reach, before anything is loaded."""
    from styledial.files import expanded
    from styledial.run.strengths import choose
    from styledial.run_folder.described import describe_adapter, names_plain_model

    if names_plain_model(model):
        if wanted or compare is not None:
            option = "--compare" if wanted is None else "--strength"
            raise UserError(
                f"{option}: {model} is a merged model or a base, whose strength is fixed. Name the "
                f"adapter's folder instead, or leave {option} out.",
                f"{option}：{model} 是合并后的模型或基座，强度已固定。请改写适配器的文件夹，"
                f"或去掉 {option}。",
            )
        return None
    folder = expanded(model)
    describe_adapter(folder)
    for each in parse_strengths(compare, "--compare", base=True) if compare is not None else ():
        choose(folder, each)
    return choose(folder, wanted)


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
        say(f"--- {name_of(kl)}, KL {figure(kl)}", f"--- {name_of(kl)}，KL {figure(kl)}")
        if kl
        else say("--- base", "--- 基座")
    )
    return f"{head}\n{text}"
