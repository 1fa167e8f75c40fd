"""The conclusion of a run: land on the budget, save, measure, sample, evaluate, say what changed.

The adapter is saved first, so that whatever is interrupted later has it; a resumed run makes the
whole conclusion once more, from the checkpoint of its last update.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from styledial.data.characters import characters_of
from styledial.data.manifest import FILE as MANIFEST
from styledial.dial import highest_scale
from styledial.distributed.sharded_tensors import model_is_sharded
from styledial.doctor import last_words
from styledial.evaluation.distance import bits_per_character
from styledial.evaluation.record import Evaluation
from styledial.evaluation.suite import Subject, evaluate_at_end
from styledial.files import read_json
from styledial.language import say, typed
from styledial.models import fsdp
from styledial.models.adapter import save_model
from styledial.models.fsdp import from_rank_0
from styledial.monitor import environment, messages
from styledial.progress import stage
from styledial.report import report_at_end
from styledial.run.closing_lines import closing_lines
from styledial.run.prepare import Parts
from styledial.run.samples import Sample, sample, write_samples
from styledial.run.strength_samples import write_strength_samples
from styledial.run_folder import layout
from styledial.run_folder.cache import remove_cache
from styledial.run_folder.metrics import read_metrics, seconds_of
from styledial.run_folder.outcome import landed_scale
from styledial.run_folder.ownership import RunFolder
from styledial.training.components import Anchor
from styledial.training.landing import land
from styledial.training.measure import BaseStates, Distance, ReadOptions, measure, read_rows
from styledial.training.resume import load_weights
from styledial.training.stop_request import StopRequest

_FAR_BELOW = 0.5  # of the budget: a few rows may be off by a quarter


@dataclass(frozen=True)
class _Figures:
    """Readings of the finished model; the sums are for the evaluation's intervals."""

    style: Distance
    general: Distance
    learnt: Distance | None
    style_characters: int
    style_sums: Any
    general_sums: Any


def conclude(
    parts: Parts, own: RunFolder | None, request: StopRequest, began: float
) -> dict[str, Any]:
    """Returns the summary, {} on processes that write none. `began` is the run's start.

    Where the model is sharded, all processes have to call this, and `own` says which one writes.
    """
    if not own and not parts.core.sharded:
        return {}
    reading: ReadOptions = {
        "batch_size": parts.state.micro_batch_size or parts.config.training.micro_batch,
        "device": parts.core.policy.head.weight.device,
        "direction": parts.config.training.kl_direction,
        "states": BaseStates(),
    }
    kept = _take_best(parts)
    landing = _land(parts, reading)
    _save_model(parts, own)
    request.check()
    figures = _measure(parts, reading)
    request.check()
    seed = parts.config.training.seed
    after = sample(
        parts.core.policy,
        parts.tokenizer,
        parts.texts.prompts,
        seed,
        base=False,
        answers=parts.answers,
        tokens=parts.readings.sample,
    )
    if not own:
        return {}
    prompts = parts.texts.prompts
    samples = [Sample(*each) for each in zip(prompts, parts.before, after, strict=True)]
    write_samples(own, samples, seed=seed, tokens=parts.readings.sample)
    highest = highest_scale(landed_scale(landing))
    _write_strength_samples(parts, own, samples, figures.style.kl, highest, reading)
    _write_data_manifest(parts, own)
    metrics: dict[str, Any] | None = None
    if parts.readings.evaluation or parts.config.training.evaluate_at_end != "auto":
        found = _evaluate(parts, figures, reading)
        metrics = found.as_json()["metrics"] if found else {}
    request.check()
    with request.deferred():  # a moment more, and the run is complete
        summary = _summary(parts, {**kept, **landing}, figures, began)
        _finish(parts, own, summary)
        for line in closing_lines(
            summary,
            samples,
            own.path,
            evaluation=metrics,
            findings=last_words(own.path),
            is_adapter=parts.core.policy.is_adapter,
        ):
            parts.screen.line(line)
    return summary


def _take_best(parts: Parts) -> dict[str, float | bool]:
    """Give the model the weights of the lowest held-out loss, where the run keeps them; what the
    summary says of it."""
    best, state = parts.checkpointer.best, parts.state
    if best is None or not best.weights:
        return {}
    load_weights(parts.core.policy, best.weights)
    early = state.step < parts.steps
    parts.screen.note(*messages.best(best.step, best.nll, state.step, parts.steps))
    return {"best_step": best.step, "best_val_nll": best.nll, "stopped_early": early}


def _land(parts: Parts, reading: ReadOptions) -> dict[str, float]:
    """Scale the adapter to the budget, on the half of the held-out text that is for this; {} where
    nothing is to be scaled, and KL is read once, at the end."""
    training, policy, heldout = parts.config.training, parts.core.policy, parts.texts.heldout
    rows, _ = parts.texts.halves()
    budget = training.kl_target if policy.is_adapter else None
    if budget is None or _is_far_below(parts, budget):
        return {}
    return land(
        policy,
        lambda: from_rank_0(measure(policy, heldout, only=rows, **reading).kl, policy),
        budget,
    )


def _is_far_below(parts: Parts, budget: float) -> bool:
    """Whether the last update's reading, of a few rows, leaves no doubt that the budget was not
    reached; an adapter is never scaled beyond what was trained."""
    read = parts.state.heldout
    is_current = parts.checkpointer.best is None and read.get("step") == parts.state.step
    return is_current and read["kl"] < _FAR_BELOW * budget


def _save_model(parts: Parts, own: RunFolder | None) -> None:
    if own:  # of a resumed run that had been finished: they are about another adapter
        own.set_aside(layout.ABOUT_THE_MODEL)
    with stage(say("saving the model", "保存模型")):
        save_model(parts.core.policy, parts.folder, write=own is not None)
    if own:
        own.let_go()


def _measure(parts: Parts, reading: ReadOptions) -> _Figures:
    policy, texts = parts.core.policy, parts.texts
    _, rows = texts.halves()
    learnt: Distance | None = None
    with stage(say("measuring the result", "测量结果"), 3) as at:
        style = read_rows(policy, texts.heldout, only=rows, **reading)
        at(1)
        general = read_rows(policy, texts.general, **reading)
        at(2)
        if parts.readings.learnt:
            learnt = measure(policy, texts.style.at_most(parts.readings.learnt), **reading)
    characters = int(characters_of(texts.heldout.select(rows), parts.tokenizer).sum())
    return _Figures(Distance.of(style), Distance.of(general), learnt, characters, style, general)


def _write_strength_samples(
    parts: Parts,
    own: RunFolder,
    samples: list[Sample],
    kl: float,
    highest: float,
    reading: ReadOptions,
) -> None:
    """For the report alone: a failure here is a sentence, no more."""
    if model_is_sharded(parts.core.policy):
        return  # the others have left
    try:
        write_strength_samples(
            own,
            parts.core.policy,
            parts.tokenizer,
            samples,
            parts.texts.heldout,
            kl=kl,
            highest=highest,
            seed=parts.config.training.seed,
            reading=reading,
            answers=parts.answers,
            tokens=parts.readings.sample,
        )
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        parts.screen.note(
            f"No samples at other strengths for the report ({reason}).",
            f"未能为报告生成其他强度的样例（{reason}）。",
        )


def _evaluate(parts: Parts, figures: _Figures, reading: ReadOptions) -> Evaluation | None:
    if model_is_sharded(parts.core.policy):  # the others have left; one alone can't run it
        folder = typed(parts.folder)
        parts.screen.note(
            f"fsdp: evaluate_at_end is skipped; `styledial evaluate {folder}` evaluates the run.",
            f"fsdp：跳过 evaluate_at_end；可用 `styledial evaluate {folder}` 评估。",
        )
        return None
    with stage(say("evaluation", "效果评估")):
        subject = Subject(
            parts.core.policy,
            parts.tokenizer,
            parts.texts,
            reading,
            parts.answers,
            figures.style_sums,
            figures.general_sums,
        )
        return evaluate_at_end(parts.config, subject, parts.state.tokens, parts.screen.note)


def _write_data_manifest(parts: Parts, own: RunFolder) -> None:
    """data_manifest.json: what each file of the novels gave, token counts, and where from."""
    data, texts = parts.config.data, parts.texts
    read: dict[str, Any] = {}
    with contextlib.suppress(FileNotFoundError):
        path = own.path / layout.CACHE / "novels" / MANIFEST
        read = read_json(path)
    tokens = {
        "train": texts.style.total_targets,
        "heldout": texts.heldout.total_targets,
        "general": texts.general.total_targets,
    }
    settings = {
        "data_dir": data.data_dir, "general": data.general, "anchor": data.anchor,
        "max_length": data.max_length,
    }  # fmt: skip
    own.write_json(layout.DATA_MANIFEST, {**settings, "tokens": tokens, **read})


def _summary(
    parts: Parts, landing: dict[str, float | bool], figures: _Figures, began: float
) -> dict[str, Any]:
    training, state, policy = parts.config.training, parts.state, parts.core.policy
    style, general, learnt = figures.style, figures.general, figures.learnt
    references = parts.core.references
    return {
        "model": parts.config.model.model_name_or_path,
        "kl_beta": training.kl_beta,
        "kl_mode": training.kl_mode,
        "kl_direction": training.kl_direction,
        "answers": parts.answers,
        "kl_before_landing": style.kl,
        "adapter_scale": 1.0,
        **landing,
        "kl_final": style.kl,
        "kl_tokens": style.tokens,
        "style_nll_base": style.nll_base,
        "style_nll": style.nll,
        **_bits(style, figures.style_characters),
        "general_nll_base": general.nll_base,
        "general_nll": general.nll,
        "general_kl": general.kl,
        "heldout_tokens_read": parts.readings.heldout,
        "general_tokens_read": parts.readings.general,
        **({"train_nll_base": learnt.nll_base, "train_nll": learnt.nll} if learnt else {}),
        "steps": state.step,
        "tokens": state.tokens,
        "tokens_per_second": state.tokens / max(state.seconds, 1e-9),
        "skipped_updates": state.skipped,
        "oom_step_downs": state.step_downs,
        "micro_batch_size": state.micro_batch_size,
        "trainable_parameters": sum(p.numel() for p in policy.parameters() if p.requires_grad),
        "peak_memory_bytes": environment.peak_memory_bytes(),
        "memory_bytes": environment.memory_bytes(),
        "wall_seconds": time.perf_counter() - began,
        "versions": environment.versions(),
        "processes": parts.here.count,
        "fsdp": fsdp.record(policy) if parts.core.sharded else None,
        "anchor": _anchor_record(parts.config.data.anchor, parts.core.anchor),
        "reference_rows_saved": references.saved if references else 0,
        "seconds": seconds_of(read_metrics(parts.folder / layout.METRICS)),
    }


def _bits(style: Distance, characters: int) -> dict[str, float | None]:
    """The novels' NLL in bits per character, which runs on different bases have in common."""
    name = "style_bits_per_character"
    nats = {f"{name}_base": style.nll_base, name: style.nll}
    return {key: bits_per_character(nll * style.tokens, characters) for key, nll in nats.items()}


def _anchor_record(source: str, anchor: Anchor | None) -> dict[str, Any]:
    if anchor is None:
        return {"source": "off"}
    return {
        "source": source,
        "rows": len(anchor.rows),
        "chat_rows": anchor.chat_rows,
        "rows_per_update": anchor.per_update,
    }


def _finish(parts: Parts, own: RunFolder, summary: dict[str, Any]) -> None:
    """The files that say that the run is complete; what it needed on the way goes."""
    parts.trackers.close()
    own.record([layout.METRICS, *parts.trackers.files()])
    own.write_json(layout.SUMMARY, summary)
    report_at_end(own.path, parts.screen.note)
    if saved := summary["reference_rows_saved"]:
        parts.screen.note(*messages.reference_rows(saved))
    remove_cache(own.path)
