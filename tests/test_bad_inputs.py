"""What a new user gets wrong: a clear sentence or a safe behaviour, never a traceback."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from running import invoke, run_train, small_run

from styledial.config import resolve
from styledial.errors import DataError
from styledial.run.checks import check_texts


@pytest.fixture
def ground(tmp_path: Path, tiny_base: Path, novels: Path) -> Path:
    """A working folder with every kind of thing that can be named by mistake."""
    shutil.copytree(novels, tmp_path / "novels")
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank").mkdir()
    (tmp_path / "blank/blank.txt").write_text("\n\n")
    (tmp_path / "short").mkdir()
    (tmp_path / "short/short.txt").write_text("话说", encoding="utf-8")
    (tmp_path / "afile").write_text("x")
    (tmp_path / "nomodel").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_text("{")
    shutil.copytree(tiny_base, tmp_path / "base")
    shutil.copytree(
        tiny_base, tmp_path / "noweights", ignore=shutil.ignore_patterns("*.safetensors")
    )
    shutil.copytree(tiny_base, tmp_path / "truncated")
    weights = tmp_path / "truncated/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    (tmp_path / "typo.yaml").write_text("training:\n  kl_bta: 0.1\n")
    (tmp_path / "tabs.yaml").write_text("training: [\n")
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    return tmp_path


# (what the user typed, what the answer must say)
REFUSED = [
    (["--config", "missing.yaml"], "no such configuration file"),
    (["--config", "typo.yaml"], "typo.yaml:2: `training.kl_bta` is not a setting. Did you mean `training.kl_beta`?"),
    (["--config", "tabs.yaml"], "cannot be read as YAML"),
    (["--config", "binary.yaml"], "binary.yaml"),
    (["--config", "novels"], "cannot be read"),
    (["--kl_beta", "strong"], "training.kl_beta is 'strong'; allowed: a number, > 0"),
    (["--kl_beta", "-0.1"], "training.kl_beta is '-0.1'"),
    (["--epochs", "0"], "training.num_train_epochs is '0'"),
    (["model.lora_r=0"], "model.lora_r is 0; allowed: a whole number, >= 1"),
    (["lora_rr=8"], "Did you mean `model.lora_r`?"),
    (["data.data_dir=nowhere"], "there is no folder nowhere"),
    (["data.data_dir=empty"], "empty is empty"),
    (["data.data_dir=blank"], "too little text"),
    (["data.data_dir=short"], "too little text"),
    (["data.data_dir=afile"], "afile is not a folder"),
    (["data.general=nowhere"], "data.general: nowhere is neither a file nor a folder"),
    (["model.model_name_or_path=./nowhere"], "no such folder"),
    (["model.model_name_or_path=base/model.safetensors"], "is a file and no GGUF; name the folder"),
    (["model.model_name_or_path=nomodel"], "has no config.json"),
    (["model.model_name_or_path=broken"], "broken"),
    (["model.model_name_or_path=noweights"], "noweights"),
    (["model.model_name_or_path=truncated"], "truncated"),
    (["model.model_name_or_path=Qwen/Qwen2.5-7B"], "download --model Qwen/Qwen2.5-7B"),
    (["model.lora_target_modules=[nothing]"], "This model has"),
    (["model.lora_target_modules=[lm_head]"], "output head"),
    (["model.lora_target_modules=.*(q_proj|lm_head)"], "output head"),
    (["training.output_dir=novels/out"], "lies inside data.data_dir"),
    (["training.reference_cache=novels/states"], "lies inside data.data_dir"),
    (["anchor=nowhere"], "data.anchor: nowhere is neither a file nor a folder"),
    (["anchor=blank"], "data.anchor: blank has no text"),
    (["data.general=blank"], "data.general: blank has no text"),
    (["reference_cache=afile"], "training.reference_cache"),
    (["training.output_dir=afile"], "training.output_dir: afile: is a file; name a folder"),
    (["training.output_dir=/proc/nowhere"], "nothing can be written to /proc"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "expected"), REFUSED, ids=[" ".join(t) for t, _ in REFUSED])
def test_refused_with_one_clear_sentence(
    ground: Path, typed: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ground)
    settings = small_run(Path("base"), Path("novels"), Path("out"))
    given = {item.partition("=")[0] for item in typed}
    settings = [s for s in settings if s.partition("=")[0] not in given]
    before = {p: p.read_bytes() for p in ground.rglob("*") if p.is_file()}
    done = invoke("train", "--preset", "quick", *settings, *typed)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "\n" not in done.stderr or done.stderr.startswith("The configuration has")
    assert {p: p.read_bytes() for p in ground.rglob("*") if p.is_file()} == before


EMPTY = [
    ["generate", "run", "--prompt", "x", "--base", ""],
    ["generate", "run", "--prompt", "x", "--base="],
    ["generate", "", "--prompt", "x"],
    ["generate", "run", "--prompts", " "],
    ["evaluate", "run", "--data-dir", ""],
    ["merge", "run", "-o", ""],
    ["export", "run", "--to", ""],
    ["report", "run", "-o", "  "],
    ["dial", "run", "--export", ""],
    ["compare", "run", ""],
    ["config", "init", ""],
    ["config", "show", "--config", ""],
    ["prepare", ""],
    ["download", "--model", ""],
    ["start", "--output", ""],
    ["plan", "--gpu", ""],
    ["train", "--model_name", ""],
    ["train", ""],
]


@pytest.mark.parametrize("typed", EMPTY, ids=[" ".join(t) for t in EMPTY])
def test_an_empty_argument_is_refused(
    typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an unset variable of the shell leaves was read as the folder here, or as nothing."""
    monkeypatch.chdir(tmp_path)
    done = invoke(*typed)
    assert done.returncode == 2
    assert "is empty" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "typed", [["--seed", "99999999999999999999"], ["--prompt", "\ud800"]], ids=["seed", "half"]
)
def test_what_overflows_a_library(typed: list[str], tmp_path: Path) -> None:
    given = {"--prompt": "x", "--seed": "1", typed[0]: typed[1]}
    done = invoke("generate", tmp_path, *[word for pair in given.items() for word in pair])
    assert (done.returncode, typed[0] in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("name", ["ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM"])
def test_an_engine_that_is_not_used_here(
    name: str, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "true")
    done = invoke("train", *small_run(ground / "base", ground / "novels", ground / "out"))
    assert done.returncode == 2
    assert f"{name} is set in the environment" in done.stderr
    assert not (ground / "out").exists()


def test_a_binary_file_among_the_novels_is_named(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ground)
    (ground / "novels/picture.txt").write_bytes(bytes(range(256)) * 100)
    settings = [*small_run(Path("base"), Path("novels"), Path("out")), "max_steps=1"]
    done = invoke("train", "--preset", "quick", *settings)
    assert done.returncode == 0  # the other books are enough
    assert "picture.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_run_into_the_same_folder_is_refused_and_loses_nothing(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ground)
    args = [
        "train",
        "--preset",
        "quick",
        *small_run(Path("base"), Path("novels"), Path("out")),
        "max_steps=2",
    ]
    assert invoke(*args).returncode == 0
    own = ground / "out/notes of mine.txt"
    own.write_text("keep")
    before = {p: p.read_bytes() for p in (ground / "out").rglob("*") if p.is_file()}
    done = invoke(*args)
    assert done.returncode == 2
    assert "--resume" in done.stderr
    assert "--overwrite" in done.stderr
    assert {p: p.read_bytes() for p in (ground / "out").rglob("*") if p.is_file()} == before
    for bad in ("model.model_name_or_path=truncated", "anchor=nowhere", "data.general=blank"):
        assert invoke(*args, "--overwrite", bad).returncode == 2
    assert {p: p.read_bytes() for p in (ground / "out").rglob("*") if p.is_file()} == before
    assert invoke(*args, "--overwrite").returncode == 0
    assert own.read_text() == "keep"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: needs an ordinary user")
def test_an_output_folder_that_cannot_be_written(ground: Path) -> None:
    (ground / "locked").mkdir(mode=0o500)
    done = run_train(*small_run(Path("base"), Path("novels"), Path("locked/out")), cwd=ground)
    assert done.returncode == 2
    assert "cannot write to" in done.stderr


def test_anchor_text_that_is_not_read_need_not_be_there() -> None:
    given = ["data.data_dir=bundled", "data.anchor=nowhere"]
    check_texts(resolve(assignments=[*given, "kl_mode=off"]))
    with pytest.raises(DataError, match=r"data\.anchor: nowhere"):
        check_texts(resolve(assignments=given))
