"""The updates of a run, and what is done between them: readings, metrics, checkpoints."""

from __future__ import annotations

import torch

from styledial.build.kl import calibrates, calibration_rows, reads_heldout
from styledial.monitor import messages
from styledial.monitor.clock import PhaseClock
from styledial.monitor.recorder import Recorder
from styledial.monitor.update_warnings import Incidents
from styledial.run.prepare import Parts
from styledial.run_folder import layout
from styledial.run_folder.metrics import MetricsFile
from styledial.run_folder.ownership import RunFolder
from styledial.training.checkpoint import TrainState
from styledial.training.loop import train
from styledial.training.measure import measure
from styledial.training.row_order import RowOrder
from styledial.training.stop_request import StopRequest


class Updates:
    """`own` is the run folder on the one process that writes it. After `run`: `stopping` says that
    the run was asked to stop, `saved` that the last update is in a checkpoint, `kept` that some
    update is."""

    def __init__(self, parts: Parts, own: RunFolder | None, request: StopRequest) -> None:
        self.parts, self.own, self.request = parts, own, request
        self.state, self.order = parts.state, parts.order
        self.calibration = calibration_rows(parts.texts.heldout)
        self.clock = PhaseClock(parts.accelerator.device)
        self.recorder = self._recorder()
        self.stopping = False
        self.saved = self.kept = self.state.step > 0  # it comes from there

    def run(self) -> None:
        """All updates that are left, or those until the run is asked to stop."""
        parts, training = self.parts, self.parts.config.training
        with parts.screen.training(parts.steps, self.state.step):
            train(
                parts.policy, parts.texts.style, self.order, wrapped=parts.wrapped,
                accelerator=parts.accelerator, agreement=parts.agreement,
                optimizer=parts.optimizer, scheduler=parts.scheduler,
                controller=parts.controller, watch=parts.watch, state=self.state,
                total_steps=parts.steps, direction=training.kl_direction,
                max_grad_norm=training.max_grad_norm, anchor=parts.anchor,
                references=parts.references, log_every=training.logging_steps,
                stop_asked=self.request.asked, on_step_down=self._stepped_down,
                on_log=lambda metrics: self.recorder.logged(metrics, self.order),
                after_step=self._after_step, phase=self.clock,
            )  # fmt: skip

    def _recorder(self) -> Recorder:
        parts = self.parts
        incidents = Incidents(
            parts.texts.style, parts.tokenizer, parts.config.training.max_skipped_updates,
            parts.screen.note, self.state.skipped,
        )  # fmt: skip
        file = None
        if own := self.own:
            file = MetricsFile(
                own.path / layout.METRICS, self.state.step, parts.screen.note,
                lambda text: own.write_text(layout.METRICS, text, grows=True),
            )  # fmt: skip
        return Recorder(file, parts.live, incidents, parts.screen)

    def _stepped_down(self, smaller: RowOrder) -> None:
        self.order = smaller
        self.parts.screen.note(*messages.stepped_down(self.state.step + 1, smaller))

    def _after_step(self, state: TrainState, stop: bool) -> bool:
        if self.own:
            self.own.changed = True
        if reads_heldout(state.step, self.parts.steps):
            self._read_heldout()
        self.recorder.write(self.clock)
        due = state.step % self.parts.config.training.save_steps == 0
        # After the last update at once: what follows may take long, and be interrupted.
        if due or stop or state.step == self.parts.steps:
            self._save()
        self.stopping = stop
        return not stop

    def _read_heldout(self) -> None:
        parts, state = self.parts, self.state
        self.clock("heldout")
        found = measure(
            parts.policy, self.calibration, batch_size=self.order.batch_size,
            device=parts.accelerator.device, direction=parts.config.training.kl_direction,
        )  # fmt: skip
        self.recorder.heldout(found, state, self.order)
        if calibrates(parts.config, state.step, parts.steps):
            # Every process reads the same; the mean makes them agree to the last bit.
            kl = torch.tensor(found.kl, device=parts.accelerator.device)
            parts.controller.calibrate(parts.accelerator.reduce(kl, "mean").item())

    def _save(self) -> None:
        self.clock("checkpoint")
        self.saved = self.parts.keeper.save(self.state)
        self.kept |= self.saved
        if self.saved and self.own:
            self.own.saved_whole()
