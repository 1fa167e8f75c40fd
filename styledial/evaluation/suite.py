"""The full evaluation of a tuned model, and evaluation.json.

    evaluation.json   {"metrics":  {"kl": {"value": 0.1, "ci": [0.09, 0.11], "base": 0.0,
                                           "unit": "nats per token"}, ...},
                       "settings": {"effort": "quick", "data_dir": ..., ...},
                       "warnings": [{"en": ..., "zh": ...}]}

A metric has `books` where real passages of the books have a value too, and `against` where a
second adapter was measured.

What each metric says and doesn't: docs/evaluation.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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
from styledial.errors import AdapterError
from styledial.evaluation.alarms import FROM_TRAINING, PROBE, raised, usual
from styledial.evaluation.bench import Bench
from styledial.evaluation.chat import CHINESE, ENGLISH, Chat
from styledial.evaluation.copying import Copying, Extraction
from styledial.evaluation.distance import GeneralText, StyleText
from styledial.evaluation.fluency import Fluency
from styledial.evaluation.leakage import Leakage
from styledial.evaluation.result import CONFIDENCE, RESAMPLES, SEED, Evaluator, Result, from_json
from styledial.evaluation.rhythm import Rhythm
from styledial.evaluation.style import StyleScore
from styledial.evaluation.words import is_chinese
from styledial.evaluation.writing import Passage, Passages, openings, sample
from styledial.language import say, typed
from styledial.models.generation import end_tokens
from styledial.models.policy import Policy
from styledial.progress import stage
from styledial.run_folder.claims import writing
from styledial.run_folder.layout import EVALUATION as FILE
from styledial.training.measure import ReadOptions, read_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Evaluation:
    """The metrics in the order in which they were measured, and how that was done."""

    metrics: dict[str, Result]
    settings: dict[str, Any] = field(default_factory=dict)
    against: dict[str, Result] = field(default_factory=dict)
    passages: Passages | None = None

    def beside(self, other: Evaluation) -> Evaluation:
        """This one, with the other's figures for comparison."""
        return replace(self, against=other.metrics)

    def as_json(self) -> dict[str, Any]:
        """The content of evaluation.json."""
        metrics = {name: result.as_json() for name, result in self.metrics.items()}
        for name, result in self.against.items():
            metrics[name]["against"] = {"value": result.value, "ci": list(result.ci)}
        said = [{"en": en, "zh": zh} for en, zh in warnings(self)]
        return {"metrics": metrics, "settings": self.settings, "warnings": said}


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


def evaluate(
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    texts: Texts,
    reading: ReadOptions,
    *,
    effort: Effort = FULL,
    seed: int = 42,
    style_sums: np.ndarray | None = None,
    general_sums: np.ndarray | None = None,
    like: Evaluation | None = None,
    probe: PackedRows | None = None,
    answers: bool = False,
) -> Evaluation:
    """Measure `policy` on held-out and general text and on what it writes.

    Sums that the caller has already read are not read again. KL and style NLL are on the rows that
    landing didn't use, as kl_final is. Passages are sampled with `seed`. Metrics for which there
    is too little text are left out. `like` is another adapter's evaluation on the same base,
    texts, effort and seed: the base's passages are taken from it. `probe` are rows of books that
    were not trained on, on which extraction is tried too. A model that `answers` writes its
    passages as answers.
    """
    metrics: dict[str, Result] = {}

    def run(words: str, evaluator: Evaluator) -> None:
        with stage(words):
            metrics.update((result.name, result) for result in evaluator.run())

    if effort.bench:  # first, as its tasks or their questions may not be available
        run("lm-evaluation-harness", _bench(policy, tokenizer, effort, reading))
    rows = texts.halves()[1]
    style = _sums(style_sums, policy, texts.heldout, only=rows, **reading)
    general = _sums(general_sums, policy, texts.general, **reading)
    counted = partial(characters_of, texts.heldout.select(rows), tokenizer)
    run(say("style text", "风格文本"), StyleText(style, counted))
    run(say("general text", "通用文本"), GeneralText(general))
    if tokenizer.chat_template:
        asked = CHINESE if is_chinese("".join(texts.prompts)) else ENGLISH
        run(say("answers in a chat", "对话回答"), Chat(policy, tokenizer, asked, reading, seed))
    passages = _openings(texts, tokenizer, effort, answers)
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
    settings["answers"] = answers
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
    config: Config,
    policy: Policy,
    tokenizer: PreTrainedTokenizerBase,
    texts: Texts,
    reading: ReadOptions,
    style_sums: np.ndarray,
    general_sums: np.ndarray,
    trained_tokens: int,
    note: Callable[[str, str], None],
    *,
    answers: bool,
) -> Evaluation | None:
    """A run's own evaluation, written to its folder; None where it is off or didn't work.

    The model is saved by then: whatever goes wrong here is said in a sentence and no more.
    """
    wanted = config.training.evaluate_at_end
    if wanted == OFF:
        return None
    effort = FULL if wanted == "full" else quick(trained_tokens)
    try:
        found = evaluate(
            policy,
            tokenizer,
            texts,
            reading,
            effort=effort,
            seed=config.training.seed,
            style_sums=style_sums,
            general_sums=general_sums,
            answers=answers,
        )
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


def warnings(found: Evaluation) -> list[tuple[str, str]]:
    """What the user should know before passing the adapter on, in both languages."""
    changed = found.settings.get("changed_novels")
    said = [other_text(changed)] if changed else []
    copied = raised(found.metrics.values(), *FROM_TRAINING)
    if copied:
        said.append(
            (
                f"{_listed(copied)[0]}: the model reproduces passages of the training books "
                "word for word. They may be under copyright: lower the strength, or train for "
                "fewer epochs, before you share it.",
                f"{_listed(copied)[1]}：模型会逐字复述训练用书。"
                "这些书可能受版权保护；分享给他人之前，请调低强度或减少训练轮数。",
            )
        )
    unlocked = raised(found.metrics.values(), PROBE)
    if unlocked:
        said.append(
            (
                f"{_listed(unlocked)[0]}: training made the model recite books that it was not "
                "trained on here. Lower the strength, or train for fewer epochs, before you share "
                "it.",
                f"{_listed(unlocked)[1]}：训练让模型更会逐字复述没有参与这次训练的书。"
                "分享给他人之前，请调低强度或减少训练轮数。",
            )
        )
    return said


def _listed(rates: Sequence[Result]) -> tuple[str, str]:
    en = [f"{each.name} is {each.value:.0%} (baseline {usual(each):.0%})" for each in rates]
    zh = [f"{each.name} 为 {each.value:.0%}（基线 {usual(each):.0%}）" for each in rates]
    return ", ".join(en), "，".join(zh)


def other_text(changed: Sequence[str]) -> tuple[str, str]:
    """That what is held out now may have been trained on; `changed` names the files."""
    named = ", ".join(changed[:3]) + (" ..." if len(changed) > 3 else "")
    return (
        f"The novels have changed since training ({named}): the text held out now may have been "
        "trained on, so the figures may look better than they should.",
        f"小说与训练时不同（{named}）：现在留出的文本可能训练过，结果可能偏乐观。",
    )


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write evaluation.json into a run's folder. Raises UserError where it is not writable."""
    with writing(folder) as run:
        run.write_json(FILE, evaluation.as_json())


def load_evaluation(folder: Path) -> Evaluation | None:
    """What evaluation.json holds; None where there is none. Raises AdapterError if damaged."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        metrics = {name: from_json(name, each) for name, each in content["metrics"].items()}
        return Evaluation(metrics, content["settings"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise AdapterError(
            f"{path}: cannot be read. Move it away, then `styledial evaluate {typed(folder)}`.",
            f"{path}：无法读取。请把它移走，再运行 `styledial evaluate {typed(folder)}`。",
        ) from None
