"""The writing: one prompt at every strength, a passage of the book beside it, the style's words.

From strength_samples.json; a run without it shows what samples.json has: before and after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from styledial.language import say
from styledial.report.parts import Version, Word, Writing, Written
from styledial.run_folder.metrics import is_number
from styledial.run_folder.outcome import fell_short
from styledial.run_folder.reader import Run, mapping, mappings
from styledial.strength import NAMED, band_name, name_of

# So many times as likely under the tuned model as under the base: marked, and marked strongly.
MARKED, STRONGLY = 1.5, 3.0


def writing(run: Run) -> Writing:
    """Everything that the page shows of what the models wrote; `first` is None without samples."""
    content = run.strength_samples or {}
    prompts = [each for each in mappings(content.get("prompts")) if mapping(each.get("texts"))]
    if not prompts:
        return _before_and_after(run)
    strengths = mappings(content.get("strengths"))
    written = [_written(each, strengths) for each in prompts]
    notes = [marks(), *_out_of_reach(run, strengths), *_how(content)]
    return Writing(written[0], written[1:], _words(content.get("book")), True, notes)


def marks() -> str:
    """What the marks in a text mean."""
    return say(
        f"Marked: words that training made at least {MARKED:g} times as likely here (strongly "
        f"marked: {STRONGLY:g} times).",
        f"标记处是训练后更偏爱的字词：此处的概率至少是训练前的 {MARKED:g} 倍"
        f"（深色为 {STRONGLY:g} 倍）。",
    )


def own_sample(run: Run, prompt: str) -> Version | None:
    """What the run's own model wrote after `prompt`, for a comparison; None where it didn't."""
    for each in mappings((run.strength_samples or {}).get("prompts")):
        words = _words(mapping(each.get("texts")).get("adapter"))
        if each.get("prompt") == prompt and words:
            return Version(run.name, words)
    for each in mappings((run.samples or {}).get("samples")):
        if each.get("prompt") == prompt:
            return Version(run.name, [Word(str(each.get("after", "")))])
    return None


def prompts_of(run: Run) -> list[str]:
    """The prompts of the run's samples, in order."""
    return [str(each.get("prompt", "")) for each in mappings((run.samples or {}).get("samples"))]


def base_sample(run: Run, prompt: str) -> Version | None:
    """What the run's base wrote after `prompt`."""
    for each in mappings((run.samples or {}).get("samples")):
        if each.get("prompt") == prompt:
            return Version(_before(), [Word(str(each.get("before", "")))], say("base", "基座"))
    return None


def _written(prompt: dict[str, Any], strengths: Sequence[dict[str, Any]]) -> Written:
    """A prompt's texts by rising strength; strengths out of reach are named without a text."""
    texts = mapping(prompt.get("texts"))
    whole = len(texts) > 2
    versions = []
    for each in strengths:
        name, kl = str(each.get("name")), each.get("kl")
        words = _words(texts.get(name))
        if not words and not (whole and each.get("scale") is None):
            continue
        own = name == "adapter"
        versions.append(
            Version(
                _name(name, kl),
                words,
                say("this run", "本次训练") if own else "",
                chosen=own,
            )
        )
    return Written(str(prompt.get("prompt", "")), versions)


def _name(name: str, kl: Any) -> str:
    if name == "base":
        return _before()
    if name in NAMED:
        return _capital(band_name(name))
    return _capital(name_of(kl)) if is_number(kl) else say("After", "训练后")


def _before() -> str:
    return say("Before", "训练前")


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def _words(found: Any) -> list[Word]:
    """WORDS of strength_samples.json with their marks; what isn't a word is left out."""
    words: list[Word] = []
    for each in found if isinstance(found, list) else []:
        if isinstance(each, list) and len(each) == 2 and isinstance(each[0], str):
            words += marked(each[0], each[1] if is_number(each[1]) else 0.0)
    return words


def marked(text: str, ratio: float) -> list[Word]:
    """A word with its mark, if its log ratio earns one; with the space before it on its own, so
    that a mark begins with the word."""
    bare = text.lstrip()
    level = (ratio >= math.log(MARKED)) + (ratio >= math.log(STRONGLY))
    if not level or not any(character.isalnum() for character in bare):
        return [Word(text)]
    times = math.exp(min(ratio, 10.0))
    word = Word(bare, level, f"{times:.1f} ×" if times < 100 else "> 100 ×")
    return [Word(text[: len(text) - len(bare)]), word] if len(bare) < len(text) else [word]


def _out_of_reach(run: Run, strengths: Sequence[dict[str, Any]]) -> list[str]:
    """How to get at the strengths that this adapter doesn't reach."""
    names = [str(each.get("name")) for each in strengths if each.get("scale") is None]
    names = [name for name in names if name in NAMED]
    if not names:
        return []
    beta = NAMED[names[-1]]
    listed = say(" and ", "、").join(band_name(name) for name in names)
    how = say(
        f"train again with `training.kl_beta={beta:g}`",
        f"请用 `training.kl_beta={beta:g}` 重新训练",
    )
    if fell_short(run.summary or {}):
        how = say(
            "train longer first, as this run fell short of its own target",
            "本次连自己的目标也没达到，请先增加步数",
        )
    return [
        say(
            f"{_capital(listed)}: more than this adapter can do; {how}.",
            f"{listed}：这个适配器达不到；{how}。",
        )
    ]


def _before_and_after(run: Run) -> Writing:
    content = run.samples or {}
    prompts = [
        Written(
            str(each.get("prompt", "")),
            [
                Version(_before(), [Word(str(each.get("before", "")))]),
                Version(say("After", "训练后"), [Word(str(each.get("after", "")))], chosen=True),
            ],
        )
        for each in mappings(content.get("samples"))
    ]
    if not prompts:
        missing = say(
            "samples.json is missing; a run writes it at its end.",
            "缺少 samples.json；训练结束时会写出。",
        )
        return Writing(None, notes=[missing])
    return Writing(prompts[0], prompts[1:], notes=_how(content))


def _how(content: dict[str, Any]) -> list[str]:
    seed, most = content.get("seed"), content.get("max_new_tokens")
    return [
        say(
            f"Every text is the first and only draw: same prompt, same seed ({seed}), at most "
            f"{most} tokens.",
            f"每段都是唯一一次采样，未经挑选：开头与种子（{seed}）相同，至多 {most} 个 token。",
        )
    ]
