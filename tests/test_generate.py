"""`styledial generate`: one prompt, many, at several strengths; and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from running import invoke

from styledial.errors import UserError
from styledial.inference.prompts import parse_compared, read_prompts

PROMPT = "他推开门"


def test_many_prompts_become_json_lines(dialled_run: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('他推开门\n\n{"prompt": "话说\\n武松"}\n', encoding="utf-8")
    args = [
        "generate",
        dialled_run,
        "--prompts",
        file,
        "--max-new-tokens",
        6,
        "--compare",
        "0.03,0",
    ]
    done = invoke(*args)
    assert done.returncode == 0, done.stderr
    written = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [(each["prompt"], each["kl_beta"]) for each in written] == [
        ("他推开门", 0.0),
        ("他推开门", 0.03),
        ("话说\n武松", 0.0),
        ("话说\n武松", 0.03),
    ]
    assert invoke(*args).stderr == done.stderr


def test_a_prompt_that_is_too_long_is_named_before_any_is_written(
    dialled_run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text(f"他推开门\n{'门' * 5000}\n", encoding="utf-8")
    done = invoke("generate", dialled_run, "--prompts", file, "--max-new-tokens", 2)
    assert done.returncode == 2
    assert "prompt 2 of 2: the prompt has about" in done.stderr
    assert "{" not in done.stderr


def test_one_prompt_compared_is_read_from_the_base_on(dialled_run: Path) -> None:
    args = ["--prompt", PROMPT, "--compare", "0,0.03", "--max-new-tokens", 6]
    done = invoke("generate", dialled_run, *args)
    assert done.stderr.index("--- base") < done.stderr.index(", KL 0.03")


def test_strength_zero_is_the_base(dialled_run: Path, tiny_base: Path) -> None:
    """`generate --strength 0` was refused, though chat, --compare and the docs have it."""
    args = ["--prompt", PROMPT, "--max-new-tokens", 6]
    at_zero = invoke("generate", dialled_run, *args, "--strength", 0)
    assert at_zero.returncode == 0, at_zero.stderr
    assert "the base" in at_zero.stderr
    base = invoke("generate", tiny_base, *args)
    assert at_zero.stderr.splitlines()[-1] == base.stderr.splitlines()[-1]


def test_a_base_writes_by_its_name() -> None:
    done = invoke("generate", "bundled", "--prompt", PROMPT, "--max-new-tokens", 4)
    assert done.returncode == 0, done.stderr


def test_a_whole_model_has_one_strength(tiny_base: Path) -> None:
    for option in (("--strength", "0.1"), ("--strength", "0"), ("--compare", "0,0.1")):
        done = invoke("generate", tiny_base, "--prompt", PROMPT, *option)
        assert done.returncode == 2
        assert f"{option[0]}: {tiny_base} is a merged model or a base" in done.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "either --prompt TEXT or --prompts FILE"),
        (("--prompt", "x", "--prompts", "y"), "either --prompt TEXT or --prompts FILE"),
        (("--prompts", "nowhere.txt"), "cannot be read"),
        (("--prompt", "x", "--compare", "huge"), "--compare huge"),
        (("--prompt", "x", "--compare", "-1"), "--compare -1"),
        (("--prompt", "x", "--compare", "0,9"), "strength 9: out of reach"),
        (("--prompt", "x", "--compare", "0", "--kl_beta", "0.1"), "leave --strength out"),
    ],
)
def test_what_generate_refuses(args: tuple[str, ...], says: str, dialled_run: Path) -> None:
    done = invoke("generate", dialled_run, *args)
    assert done.returncode == 2
    assert says in done.stderr


def test_prompts_say_where_they_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad").write_text('good\n{"promt": 1}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"bad:2: a line in JSON"):
        read_prompts(str(tmp_path / "bad"))
    (tmp_path / "gbk").write_bytes("武松".encode("gbk"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_prompts(str(tmp_path / "gbk"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("一\r\ntwo\n".encode())))
    assert read_prompts("-") == ["一", "two"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("武松".encode("gbk"))))
    with pytest.raises(UserError, match="not UTF-8"):  # it was a defect: half a character
        read_prompts("-")
    (tmp_path / "2028").write_text('{"prompt": "一\u2028二"}\n三\u2028四\n', encoding="utf-8")
    assert read_prompts(str(tmp_path / "2028")) == ["一\u2028二", "三\u2028四"]
    assert parse_compared("medium，0") == [0.0, 0.1]
