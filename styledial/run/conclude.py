"""The end of a run: land on the budget, measure, sample, save, and say what changed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.build.texts import Texts
from styledial.config import Config
from styledial.distributed.sharded_tensors import has_parts
from styledial.evaluation.suite import evaluate_at_end
from styledial.language import typed
from styledial.models.adapter import save_model
from styledial.models.fsdp import agreed
from styledial.models.generation import continue_text
from styledial.models.policy import Policy
from styledial.monitor.environment import memory_bytes, peak_memory_bytes, versions
from styledial.monitor.screen import Screen
from styledial.run import samples as closing
from styledial.run_folder.ownership import CACHE
from styledial.training.checkpoint import TrainState
from styledial.training.landing import land
from styledial.training.measure import Distance, halves, measure, read_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SAMPLE_TOKENS = 120
# Of the training text, to set its gain beside that of unseen text; more changes the third digit.
_LEARNT_TOKENS = 6_144


def finish(
    config: Config, policy: Policy, tokenizer: PreTrainedTokenizerBase, texts: Texts,
    state: TrainState, before: list[str], screen: Screen, started: float, *, write: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Land, measure, sample and save; returns the summary and shows it.

    Where the model is sharded, all processes have to call this, and one of them to `write`.
    """
    training, folder = config.training, Path(config.training.output_dir).expanduser()
    reading: dict[str, Any] = {
        "batch_size": state.micro_batch_size or training.micro_batch,
        "device": policy.head.device,
        "direction": training.kl_direction,
    }
    landing_rows, report_rows = halves(texts.heldout)
    budget = training.kl_beta if training.kl_mode == "budget" and policy.is_adapter else None
    landing = land(
        policy,
        lambda: agreed(measure(policy, texts.heldout, only=landing_rows, **reading).kl, policy),
        budget,
    )
    if budget and landing["kl_before_landing"] < 0.95 * budget:
        screen.note(*_shortfall_words(landing["kl_before_landing"], budget))
    style_sums = read_rows(policy, texts.heldout, only=report_rows, **reading)
    general_sums = read_rows(policy, texts.general, **reading)
    style, general = Distance.of(style_sums), Distance.of(general_sums)
    learnt = measure(policy, texts.style.at_most(_LEARNT_TOKENS), **reading)
    after = write_samples(policy, tokenizer, texts.prompts, training.seed, base=False)
    save_model(policy, folder, write=write)
    trainable = sum(p.numel() for p in policy.parameters() if p.requires_grad)
    if not write:
        return {}
    samples = [closing.Sample(*each) for each in zip(texts.prompts, before, after, strict=True)]
    closing.write_samples(folder, samples, seed=training.seed, tokens=_SAMPLE_TOKENS)
    closing.write_data_manifest(
        folder, folder / CACHE / "novels" / "manifest.json",
        {"data_dir": config.data.data_dir, "general": config.data.general,
         "anchor": config.data.anchor, "max_length": config.data.max_length,
         "tokens": {"train": texts.style.total_targets, "heldout": texts.heldout.total_targets,
                    "general": texts.general.total_targets}},
    )  # fmt: skip
    if has_parts(policy):  # the others have left; one process can't run a sharded model
        screen.note(
            f"fsdp: evaluate_at_end is left out; `styledial evaluate {typed(folder)}` measures the "
            "run.",
            f"fsdp：不做 evaluate_at_end；可用 `styledial evaluate {typed(folder)}` 评估。",
        )
    else:
        evaluate_at_end(
            config, policy, tokenizer, texts, reading, style_sums, general_sums, state.tokens,
            screen.note,
        )  # fmt: skip
    summary = {
        "model": config.model.model_name_or_path,
        "kl_beta": training.kl_beta,
        "kl_mode": training.kl_mode,
        "kl_direction": training.kl_direction,
        **landing,
        "kl_final": style.kl,
        "style_nll_base": style.nll_base,
        "style_nll": style.nll,
        "general_nll_base": general.nll_base,
        "general_nll": general.nll,
        "general_kl": general.kl,
        "train_nll_base": learnt.nll_base,
        "train_nll": learnt.nll,
        "steps": state.step,
        "tokens": state.tokens,
        "tokens_per_second": state.tokens / max(state.seconds, 1e-9),
        "skipped_updates": state.skipped,
        "oom_step_downs": state.step_downs,
        "micro_batch_size": state.micro_batch_size,
        "trainable_parameters": trainable,
        "peak_memory_bytes": peak_memory_bytes(),
        "memory_bytes": memory_bytes(),
        "wall_seconds": time.perf_counter() - started,
        "versions": versions(),
    }
    for line in closing.closing_lines(summary, samples, folder):
        screen.line(line)
    return summary


def write_samples(
    policy: Policy, tokenizer: PreTrainedTokenizerBase, prompts: tuple[str, ...], seed: int,
    *, base: bool,
) -> list[str]:  # fmt: skip
    def write(model: Any) -> list[str]:
        return [
            continue_text(model, tokenizer, prompt, max_new_tokens=_SAMPLE_TOKENS, seed=seed)
            for prompt in prompts
        ]

    if not base:
        return write(policy.model)
    with policy.as_base() as model:
        return write(model)


def _shortfall_words(reached: float, budget: float) -> tuple[str, str]:
    return (
        f"The run reached KL {reached:.4f} of its budget {budget:g}; the adapter is not scaled up. "
        "More epochs or a higher learning rate bring it closer.",
        f"本次训练的 KL 只达到 {reached:.4f}，预算为 {budget:g}；适配器不会放大。"
        "增加训练轮数或调大学习率可以更接近预算。",
    )
