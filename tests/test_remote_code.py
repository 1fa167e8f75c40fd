"""A base with Python code of its own: trained and used again where the run says that it is trusted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from marks import slow_but
from running import invoke, small_run

CODE = """
from transformers import Qwen2Config, Qwen2ForCausalLM


class OwnConfig(Qwen2Config):
    model_type = "own_of_this_test"


class OwnForCausalLM(Qwen2ForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture(scope="module")
def base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("code") / "base"))
    (folder / "modeling_own.py").write_text(CODE)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config.update(
        model_type="own_of_this_test",
        architectures=["OwnForCausalLM"],
        auto_map={
            "AutoConfig": "modeling_own.OwnConfig",
            "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
        },
    )
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def run(base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code") / "run"
    args = [*small_run(base, novels, folder), "max_steps=4", "trust_remote_code=true"]
    done = invoke("train", *args)
    assert done.returncode == 0, done.stderr
    return folder


def test_without_trust_there_is_one_sentence(base: Path, novels: Path, tmp_path: Path) -> None:
    for args in (
        ("train", *small_run(base, novels, tmp_path / "out")),
        ("plan", f"model.model_name_or_path={base}", "--gpu", "RTX 4090"),
        ("models", base),
    ):
        done = invoke(*args)
        assert done.returncode == 2, args
        assert "model.trust_remote_code" in done.stderr
        assert done.stderr.strip().count("\n") == 0


COMMANDS = {
    "generate": ("--prompt", "夜里", "--max-new-tokens", "4"),
    "dial": ("--remeasure", "--export", "0.001"),
    "evaluate": ("--passages", "10", "--max-new-tokens", "16"),
    "report": (),
    "doctor": (),
}


@pytest.mark.parametrize("command", slow_but(COMMANDS, "generate", "report", "doctor"))
def test_later_commands_run_the_code_as_the_run_did(run: Path, command: str) -> None:
    done = invoke(command, run, *COMMANDS[command])
    assert done.returncode == 0, done.stderr


def test_a_plan_runs_it_where_the_settings_say_so(base: Path) -> None:
    settings = [f"model.model_name_or_path={base}", "data.max_length=64"]
    done = invoke("plan", *settings, "trust_remote_code=true", "--gpu", "RTX 4090")
    assert done.returncode == 0, done.stderr


def test_the_merged_model_has_its_code(run: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    done = invoke("merge", run, "-o", tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    merged = AutoModelForCausalLM.from_pretrained(
        tmp_path / "merged", trust_remote_code=True, dtype=torch.float32
    )
    assert type(merged).__name__ == "OwnForCausalLM"


def test_full_tuning_leaves_a_model_with_its_code(base: Path, novels: Path, tmp_path: Path) -> None:
    args = [*small_run(base, novels, tmp_path / "full"), "max_steps=1", "use_peft=false"]
    done = invoke("train", *args, "trust_remote_code=true")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "full/modeling_own.py").is_file()
    done = invoke("generate", tmp_path / "full", "--prompt", "夜里", "--max-new-tokens", "2")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["generate", "merge"])
def test_an_adapter_of_another_tool_asks_for_the_option(
    command: str, run: Path, tmp_path: Path
) -> None:
    """Its files don't say that the code is trusted: a dead end, with a setting that isn't there."""
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for path in run.glob("adapter_*"):
        shutil.copy(path, adapter)
    rest = ["--prompt", "夜里", "--max-new-tokens", "2"]
    rest = ["-o", str(tmp_path / "merged")] if command == "merge" else rest
    done = invoke(command, adapter, *rest)
    assert (done.returncode, "--trust-remote-code" in done.stderr) == (2, True)
    assert invoke(command, adapter, *rest, "--trust-remote-code").returncode == 0


def test_other_code_than_the_run_had_is_refused(run: Path, base: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(base, tmp_path / "other"))
    with (other / "modeling_own.py").open("a") as file:
        file.write("\nprint('more')\n")
    done = invoke("generate", run, "--prompt", "夜里", "--base", other)
    assert done.returncode == 2
    assert "its Python code differ" in done.stderr
