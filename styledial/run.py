"""A training run from configuration to files: the one place that wires the parts together."""

from __future__ import annotations

import math
import shutil
import time
from functools import cache as cached
from functools import partial
from pathlib import Path
from typing import Any

import torch

from styledial import build, checks, outputs, processes, trackers
from styledial.adapter import SUMMARY
from styledial.checkpoint import TrainState, checkpoints, load_checkpoint, save_checkpoint
from styledial.closing import peak_memory_bytes
from styledial.config import Config
from styledial.config.show import as_file, flat
from styledial.dial import FILE as DIAL
from styledial.doctor import last_words
from styledial.doctor.record import seconds_of
from styledial.errors import StyleDialError, UserError
from styledial.evaluators.distance import Distance, measure
from styledial.files import write_json, write_text
from styledial.finish import finish, write_samples
from styledial.metrics import MetricsFile, read_metrics
from styledial.models.load import load_tokenizer, quiet_libraries
from styledial.models.policy import Policy
from styledial.order import RowOrder
from styledial.phases import PhaseClock, time_record
from styledial.prepared import read_texts
from styledial.report import report_at_end
from styledial.screen import Screen
from styledial.trainer import Anchor, Controller, StepMetrics, train


def train_from_config(
    config: Config, *, resume: bool = False, overwrite: bool = False
) -> dict[str, Any]:
    """Train as `config` says and return the summary that is also written to summary.json.

    Raises UserError (bad folder, data or model) with everything left as it was.
    """
    folder = Path(config.training.output_dir).expanduser()
    checks.check_folders(config)
    trackers.check(trackers.wanted(config.training.report_to))
    outputs.claim_output_dir(folder, resume=resume, overwrite=overwrite)
    if resume:
        checks.check_same_run(config, folder)
    try:
        return _train(config, folder, resume)
    except UserError:
        outputs.release_output_dir(folder)
        raise


def _train(config: Config, folder: Path, resume: bool) -> dict[str, Any]:
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    quiet_libraries()
    started = time.perf_counter()
    training = config.training
    cache = folder / outputs.CACHE
    here = processes.place()
    first = here.first
    screen = Screen(training.kl_beta, quiet=not first)
    # Up to `meet` there is no collective, so nothing here can run into the time limit of one.
    store = processes.rendezvous(here)
    processes.use_own_device(here)
    tokenizer_once = cached(
        partial(
            load_tokenizer, config.model.model_name_or_path,
            trust_remote_code=config.model.trust_remote_code,
        )
    )  # fmt: skip
    texts = read_texts(config, tokenizer_once, cache, here, screen.line)
    tokenizer = tokenizer_once()
    set_seed(training.seed)
    policy = build.build_policy(config)
    processes.meet(here, store)
    followed = trackers.wanted(training.report_to)
    # accelerate takes several CPU processes for one unless it is told that this is a CPU run.
    accelerator = Accelerator(
        mixed_precision=build.mixed_precision(config, policy),
        cpu=not torch.accelerator.is_available(),
        **trackers.arguments(followed, folder),
    )
    screen.note(*_data_words(texts))
    if training.kl_mode != "budget":
        screen.note(*_mode_words(config))
    order = build.style_order(config, texts.style, here.count)
    steps = training.max_steps if training.max_steps > 0 else order.steps(training.num_train_epochs)

    policy.to(accelerator.device)
    policy.reference_to(accelerator.device)
    before = write_samples(policy, tokenizer, texts.prompts, training.seed, base=True)
    anchor = build.build_anchor(config, policy, texts.style, order, tokenizer, cache, steps, here)
    references = build.build_references(
        config, policy, texts, anchor, cache, order.epoch(steps), here
    )
    optimizer, scheduler = build.build_optimizer(config, policy, steps)
    controller = build.build_controller(config, accelerator.device)
    state = restore(folder, policy, optimizer, scheduler, controller) if resume else TrainState()
    wrapped, optimizer = accelerator.prepare(policy, optimizer)
    metrics_file = None
    if first:
        if not resume:
            outputs.clear_earlier_run(folder)
        (folder / DIAL).unlink(missing_ok=True)
        write_text(folder / "train_config.yaml", as_file(config))
        metrics_file = MetricsFile(folder / "metrics.jsonl", state.step)
    live = trackers.Live(accelerator, followed, folder, flat(config), state.step, screen.note)

    def on_log(metrics: StepMetrics) -> None:
        if not math.isfinite(metrics.nll + metrics.kl + metrics.grad_norm):
            raise StyleDialError(
                f"update {metrics.step}: the loss is no longer a number. Lower "
                "training.learning_rate and go on from the last checkpoint with --resume, or "
                "start again.",
                f"第 {metrics.step} 步：损失已不是数字。请调小 training.learning_rate，"
                "用 --resume 从上一个检查点继续，或重新训练。",
            )
        line.update(_record(metrics, order))
        if first:
            screen.step(metrics)

    line: dict[str, float] = {}  # of metrics.jsonl, for the update that has just been made
    calibration = build.calibration_rows(texts.heldout)
    clock = PhaseClock(accelerator.device)

    def after_step(state: TrainState) -> bool:
        if build.reads_heldout(state.step, steps):
            clock("heldout")
            found = measure(
                policy, calibration, batch_size=training.per_device_train_batch_size,
                device=accelerator.device, direction=training.kl_direction,
            )  # fmt: skip
            line.update(_place(state, order), **_heldout_record(found))
            if build.calibrates(config, state.step, steps):
                # Every process reads the same; the mean makes them agree to the last bit.
                kl = torch.tensor(found.kl, device=accelerator.device)
                controller.calibrate(accelerator.reduce(kl, "mean").item())
        if line:
            # What this line says was read from the device, so the clock waits for nothing.
            line.update(time_record(clock.read()))
        if metrics_file and line:
            metrics_file.write(line)
            live.log(line)
        line.clear()
        if state.step % training.save_steps == 0 and state.step < steps:
            clock("checkpoint")
            state.controller = controller.state_dict()
            if first:
                save_checkpoint(
                    folder / outputs.CHECKPOINTS, state, policy.trainable_state(),
                    optimizer.state_dict(), scheduler.state_dict(), training.save_total_limit,
                )  # fmt: skip
            accelerator.wait_for_everyone()
        return True

    with screen.training(steps, state.step):
        state = train(
            policy, texts.style, order, wrapped=wrapped, accelerator=accelerator,
            optimizer=optimizer, scheduler=scheduler, controller=controller, state=state,
            total_steps=steps, direction=training.kl_direction,
            max_grad_norm=training.max_grad_norm, anchor=anchor, references=references,
            log_every=training.logging_steps, on_log=on_log, after_step=after_step,
            phase=clock,
        )  # fmt: skip

    summary: dict[str, Any] = {}
    if first:
        summary = finish(config, policy, tokenizer, texts, state, before, screen, started)
        summary["anchor"] = _anchor_words(config, anchor)
        summary["reference_rows_saved"] = references.saved if references else 0
        summary["seconds"] = seconds_of(read_metrics(folder / "metrics.jsonl"))
        write_json(folder / SUMMARY, summary)
        report_at_end(folder, screen.note)
        if references and references.saved:
            screen.note(
                f"reference cache: {references.saved:,} rows without a pass of the base",
                f"参考缓存：{references.saved:,} 行无需再算基座前向",
            )
        shutil.rmtree(cache, ignore_errors=True)
    elif here.first_here:  # on a disk of its own, or the same folder once more
        outputs.leave(folder)
    accelerator.end_training()
    if first:
        for text in last_words(folder):
            screen.line(text)
    return summary


def restore(
    folder: Path, policy: Policy, optimizer: Any, scheduler: Any, controller: Controller
) -> TrainState:
    """Put everything back as the newest checkpoint has it; a fresh state where there is none."""
    found = checkpoints(folder / outputs.CHECKPOINTS)
    if not found:
        return TrainState()
    state, weights, rest = load_checkpoint(found[-1])
    policy.load_state_dict(weights, strict=False)
    optimizer.load_state_dict(rest["optimizer"])
    scheduler.load_state_dict(rest["scheduler"])
    controller.load_state_dict(state.controller)
    return state


def _place(state: TrainState | StepMetrics, order: RowOrder) -> dict[str, float]:
    return {
        "step": state.step,
        "epoch": round(order.epoch(state.step), 4),
        "tokens": state.tokens,
    }


def _heldout_record(found: Distance) -> dict[str, float]:
    """A reading of held-out text during the run; nats per token, and perplexity."""
    return {
        "val/nll": found.nll,
        "val/nll_base": found.nll_base,
        "val/ppl": math.exp(min(found.nll, 700.0)),  # beyond, a float overflows
        "val/kl": found.kl,
    }


def _record(metrics: StepMetrics, order: RowOrder) -> dict[str, float]:
    return {
        **_place(metrics, order),
        "train/nll": metrics.nll,
        "train/kl": metrics.kl,
        "train/anchor_kl": metrics.anchor_kl,
        "train/lambda": metrics.coefficient,
        "train/learning_rate": metrics.learning_rate,
        "train/grad_norm": metrics.grad_norm,
        "train/tokens_per_second": metrics.tokens_per_second,
        # The allocator's own count: asking for it doesn't wait for the device.
        "train/peak_memory_bytes": peak_memory_bytes(),
    }


def _data_words(texts: build.Texts) -> tuple[str, str]:
    style, heldout = texts.style.total_targets, texts.heldout.total_targets
    return (
        f"style text: {style:,} tokens in {len(texts.style):,} rows; held out {heldout:,}",
        f"风格文本：{style:,} token，{len(texts.style):,} 行；留出 {heldout:,} token",
    )


def _mode_words(config: Config) -> tuple[str, str]:
    beta = config.training.kl_beta
    if config.training.kl_mode == "penalty":
        return (
            f"kl_mode penalty: {beta:g} is a fixed KL coefficient; larger means a weaker style.",
            f"kl_mode penalty：{beta:g} 是固定的 KL 系数，越大风格越弱。",
        )
    return (
        "kl_mode off: plain fine-tuning; kl_beta has no effect.",
        "kl_mode off：普通微调；kl_beta 不起作用。",
    )


def _anchor_words(config: Config, anchor: Anchor | None) -> dict[str, Any]:
    if anchor is None:
        return {"source": "off"}
    return {
        "source": config.data.anchor,
        "rows": len(anchor.rows),
        "rows_per_update": anchor.per_update,
    }
