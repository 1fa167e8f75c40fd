"""The full evaluation of a tuned model. What each metric says and doesn't: docs/evaluation.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from styledial.build.texts import Texts
from styledial.config import OFF, Config
from styledial.data.characters import characters_of
from styledial.data.chat import Request
from styledial.data.pack import PackedRows
from styledial.data.prompts import go_on_from
from styledial.evaluation.alarms import PROBE
from styledial.evaluation.bench import Bench
from styledial.evaluation.chat import CHINESE, ENGLISH, Chat
from styledial.evaluation.copying import Copying, Extraction
from styledial.evaluation.distance import GeneralText, StyleText
from styledial.evaluation.fluency import Fluency
from styledial.evaluation.leakage import Leakage
from styledial.evaluation.record import Evaluation, save_evaluation, warnings
from styledial.evaluation.result import CONFIDENCE, RESAMPLES, SEED, Evaluator, Result
from styledial.evaluation.rhythm import Rhythm
from styledial.evaluation.style import StyleScore
from styledial.evaluation.words import is_chinese
from styledial.evaluation.writing import Passage, Passages, openings, sample
from styledial.language import say, typed
from styledial.models.generation import end_tokens
from styledial.models.policy import Policy
from styledial.progress import stage
from styledial.training.measure import ReadOptions, read_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Effort:
    """How much is generated: `passages` of `tokens` each, by the tuned model and by the base;
    `places` of the training books at which copying is tried, with three prefix lengths; tasks
    of lm-evaluation-harness, which have to be asked for (bench.py)."""

    passages: int
    tokens: int
    places: int
    bench: tuple[str, ...] = ()
    bench_limit: int | None = None
    bench_folder: Path | None = None


FULL = Effort(passages=192, tokens=128, places=96)


def quick(trained_tokens: int) -> Effort:
    """At the end of a run: both models' passages are about 2 % of the tokens trained on.

    Never fewer than 24 passages, below which there is nothing to see, nor more than 64.
    """
    tokens = 64
    return Effort(min(max(trained_tokens // 50 // (2 * tokens), 24), 64), tokens, 24)


@dataclass(frozen=True)
class Subject:
    """A model and the text that it is measured on.

    A model that `answers` writes its passages as answers. Sums that have been read already, of
    held-out and of general text, are not read again.
    """

    policy: Policy
    tokenizer: PreTrainedTokenizerBase
    texts: Texts
    reading: ReadOptions
    answers: bool = False
    style_sums: np.ndarray | None = None
    general_sums: np.ndarray | None = None


def evaluate(
    subject: Subject,
    *,
    effort: Effort = FULL,
    seed: int = 42,
    like: Evaluation | None = None,
    probe: PackedRows | None = None,
) -> Evaluation:
    """Measure a model on held-out and general text and on what it writes.

    KL and style NLL are on the rows that landing didn't use, as kl_final is. Passages are sampled
    with `seed`. Metrics for which there is too little text are left out. `like` is another
    adapter's evaluation on the same base, texts, effort and seed: the base's passages are taken
    from it. `probe` are rows of books that were not trained on, on which extraction is tried too.
    """
    policy, tokenizer = subject.policy, subject.tokenizer
    texts, reading = subject.texts, subject.reading
    metrics: dict[str, Result] = {}

    def run(words: str, evaluator: Evaluator) -> None:
        with stage(words):
            metrics.update((result.name, result) for result in evaluator.run())

    if effort.bench:  # first, as its tasks or their questions may not be available
        run("lm-evaluation-harness", _bench(policy, tokenizer, effort, reading))
    rows = texts.halves()[1]
    style = _sums(subject.style_sums, policy, texts.heldout, only=rows, **reading)
    general = _sums(subject.general_sums, policy, texts.general, **reading)
    counted = partial(characters_of, texts.heldout.select(rows), tokenizer)
    run(say("style text", "风格文本"), StyleText(style, counted))
    run(say("general text", "通用文本"), GeneralText(general))
    if tokenizer.chat_template:
        asked = CHINESE if is_chinese("".join(texts.prompts)) else ENGLISH
        run(say("answers in a chat", "对话回答"), Chat(policy, tokenizer, asked, reading, seed))
    passages = _openings(texts, tokenizer, effort, subject.answers)
    if passages:
        known = like.passages.base if like and like.passages else None
        passages = _written(policy, tokenizer, passages, seed, known)
        run(say("style of passages", "段落的风格"), StyleScore(passages, tokenizer))
        run(say("words and rhythm", "虚词与句子节奏"), Rhythm(passages, tokenizer))
        run(say("fluency", "流畅度"), Fluency(passages, policy, reading["batch_size"]))
        leakage = Leakage(passages, texts.style, texts.general, tokenizer)
        run(say("names of the books", "书中人名地名"), leakage)
        run(say("copies of the books", "照抄原文"), Copying(passages, texts.style))
    extraction = Extraction(policy, texts.style, effort.places)
    run(say("copies from true prefixes", "由真实开头续写的照抄"), extraction)
    if probe is not None:
        other = Extraction(policy, probe, effort.places, PROBE)
        run(say("copies of books that were not read", "未参与训练的书的照抄"), other)
    settings = _settings(effort, passages, extraction, seed, reading["direction"])
    settings["answers"] = subject.answers
    return Evaluation(metrics, settings, passages=passages)


def _openings(
    texts: Texts, tokenizer: PreTrainedTokenizerBase, effort: Effort, answers: bool
) -> Passages | None:
    """Where passages begin; a model that `answers` is asked to go on from there."""
    request = Request.of(tokenizer, go_on_from(texts.prompts)) if answers else None
    size: dict[str, int] = {"passages": effort.passages, "tokens": effort.tokens}
    return openings(texts.heldout, texts.style, request=request, **size)


def _sums(known: np.ndarray | None, *args: Any, **reading: Any) -> Callable[[], np.ndarray]:
    """The sums already read, or a function that reads them when it is called."""
    return partial(read_rows, *args, **reading) if known is None else lambda: known


def _bench(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    effort: Effort,
    reading: ReadOptions,
) -> Bench:
    return Bench(
        policy,
        tokenizer,
        effort.bench,
        reading["batch_size"],
        effort.bench_limit,
        effort.bench_folder,
    )


def _settings(
    effort: Effort, passages: Passages | None, extraction: Extraction, seed: int, direction: str
) -> dict[str, Any]:
    """With what the metrics were read, for evaluation.json."""
    return {
        "bench": list(effort.bench),
        "bench_limit": effort.bench_limit,
        "passages": len(passages.opened) if passages else 0,
        "prompt_tokens": passages.prompts.shape[1] if passages else 0,
        "passage_tokens": passages.tokens if passages else 0,
        "places": extraction.tried,
        "seed": seed,
        "temperature": 1.0,
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
        "resampling_seed": SEED,
        "kl_direction": direction,
    }


def _written(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    passages: Passages,
    seed: int,
    base: list[Passage] | None,
) -> Passages:
    """The passages of both models."""
    theirs = say("the base writes", "基座续写")
    ours = say("the tuned model writes", "微调模型续写")
    if base is None:
        with policy.as_base() as model:
            ends = end_tokens(model, tokenizer)
            base = sample(model, passages, seed=seed, words=theirs, ends=ends)
    ends = end_tokens(policy.causal_lm, tokenizer)
    tuned = sample(policy.model, passages, seed=seed, words=ours, ends=ends)
    return passages.written_by(tuned, base)


def evaluate_at_end(
    config: Config, subject: Subject, trained_tokens: int, note: Callable[[str, str], None]
) -> Evaluation | None:
    """A run's own evaluation, written to its folder; None where it is off or didn't work.

    The model is saved by then: whatever goes wrong here is said in a sentence and no more.
    """
    wanted = config.training.evaluate_at_end
    if wanted == OFF:
        return None
    effort = FULL if wanted == "full" else quick(trained_tokens)
    try:
        found = evaluate(subject, effort=effort, seed=config.training.seed)
        found.settings.update(
            effort=wanted, kl_beta=None, scale=1.0, against="base", data_dir=config.data.data_dir
        )
        save_evaluation(Path(config.training.output_dir).expanduser(), found)
        for warning in warnings(found):
            note(*warning)
        return found
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        later = f"`styledial evaluate {typed(Path(config.training.output_dir))}`"
        note(
            f"The run is complete, but its evaluation failed ({reason}). To run it again: {later}.",
            f"训练已完成，但评估失败（{reason}）。可运行 {later} 重新评估。",
        )
        return None
