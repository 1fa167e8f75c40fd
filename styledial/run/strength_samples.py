"""strength_samples.json: one prompt at several strengths, and which words the style favours.

    {"seed": 42, "max_new_tokens": 120,
     "strengths": [{"name": "base", "scale": 0.0, "kl": 0.0},
                   {"name": "light", "scale": 0.81, "kl": 0.066},
                   {"name": "adapter", "scale": 1.0, "kl": 0.1},
                   {"name": "strong", "scale": null, "kl": 0.14}],    not reached: the most it has
     "prompts": [{"prompt": "...",
                  "texts": {"base": WORDS, "light": WORDS, "adapter": WORDS}}, ...],
     "book": WORDS}

WORDS is a text cut into words, [["俺", 1.83], ...]: each with log p_tuned - log p_base in nats, of
the adapter as saved, whatever strength wrote the text. The report marks words by it.

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
from styledial.data.tokens import opening_ids, text_ids
from styledial.dial import SCALES
from styledial.evaluation.writing import as_text, pieces_of
from styledial.models.adapter import scaled
from styledial.models.policy import Policy
from styledial.run import samples
from styledial.run.samples import Sample
from styledial.run_folder.layout import STRENGTH_SAMPLES
from styledial.run_folder.ownership import RunFolder
from styledial.strength import NAMED, band_near
from styledial.training.landing import find_scale
from styledial.training.measure import halves, log_ratios, measure

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# The adapter as saved; the other names are the base's and those of the guide's bands.
BASE, ADAPTER = "base", "adapter"
# Rows for finding scales: the ratio of two KLs on the same rows needs few.
_TOKENS = 1_024
_PLACES = 16  # where a passage of the book is looked for
_TOLERANCE = 0.03  # relative, of the KL of a named strength
_SENTENCE_END = re.compile(r"[。！？!?.][”’」』\"']*\s*|\n+")

Words = list[tuple[str, float]]


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
    seed: int,
    reading: dict[str, Any],
    answers: bool,
) -> None:
    """Write the file for a finished model whose held-out KL is `kl`.

    `written`: the run's own samples, by the base and by this model; `reading` as for `measure`;
    `answers` as for `sample`.
    """
    strengths = _strengths(policy, heldout, kl, reading)
    texts = [{BASE: each.before, ADAPTER: each.after} for each in written]
    for each in strengths:
        if each.name not in (BASE, ADAPTER) and each.scale is not None and written:
            with scaled(policy, each.scale):
                first = [written[0].prompt]
                [text] = samples.sample(policy, tokenizer, first, seed, base=False, answers=answers)
            texts[0][each.name] = text
    weigh = functools.partial(_words, policy, tokenizer, answers=answers)
    prompts = [
        {
            "prompt": each.prompt,
            "texts": {name: weigh(each.prompt, text) for name, text in of.items()},
        }
        for each, of in zip(written, texts, strict=True)
    ]
    book = weigh("", _passage(tokenizer, heldout))
    run.write_json(
        STRENGTH_SAMPLES,
        {
            "seed": seed,
            "max_new_tokens": samples.TOKENS,
            "strengths": [asdict(each) for each in strengths],
            "prompts": prompts,
            "book": book,
        },
    )


def _strengths(
    policy: Policy, heldout: PackedRows, kl: float, reading: dict[str, Any]
) -> list[Strength]:
    """By rising KL: the base, this model, and the named strengths that are neither."""
    found = [Strength(BASE, 0.0, 0.0), Strength(ADAPTER, 1.0, kl)]
    if policy.is_adapter and kl > 0:
        found += _named(policy, heldout, kl, reading)
    return sorted(found, key=lambda each: (each.scale is None, NAMED.get(each.name, each.kl)))


def _named(
    policy: Policy, heldout: PackedRows, kl: float, reading: dict[str, Any]
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
            lambda at: read(at) * kl / whole, wanted, highest=SCALES[-1], tolerance=_TOLERANCE
        )
        reached = there >= wanted * (1 - _TOLERANCE)
        yield Strength(name, scale if reached else None, there)


def _passage(tokenizer: PreTrainedTokenizerBase, heldout: PackedRows) -> str:
    """Whole sentences of the held-out text, about as long as a sample: the longest such stretch of
    some places, so that a long sentence at an edge doesn't leave next to nothing."""
    length = min(samples.TOKENS * 5 // 4, heldout.max_length)
    places = [as_text(tokenizer, ids) for ids in pieces_of(heldout, length, _PLACES)]
    return max(map(_whole_sentences, places), key=len, default="") or "".join(places[:1]).strip()


def _whole_sentences(text: str) -> str:
    ends = [end.end() for end in _SENTENCE_END.finditer(text)]
    return text[ends[0] : ends[-1]].strip() if ends else ""


def _words(
    policy: Policy, tokenizer: PreTrainedTokenizerBase, prompt: str, text: str, *, answers: bool
) -> Words:
    """`text`, which goes on from `prompt` or `answers` it, in words that together are it again,
    each with its log ratio: the sum of its tokens'."""
    before = prompt_ids(tokenizer, prompt, answers=answers) if prompt else opening_ids(tokenizer)
    ids = text_ids(tokenizer, [text], goes_on=bool(prompt))
    if not ids:
        return [(text, 0.0)] if text else []
    ratios = log_ratios(policy, [*before, *ids])
    # The very first token of a text is nobody's target.
    of_text = ratios[len(before) - 1 :] if before else [0.0, *ratios]
    return _joined(_pieces(tokenizer, before, ids, of_text, text))


def _pieces(
    tokenizer: PreTrainedTokenizerBase,
    before: list[int],
    ids: list[int],
    ratios: Sequence[float],
    text: str,
) -> Words:
    """The text of each token; tokens that are parts of one character are taken together."""
    start = len(tokenizer.decode(before, skip_special_tokens=True))
    found: Words = []
    done, ratio = 0, 0.0
    for i, of_token in enumerate(ratios):
        ratio += of_token
        whole = tokenizer.decode([*before, *ids[: i + 1]], skip_special_tokens=True)[start:]
        if len(whole) > done and text.startswith(whole):
            found.append((text[done : len(whole)], ratio))
            done, ratio = len(whole), 0.0
    return [*found, (text[done:], 0.0)] if done < len(text) else found


def _joined(pieces: Words) -> Words:
    """Pieces of one word of an alphabet put together; Chinese stays as its tokens have it."""
    found: Words = []
    for piece, ratio in pieces:
        if found and _in_word(found[-1][0][-1]) and _in_word(piece[0]):
            found[-1] = (found[-1][0] + piece, found[-1][1] + ratio)
        else:
            found.append((piece, ratio))
    return [(word, round(ratio, 3)) for word, ratio in found]


def _in_word(character: str) -> bool:
    return (character.isalnum() and character < "\u2e80") or character in "'’"
