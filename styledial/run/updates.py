"""The updates of a run, and what is done between them: readings, metrics, checkpoints."""

from __future__ import annotations

import torch

from styledial.build.kl import calibrates, calibration_rows, reads_heldout
from styledial.language import say
from styledial.monitor import messages
from styledial.monitor.clock import PhaseClock
from styledial.monitor.recorder import Recorder
from styledial.monitor.update_warnings import UpdateWarnings
from styledial.progress import stage
from styledial.run.prepare import Parts
from styledial.run_folder import layout
from styledial.run_folder.metrics import MetricsFile
from styledial.run_folder.ownership import RunFolder
from styledial.training.checkpoint import TrainState
from styledial.training.components import Hooks
from styledial.training.loop import train
from styledial.training.measure import BaseStates, Distance, measure
from styledial.training.row_order import RowOrder
from styledial.training.stop_request import StopRequest


class Updates:
    """`own` is the run folder on the one process that writes it. After `run`: `stopping` says that
    the run was asked to stop, `saved` that the last update is in a checkpoint, `kept` that some
    update is."""

    def __init__(self, parts: Parts, own: RunFolder | None, request: StopRequest) -> None:
        self.parts, self.own, self.request = parts, own, request
        self.state, self.order = parts.state, parts.order
        self.calibration = calibration_rows(parts.texts, parts.readings.calibration)
        self.base_states = BaseStates()
        self.clock = PhaseClock(parts.core.accelerator.device)
        self.recorder = self._recorder()
        self.stopping = False
        self.saved = self.kept = self.state.step > 0  # it comes from there

    def run(self) -> None:
        """All updates that are left, or those until the run is asked to stop, or until held-out
        loss has long been no lower."""
        parts, training = self.parts, self.parts.config.training
        if self._exhausted():  # a resumed run that had come to its end so
            return
        with parts.screen.training(parts.steps, self.state.step):
            train(
                parts.core,
                self.order,
                self.state,
                total_steps=parts.steps,
                log_every=training.logging_steps,
                hooks=self._hooks(),
            )

    def _hooks(self) -> Hooks:
        return Hooks(
            stop_requested=self.request.asked,
            on_step_down=self._stepped_down,
            on_log=lambda metrics: self.recorder.logged(metrics, self.order),
            after_step=self._after_step,
            phase=self.clock,
        )

    def _recorder(self) -> Recorder:
        parts = self.parts
        warnings = UpdateWarnings(
            parts.texts.style,
            parts.tokenizer,
            most=parts.config.training.max_skipped_updates,
            note=parts.screen.note,
            skipped=self.state.skipped,
            spikes=int(self.state.counters.get("spikes", 0)),
        )
        file = None
        if own := self.own:
            file = MetricsFile(
                own.path / layout.METRICS,
                self.state.step,
                parts.screen.note,
                lambda text: own.write_text(layout.METRICS, text, grows=True),
            )
        return Recorder(file, parts.trackers, warnings, parts.screen)

    def _stepped_down(self, smaller: RowOrder) -> None:
        self.order = smaller
        self.parts.screen.note(*messages.stepped_down(self.state.step + 1, smaller))

    def _after_step(self, state: TrainState, stop: bool) -> bool:
        if self.own:
            self.own.changed = True
        self.parts.screen.updated(state.step)
        if reads_heldout(state.step, self.parts.steps, self.parts.readings.times):
            self._read_heldout()
        self.recorder.write(self.clock)
        due = state.step % self.parts.config.training.save_steps == 0
        enough = self._exhausted()
        # After the last update at once: what follows may take long, and be interrupted.
        if due or stop or enough or state.step == self.parts.steps:
            self._save()
        self.stopping = stop
        return not (stop or enough)

    def _exhausted(self) -> bool:
        best = self.parts.checkpointer.best
        return best is not None and best.exhausted

    def _read_heldout(self) -> None:
        parts, state = self.parts, self.state
        self.clock("heldout")
        with stage(say("held-out text", "读取留出文本")):
            found = self._measured()
        self.recorder.heldout(found, state, self.order)
        kl = self._agreed(found.kl)
        state.heldout = {"step": state.step, "kl": kl}
        if best := parts.checkpointer.best:
            best.read(state.step, self._agreed(found.nll), parts.core.policy.trainable_state)
        if calibrates(parts.config, state.step, parts.steps):
            parts.core.controller.calibrate(kl)

    def _agreed(self, value: float) -> float:
        """Every process reads the same; the mean makes them agree to the last bit."""
        accelerator = self.parts.core.accelerator
        on_device = torch.tensor(value, device=accelerator.device)
        return accelerator.reduce(on_device, "mean").item()

    def _measured(self) -> Distance:
        parts = self.parts
        return measure(
            parts.core.policy,
            self.calibration,
            batch_size=self.order.batch_size,
            device=parts.core.accelerator.device,
            direction=parts.config.training.kl_direction,
            states=self.base_states,
        )

    def _save(self) -> None:
        self.clock("checkpoint")
        with stage(say("checkpoint", "保存检查点")):
            self.saved = self.parts.checkpointer.save(self.state)
        self.kept |= self.saved
        if self.saved and self.own:
            self.own.saved_whole()
