"""The same run, whatever the number of processes; and what happens when one of them dies."""

from __future__ import annotations

import json
import shutil
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alike import farthest, same_curves
from running import ROOT, invoke, launched, run_many, small_run, stop_at

from styledial.config import resolve
from styledial.distributed.ranks import Place
from styledial.errors import UserError
from styledial.run_folder.metrics import read_metrics


def settings_of(base: Path, novels: Path, output: Path) -> list[str]:
    # At five times this rate what rounding differs by grows a thousandfold within ten updates.
    more = ["max_steps=50", "anchor=self", "save_steps=30", "learning_rate=0.001"]
    return [*small_run(base, novels, output), *more]


@pytest.fixture(scope="module")
def runs(tiny_base: Path, novels: Path, tmp_path_factory) -> dict[str, Path]:
    """50 updates of 8 rows and 2 of anchor text each, by one to four processes."""
    folder = tmp_path_factory.mktemp("many")
    shapes = {
        "one": (1, ["per_device_train_batch_size=8"]),
        "one, in two parts": (
            1, ["per_device_train_batch_size=4", "gradient_accumulation_steps=2"],
        ),
        "two": (2, ["per_device_train_batch_size=2", "gradient_accumulation_steps=2"]),
        "four": (4, ["per_device_train_batch_size=2"]),
        "two, sharded": (2, ["per_device_train_batch_size=4", "fsdp=on"]),
    }  # fmt: skip
    order = [
        (
            count,
            [*settings_of(tiny_base, novels, folder / name), *more],
        )
        for name, (count, more) in shapes.items()
    ]
    run_many(order)
    return {name: folder / name for name in shapes}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one, in two parts", "two", "four", "two, sharded"])
def test_the_number_of_processes_changes_nothing(runs: dict[str, Path], name: str) -> None:
    same_curves(runs["one"], runs[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two", "four", "two, sharded"])
def test_the_result_is_the_same_too(runs: dict[str, Path], name: str) -> None:
    one, many = (json.loads((runs[n] / "summary.json").read_text()) for n in ("one", name))
    for key in ("kl_final", "style_nll", "general_nll", "kl_before_landing", "steps", "tokens"):
        assert one[key] == pytest.approx(many[key], abs=1e-5)
    expected = {p.name for p in runs["one"].iterdir()}
    if "sharded" in name:  # these need a whole model, or all processes
        expected -= {"evaluation.json", "strength_samples.json"}
    assert {p.name for p in runs[name].iterdir()} == expected
    assert (runs["one"] / "samples.md").read_text() == (runs[name] / "samples.md").read_text()


@pytest.mark.slow
def test_each_process_holds_its_part_of_the_base(runs: dict[str, Path], tiny_base: Path) -> None:
    """Layers are sharded; the head (here the embedding too) and the last norm are whole."""
    from safetensors.torch import load_file

    sizes = {n: w.numel() * 4 for n, w in load_file(tiny_base / "model.safetensors").items()}
    whole = sizes["model.embed_tokens.weight"] + sizes["model.norm.weight"]
    layers = sum(sizes.values()) - whole
    record = json.loads((runs["two, sharded"] / "summary.json").read_text())["fsdp"]
    assert record == {"base_bytes": whole + layers, "base_bytes_here": whole + layers // 2}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two", "four", "two, sharded"])
def test_the_adapter_is_the_same_too(runs: dict[str, Path], name: str) -> None:
    assert farthest(runs["one"], runs[name]) < 1e-4


@pytest.mark.slow  # every process takes seconds to start
def test_two_processes_train_as_one_does(tiny_base: Path, novels: Path, tmp_path: Path) -> None:
    """The quick form of the others, sharded as the most that can go wrong; and with one anchor row
    for two processes: the layers are gathered by both, or neither."""

    def settings(name: str, *more: str) -> list[str]:
        same = ["max_steps=4", "anchor=bundled", "anchor_ratio=0.1", "save_steps=2"]
        same += ["validation_split=0.03"]
        return [*small_run(tiny_base, novels, tmp_path / name), *same, *more]

    assert invoke("train", *settings("one")).returncode == 0
    half = "per_device_train_batch_size=4"
    run_many([(2, settings("sharded", half, "fsdp=on"))])
    stop_at(2, tmp_path / "sharded", tmp_path / "moved")
    assert invoke("train", *settings("moved", "--resume")).returncode == 0
    for name in ("sharded", "moved"):
        same_curves(tmp_path / "one", tmp_path / name, steps=4)
        assert farthest(tmp_path / "one", tmp_path / name) < 1e-4


@pytest.fixture(scope="module")
def moved(
    runs: dict[str, Path], tiny_base: Path, novels: Path, tmp_path_factory
) -> dict[str, Path]:
    """Runs that lost all after update 30, and went on with another number of processes."""
    folder = tmp_path_factory.mktemp("moved")
    now = {
        "one": (2, ["per_device_train_batch_size=8"]),  # as it was for one: divided anew
        "two": (1, ["per_device_train_batch_size=2", "gradient_accumulation_steps=2"]),
        "two, sharded": (1, ["per_device_train_batch_size=8"]),  # with the same product
    }
    order = []
    for name, (count, more) in now.items():
        stop_at(30, runs[name], folder / name)
        settings = settings_of(tiny_base, novels, folder / name)
        order.append((count, [*settings, *more, "--resume"]))
    run_many(order)
    return {name: folder / name for name in now}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one", "two", "two, sharded"])
def test_a_run_goes_on_with_another_number_of_processes(
    runs: dict[str, Path], moved: dict[str, Path], name: str
) -> None:
    same_curves(runs["one"], moved[name])
    assert farthest(runs["one"], moved[name]) < 1e-4


REFUSED = [
    (1, [], "needs several processes"),
    (2, ["use_peft=false"], "needs model.use_peft: true"),
    (2, ["use_dora=true"], "doesn't work with model.use_dora"),
    (2, ["load_in_8bit=true"], "doesn't work with model.load_in_8bit"),
    (2, ["reference_cache=somewhere"], "without a reference cache"),
]


@pytest.mark.parametrize(("count", "settings", "words"), REFUSED)
def test_sharding_is_refused_where_it_cannot_work(count: int, settings: list[str], words) -> None:
    from styledial.run.checks import check_sharding

    config = resolve(None, None, {}, ["fsdp=on", *settings])
    with pytest.raises(UserError, match=words):
        check_sharding(config, Place(0, count, 0, count))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("true", "on"), ("full_shard", "on"), ("on", "on"), ("false", "off"), ("auto", "auto")],
)
def test_the_spellings_of_fsdp(tmp_path: Path, written: str, meant: str) -> None:
    (tmp_path / "c.yaml").write_text(f"training:\n  fsdp: {written}\n")
    assert resolve(tmp_path / "c.yaml", None, {}, []).training.fsdp == meant
    assert resolve(None, None, {}, [f"fsdp={written}"]).training.fsdp == meant


def test_text_is_prepared_once_and_read_by_the_others(
    tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from styledial.build import shared_texts
    from styledial.models.load import load_tokenizer

    (tmp_path / "novels").mkdir()
    for path in novels.iterdir():
        shutil.copy(path, tmp_path / "novels")
    (tmp_path / "novels/empty.txt").touch()  # something to be told about
    config = resolve(None, None, {}, small_run(tiny_base, tmp_path / "novels", tmp_path / "out"))

    def read(rank: int) -> tuple[Any, list[str]]:
        told: list[str] = []
        place, tokenizer = Place(rank, 2, rank, 2), partial(load_tokenizer, str(tiny_base))
        return shared_texts.read_texts(
            config, tokenizer, tmp_path / "cache", place, told.append
        ), told

    texts, told = read(0)
    monkeypatch.setattr(shared_texts, "read_material", None)
    again, told_again = read(1)
    assert told == told_again != []
    assert texts.prompts == again.prompts
    for name in ("style", "heldout", "general"):
        one, two = getattr(texts, name), getattr(again, name)
        assert (one.tokens == two.tokens).all()
        assert one.pieces == two.pieces
    (tmp_path / "novels/one.txt").write_text("another book", encoding="utf-8")
    with pytest.raises(TypeError):  # read_material is called again
        read(0)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.slow
def test_two_launchers_meet_without_a_common_disk(
    runs: dict[str, Path], tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """Two machines in small: each launcher has a folder of its own for `output_dir`."""
    more = (
        "--nnodes=2", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port()}",
        "--rdzv-id=two", "--local-addr=127.0.0.1",
    )  # fmt: skip
    settings = [*settings_of(tiny_base, novels, Path("out")), "per_device_train_batch_size=4"]
    folders = [tmp_path / "first", tmp_path / "second"]
    jobs = []
    for folder in folders:
        folder.mkdir()
        jobs.append(launched(ROOT / "train.py", *settings, cwd=folder, more=more, processes=1))
    said = [job.communicate(timeout=1500)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    written = [folder for folder in folders if (folder / "out").exists()]
    assert len(written) == 1  # that of rank 0; the other machine keeps nothing
    same_curves(runs["one"], written[0] / "out")


@pytest.mark.slow
def test_a_killed_process_ends_the_job_within_a_minute(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    import psutil

    metrics = tmp_path / "out/metrics.jsonl"
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "max_steps=100000"]
    job = launched("train.py", *settings)
    while not read_metrics(metrics):
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.1)
    second = next(
        child for child in psutil.Process(job.pid).children() if child.environ().get("RANK") == "1"
    )
    second.kill()
    said, _ = job.communicate(timeout=60)
    assert job.returncode != 0
    reason = said.partition("Root Cause")[2]
    assert reason.split("rank", 1)[1].startswith("      : 1 "), said
    assert "Signal 9 (SIGKILL)" in reason
    assert len(read_metrics(metrics)) >= 1  # nothing written is lost


@pytest.mark.slow
def test_the_error_of_the_process_that_failed_is_in_front(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """The other one only sees a broken connection, and must not be shown as the reason."""
    failing = tmp_path / "failing.py"
    failing.write_text(
        "import os\n"
        "from styledial.training import loop\n"
        "from styledial.cli.main import main\n"
        "if os.environ['RANK'] == '1':\n"
        "    def broken(*args, **kwargs):\n"
        "        raise ValueError('the disk of this machine is full')\n"
        "    loop.StepMetrics = broken\n"
        "main()\n"
    )
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "max_steps=100000"]
    job = launched(failing, "train", *settings)
    said, _ = job.communicate(timeout=120)
    assert job.returncode != 0
    reason = said.partition("Root Cause")[2]
    assert "the disk of this machine is full" in reason, said
    assert "[rank1]: ValueError: the disk of this machine is full" in said


def test_bad_input_is_one_sentence_in_torchruns_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own handler writes a traceback, which torchrun shows in place of the message."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

    from styledial.distributed.torchrun import run_recorded

    def refuse() -> None:
        raise UserError("data.data_dir: no such folder.", "data.data_dir：没有这个文件夹。")

    error_file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(error_file))
    set_by_torchrun = {
        "RANK": 1, "WORLD_SIZE": 2, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 29500,
    }  # fmt: skip
    for name, value in set_by_torchrun.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(SystemExit, match="2"):
        run_recorded(refuse)
    failure = ProcessFailure(local_rank=1, pid=1, exitcode=2, error_file=str(error_file))
    said = ChildFailedError("train.py", {1: failure}).format_msg()
    assert "traceback : data.data_dir: no such folder.\n" in said
    assert "Traceback" not in said
