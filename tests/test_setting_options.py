"""Settings typed as options: what other trainers' users type, and what stays an option."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import invoke

from styledial.cli.setting_options import as_assignments
from styledial.errors import UserError

WITH_VALUE, FLAGS = {"--config", "--epochs", "--gpu"}, {"--resume", "--overwrite"}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("--lora_r 8", "lora_r=8"),
        ("--lora-r=8 --model.use_dora", "lora_r=8 model.use_dora=true"),
        ("--use_dora --lora_r 8", "use_dora=true lora_r=8"),
        ("--use_dora lora_r=8", "use_dora=true lora_r=8"),
        ("--use_dora no", "use_dora=no"),
        ("--gradient_checkpointing auto", "gradient_checkpointing=auto"),
        ("--max_steps -1", "max_steps=-1"),
        ("--epochs 3 --resume", "--epochs 3 --resume"),
        ("--config --lora_r", "--config --lora_r"),
        ("-- --lora_r 8", "-- --lora_r 8"),
        ("--lr 1e-4 --bf16", "lr=1e-4 bf16=true"),
        ("--optim adamw_8bit", "optim=adamw_8bit"),
        ("--lora_rr 8", "lora_rr=8"),
        ("--overwrit", "--overwrit"),
        ("--nosuch 1", "--nosuch 1"),
        ("lora_r=8", "lora_r=8"),
    ],
)
def test_settings_become_assignments(typed: str, read: str) -> None:
    assert as_assignments(typed.split(), WITH_VALUE, FLAGS) == read.split()


@pytest.mark.parametrize("typed", ["--lora_r", "--lora_r --resume"])
def test_a_setting_without_a_value_is_said(typed: str) -> None:
    with pytest.raises(UserError, match="--lora_r: has no value"):
        as_assignments(typed.split(), WITH_VALUE, FLAGS)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("config", "show", "--lora_r", 7, "--use-dora"), 0, "lora_r:                      7"),
        (("train", "--seed", -1, "--data_dir", "x"), 2, "training.seed is -1"),
        (("train", "--seed", 2**31), 2, "<= 2147483647"),
        (("train", "--lr", "1e-4"), 2, "Did you mean `training.learning_rate`?"),
        (("plan", "--optim", "sgd"), 2, "the optimizer is AdamW"),
        (("evaluate", "x", "--lora_r", 8), 2, "No such option --lora_r"),
    ],
)
def test_commands_take_them(args: tuple[object, ...], code: int, says: str) -> None:
    done = invoke(*args)
    assert done.returncode == code
    said = done.stderr.replace("option: --lora_r", "option '--lora_r'")  # older typer
    assert says in said.replace("option '--lora_r'", "option --lora_r")


@pytest.mark.parametrize("more", [(), ("--config", "b.yml")])
def test_a_configuration_file_needs_no_option(
    more: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As other trainers take it: `train my.yaml lora_r=8`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("training:\n  seed: -1\n", encoding="utf-8")
    done = invoke("train", "a.yaml", "lora_r=8", *more)
    assert done.returncode == 2
    assert ("name one configuration file" if more else "a.yaml:2: training.seed") in done.stderr
    assert "none.yaml: no such configuration file" in invoke("plan", "none.yaml").stderr
