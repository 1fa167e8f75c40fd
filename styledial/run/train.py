"""A training run from configuration to files.

    prepare     everything that can fail is loaded and checked                   prepare.py
    begin       an earlier run is set aside, the configuration written
    updates     with metrics and checkpoints                                     updates.py
    conclude    the adapter at its strength, figures, samples, evaluation        conclude.py

A signal ends any of these; what was saved is kept, and a message says how to continue.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from styledial.build.model import as_its_files
from styledial.config import Config
from styledial.config.show import as_file
from styledial.distributed import ranks
from styledial.distributed.ranks import Place
from styledial.files import disk_problem
from styledial.language import say
from styledial.memory.settle import WhenTooLarge, as_it_was_fitted
from styledial.models.identity import describe_base
from styledial.monitor import trackers
from styledial.monitor.screen import Screen
from styledial.progress import stage
from styledial.run import checks
from styledial.run.conclude import conclude
from styledial.run.prepare import Parts, prepare
from styledial.run.updates import Updates
from styledial.run_folder import layout
from styledial.run_folder.cache import leave
from styledial.run_folder.claims import Claim, claimed
from styledial.run_folder.ownership import RunFolder, cannot_write
from styledial.training.resume import stopped
from styledial.training.stop_request import (
    Interrupted,
    Stopped,
    StopRequest,
    nothing_done,
    nothing_saved,
)


@dataclass(frozen=True)
class Start:
    """How a run is started: over or on from an earlier one, and what to do where the GPU's memory
    is too small. `command` goes on with the run and `again` begins it anew, for the messages of
    one that was stopped."""

    resume: bool = False
    overwrite: bool = False
    when_too_large: WhenTooLarge = "refuse"
    command: str = ""
    again: str = ""


def train_from_config(
    config: Config, *, request: StopRequest | None = None, **how: Any
) -> dict[str, Any]:
    """Train as `config` says and return the summary that is also written to summary.json.

    `how` is what Start holds: resume, overwrite, when_too_large, command, again. `request` may have
    been catching signals since before this was imported.

    Raises UserError (bad folder, data or model, too large for the GPU, a full disk) and Stopped
    after a signal, with an earlier run as it was unless this one has saved something.
    """
    start, folder = Start(**how), Path(config.training.output_dir).expanduser()
    if start.resume:
        checks.check_resumes_its_own(config)
    if start.resume and start.when_too_large == "fit":
        config = as_it_was_fitted(config, folder)
    config = checks.with_absolute_base(config)
    here = ranks.place()
    checks.check_folders(config)
    trackers.check(trackers.wanted(config.training.report_to))
    if here.first:  # the others may have no such disk
        checks.check_texts(config)
    checks.check_launcher()
    config = as_its_files(config)  # may ask the hub for config.json
    checks.check_sharding(config, here)
    run = _Run(config, folder, start, here, request or StopRequest())
    with run.request.listening():
        try:
            return run.train()
        except Interrupted:
            raise run.stopped() from None
        except Stopped:
            raise
        except Exception as error:
            if run.request.asked():  # what it made of the signal, or of a part that had it too
                raise run.stopped() from None
            if reason := disk_problem(error):
                raise cannot_write(folder, reason) from error
            raise


class _Run:
    """A run from its start to its end, or to the signal that stops it."""

    def __init__(
        self, config: Config, folder: Path, start: Start, here: Place, request: StopRequest
    ) -> None:
        self.config, self.folder, self.start, self.here = config, folder, start, here
        self.request = request
        self.updates: Updates | None = None

    def train(self) -> dict[str, Any]:
        began = time.perf_counter()
        with self._own_folder() as own:
            with stage(say("preparing", "准备"), background=True):
                parts = self._prepare()
            with self.request.deferred():
                if own:
                    self._begin(parts, own)
                self.updates = Updates(parts, own, self.request)
                self.updates.run()
            if self.updates.stopping:  # this process or another one was asked to
                raise Interrupted
            self.request.check()
            with stage(say("finishing", "收尾"), background=True):
                summary = conclude(parts, own, self.request, began)
            parts.core.accelerator.end_training()
        if not own and self.here.first_here:  # on a disk of its own, or the same folder once more
            leave(self.folder)
        return summary

    @contextlib.contextmanager
    def _own_folder(self) -> Iterator[RunFolder | None]:
        """The run folder on the first process; the others write nothing there but the cache."""
        if not self.here.first:
            yield None
            return
        claim = Claim(
            resume=self.start.resume,
            overwrite=self.start.overwrite,
            adapter=self.config.model.use_peft,
            same_settings=lambda path: checks.same_settings(self.config, path),
        )
        with claimed(self.folder, claim) as own:
            yield own

    def _prepare(self) -> Parts:
        resuming, training = self.start.resume, self.config.training
        if resuming:
            checks.check_base_is_the_same(self.config, self.folder)
        changed = checks.check_same_run(self.config, self.folder) if resuming else []
        screen = Screen(not self.here.first, training.mode)
        parts = prepare(
            self.config,
            self.folder,
            self.here,
            screen,
            resuming=resuming,
            changed=changed,
            when_too_large=self.start.when_too_large,
        )
        self.request.check()
        return parts

    def _begin(self, parts: Parts, own: RunFolder) -> None:
        """Everything that can fail has passed: from here on the folder is this run's."""
        if self.start.resume:
            own.set_aside([layout.SUMMARY, layout.PLAN])
        else:
            own.set_aside_run()
        if not own.not_ours([layout.SETTINGS]):  # else edited by the user, to the same settings
            own.write_text(layout.SETTINGS, as_file(parts.config))
        model = parts.config.model
        base = describe_base(model.model_name_or_path, model.model_dump())
        own.write_json(layout.BASE, asdict(base))
        if parts.planned:
            own.write_json(layout.PLAN, parts.planned.to_json())
        if parts.trackers.runs:
            own.write_json(layout.TRACKER_RUNS, parts.trackers.runs)
        own.record(parts.trackers.files(), grows=True)

    def stopped(self) -> BaseException:
        """What to raise after a signal: it says what is saved, and how to go on."""
        updates, start = self.updates, self.start
        if not self.here.first and not updates:
            return SystemExit(Stopped.exit_code)  # the first process says it
        if not updates or updates.state.step == 0:
            return nothing_done(self._go_on() if start.resume else start.again)
        if not updates.kept:
            return nothing_saved(updates.state.step, start.again)
        return stopped(updates.state, updates.saved, self._go_on())

    def _go_on(self) -> str:
        if self.start.command:
            return self.start.command
        settings = str(self.folder / layout.SETTINGS)
        return shlex.join(["python", "train.py", "--config", settings, "--resume"])
