"""The same run, whatever the number of processes; and what happens when one of them dies."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from running import ROOT, small_run

from styledial.config import resolve
from styledial.errors import UserError
from styledial.metrics import read_metrics
from styledial.processes import Place

CURVES = ("train/nll", "train/kl", "train/anchor_kl", "train/lambda")
ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "STYLEDIAL_LANG": "en", "OMP_NUM_THREADS": "1"}


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
        "two, sharded": (2, ["per_device_train_batch_size=4", "fsdp=on", "save_steps=30"]),
    }  # fmt: skip
    order = [
        (
            count,
            [*small_run(tiny_base, novels, folder / name), "max_steps=50", "anchor=self", *more],
        )
        for name, (count, more) in shapes.items()
    ]
    run_many(order)
    return {name: folder / name for name in shapes}


def run_many(order: list[tuple[int, list[str]]]) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/many.py"), json.dumps(order)],
        cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["one, in two parts", "two", "four", "two, sharded"])
def test_the_number_of_processes_changes_nothing(runs: dict[str, Path], name: str) -> None:
    """Absolute differences, fp32; the curves themselves are of the size 0.1 (KL) to 7 (NLL)."""
    same_curves(runs["one"], runs[name])


def same_curves(*folders: Path) -> None:
    one, many = (read_metrics(folder / "metrics.jsonl") for folder in folders)
    assert [record["step"] for record in one] == [*range(1, 51)]
    for a, b in zip(one, many, strict=True):
        for key in CURVES:
            assert a[key] == pytest.approx(b[key], abs=1e-5, rel=0), (a["step"], key)
        assert a["train/grad_norm"] == pytest.approx(b["train/grad_norm"], rel=1e-3)


@pytest.mark.parametrize("name", ["two", "four", "two, sharded"])
def test_the_result_is_the_same_too(runs: dict[str, Path], name: str) -> None:
    one, many = (json.loads((runs[n] / "summary.json").read_text()) for n in ("one", name))
    for key in ("kl_final", "style_nll", "general_nll", "kl_before_landing", "steps", "tokens"):
        assert one[key] == pytest.approx(many[key], abs=1e-5)
    expected = {p.name for p in runs["one"].iterdir()}
    if "sharded" in name:  # it was told to save; evaluate_at_end is left out
        expected = expected - {"evaluation.json"} | {"checkpoints"}
    assert {p.name for p in runs[name].iterdir()} == expected
    assert (runs["one"] / "samples.md").read_text() == (runs[name] / "samples.md").read_text()


def test_each_process_holds_its_part_of_the_base(runs: dict[str, Path], tiny_base: Path) -> None:
    """Layers are shared out; the head (here the embedding too) and the last norm are whole."""
    from safetensors.torch import load_file

    sizes = {n: w.numel() * 4 for n, w in load_file(tiny_base / "model.safetensors").items()}
    whole = sizes["model.embed_tokens.weight"] + sizes["model.norm.weight"]
    layers = sum(sizes.values()) - whole
    record = json.loads((runs["two, sharded"] / "summary.json").read_text())["fsdp"]
    assert record == {"base_bytes": whole + layers, "base_bytes_here": whole + layers // 2}


def test_a_sharded_adapter_is_a_whole_one(runs: dict[str, Path]) -> None:
    from safetensors.torch import load_file

    one, sharded = (
        load_file(runs[name] / "adapter_model.safetensors") for name in ("one", "two, sharded")
    )
    assert one.keys() == sharded.keys()
    for name, weight in one.items():
        assert weight.shape == sharded[name].shape
        assert (weight - sharded[name]).abs().max() < 1e-3


def test_a_sharded_process_without_anchor_rows_takes_part_in_the_pass(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """One anchor row for two processes: the base's layers are gathered by both, or neither."""
    shapes: dict[int, list[str]] = {1: [], 2: ["per_device_train_batch_size=4", "fsdp=on"]}
    run_many([
        (count, [*small_run(tiny_base, novels, tmp_path / str(count)), "max_steps=4",
                 "anchor=bundled", "anchor_ratio=0.1", *more])
        for count, more in shapes.items()
    ])  # fmt: skip
    one, two = (read_metrics(tmp_path / str(count) / "metrics.jsonl") for count in shapes)
    for a, b in zip(one, two, strict=True):
        assert [a[key] for key in CURVES] == pytest.approx([b[key] for key in CURVES], abs=1e-5)


def test_one_process_goes_on_from_a_sharded_run(
    runs: dict[str, Path], tiny_base: Path, novels: Path
) -> None:
    sharded = runs["two, sharded"]
    (sharded / "summary.json").unlink()
    shutil.rmtree(sharded / "checkpoints/step-50", ignore_errors=True)
    settings = [*small_run(tiny_base, novels, sharded), "max_steps=50", "anchor=self"]
    run_many([(1, [*settings, "save_steps=30", "per_device_train_batch_size=8", "--resume"])])
    assert (sharded / "summary.json").is_file()
    same_curves(runs["one"], sharded)


REFUSED = [
    (1, [], "needs several processes"),
    (2, ["use_peft=false"], "needs model.use_peft: true"),
    (2, ["use_dora=true"], "doesn't work with model.use_dora"),
    (2, ["load_in_8bit=true"], "doesn't work with model.load_in_8bit"),
    (2, ["reference_cache=somewhere"], "without a reference cache"),
]


@pytest.mark.parametrize(("count", "settings", "words"), REFUSED)
def test_sharding_is_refused_where_it_cannot_work(count: int, settings: list[str], words) -> None:
    from styledial.checks import check_sharding

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
    from styledial import prepared
    from styledial.models.load import load_tokenizer

    (tmp_path / "novels").mkdir()
    for path in novels.iterdir():
        shutil.copy(path, tmp_path / "novels")
    (tmp_path / "novels/empty.txt").touch()  # something to be told about
    config = resolve(None, None, {}, small_run(tiny_base, tmp_path / "novels", tmp_path / "out"))

    def read(rank: int) -> tuple[Any, list[str]]:
        told: list[str] = []
        place, tokenizer = Place(rank, 2, rank, 2), partial(load_tokenizer, str(tiny_base))
        return prepared.read_texts(config, tokenizer, tmp_path / "cache", place, told.append), told

    texts, told = read(0)
    monkeypatch.setattr(prepared, "read_material", None)
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


def test_two_launchers_meet_without_a_common_disk(
    runs: dict[str, Path], tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """Two machines in small: each launcher has a folder of its own for `output_dir`."""
    more = (
        "--nnodes=2", "--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{free_port()}",
        "--rdzv-id=two", "--local-addr=127.0.0.1",
    )  # fmt: skip
    settings = [*small_run(tiny_base, novels, Path("out")), "max_steps=50", "anchor=self"]
    settings.append("per_device_train_batch_size=4")
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


def launched(
    *args: object, cwd: Path = ROOT, more: tuple[str, ...] = ("--standalone",), processes: int = 2
) -> subprocess.Popen[str]:
    """torchrun; alone, it chooses a free port itself."""
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *more, f"--nproc_per_node={processes}",
         *map(str, args)],
        cwd=cwd, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


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
        child for child in psutil.Process(job.pid).children()
        if child.environ().get("RANK") == "1"
    )  # fmt: skip
    second.kill()
    said, _ = job.communicate(timeout=60)
    assert job.returncode != 0
    reason = said.partition("Root Cause")[2]
    assert reason.split("rank", 1)[1].startswith("      : 1 "), said
    assert "Signal 9 (SIGKILL)" in reason
    assert len(read_metrics(metrics)) >= 1  # nothing written is lost


def test_the_error_of_the_process_that_failed_is_in_front(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """The other one only sees a broken connection, and must not be shown as the reason."""
    failing = tmp_path / "failing.py"
    failing.write_text(
        "import os\n"
        "from styledial import trainer\n"
        "from styledial.cli.main import main\n"
        "if os.environ['RANK'] == '1':\n"
        "    def broken(*args, **kwargs):\n"
        "        raise ValueError('the disk of this machine is full')\n"
        "    trainer.StepMetrics = broken\n"
        "main()\n"
    )
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "max_steps=100000"]
    job = launched(failing, "train", *settings)
    said, _ = job.communicate(timeout=120)
    assert job.returncode != 0
    reason = said.partition("Root Cause")[2]
    assert "the disk of this machine is full" in reason, said
    assert "[rank1]: ValueError: the disk of this machine is full" in said
