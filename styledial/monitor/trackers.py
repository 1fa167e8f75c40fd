"""Live metrics in TensorBoard, Weights & Biases, trackio and SwanLab, through accelerate.

`training.report_to` names them, as in transformers and TRL. Each is an extra of its own. What
they get are the lines of metrics.jsonl, under the same names.

    tensorboard   OUTPUT_DIR/tensorboard/styledial    read: tensorboard --logdir OUTPUT_DIR
    wandb         OUTPUT_DIR/wandb                    and its server, unless WANDB_MODE=offline
    swanlab       OUTPUT_DIR/swanlog                  and its server, unless SWANLAB_MODE=offline
    trackio       trackio's own folder                read: trackio show --project styledial

A resumed run goes on in the same place there: trackers.json in the run's folder has its ids.
"""

from __future__ import annotations

import contextlib
import netrc
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from styledial.errors import UserError
from styledial.files import read_json
from styledial.run_folder.layout import TRACKED, TRACKER_RUNS

NONE, ALL = "none", "all"
TRACKERS = ("tensorboard", "wandb", "trackio", "swanlab")
_PROJECT = "styledial"
_AT_HOME = ("offline", "disabled", "local", "dryrun")


def wanted(report_to: str | Sequence[str]) -> list[str]:
    """Names of trackers: none of them for "none", all that are installed for "all"."""
    given = [report_to] if isinstance(report_to, str) else list(report_to)
    if ALL in given:
        return [name for name in TRACKERS if find_spec(name) is not None]
    return [name for name in TRACKERS if name in given]


def check(names: Sequence[str]) -> None:
    """Raises UserError for a tracker that isn't installed, or that would ask for a login."""
    for name in names:
        if find_spec(name) is None:
            raise UserError(
                f"training.report_to: {name} is not installed; pip install 'styledial[{name}]'",
                f"training.report_to：未安装 {name}；请运行 pip install 'styledial[{name}]'",
            )
    for name, secret in (("wandb", _wandb_login), ("swanlab", _swanlab_login)):
        if name in names and os.environ.get(f"{name.upper()}_MODE") not in _AT_HOME:
            if secret():
                continue
            raise UserError(
                f"training.report_to: {name} is not logged in. Run `{name} login` first, or set "
                f"{name.upper()}_MODE=offline.",
                f"training.report_to：{name} 尚未登录。请先运行 `{name} login`，"
                f"或设置 {name.upper()}_MODE=offline。",
            )


def arguments(names: Sequence[str], folder: Path) -> dict[str, Any]:
    """What accelerate's Accelerator has to be given; nothing where there are no trackers."""
    if not names:
        return {}
    from accelerate.utils import ProjectConfiguration

    project = ProjectConfiguration(project_dir=str(folder), logging_dir=str(folder / TRACKED))
    return {"log_with": list(names), "project_config": project}


class Trackers:
    """The run's trackers. One that fails is reported once and never stops the run."""

    def __init__(
        self,
        accelerator: Any,
        names: Sequence[str],
        folder: Path,
        settings: Mapping[str, Any],
        step: int,
        note: Callable[[str, str], None],
        *,
        runs: Mapping[str, str] | None = None,
    ) -> None:
        """`settings`: "section.key" -> value. `step`: the last update of the run so far. `runs`:
        from `runs_of`.

        Raises UserError where a tracker can't be started.
        """
        self._accelerator, self._note, self._folder = accelerator, note, folder
        self._on = bool(names)
        self._earlier = _files(folder)
        self.runs = dict(runs or {})
        if not names:
            return
        run = folder.resolve().name
        options = {
            # What an interrupted run had logged after its checkpoint is hidden.
            "tensorboard": {"purge_step": step + 1} if step else {},
            "wandb": {"name": run, "dir": str(folder), **_same("wandb", self.runs)},
            "swanlab": {
                "experiment_name": run,
                "logdir": str(folder / "swanlog"),
                **_same("swanlab", self.runs),
            },
            "trackio": {"name": run, **_same("trackio", self.runs)},
        }
        try:
            with _nobody_at_the_keyboard():
                accelerator.init_trackers(_PROJECT, _plain(settings), options)
        except Exception as error:
            for name in self.files():
                (folder / name).unlink(missing_ok=True)
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            raise UserError(
                f"training.report_to: {', '.join(names)} could not be started ({reason}).",
                f"training.report_to：无法启动 {', '.join(names)}（{reason}）。",
            ) from None

    def files(self) -> list[str]:
        """Names, from the run's folder, of the event files that this run has begun."""
        return sorted(_files(self._folder) - self._earlier)

    def close(self) -> None:
        """Everything is logged; what a tracker still holds goes out."""
        for tracker in self._accelerator.trackers:
            tracker.finish()
        self._accelerator.trackers = []

    def log(self, line: Mapping[str, float]) -> None:
        """One line of metrics.jsonl; its "step" is the update."""
        if not self._on:
            return
        values = {key: value for key, value in line.items() if key != "step"}
        try:
            self._accelerator.log(values, step=int(line["step"]))
        except Exception as error:
            self._on = False
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            self._note(
                f"report_to: nothing more is logged there ({reason}); metrics.jsonl goes on.",
                f"report_to：不再向其记录（{reason}）；metrics.jsonl 照常写入。",
            )


def runs_of(names: Sequence[str], folder: Path, *, resuming: bool) -> dict[str, str]:
    """By which id each tracker knows the run: as trackers.json has it where the run goes on, else
    a new one. TensorBoard knows a run by its folder."""
    kept: dict[str, str] = {}
    if resuming:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            held = read_json(folder / TRACKER_RUNS)
            kept = {name: str(held[name]) for name in TRACKERS if name in held}
    fresh = [name for name in names if name not in kept and name != "tensorboard"]
    # SwanLab takes 21 lower-case letters and digits, the others any text.
    ids = {name: uuid.uuid4().hex[:21] for name in fresh}
    if "trackio" in ids:  # it knows runs by their names alone
        ids["trackio"] = f"{folder.resolve().name}-{ids['trackio'][:6]}"
    return kept | ids


def _same(name: str, runs: Mapping[str, str]) -> dict[str, str]:
    """What tells a tracker to go on with the run of that id, or to begin it."""
    if name not in runs:
        return {}
    return {"name" if name == "trackio" else "id": runs[name], "resume": "allow"}


def _files(folder: Path) -> set[str]:
    found = (folder / TRACKED).rglob("*")
    return {path.relative_to(folder).as_posix() for path in found if path.is_file()}


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """TensorBoard takes numbers, truth values and text only."""
    return {k: v if isinstance(v, int | float | str) else str(v) for k, v in settings.items()}


@contextlib.contextmanager
def _nobody_at_the_keyboard() -> Iterator[None]:
    """wandb and swanlab ask questions where they see a terminal; a run never asks."""
    kept = sys.stdin
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        sys.stdin = nothing
        try:
            yield
        finally:
            sys.stdin = kept


def _wandb_login() -> bool:
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    named = os.environ.get("NETRC")
    places = [Path(named)] if named else [Path.home() / name for name in (".netrc", "_netrc")]
    return any(_has_secrets(place) for place in places)


def _swanlab_login() -> bool:
    if os.environ.get("SWANLAB_API_KEY"):
        return True
    folder = os.environ.get("SWANLAB_SAVE_DIR") or Path.home() / ".swanlab"
    return _has_secrets(Path(folder) / ".netrc")


def _has_secrets(path: Path) -> bool:
    try:
        return bool(netrc.netrc(str(path)).hosts)
    except (OSError, netrc.NetrcParseError):
        return False
