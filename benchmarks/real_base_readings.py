"""What real_base.py reads of a tuned model, whether an adapter at a scale or logits mixed.

Each reading takes a `Tuned` and a scale, and gives what goes into the run's JSON as it is.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from plain_questions import QUESTIONS, is_right
from torch import Tensor

from styledial.build.texts import Texts
from styledial.data.characters import characters_of
from styledial.data.pack import IGNORE_INDEX, PackedRows
from styledial.data.tokens import text_ids
from styledial.evaluation.chat import asked
from styledial.evaluation.distance import bits_per_character
from styledial.evaluation.rhythm import Rhythm
from styledial.evaluation.style import StyleScore
from styledial.evaluation.words import function_words
from styledial.evaluation.writing import Passages, as_text, sample
from styledial.models.adapter import scaled
from styledial.models.policy import Policy
from styledial.models.writing_in_batches import extend, side_by_side
from styledial.training.measure import BaseStates, Distance, read_rows

BATCH = 8
CPU = torch.device("cpu")
ANSWER, SAMPLE = 16, 60  # tokens
GREEDY: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
EVERYDAY = (
    "The train was late again, and the people on the platform",
    "To make a good soup, first",
    "The meeting began at nine. The manager said",
)


@dataclass(frozen=True)
class Tuned:
    """An adapter, read at any scale of itself."""

    policy: Policy
    states: BaseStates  # of the base, for rows that are read again

    def sums(self, rows: PackedRows, scale: float) -> np.ndarray:
        """As training.measure.read_rows."""
        with scaled(self.policy, scale):
            how: dict[str, Any] = {"batch_size": BATCH, "device": CPU, "states": self.states}
            return read_rows(self.policy, rows, **how)

    @contextlib.contextmanager
    def writing(self, scale: float) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The model that writes, and what its `generate` is to be told."""
        with scaled(self.policy, scale):
            yield self.policy.model, {}


@dataclass(frozen=True)
class Mixed(Tuned):
    """Base and adapter whole, mixed at decoding: log p = (1 - s) log base + s log tuned + const
    (DeRa, arXiv 2402.02992). Writing costs both models' passes for each token."""

    @torch.no_grad()
    def sums(self, rows: PackedRows, scale: float) -> np.ndarray:
        found = []
        for start in range(0, len(rows), BATCH):
            batch = rows.batch(range(start, min(start + BATCH, len(rows))))
            kept = batch.targets.flatten() != IGNORE_INDEX
            tuned = self.policy(batch.input_ids, batch.position_ids).flatten(0, 1)
            base = self.policy.reference(batch.input_ids, batch.position_ids).flatten(0, 1)
            read = torch.cat(
                [
                    self._read(tuned[at : at + 128], base[at : at + 128], targets, scale)
                    for at, targets in zip(
                        range(0, len(kept), 128), batch.targets.flatten().split(128), strict=True
                    )
                ]
            )
            sums = (read * kept.unsqueeze(1)).double().unflatten(0, (len(batch.targets), -1))
            found.append(sums.sum(dim=1).numpy())
        return np.concatenate(found)

    def _read(self, tuned: Tensor, base: Tensor, targets: Tensor, scale: float) -> Tensor:
        """[n, 4] of a chunk: NLL, the base's NLL, KL(mixed || base), 1."""
        weight = self.policy.head.weight.float()
        log_q = (base.float() @ weight.T).log_softmax(dim=-1)
        log_p = torch.lerp(log_q, (tuned.float() @ weight.T).log_softmax(dim=-1), scale)
        log_p = log_p.log_softmax(dim=-1)
        kl = (log_p.exp() * (log_p - log_q)).sum(dim=-1)
        at = targets.clamp_min(0).unsqueeze(1)
        nlls = [-part.gather(1, at).squeeze(1) for part in (log_p, log_q)]
        return torch.stack([*nlls, kl, torch.ones_like(kl)], dim=1)

    @contextlib.contextmanager
    def writing(self, scale: float) -> Iterator[tuple[Any, dict[str, Any]]]:
        with self.policy.as_base() as base:
            yield base, {"logits_processor": [_MixLogits(self.policy, scale)]}


class _MixLogits:
    """Mixes the tuned model's logits into the base's; keeps the tuned model's own cache."""

    def __init__(self, policy: Policy, scale: float) -> None:
        self.policy, self.scale = policy, scale
        self.cache: Any = None
        # From transformers 5.24 on, `cache`.
        known = inspect.signature(policy.causal_lm.forward).parameters
        self.name = "cache" if "cache" in known else "past_key_values"
        self.mask: Tensor | None = None
        self.length = 0

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        if self.mask is None or ids.shape[1] <= self.length:  # the next batch of prompts
            end = self.policy.causal_lm.generation_config.eos_token_id
            self.cache, self.length = None, 0
            self.mask = ((ids != end).cumsum(dim=1) > 0).long()  # padding stands in front
        new = ids[:, self.length :]
        grown = ids.shape[1] - self.mask.shape[1]
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(ids), grown)], dim=1)
        positions = (self.mask.cumsum(dim=1) - 1).clamp_min(0)[:, self.length :]
        layers = self.policy.model.base_model
        layers.enable_adapter_layers()
        try:
            out = self.policy.causal_lm(
                input_ids=new,
                attention_mask=self.mask,
                position_ids=positions,
                use_cache=True,
                **{self.name: self.cache},
            )
        finally:
            layers.disable_adapter_layers()
        self.cache, self.length = out[1], ids.shape[1]  # behind the logits, whatever its name
        tuned = out.logits[:, -1].float().log_softmax(dim=-1)
        return torch.lerp(scores.float().log_softmax(dim=-1), tuned, self.scale)


def text_figures(
    tuned: Tuned, scale: float, style: PackedRows, general: PackedRows, tokenizer: Any
) -> dict[str, Any]:
    """KL and NLL on held-out style text and on general text, nats per token; and bits."""
    of_style, of_general = (Distance.of(tuned.sums(rows, scale)) for rows in (style, general))
    characters = int(characters_of(style, tokenizer).sum())
    bits = (
        bits_per_character(nll * of_style.tokens, characters)
        for nll in (of_style.nll, of_style.nll_base)
    )
    return {
        "kl": of_style.kl,
        "style_nll": of_style.nll,
        "style_nll_base": of_style.nll_base,
        **dict(zip(("bits", "bits_base"), bits, strict=True)),
        "general_kl": of_general.kl,
        "general_nll": of_general.nll,
        "general_nll_base": of_general.nll_base,
        "tokens": [of_style.tokens, of_general.tokens],
    }


def chat_figures(tuned: Tuned, scale: float, rows: PackedRows) -> dict[str, Any]:
    """KL to the base over its own answers to questions in the chat format."""
    read = Distance.of(tuned.sums(rows, scale))
    return {"chat_kl": read.kl, "answers": len(rows), "tokens": read.tokens}


def questions(tuned: Tuned, scale: float, tokenizer: Any) -> dict[str, Any]:
    """The share of plain questions that are answered right, greedily, and the answers."""
    prompts = side_by_side([asked(tokenizer, question) for question, _ in QUESTIONS])
    with tuned.writing(scale) as (model, how):
        ids = extend(model, prompts, tokens=ANSWER, seed=0, **GREEDY, **how)
    answers = [as_text(tokenizer, row) for row in ids]
    right = [is_right(a, accepted) for a, (_, accepted) in zip(answers, QUESTIONS, strict=True)]
    return {"right": float(np.mean(right)), "of": len(right), "answers": answers}


def written(tuned: Tuned, scale: float, passages: Passages, seed: int) -> Passages:
    """`passages` with what the tuned model makes of their openings."""
    with tuned.writing(scale) as (model, how):
        mine = sample(model, passages, seed=seed, words="", **how)
    return passages.written_by(mine, passages.base)


def passage_figures(passages: Passages, tokenizer: Any) -> dict[str, Any]:
    """Style score, distances of function words and rhythm, and the markers' position."""
    found: dict[str, Any] = {}
    for evaluator in (StyleScore(passages, tokenizer), Rhythm(passages, tokenizer)):
        for result in evaluator.run():
            found[result.name] = [result.value, result.base, result.books]
    return {**found, "markers": markers(passages, tokenizer), "passages": len(passages.opened)}


def markers(passages: Passages, tokenizer: Any) -> dict[str, float]:
    """Where function words and marks of punctuation stand between the base and the books.

    along    position on the way from the base (0) to the books (1); above 1 is overshoot
    apart    distance to the books, the base's distance being 1: overshoot raises it too
    beyond   share of the markers in which base and books differ (by three standard errors) that
             lie beyond the books by more than two standard errors: caricature

    Each marker counts by the inverse of its variance over passages.
    """
    sides = [[p.ids for p in side] for side in (passages.tuned, passages.base)]
    counts = [
        np.array([_marks(as_text(tokenizer, ids)) for ids in side], dtype=float)
        for side in (*sides, passages.reference)
    ]
    (tuned, at_tuned), (base, at_base), (books, at_books) = map(_rates, counts)
    way, spread = books - base, at_base + at_books
    used = spread > 0
    weight = np.divide(1, spread, where=used, out=np.zeros_like(spread))
    whole = float((weight * way**2).sum())
    clear = used & (np.abs(way) > 3 * np.sqrt(spread))
    beyond = np.sign(way) * (tuned - books) > 2 * np.sqrt(at_tuned + at_books)
    return {
        "along": float((weight * (tuned - base) * way).sum()) / whole,
        "apart": float(np.sqrt((weight * (tuned - books) ** 2).sum() / whole)),
        "beyond": float(beyond[clear].mean()) if clear.any() else 0.0,
        "clear": int(clear.sum()),
    }


def _marks(text: str) -> list[int]:
    """Counts of function words and punctuation; last the words of all kinds."""
    words = function_words(text, chinese=False)
    return [*words[:-1], *(text.count(mark) for mark in ",.;:!?'\"-\n"), sum(words)]


def _rates(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each marker's share of the words of all passages, and the variance of that (a ratio's)."""
    of = counts[:, -1:]
    rate = counts[:, :-1].sum(axis=0) / max(of.sum(), 1)
    residual = counts[:, :-1] - of * rate
    return rate, (residual**2).sum(axis=0) / max(of.sum(), 1) ** 2


def samples(
    tuned: Tuned, scale: float, passages: Passages, texts: Texts, tokenizer: Any
) -> list[dict[str, str]]:
    """Twelve continuations: six of held-out openings, six of everyday ones; one seed for all."""
    held = passages.prompts[np.linspace(0, len(passages.prompts) - 1, 6).round().astype(int)]
    plain = [text_ids(tokenizer, [text]) for text in (*texts.prompts, *EVERYDAY)]
    prompts = [*map(list, held), *plain]
    how: dict[str, Any] = {"do_sample": True, "temperature": 0.8, "top_p": 0.95, "top_k": 0}
    with tuned.writing(scale) as (model, more):
        ids = extend(model, side_by_side(prompts), tokens=SAMPLE, seed=0, **how, **more)
    return [
        {"prompt": as_text(tokenizer, np.array(p)), "text": as_text(tokenizer, row)}
        for p, row in zip(prompts, ids, strict=True)
    ]
