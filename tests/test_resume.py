"""A run that goes on ends as the one that never stopped; what it can't go on with, it refuses.

Another number of processes is in test_processes.py, SIGKILL in test_kill.py, a checkpoint's own
safety in test_checkpoint.py.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alike import differences, digest, plain
from running import ENV, ROOT, Done, invoke, launched, small_run, stop_at

from styledial.run_folder.layout import CACHE
from styledial.run_folder.metrics import read_metrics
from styledial.training.checkpoint import checkpoints, read_checkpoint
from styledial.training.stop_request import Stopped

STEPS, SAVED = 24, [12, 24]


def settings_of(base: Path, novels: Path, output: Path) -> list[str]:
    """With dropout, whose random state has to come back too."""
    return [
        *small_run(base, novels, output),
        f"training.max_steps={STEPS}",
        "training.save_steps=12",
        "training.save_total_limit=2",
        "training.kl_beta=0.1",
        "training.seed=5",
        "model.lora_r=4",
        "model.lora_alpha=8",
        "model.lora_dropout=0.2",
    ]


@pytest.fixture(scope="module")
def whole(tiny_base: Path, novels: Path, tmp_path_factory) -> Path:
    """The run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    done = trained(settings_of(tiny_base, novels, folder))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in checkpoints(folder / "checkpoints")] == ["step-12", "step-24"]
    return folder


def start(command: list[str]) -> subprocess.Popen[str]:
    # The command says "python": that of the environment that runs the tests.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**ENV, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(job: subprocess.Popen[str], output: Path, step: int) -> None:
    while not any(r["step"] >= step for r in read_metrics(output / "metrics.jsonl")):
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.005)


@pytest.mark.slow  # in this process: test_stop.py
@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
@pytest.mark.parametrize(
    "stops", [[(signal.SIGTERM, 3)], [(signal.SIGINT, 3), (signal.SIGTERM, 15)]]
)
def test_stopped_by_signals_and_gone_on_with_the_very_command(
    stops: list[tuple[signal.Signals, int]],
    whole: Path,
    tiny_base: Path,
    novels: Path,
    tmp_path: Path,
) -> None:
    output = tmp_path / "out"
    typed = settings_of(tiny_base, novels, output)
    command = ["python", "train.py", "--preset", "quick", *typed, "--overwrite"]
    for number, step in stops:
        job = start(command)
        wait_for(job, output, step)
        job.send_signal(number)
        said, _ = job.communicate(timeout=300)
        assert job.returncode == Stopped.exit_code == 75, said
        at = read_metrics(output / "metrics.jsonl")[-1]["step"]
        assert step <= at < STEPS
        assert f"Stopped after update {at}, and saved. Go on with:\n" in said
        assert read_checkpoint(output / f"checkpoints/step-{at}").state.step == at
        assert not (output / "summary.json").exists()
        command = shlex.split(said.partition("Go on with:\n")[2].splitlines()[0])
        assert command == ["python", "train.py", "--preset", "quick", *typed, "--resume"]
    said = resumed(typed)
    assert f"--resume: continuing from {output / 'checkpoints'}/step-{at}" in said
    assert differences(whole, output) == []


@pytest.mark.slow
def test_one_process_is_told_to_stop_and_both_save(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    import psutil

    output = tmp_path / "out"
    settings = [*settings_of(tiny_base, novels, output), "training.max_steps=100000"]
    job = launched("train.py", "--preset", "quick", *settings)
    wait_for(job, output, 2)
    (second,) = (
        child for child in psutil.Process(job.pid).children() if child.environ().get("RANK") == "1"
    )
    second.send_signal(signal.SIGUSR1)
    said, _ = job.communicate(timeout=120)
    at = read_metrics(output / "metrics.jsonl")[-1]["step"]
    assert said.count(f"Stopped after update {at}, and saved. Go on with:\n") >= 1, said
    command = said.partition("Go on with:\n")[2].splitlines()[0]
    assert command.strip().startswith("torchrun --nproc_per_node=2 train.py --preset quick ")
    assert len(read_checkpoint(output / f"checkpoints/step-{at}").rng) == 2


@pytest.mark.parametrize("damaged", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_damaged_checkpoints_are_left_out(
    damaged: int, whole: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """One: from the older one. Both: from the beginning."""
    output = tmp_path / "out"
    stop_at(STEPS, whole, output)
    for step in SAVED[-damaged:]:
        path = output / f"checkpoints/step-{step}/optimizer.pt"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    done = resumed(settings_of(tiny_base, novels, output))
    for step in SAVED[-damaged:]:
        assert f"step-{step}: this checkpoint is damaged (optimizer.pt is not what" in done
        assert f"It is skipped, and renamed to step-{step}.damaged." in done
    if damaged == 1:
        assert f"--resume: continuing from {output / 'checkpoints/step-12'}" in done
    else:
        assert "there is no usable checkpoint; the run starts from the beginning." in done
    assert differences(whole, output) == []
    assert not list((output / "checkpoints").glob("*.damaged"))


def test_nothing_to_resume_is_said(tiny_base: Path, novels: Path, tmp_path: Path) -> None:
    settings = [*settings_of(tiny_base, novels, tmp_path / "out"), "training.max_steps=1"]
    done = resumed(settings)
    assert "there is no usable checkpoint; the run starts from the beginning." in done
    assert (tmp_path / "out/summary.json").is_file()


def resumed(settings: list[str], code: int = 0) -> str:
    """What it said, in one line."""
    done = trained([*settings, "--resume"])
    assert done.returncode == code, done.stderr
    return " ".join(done.stderr.split())


def trained(args: list[str]) -> Done:
    return invoke("train", "--preset", "quick", *args)


REFUSED = [
    # Before anything is loaded. lora_r is in test_end_to_end.py.
    ("training.kl_beta=0.2", "training.kl_beta 0.1 -> 0.2"),
    ("training.kl_mode=penalty", "training.kl_mode budget -> penalty"),
    ("training.kl_direction=forward", "training.kl_direction reverse -> forward"),
    ("training.seed=6", "training.seed 5 -> 6"),
    ("model.lora_alpha=4", "model.lora_alpha 8 -> 4"),
    ("model.use_dora=true", "model.use_dora false -> true"),
    ("data.max_length=48", "data.max_length 64 -> 48"),
    ("data.anchor=self", "data.anchor off -> self"),
    ("data.validation_split=0.1", "data.validation_split 0.2 -> 0.1"),
    # Held against the checkpoint.
    ("training.per_device_train_batch_size=4", "that run has 8 rows per update; batch size 4 x"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "words"), REFUSED)
def test_another_run_is_refused_and_nothing_touched(
    setting: str, words: str, whole: Path, tiny_base: Path, novels: Path
) -> None:
    before = contents(whole)
    assert words in resumed([*settings_of(tiny_base, novels, whole), setting], 2)
    assert contents(whole) == before


def test_other_text_under_the_same_name_is_refused(
    whole: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    own, output = tmp_path / "novels", tmp_path / "out"
    shutil.copytree(novels, own)
    stop_at(12, whole, output)
    config = output / "train_config.yaml"
    config.write_text(config.read_text().replace(str(novels), str(own)))
    with (own / "two.txt").open("a", encoding="utf-8") as file:
        file.write("\n又来了一人，也不言语，只在门外立着。")
    before = contents(output)
    said = resumed(settings_of(tiny_base, own, output), 2)
    assert "the prepared text are not those of the checkpoint" in said
    assert contents(output) == before


def contents(folder: Path) -> dict[Path, str]:
    """Every file but the cache of texts and states, which is anybody's to fill."""
    return {p: digest(p) for p in folder.rglob("*") if p.is_file() and CACHE not in p.parts}


def test_a_change_that_may_be_is_said_and_in_force_from_there(
    whole: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    stop_at(12, whole, output)
    settings = [*settings_of(tiny_base, novels, output), "training.learning_rate=0.001"]
    said = resumed([*settings, "training.max_grad_norm=0.5"])
    assert "training.learning_rate 0.005 -> 0.001; training.max_grad_norm 1 -> 0.5" in said
    one, two = (read_metrics(folder / "metrics.jsonl") for folder in (whole, output))
    assert plain(one[:12]) == plain(two[:12])
    assert [r["step"] for r in two] == [*range(1, STEPS + 1)]
    for before, now in zip(one[12:], two[12:], strict=True):
        # A fifth, at the same place of the same schedule.
        assert now["train/learning_rate"] == pytest.approx(before["train/learning_rate"] / 5)
