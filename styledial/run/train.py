"""A training run from configuration to files: the one place that wires the parts together."""

from __future__ import annotations

import shlex
import shutil
import time
from functools import cache as cached
from functools import partial
from pathlib import Path
from typing import Any

import torch

from styledial.build.kl import (
    build_anchor,
    build_controller,
    build_references,
    calibrates,
    calibration_rows,
    reads_heldout,
)
from styledial.build.model import build_optimizer, build_policy, mixed_precision
from styledial.build.shared_texts import read_texts
from styledial.build.texts import style_order
from styledial.config import Config
from styledial.config.show import as_file, flat
from styledial.dial import FILE as DIAL
from styledial.distributed import ranks
from styledial.distributed.consensus import Agreement
from styledial.doctor import last_words
from styledial.errors import UserError
from styledial.files import write_json, write_text
from styledial.memory.settle import Excess, as_it_was_fitted, settle
from styledial.models import fsdp
from styledial.models.adapter import SUMMARY
from styledial.models.identity import describe_base, remember_base
from styledial.models.load import load_tokenizer, quiet_libraries
from styledial.monitor import messages, trackers
from styledial.monitor.clock import PhaseClock
from styledial.monitor.recorder import Recorder
from styledial.monitor.screen import Screen
from styledial.monitor.update_warnings import Incidents
from styledial.report import report_at_end
from styledial.run import checks
from styledial.run.conclude import finish, write_samples
from styledial.run_folder import ownership
from styledial.run_folder.metrics import read_metrics
from styledial.run_folder.run_record import seconds_of
from styledial.training import resume
from styledial.training.checkpoint import TrainState
from styledial.training.loop import Anchor, train
from styledial.training.measure import measure
from styledial.training.nonfinite import Watch
from styledial.training.reference import base_digest
from styledial.training.row_order import RowOrder
from styledial.training.stop_request import StopRequest


def train_from_config(
    config: Config,
    *,
    resume: bool = False,
    overwrite: bool = False,
    command: str = "",
    excess: Excess = "refuse",
) -> dict[str, Any]:
    """Train as `config` says and return the summary that is also written to summary.json.

    `command` goes on with the run, for the message of one that was stopped. `excess` says what to
    do where the GPU's memory is too small. Raises UserError (bad folder, data or model, too large
    for the GPU) with everything left as it was, signals.Stopped after a signal.
    """
    folder = Path(config.training.output_dir).expanduser()
    if resume and excess == "fit":
        config = as_it_was_fitted(config, folder)
    config = checks.with_absolute_base(config)
    checks.check_folders(config)
    trackers.check(trackers.wanted(config.training.report_to))
    checks.check_sharding(config, ranks.place())
    ownership.claim_output_dir(folder, resume=resume, overwrite=overwrite)
    if resume:
        checks.check_base_is_the_same(config, folder)
    changed = checks.check_same_run(config, folder) if resume else []
    try:
        return _train(config, folder, resume, changed, command, excess)
    except UserError:
        ownership.release_output_dir(folder)
        raise


def _train(
    config: Config, folder: Path, resuming: bool, changed: list[str], command: str, excess: Excess
) -> dict[str, Any]:
    from accelerate.utils import set_seed

    quiet_libraries()
    started = time.perf_counter()
    cache = folder / ownership.CACHE
    here = ranks.place()
    first = here.first
    screen = Screen(config.training.kl_beta, not first, config.training.kl_mode)
    # Up to `meet` there is no collective, so nothing here can run into the time limit of one.
    store = ranks.rendezvous(here)
    ranks.use_own_device(here)
    config, planned = settle(config, excess=excess, here=here, store=store, note=screen.note)
    training = config.training
    tokenizer_once = cached(
        partial(
            load_tokenizer, config.model.model_name_or_path,
            trust_remote_code=config.model.trust_remote_code,
        )
    )  # fmt: skip
    texts = read_texts(config, tokenizer_once, cache, here, screen.line)
    tokenizer = tokenizer_once()
    set_seed(training.seed)
    policy = build_policy(config)
    ranks.meet(here, store)
    followed = trackers.wanted(training.report_to)
    sharded = fsdp.is_wanted(training.fsdp, policy, here)
    accelerator = fsdp.make_accelerator(
        policy,
        mixed_precision(config, policy),
        sharded=sharded,
        **trackers.arguments(followed, folder),
    )
    screen.note(*messages.texts(texts))
    if training.kl_mode != "budget":
        screen.note(*messages.mode(config))
    agreement = Agreement(here.count)
    snapshot = None
    if changed:
        screen.note(*messages.changed(changed))
    if resuming:
        snapshot = resume.newest(
            folder / ownership.CHECKPOINTS, first=first, agreement=agreement, note=screen.note
        )
    order = style_order(config, texts.style, here.count)
    if snapshot:
        order = resume.same_rows(order, snapshot, screen.note)
    steps = training.max_steps if training.max_steps > 0 else order.steps(training.num_train_epochs)

    optimizer, scheduler = build_optimizer(config, policy, steps)
    base_digest(policy)  # while every process has whole weights
    if sharded:
        optimizer = fsdp.prepare(accelerator, policy, optimizer)
        wrapped: torch.nn.Module = policy
        screen.note(*messages.shared_out(policy, here.count))
    else:
        policy.to(accelerator.device)
        policy.reference_to(accelerator.device)
        # Not wrapped for several processes: agree.py sums the gradients, once an update.
        wrapped = accelerator.prepare_model(policy, evaluation_mode=True)
        optimizer = accelerator.prepare_optimizer(optimizer)
    before = write_samples(policy, tokenizer, texts.prompts, training.seed, base=True)
    anchor = build_anchor(config, policy, texts.style, order, tokenizer, cache, steps, here)
    references = build_references(
        config, policy, texts, anchor, cache, order.epoch(steps), here, sharded=sharded
    )
    controller = build_controller(config, accelerator.device)
    watch = Watch(accelerator.device)
    keeper = resume.Keeper(
        folder / ownership.CHECKPOINTS, training.save_total_limit, policy, optimizer, scheduler,
        controller, watch, agreement, here.rank,
        resume.source_of(policy, texts.style, *([anchor.rows] if anchor else [])), screen.note,
        accelerator.scaler,
    )  # fmt: skip
    state = keeper.restore(snapshot, training.seed)
    incidents = Incidents(
        texts.style, tokenizer, training.max_skipped_updates, screen.note, state.skipped
    )
    if first:
        if not resuming:
            ownership.clear_earlier_run(folder)
        (folder / DIAL).unlink(missing_ok=True)
        write_text(folder / "train_config.yaml", as_file(config))
        model = config.model
        remember_base(folder, describe_base(model.model_name_or_path, model.model_dump()))
        (folder / ownership.PLAN).unlink(missing_ok=True)
        if planned:
            write_json(folder / ownership.PLAN, planned.to_json())
    recorder = Recorder(
        folder / "metrics.jsonl" if first else None, state.step,
        trackers.Live(accelerator, followed, folder, flat(config), state.step, screen.note),
        incidents, screen, screen.note,
    )  # fmt: skip

    def on_step_down(smaller: RowOrder) -> None:
        nonlocal order
        order = smaller
        screen.note(*messages.stepped_down(state.step + 1, smaller))

    saved = stopping = False
    calibration = calibration_rows(texts.heldout)
    clock = PhaseClock(accelerator.device)

    def after_step(state: TrainState, stop: bool) -> bool:
        nonlocal saved, stopping
        if reads_heldout(state.step, steps):
            clock("heldout")
            found = measure(
                policy, calibration, batch_size=order.batch_size,
                device=accelerator.device, direction=training.kl_direction,
            )  # fmt: skip
            recorder.heldout(found, state, order)
            if calibrates(config, state.step, steps):
                # Every process reads the same; the mean makes them agree to the last bit.
                kl = torch.tensor(found.kl, device=accelerator.device)
                controller.calibrate(accelerator.reduce(kl, "mean").item())
        recorder.write(clock)
        due = state.step % training.save_steps == 0 or state.step == steps >= training.save_steps
        if due or stop:
            clock("checkpoint")
            saved = keeper.save(state)
        stopping = stop
        return not stop

    request = StopRequest()
    with screen.training(steps, state.step), request.listening():
        state = train(
            policy, texts.style, order, wrapped=wrapped, accelerator=accelerator,
            agreement=agreement, optimizer=optimizer, scheduler=scheduler, controller=controller,
            watch=watch, state=state, total_steps=steps, direction=training.kl_direction,
            max_grad_norm=training.max_grad_norm, anchor=anchor, references=references,
            log_every=training.logging_steps, stop_asked=request.asked,
            on_step_down=on_step_down, on_log=lambda metrics: recorder.logged(metrics, order),
            after_step=after_step, phase=clock,
        )  # fmt: skip
    if stopping:
        raise resume.stopped(state, saved, command or _resume_command(folder))

    summary: dict[str, Any] = {}
    if first or sharded:
        summary = finish(
            config, policy, tokenizer, texts, state, before, screen, started, write=first
        )
    if first:
        summary["processes"] = here.count
        summary["fsdp"] = fsdp.record(policy) if sharded else None
        summary["anchor"] = _anchor_record(config, anchor)
        summary["reference_rows_saved"] = references.saved if references else 0
        summary["seconds"] = seconds_of(read_metrics(folder / "metrics.jsonl"))
        write_json(folder / SUMMARY, summary)
        report_at_end(folder, screen.note)
        if references and references.saved:
            screen.note(*messages.reference_rows(references.saved))
        shutil.rmtree(cache, ignore_errors=True)
    elif here.first_here:  # on a disk of its own, or the same folder once more
        ownership.leave(folder)
    accelerator.end_training()
    if first:
        for text in last_words(folder):
            screen.line(text)
    return summary


def _resume_command(folder: Path) -> str:
    return shlex.join(
        ["python", "train.py", "--config", str(folder / "train_config.yaml"), "--resume"]
    )


def _anchor_record(config: Config, anchor: Anchor | None) -> dict[str, Any]:
    if anchor is None:
        return {"source": "off"}
    return {
        "source": config.data.anchor,
        "rows": len(anchor.rows),
        "rows_per_update": anchor.per_update,
    }
