"""Asked to stop, or without room on the disk, at any moment: what is done is kept and goes on.

The same in a long random series: benchmarks/kill_test.py.
"""

from __future__ import annotations

import os
import resource
import select
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alike import differences
from marks import slow_but
from moments import CONCLUSION, LOADING, MOMENTS, happening
from run_folders import contents, forked
from running import LITTLE_TEXT, SHORT_END, Done, invoke, on_a_terminal, small_run

from styledial.run import conclude
from styledial.run_folder.layout import CACHE
from styledial.run_folder.metrics import read_metrics
from styledial.training.stop_request import StopRequest

STEPS = 3
SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


def settings_of(base: Path, novels: Path, output: Path) -> list[str]:
    """Dropout, whose random state has to come back; `save_steps` longer than the run."""
    return [
        *small_run(base, novels, output),
        f"max_steps={STEPS}",
        "model.lora_dropout=0.2",
        "data.anchor=bundled",
    ]


def left(folder: Path) -> dict[str, str]:
    """Path -> hash, but for the cache, which the next start may use."""
    found = contents(folder) if folder.is_dir() else {}
    return {name: digest for name, digest in found.items() if not name.startswith(CACHE)}


def trained(*args: object) -> Done:
    with pytest.MonkeyPatch.context() as patch:
        for each in [*SHORT_END, *LITTLE_TEXT]:
            patch.setattr(*each)
        return invoke("train", *args)


@pytest.fixture(scope="module")
def whole(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    done = trained(*settings_of(tiny_base, novels, folder))
    assert done.returncode == 0, done.stderr
    assert [p.name for p in (folder / "checkpoints").iterdir()] == [f"step-{STEPS}"]
    return folder


@pytest.fixture(autouse=True)
def every_signal_arrives() -> Iterator[None]:
    """Under nohup, or started by a script in the background, the tests' process ignores SIGHUP or
    SIGINT, and the commands that it starts would inherit that."""
    usual = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    earlier = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in earlier.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("moment", slow_but(MOMENTS, "update"))
def test_a_signal_at_any_moment(
    moment: str,
    number: signal.Signals,
    whole: Path,
    tiny_base: Path,
    novels: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the last update SIGTERM lost all of them; SIGHUP ended the process on the spot."""
    output = tmp_path / "out"
    settings = settings_of(tiny_base, novels, output)
    monkeypatch.setattr(sys, "argv", ["train.py", *settings])
    with happening(moment, lambda: signal.raise_signal(number)):
        done = trained(*settings)
    assert done.returncode == 75, done.stderr
    assert not (output / "summary.json").exists()
    if moment in LOADING:
        assert "Nothing was written" in done.stderr
        assert left(output) == {}
    else:
        at = {"update": 1, "reading": 2}.get(moment, STEPS)
        said, _, command = done.stderr.partition(" Go on with:\n")
        assert said.endswith(f"Stopped after update {at}, and saved.")
        assert shlex.split(command) == ["python", "train.py", *settings, "--resume"]
        assert [p.name for p in (output / "checkpoints").iterdir()] == [f"step-{at}"]
    if moment in list(CONCLUSION)[2:]:
        assert (output / "adapter_model.safetensors").is_file()  # before samples and evaluation
    if number == signal.SIGTERM and moment not in LOADING:  # the others left the same
        done = trained(*settings, "--resume")
        assert done.returncode == 0, done.stderr
        assert differences(whole, output) == []


@pytest.mark.parametrize("moment", slow_but(MOMENTS, "model", "landing"))
def test_a_signal_while_an_earlier_run_is_replaced(
    moment: str, whole: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(whole, tmp_path / "out"))
    (output / "notes.txt").write_text("mine")
    before = left(output)
    settings = [*settings_of(tiny_base, novels, output), "training.seed=7"]
    with happening(moment, lambda: signal.raise_signal(signal.SIGTERM)):
        done = trained(*settings, "--overwrite")
    assert done.returncode == 75, done.stderr
    if moment in LOADING:
        assert left(output) == before
        assert done.stderr.strip().endswith("--overwrite")
    assert (output / "notes.txt").read_text() == "mine"
    if moment not in LOADING:
        done = trained(*settings, "--resume")
        assert done.returncode == 0, done.stderr
        assert (output / "notes.txt").read_text() == "mine"
        # Where it was stopped there is one checkpoint more.
        files = set(left(output))
        assert files >= set(before)
        assert all(name.startswith("checkpoints/step-") for name in files - set(before))


def test_a_run_that_is_complete_but_for_its_report_ends_well(
    tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*args: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(conclude, "report_at_end", asked)
    done = trained(*settings_of(tiny_base, novels, tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/summary.json").is_file()


@pytest.mark.slow  # by hand: test_run_replaced.py
def test_a_resumed_run_that_is_stopped_does_not_look_finished(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """Its summary.json was that of the shorter run."""
    output = tmp_path / "out"
    settings = [*settings_of(tiny_base, novels, output), "save_steps=1"]
    assert trained(*settings).returncode == 0
    before = left(output)
    longer = [*settings, "max_steps=6", "--resume"]
    with happening("model", lambda: signal.raise_signal(signal.SIGTERM)):
        assert trained(*longer).returncode == 75
    assert left(output) == before
    with happening("landing", lambda: signal.raise_signal(signal.SIGTERM)):
        assert trained(*longer).returncode == 75
    assert not (output / "summary.json").exists()
    assert (output / "adapter_model.safetensors").is_file()  # the earlier one, until there is more
    assert trained(*longer).returncode == 0
    assert "6" in (output / "summary.json").read_text()


def full_disk() -> None:
    """From here on no file grows: every write fails in the kernel (EFBIG, as ENOSPC would)."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE as on Linux")
@pytest.mark.parametrize("overwrite", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("moment", slow_but(MOMENTS, "saving"))
def test_no_room_from_any_moment_on(
    moment: str, overwrite: bool, whole: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """It ended in a traceback with nothing kept."""
    output = tmp_path / "out"
    if overwrite:
        shutil.copytree(whole, output)
    before = left(output) if overwrite else {}
    settings = settings_of(tiny_base, novels, output)
    reading, writing = os.pipe()

    def run() -> None:
        os.dup2(writing, 2)
        with happening(moment, full_disk):
            done = trained(*settings, *["--overwrite"] * overwrite)
        os.write(2, done.stderr.encode())
        os._exit(done.returncode)

    code = os.waitstatus_to_exitcode(os.waitpid(forked(run), 0)[1])
    os.close(writing)
    said = os.read(reading, 1 << 20).decode()
    os.close(reading)
    assert code == 2, said
    assert "cannot write to" in said
    assert "Traceback" not in said
    saved = moment in CONCLUSION
    if not overwrite:
        assert (output / f"checkpoints/step-{STEPS}").is_dir() == saved
    if overwrite and not saved:
        trained(*settings)  # refused, as a run is there: the next process puts things right
        assert left(output) == before
        return
    done = trained(*settings, "--resume")
    assert done.returncode == 0, done.stderr
    assert differences(whole, output) == []


def test_the_second_ctrl_c_ends_it_at_once() -> None:
    """And a second SIGHUP, which a closed terminal sends, doesn't."""
    request = StopRequest()
    with request.listening(), request.deferred():
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        assert request.asked()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_nohup_is_respected() -> None:
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest().listening():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, earlier)


def test_the_terminal_is_closed(tiny_base: Path, novels: Path, tmp_path: Path) -> None:
    """A real terminal, hung up: SIGHUP comes, and every line that is printed fails (EIO)."""
    output = tmp_path / "out"
    settings = [*small_run(tiny_base, novels, output), "max_steps=100000"]
    child, terminal = on_a_terminal(["train", *settings])
    while len(read_metrics(output / "metrics.jsonl")) < 3:
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        if select.select([terminal], [], [], 0.05)[0]:
            os.read(terminal, 1 << 16)
        time.sleep(0.01)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 75
    at = read_metrics(output / "metrics.jsonl")[-1]["step"]
    assert (output / f"checkpoints/step-{at}/manifest.json").is_file()
