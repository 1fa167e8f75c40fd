"""`styledial generate`: continue a prompt with base + adapter."""

from __future__ import annotations

from typing import Annotated

import typer

from styledial.cli.options import Adapter, BaseNow, Strength, TrustCode, scale_of, trusting
from styledial.cli.streams import typed_text
from styledial.errors import UserError
from styledial.language import say

HELP = say("Continue a prompt with a trained adapter.", "用训练好的适配器续写。")


def generate(
    adapter: Adapter,
    prompt: Annotated[str, typer.Option(help=say("Text to continue.", "要续写的文字。"))],
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1)] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    kl_beta: Strength = None,
    base: BaseNow = None,
    trust_remote_code: TrustCode = False,
    temperature: Annotated[
        float,
        typer.Option(
            min=0.0,
            help=say("Sampling temperature; 0 is greedy decoding.", "采样温度；0 为贪心解码。"),
        ),
    ] = 0.8,
) -> None:
    """Print the prompt and its continuation. Raises UserError for an empty prompt."""
    if not prompt:
        raise UserError(
            "--prompt: is empty; give the beginning of a text.", "--prompt：为空；请给出文章开头。"
        )
    prompt = typed_text("--prompt", prompt)
    from styledial.models.adapter import load_adapter, scale_adapter
    from styledial.models.generation import continue_text
    from styledial.models.load import quiet_libraries

    quiet_libraries()
    scale = scale_of(adapter, kl_beta)
    policy, tokenizer = load_adapter(adapter, base=base, **trusting(trust_remote_code))
    scale_adapter(policy, scale)
    typer.echo(
        prompt
        + continue_text(
            policy.model,
            tokenizer,
            prompt,
            max_new_tokens=max_new_tokens,
            seed=seed,
            temperature=temperature,
        )
    )
