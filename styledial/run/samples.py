"""Samples: what the model writes on the same prompts and seed, before and after training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from styledial.language import say
from styledial.models.generation import Sampling, continue_text
from styledial.models.policy import Policy
from styledial.progress import tracked
from styledial.run_folder.layout import SAMPLES, SAMPLES_DATA
from styledial.run_folder.ownership import RunFolder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Sample:
    """The same prompt and seed, before and after training."""

    prompt: str
    before: str
    after: str


def sample(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    seed: int,
    *,
    base: bool,
    answers: bool,
    tokens: int,
) -> list[str]:
    """What the tuned model, or the `base`, writes on from each prompt or `answers` to it, in so
    many `tokens` at most."""
    words = say("samples of the base", "基座样例") if base else say("samples", "样例")

    def write(model: Any) -> list[str]:
        how = Sampling(tokens, seed)
        return [
            continue_text(model, tokenizer, prompt, how, answers=answers)
            for prompt in tracked(prompts, words)
        ]

    if not base:
        return write(policy.model)
    with policy.as_base() as model:
        return write(model)


def write_samples(run: RunFolder, samples: Sequence[Sample], *, seed: int, tokens: int) -> None:
    """samples.md for people and samples.json for programs."""
    shown = [asdict(each) for each in samples]
    run.write_json(SAMPLES_DATA, {"seed": seed, "max_new_tokens": tokens, "samples": shown})
    lines = [say("# Samples: same prompt, same seed", "# 样例：相同开头，相同随机种子"), ""]
    for each in samples:
        lines += [f"## {each.prompt}", ""]
        lines += [say("Before", "训练前"), "", *_quoted(each.before), ""]
        lines += [say("After", "训练后"), "", *_quoted(each.after), ""]
    run.write_text(SAMPLES, "\n".join(lines))


def _quoted(text: str) -> list[str]:
    return [f"> {line}" for line in text.split("\n")]
