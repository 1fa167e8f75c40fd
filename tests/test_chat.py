"""`styledial chat`: text and commands as they are typed, in any encoding."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from running import invoke, run_cli

import styledial
from styledial.cli import chat as cli_chat
from styledial.cli.streams import printable
from styledial.errors import UserError
from styledial.inference.session import Session, as_command


def chat(*args: object, lines: str) -> tuple[str, int]:
    result = run_cli(["chat", *map(str, args), "--max-new-tokens", "8"], input=lines)
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return result.output, result.exit_code


def test_a_chat_with_a_base_continues_one_text(dialled_run: Path, tmp_path: Path) -> None:
    saved = tmp_path / "story.md"
    lines = f"他推开门\n\n/strength 0.03\n/base\n/retry\n/strength x\n/nope\n/save {saved}\n/quit\n"
    output, code = chat(dialled_run, lines=lines)
    assert code == 0
    for words in (
        "continues your text",
        "strength: KL 0.03",
        "strength: KL 0 (the base)",
        "/strength x: allowed are",
        "/nope: no such command",
        str(saved),
    ):
        assert words in output, words
    text = saved.read_text(encoding="utf-8")
    assert text.startswith("他推开门")
    assert len(text) > 12
    output, _ = chat(dialled_run, lines=f"/save {saved}\n")
    assert "exists already" in output
    assert saved.read_text(encoding="utf-8") == text


def test_a_chat_with_an_instruct_model_uses_its_template(tiny_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "instruct"))
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[answer]", encoding="utf-8"
    )
    model = styledial.load(folder)
    assert model.is_chat
    session = Session(model, max_new_tokens=4, system="短")
    "".join(session.write("门"))
    asked = session._asked()
    assert [each["role"] for each in asked] == ["system", "user", "assistant"]
    first = session.turns[-1]["content"]
    again = "".join(session.retry())
    assert session.turns[-1]["content"] == again != first
    shown = model.tokenizer.decode(model.ids_of(session._asked()))
    assert shown == f"[system]短[user]门[assistant]{again}[answer]"
    stopped = session.retry()
    session.model.tokenizer.chat_template = None
    with pytest.raises(UserError, match="no chat template"):
        next(stopped)
    assert session.turns[-1]["content"] == again  # the answer that was to be replaced


def test_a_line_too_long_is_refused_and_the_chat_goes_on(dialled_run: Path) -> None:
    long = "门" * 3_400_000  # 10 MB
    output, code = chat(
        dialled_run, lines=f"{long}\n他推开门\n/save ~nobody-here\0\n/save {'x' * 300}\n"
    )
    assert code == 0
    assert "tokens; the model reads" in output
    assert output.count("cannot be written") == 2
    assert len(output) < 5_000  # and after it the short line was continued
    session = Session(styledial.load(dialled_run), max_new_tokens=4)
    with pytest.raises(UserError, match="the model reads"):
        "".join(session.write(long))
    assert session.turns == []
    assert "".join(session.write("他推开门"))


def test_a_chat_in_gbk_is_read_and_other_bytes_are_refused(
    dialled_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a character from another encoding ended the chat as a defect."""
    lines = "他推开门\n".encode("gbk") + b"\xff\xfe\n/quit\n"
    typed = io.TextIOWrapper(io.BytesIO(lines), "utf-8", errors="surrogateescape")
    monkeypatch.setattr("sys.stdin", typed)
    cli_chat.chat(str(dialled_run), max_new_tokens=2, temperature=0.0)
    shown = capsys.readouterr()
    assert "chat: is not text in utf-8" in shown.err
    greedy = styledial.load(dialled_run).generate("他推开门", max_new_tokens=2, temperature=0.0)
    assert shown.out == greedy + "\n"


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/strength 0.08", "/strength 0.08"),
        (" /Strength 中等 ", "/strength 中等"),
        ("／strength\u30000.08", "/strength 0.08"),
        ("、ｂａｓｅ", "/base"),
        ("/save Story.md", "/save Story.md"),
        ("/nope", "/nope"),  # said to be no command
        ("、他推开门", None),
        ("／", None),
        ("他推开门 /base", None),
        ("", None),
    ],
)
def test_a_command_from_a_chinese_keyboard(line: str, command: str | None) -> None:
    """`／strength 0.08` was taken for text and written on from."""
    assert as_command(line) == command


HOSTILE = [
    "\x1b[2J\x07他推开门",
    "</s><|im_end|>${x}",
    "\u202e\u200b\ufdd0\U0010ffff",
    "'; rm -rf ~ #",
]


@pytest.mark.parametrize("prompt", HOSTILE)
def test_prompts_of_any_characters_are_text(prompt: str, dialled_run: Path, tmp_path: Path) -> None:
    done = invoke("generate", dialled_run, "--prompt", prompt, "--max-new-tokens", 4)
    assert done.returncode == 0
    assert prompt.removeprefix("\x1b[2J") in done.stderr  # click leaves such codes out of a pipe
    output, code = chat(dialled_run, lines=f"{prompt}\n")
    assert code == 0
    assert "\x1b" not in output


def test_nothing_written_commands_the_terminal() -> None:
    assert printable("门\x1b[2J\x07\n\tok") == "门[2J\n\tok"
