"""strength_samples.json: one prompt at several strengths, and which words the style favours.

    {"seed": 42, "max_new_tokens": 120,
     "strengths": [{"name": "base", "scale": 0.0, "kl": 0.0},
                   {"name": "light", "scale": 0.81, "kl": 0.066},
                   {"name": "adapter", "scale": 1.0, "kl": 0.1},
                   {"name": "strong", "scale": null, "kl": 0.14}],    not reached: the most it has
     "prompts": [{"prompt": "...",
                  "texts": {"base": WORDS, "light": WORDS, "adapter": WORDS}}, ...],
     "book": WORDS}

WORDS is a text cut into words, [["俺", 1.83], ...], as evaluation/favoured.py weighs them with the
adapter as saved, whatever strength wrote the text. The report marks words by it.

Cost, at the end of a run: one sample for each further strength, of the first prompt only (three at
most; a run writes six anyway); one forward pass of both models over all samples and a passage of
the book, about 2,000 tokens; and some readings of 1,024 held-out tokens to find the scales. Full
tuning has no other strengths, and a sharded model is left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from styledial.data.chat import prompt_ids
from styledial.data.pack import PackedRows
from styledial.data.tokens import opening_ids
from styledial.evaluation.favoured import favoured_words
from styledial.evaluation.writing import as_text, pieces_of
from styledial.language import say
from styledial.models.adapter import scaled
from styledial.models.policy import Policy
from styledial.progress import stage
from styledial.run import samples
from styledial.run.samples import Sample
from styledial.run_folder.layout import STRENGTH_SAMPLES
from styledial.run_folder.ownership import RunFolder
from styledial.strength import NAMED, band_near, is_noticeable
from styledial.training.landing import find_scale
from styledial.training.measure import ReadOptions, halves, measure

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The adapter as saved; the other names are the base's and those of the guide's bands.
BASE, ADAPTER = "base", "adapter"
# Rows for finding scales: the ratio of two KLs on the same rows needs few.
_TOKENS = 1_024
_PLACES = 16  # where a passage of the book is looked for
_TOLERANCE = 0.03  # relative, of the KL of a named strength
_SENTENCE_END = re.compile(r"[。！？!?.][”’」』\"']*\s*|\n+")


@dataclass(frozen=True)
class Strength:
    """`scale` times the adapter and the KL there; without a scale, the most that it reaches."""

    name: str
    scale: float | None
    kl: float


def write_strength_samples(
    run: RunFolder,
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    written: Sequence[Sample],
    heldout: PackedRows,
    *,
    kl: float,
    highest: float,
    seed: int,
    reading: ReadOptions,
    answers: bool,
    tokens: int,
) -> None:
    """Write the file for a finished model whose held-out KL is `kl`, and whose adapter can be
    turned up to a scale of `highest`.

    `written`: the run's own samples, by the base and by this model; `reading` as for `measure`;
    `answers` and `tokens` as for `sample`.
    """
    with stage(say("finding other strengths", "测算其他强度")):
        strengths = _strengths(policy, heldout, kl, highest, reading)
    texts = [{BASE: each.before, ADAPTER: each.after} for each in written]
    for each in strengths:
        if each.name not in (BASE, ADAPTER) and each.scale is not None and written:
            with scaled(policy, each.scale):
                first = [written[0].prompt]
                [text] = samples.sample(
                    policy, tokenizer, first, seed, base=False, answers=answers, tokens=tokens
                )
            texts[0][each.name] = text
    prompts, book = _weighed(
        policy, tokenizer, written, texts, heldout, answers=answers, tokens=tokens
    )
    run.write_json(
        STRENGTH_SAMPLES,
        {
            "seed": seed,
            "max_new_tokens": tokens,
            "strengths": [asdict(each) for each in strengths],
            "prompts": prompts,
            "book": book,
        },
    )


def _weighed(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    written: Sequence[Sample],
    texts: Sequence[dict[str, str]],
    heldout: PackedRows,
    *,
    answers: bool,
    tokens: int,
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Each prompt with its texts, and a passage of the book, cut into words with their weights."""
    weigh = functools.partial(favoured_words, policy, tokenizer)
    prompts, done = [], 1
    with stage(say("marking favoured words", "标记偏爱的字词"), 1 + sum(map(len, texts))) as at:
        book = weigh(opening_ids(tokenizer), _passage(tokenizer, heldout, tokens), goes_on=False)
        for sample, of in zip(written, texts, strict=True):
            before = prompt_ids(tokenizer, sample.prompt, answers=answers)
            weighed = {}
            for name, text in of.items():
                at(done)
                weighed[name] = weigh(before, text)
                done += 1
            prompts.append({"prompt": sample.prompt, "texts": weighed})
    return prompts, book


def _strengths(
    policy: Policy, heldout: PackedRows, kl: float, highest: float, reading: ReadOptions
) -> list[Strength]:
    """By rising KL: the base, this model, and, of a style that is noticeable, the named strengths
    that are neither."""
    found = [Strength(BASE, 0.0, 0.0), Strength(ADAPTER, 1.0, kl)]
    if policy.is_adapter and is_noticeable(kl):
        found += _named(policy, heldout, kl, highest, reading)
    return sorted(found, key=lambda each: (each.scale is None, NAMED.get(each.name, each.kl)))


def _named(
    policy: Policy, heldout: PackedRows, kl: float, highest: float, reading: ReadOptions
) -> Iterator[Strength]:
    rows = heldout.select(halves(heldout)[0]).at_most(_TOKENS)

    @functools.cache
    def read(scale: float) -> float:
        with scaled(policy, scale):
            return measure(policy, rows, **reading).kl

    whole = read(1.0)
    for name, wanted in NAMED.items():
        if name == band_near(kl) or whole <= 0:
            continue
        scale, there = find_scale(
            lambda at: read(at) * kl / whole,
            wanted,
            highest=1.0 if wanted <= kl else highest,
            tolerance=_TOLERANCE,
        )
        reached = abs(there / wanted - 1) <= _TOLERANCE
        yield Strength(name, scale if reached else None, there)


def _passage(tokenizer: PreTrainedTokenizerBase, heldout: PackedRows, tokens: int) -> str:
    """Whole sentences of the held-out text, about as long as a sample: the longest such stretch of
    some places, so that a long sentence at an edge doesn't leave next to nothing."""
    length = min(tokens * 5 // 4, heldout.max_length)
    places = [as_text(tokenizer, ids) for ids in pieces_of(heldout, length, _PLACES)]
    return max(map(_whole_sentences, places), key=len, default="") or "".join(places[:1]).strip()


def _whole_sentences(text: str) -> str:
    ends = [end.end() for end in _SENTENCE_END.finditer(text)]
    return text[ends[0] : ends[-1]].strip() if ends else ""
