"""`styledial generate`: continue a prompt with a trained style."""

from __future__ import annotations

from typing import Annotated

import typer

from styledial.cli.opening import importing, working
from styledial.cli.options import (
    Adapter,
    BaseNow,
    StrengthOption,
    TrustCode,
    asked_strength,
    trusting,
)
from styledial.cli.streams import typed_text
from styledial.errors import UserError
from styledial.language import say

HELP = say(
    "Continue a prompt with a trained adapter, or with a merged model.",
    "用训练好的适配器（或合并后的模型）续写。",
)


Prompt = Annotated[str, typer.Option(help=say("Text to continue.", "要续写的文字。"))]
NewTokens = Annotated[
    int,
    typer.Option(
        "--max-new-tokens", min=1, help=say("Tokens to write at most.", "最多续写的 token 数。")
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, help=say("The same seed, the same text.", "相同种子，相同文字。"))
]
Temperature = Annotated[
    float,
    typer.Option(
        min=0.0, help=say("Sampling temperature; 0 is greedy decoding.", "采样温度；0 为贪心解码。")
    ),
]


def generate(
    adapter: Adapter,
    prompt: Prompt,
    max_new_tokens: NewTokens = 200,
    seed: Seed = 42,
    strength: StrengthOption = None,
    base: BaseNow = None,
    trust_remote_code: TrustCode = False,
    temperature: Temperature = 0.8,
) -> None:
    """Print the prompt and its continuation. Raises UserError for an empty prompt."""
    if not prompt:
        raise UserError(
            "--prompt: is empty; give the beginning of a text.", "--prompt：为空；请给出文章开头。"
        )
    prompt = typed_text("--prompt", prompt)
    wanted = asked_strength(strength)
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
    chosen = None if merged else choose(adapter, wanted)
    what = chosen.words() if chosen and chosen.kl is not None else ""
    with working(
        say(f"generate with {adapter}", f"用 {adapter} 续写") + (f" · {what}" * bool(what))
    ):
        with importing():
            from styledial.models.adapter import load_adapter, load_merged, scale_adapter
            from styledial.models.generation import continue_text
            from styledial.models.load import quiet_libraries

        quiet_libraries()
        if chosen:
            policy, tokenizer = load_adapter(adapter, base=base, **trusting(trust_remote_code))
            scale_adapter(policy, chosen.scale)
            model = policy.model
        else:
            model, tokenizer = load_merged(adapter)
        text = continue_text(
            model,
            tokenizer,
            prompt,
            max_new_tokens=max_new_tokens,
            seed=seed,
            temperature=temperature,
        )
    typer.echo(prompt + text)
