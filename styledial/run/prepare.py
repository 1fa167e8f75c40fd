"""The start of a run: load and assemble all its parts. An earlier run is not touched.

plan memory -> texts -> model -> meet the other processes -> optimizer, anchor, references
-> checkpoint, where the run goes on -> trackers
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from styledial.build.anchor import AnchorPlan, build_anchor, plan_anchor
from styledial.build.kl import build_controller, build_references
from styledial.build.model import (
    answers_prompts,
    build_optimizer,
    mixed_precision,
)
from styledial.build.readings import Readings, readings
from styledial.build.texts import Texts, style_order
from styledial.config import Config
from styledial.config.show import flat
from styledial.data.prompts import go_on_from
from styledial.distributed.consensus import Consensus
from styledial.distributed.ranks import Place
from styledial.errors import UserError
from styledial.memory.plan import Plan
from styledial.memory.settle import WhenTooLarge
from styledial.models import fsdp
from styledial.models.policy import Policy
from styledial.models.text_part import adapts_experts, has_experts
from styledial.monitor import messages, trackers
from styledial.monitor.screen import Screen
from styledial.run import start_block
from styledial.run.load import Loaded, load
from styledial.run.samples import sample
from styledial.run_folder import layout
from styledial.training import resume
from styledial.training.best import Best, is_complete
from styledial.training.checkpoint import Snapshot, TrainState
from styledial.training.components import Components
from styledial.training.nonfinite import UpdateCounters
from styledial.training.row_order import RowOrder


@dataclass
class Parts:
    """Everything that the updates and the conclusion need. `core`: what the loop is made of;
    `before`: the base's samples; `answers`: whether samples are answers in a chat template."""

    config: Config
    folder: Path
    here: Place
    screen: Screen
    planned: Plan | None
    tokenizer: Any
    texts: Texts
    readings: Readings
    core: Components
    order: RowOrder
    steps: int
    before: list[str]
    answers: bool
    checkpointer: resume.Checkpointer
    state: TrainState
    trackers: trackers.Trackers


@dataclass
class _Course:
    """How far the run goes. `order`: which rows each update has; `steps`: all updates; `at`: those
    already made; `first_steps`: those that the run was first planned for; `readings`: how much
    text is read on the way."""

    order: RowOrder
    steps: int
    at: int
    first_steps: int
    readings: Readings


def prepare(
    config: Config,
    folder: Path,
    here: Place,
    screen: Screen,
    *,
    resuming: bool,
    changed: list[str],
    when_too_large: WhenTooLarge,
) -> Parts:
    """Raises UserError if anything is wrong. `changed`: settings of a resumed run
    that are no longer what they were."""
    loaded = load(config, folder, here, screen, when_too_large)
    _announce(screen, loaded.config, changed, loaded.policy)
    parts = _assemble(loaded, folder, here, screen, resuming=resuming)
    if resuming and is_complete(parts.state, parts.checkpointer.best, parts.steps):
        screen.note(*messages.nothing_to_add(parts.state.step, parts.config.training))
    return parts


def _assemble(
    loaded: Loaded, folder: Path, here: Place, screen: Screen, *, resuming: bool
) -> Parts:
    """The parts on their devices, in the state of the newest checkpoint if `resuming`."""
    config, policy, tokenizer, cache = loaded.config, loaded.policy, loaded.tokenizer, loaded.cache
    sharded = fsdp.is_wanted(config.training.fsdp, policy, here)
    accelerator = _accelerator(config, folder, policy, sharded)
    consensus = Consensus(here.count)
    snapshot = _snapshot(folder, consensus, here, screen) if resuming else None
    course = _course(loaded, here, snapshot, screen)
    order, steps, read = course.order, course.steps, course.readings
    texts = loaded.texts.read_as(read.heldout, read.general, read.prompts)
    screen.lines(start_block.text_rows(config, texts, tokenizer, order, steps, course.at))
    optimizer, scheduler = build_optimizer(config, policy, steps)
    wrapped, optimizer = _on_device(policy, optimizer, accelerator, sharded, here, screen)
    texts, answers, before = _samples_of_base(config, texts, read, policy, tokenizer, screen)
    written = plan_anchor(config, policy, texts, order, tokenizer, course.first_steps, snapshot)
    anchor = build_anchor(config, policy, texts, order, tokenizer, written, here)
    references = build_references(
        config, policy, texts, anchor, cache, order.epoch(steps), here, sharded=sharded
    )
    core = Components(
        policy=policy,
        wrapped=wrapped,
        rows=texts.style,
        accelerator=accelerator,
        consensus=consensus,
        optimizer=optimizer,
        scheduler=scheduler,
        controller=build_controller(config, accelerator.device),
        counters=UpdateCounters(accelerator.device),
        anchor=anchor,
        references=references,
        direction=config.training.kl_direction,
        mask_target=config.training.masks_target,
        kl_rows=config.training.kl_rows,
        max_grad_norm=config.training.max_grad_norm,
    )
    checkpointer = _checkpointer(config, folder, core, screen)
    state = checkpointer.load(snapshot, config.training.seed)
    _plan_on(state, checkpointer.best, course, written)
    return Parts(
        config=config,
        folder=folder,
        here=here,
        screen=screen,
        planned=loaded.planned,
        tokenizer=tokenizer,
        texts=texts,
        readings=read,
        core=core,
        order=order,
        steps=steps,
        before=before,
        answers=answers,
        checkpointer=checkpointer,
        state=state,
        trackers=_trackers(config, folder, accelerator, state, screen, resuming=resuming),
    )


def _samples_of_base(
    config: Config, texts: Texts, read: Readings, policy: Policy, tokenizer: Any, screen: Screen
) -> tuple[Texts, bool, list[str]]:
    """The texts with the prompts as this model takes them, whether it answers them in a chat
    template, and what the base writes after each."""
    answers = answers_prompts(config, texts, policy, tokenizer)
    texts = _as_requests(texts, screen) if answers else texts
    seed = config.training.seed
    before = sample(
        policy, tokenizer, texts.prompts, seed, base=True, answers=answers, tokens=read.sample
    )
    return texts, answers, before


def _as_requests(texts: Texts, screen: Screen) -> Texts:
    """With prompts that ask a model that answers to go on from them."""
    screen.note(*messages.answers())
    opening = go_on_from(texts.prompts)
    return replace(texts, prompts=tuple(opening + each for each in texts.prompts))


def _plan_on(
    state: TrainState, best: Best | None, course: _Course, written: AnchorPlan | None
) -> None:
    """Note the plan in `state`. A run that had stopped early and gets more updates than it was
    planned for looks for a better reading with new patience."""
    if best and course.steps > state.planned_steps > 0:
        best.stale = 0
    state.first_steps, state.planned_steps = course.first_steps, course.steps
    state.anchor = written.record() if written else {}


def _checkpointer(
    config: Config, folder: Path, core: Components, screen: Screen
) -> resume.Checkpointer:
    anchored = [core.anchor.rows] if core.anchor else []
    return resume.Checkpointer(
        folder / layout.CHECKPOINTS,
        config.training.save_total_limit,
        core,
        resume.source_of(core.policy, core.rows, *anchored),
        screen.note,
        Best(config.training.early_stopping_patience) if config.training.keeps_best else None,
    )


def _trackers(
    config: Config,
    folder: Path,
    accelerator: Any,
    state: TrainState,
    screen: Screen,
    *,
    resuming: bool,
) -> trackers.Trackers:
    followed = trackers.wanted(config.training.report_to)
    runs = trackers.runs_of(followed, folder, resuming=resuming)
    return trackers.Trackers(
        accelerator, followed, folder, flat(config), state.step, screen.note, runs=runs
    )


def _accelerator(config: Config, folder: Path, policy: Policy, sharded: bool) -> Any:
    followed = trackers.wanted(config.training.report_to)
    return fsdp.make_accelerator(
        policy,
        mixed_precision(policy),
        sharded=sharded,
        **trackers.arguments(followed, folder),
    )


def _announce(screen: Screen, config: Config, changed: list[str], policy: Policy) -> None:
    if policy.is_adapter and has_experts(policy.causal_lm):
        screen.note(*messages.experts(adapted=adapts_experts(policy)))
    if not config.training.mode.has_target:
        screen.note(*messages.mode(config))
    if changed:
        screen.note(*messages.changed(changed))


def _snapshot(folder: Path, consensus: Consensus, here: Place, screen: Screen) -> Snapshot | None:
    return resume.newest(
        folder / layout.CHECKPOINTS, first=here.first, consensus=consensus, note=screen.note
    )


def _course(loaded: Loaded, here: Place, snapshot: Snapshot | None, screen: Screen) -> _Course:
    """Raises UserError where more updates were made than are asked for now."""
    config, training = loaded.config, loaded.config.training
    order = style_order(config, loaded.texts.style, here.count)
    if order.per_update < order.effective_batch:
        screen.note(*messages.one_epoch_an_update(order))
    if snapshot:
        order = resume.same_rows(order, snapshot, screen.note)
    most = training.max_steps
    steps = most if most > 0 else order.steps(training.num_train_epochs)
    at = snapshot.state.step if snapshot else 0
    if at > steps:
        raise UserError(*messages.fewer_updates(at, steps, training))
    parameters = sum(weight.numel() for weight in loaded.policy.causal_lm.parameters())
    return _Course(
        order=order,
        steps=steps,
        at=at,
        first_steps=(snapshot.state.first_steps if snapshot else 0) or steps,
        readings=readings(
            steps * order.effective_batch * config.data.max_length,
            parameters,
            chooses=training.keeps_best,
        ),
    )


def _on_device(
    policy: Policy, optimizer: Any, accelerator: Any, sharded: bool, here: Place, screen: Screen
) -> tuple[torch.nn.Module, Any]:
    """The policy as accelerate wraps it, and its optimizer."""
    _ = policy.digests  # for the caches, while every process has whole weights
    if sharded:
        optimizer = fsdp.prepare(accelerator, policy, optimizer)
        screen.note(*messages.sharded(policy, here.count))
        return policy, optimizer
    policy.to(accelerator.device)
    policy.reference_to(accelerator.device)
    # Not wrapped for several processes: consensus.py sums the gradients, once an update.
    wrapped = accelerator.prepare_model(policy, evaluation_mode=True)
    return wrapped, accelerator.prepare_optimizer(optimizer)
