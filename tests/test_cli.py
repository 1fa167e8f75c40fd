"""The command line as a table: arguments, expected words, exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from styledial import __version__
from styledial.cli.main import app, guarded


def invoke(args: list[str]) -> tuple[str, int]:
    result = CliRunner().invoke(app, args)
    if result.exception and not isinstance(result.exception, SystemExit):
        # What main() turns into a message and an exit code.
        return str(result.exception), getattr(result.exception, "exit_code", 1)
    return result.output, result.exit_code


@pytest.mark.parametrize(
    ("args", "expected", "code"),
    [
        (["--help"], "strength you choose", 0),
        (["--version"], f"styledial {__version__}", 0),
        (["train", "--help"], "training.kl_beta=0.1", 0),
        (["config", "schema"], '"lora_r"', 0),
        (["config", "show", "--preset", "large"], "preset large", 0),
        (["config", "show", "lora_r=16"], "command line", 0),
        (["config", "show", "lora_r=0"], "model.lora_r is 0", 2),
        (["config", "show", "nowhere.yaml"], "no such configuration file", 2),
        (["config", "init", "train_config.yaml"], "exists already", 2),
        (["train", "--preset", "quik"], "Did you mean quick?", 2),
        (["train", "--kl_beta", "-1"], "training.kl_beta is '-1'", 2),
        (["train", "--kl-beta", "０"], "training.kl_beta is '０'", 2),
        (["train", "whatever"], "section.key=value", 2),
        (["train", "--nonsense"], "No such option", 2),
        (["generate", "nowhere", "--prompt", "x"], "no adapter here", 2),
        (["dial", "nowhere", "--export", "huge"], "--export huge: allowed are light, medium", 2),
        (["dial", "nowhere", "--export", ","], "names no strength", 2),
        (["merge", "nowhere", "-o", "new"], "no adapter here", 2),
        (["train", "--strength", "huge"], "--strength huge: allowed are", 2),
        (["train", "--strength", "light", "--kl_beta", "0.1"], "give one of them", 2),
        (["train", "--strength", "light", "kl_mode=off"], "needs training.kl_mode: budget", 2),
        (["evaluate", "nowhere"], "no adapter here", 2),
        (["plan", "--gpu", "RTX 9999"], "RTX 4090", 2),
        (["plan", "--memory", "lots"], "24GB or 8192MB", 2),
        (["plan", "--memory", "1GB", "--gpu", "T4"], "give one of them", 2),
        (
            ["plan", "model_name_or_path=bundled", "load_in_4bit=true", "use_peft=false"],
            "model.load_in_4bit",
            2,
        ),
        (["doctor", "nowhere"], "no run here", 2),
        (["report", "nowhere"], "no run here", 2),
        (["compare", "nowhere"], "two runs or more", 2),
        (["compare", "nowhere", "elsewhere"], "no run here", 2),
        (["trian"], "No such command", 2),
    ],
)
def test_commands(args: list[str], expected: str, code: int, root: Path, monkeypatch) -> None:
    monkeypatch.chdir(root)
    output, exit_code = invoke(args)
    assert expected in output
    assert exit_code == code


def test_chinese_users_read_chinese(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "styledial.cli.main", "config", "show", "lora_r=0"],
        cwd=root, env={"STYLEDIAL_LANG": "zh", "PATH": ""}, capture_output=True, text=True,
        check=False, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 2
    assert "配置有 1 处问题" in done.stderr
    assert "Traceback" not in done.stderr


def test_init_writes_the_template(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    assert invoke(["config", "init", str(path)]) == (f"{path}\n", 0)
    assert "lora_r: 8" in path.read_text(encoding="utf-8")


def test_interrupting_is_not_an_error_report(capsys: pytest.CaptureFixture) -> None:
    def command() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        guarded(command)
    assert caught.value.code == 130
    assert capsys.readouterr().err == "stopped\n"
