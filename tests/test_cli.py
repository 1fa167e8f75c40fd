"""The command line as a table: arguments, expected words, exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
from rich.cells import cell_len
from running import run_cli

from styledial import __version__
from styledial.cli.help_layout import folded
from styledial.cli.main import app, guarded
from styledial.cli.typer_words import run
from styledial.language import language

COMMANDS = [each.name for each in app.registered_commands if each.name]


def invoke(args: list[str]) -> tuple[str, int]:
    result = run_cli(args)
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
        (["config", "init", "train_config.yaml"], "already exists", 2),
        (["train", "--preset", "quik"], "Did you mean quick?", 2),
        (["train", "--kl_beta", "-1"], "training.kl_beta is '-1'", 2),
        (["train", "--kl-beta", "０"], "training.kl_beta is '０'", 2),
        (["train", "whatever"], "section.key=value", 2),
        (["train", "--nonsense"], "No such option", 2),
        (["generate", "nowhere", "--prompt", "x"], "there is no such folder", 2),
        (["dial", "nowhere", "--export", "huge"], "--export huge: allowed are light, medium", 2),
        (["dial", "nowhere", "--export", ","], "names no strength", 2),
        (["merge", "nowhere", "-o", "new"], "there is no such folder", 2),
        (["train", "--strength", "huge"], "--strength huge: allowed are", 2),
        (["train", "--strength", "light", "--kl_beta", "0.1"], "give one of them", 2),
        (
            ["train", "--strength", "light", "kl_mode=off"],
            "needs training.kl_mode: auto, anchor or budget",
            2,
        ),
        (["evaluate", "nowhere"], "there is no such folder", 2),
        (["plan", "--gpu", "RTX 9999"], "--memory 24GB", 2),
        (["plan", "--memory", "lots"], "24GB or 8192MB", 2),
        (["plan", "--memory", "1GB", "--gpu", "T4"], "give only one of them", 2),
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


@pytest.mark.parametrize("spoken", ["en", "zh"])
def test_no_command_is_cut_short_in_the_list(spoken: str, root: Path) -> None:
    words = [sys.executable, "-m", "styledial", "--help"]
    shown = subprocess.run(
        words,
        cwd=root,
        env={**os.environ, "STYLEDIAL_LANG": spoken, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    commands = shown.splitlines()[-19:]
    assert [line for line in commands if "..." in line or len(line.split(maxsplit=1)) < 2] == []


@pytest.mark.parametrize("spoken", ["en", "zh"])
def test_no_line_of_help_is_wider_than_the_terminal(spoken: str, root: Path) -> None:
    """Typer counts characters, of which a Chinese one is two columns wide."""
    words = (
        "import sys; from typer.testing import CliRunner; from styledial.cli.main import app\n"
        "for name in ['', *sys.argv[1:]]:\n"
        "    print(CliRunner().invoke(app, [*name.split(), '--help']).output)"
    )
    names = [*COMMANDS, "config show", "config init", "config schema"]
    shown = subprocess.run(
        [sys.executable, "-c", words, *names],
        cwd=root,
        env={**os.environ, "STYLEDIAL_LANG": spoken, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "--kl_beta" in shown
    assert [line for line in shown.splitlines() if cell_len(line) > 80] == []
    untranslated = {"zh": ["[default", "[required", "Show this"], "en": []}[spoken]
    assert [word for word in untranslated if word in shown] == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("天色渐渐暗了，路上", ["天色渐渐", "暗了，路", "上"]),
        ("一二三四，五", ["一二三", "四，五"]),
        ("用（基座）", ["用（基", "座）"]),
        ("averylongword x", ["averylongword", "x"]),
        ("", []),
    ],
)
def test_lines_are_folded_by_columns(text: str, lines: list[str]) -> None:
    assert folded(text, 8) == lines


def test_chinese_users_read_chinese(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "styledial.cli.main", "config", "show", "lora_r=0"],
        cwd=root,
        env={"STYLEDIAL_LANG": "zh", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 2
    assert "配置有 1 处问题" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "expected", "code"),
    [
        (["--help"], ["用法：", " [选项] 命令", "显示本帮助并退出。", "命令："], 0),
        (["merge", "--help"], ["参数：", "[必填]", "[默认：auto]"], 0),
        (["merge"], ["缺少参数 ", " merge --help` 查看帮助。"], 2),
        (["trian"], ["没有命令 trian。是否想写 train？"], 2),
        (["merge", "x", "--frob"], ["没有选项 --frob"], 2),
        (["generate", "x", "--prompt"], ["选项 --prompt 后面要写值。"], 2),
        (["generate", "x", "--prompt", "x", "--seed", "a"], ["--seed 的值不对：", "整数"], 2),
        (["generate", "x", "--prompt", "x", "--seed", "-1"], ["--seed 的值不对：", "应"], 2),
        (["doctor", "a", "b"], ["多余的参数：b"], 2),
        (["config"], ["用法："], 2),
    ],
)
def test_typers_own_words_are_chinese_too(
    args: list[str],
    expected: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    monkeypatch.setattr(sys, "argv", ["styledial", *args])
    with pytest.raises(SystemExit) if code else nullcontext() as ended:
        guarded(partial(run, app))
    assert not ended or ended.value.code == code
    out, err = capsys.readouterr()
    assert [words for words in expected if words not in out + err] == []
    assert "Traceback" not in err


def test_config_show_sees_the_file_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ignored the train_config.yaml that `train` takes, and had no --config."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train_config.yaml").write_text("model:\n  lora_r: 7\n", encoding="utf-8")
    (tmp_path / "other.yaml").write_text("model:\n  lora_r: 5\n", encoding="utf-8")
    assert "# train_config.yaml:2" in invoke(["config", "show"])[0]
    for args in (["--config", "other.yaml"], ["other.yaml"]):
        assert "# other.yaml:2" in invoke(["config", "show", *args])[0]
    assert invoke(["config", "show", "other.yaml", "--config", "other.yaml"])[1] == 2
    assert "train_config" not in invoke(["config", "show", "--preset", "quick"])[0]


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


def test_a_name_that_no_file_can_have_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (["chat"], ["generate", "--prompt", "x"], ["studio"], ["report"]):
        monkeypatch.setattr(sys, "argv", ["styledial", *command, "x" * 300])
        with pytest.raises(SystemExit) as caught:
            guarded(partial(run, app))
        assert caught.value.code == 2
        said = capsys.readouterr().err
        assert len(said) < 600, command
        assert "too long" in said or "studio" in command, said


@pytest.mark.parametrize(
    ("asked", "found"),
    [("中文", "zh"), ("chinese", "zh"), ("cn", "zh"), ("ZH-hans", "zh"), (" english ", "en")],
)
def test_the_language_as_people_write_it(
    asked: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8" if found == "zh" else "zh_CN.UTF-8")
    monkeypatch.setenv("STYLEDIAL_LANG", asked)
    assert language() == found
