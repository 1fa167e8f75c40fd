"""Writing with a model at any strength: the Python API, many prompts, the chat."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from running import SHORT_END, invoke, run_cli, small_run

import styledial
from styledial.cli import chat as cli_chat
from styledial.cli.streams import printable
from styledial.errors import ConfigError, UserError
from styledial.inference.prompts import parse_compared, read_prompts
from styledial.inference.session import Session, as_command
from styledial.inference.side_by_side import stream_each

SHORT = {"max_new_tokens": 12}
PROMPT = "他推开门"


@pytest.fixture(scope="module")
def run(dialled_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(dialled_run, tmp_path_factory.mktemp("runs") / "style"))


@pytest.fixture(scope="module")
def model(run: Path) -> styledial.inference.model.StyleModel:
    return styledial.load(run)


def test_strength_moves_and_comes_back(run: Path, tiny_base: Path, model) -> None:
    as_trained = model.generate(PROMPT, **SHORT)
    plain = styledial.load(tiny_base)
    model.strength = 0
    assert model.generate(PROMPT, **SHORT) == plain.generate(PROMPT, **SHORT)
    model.strength = 0.03
    written = model.generate(PROMPT, temperature=0.0, max_new_tokens=40)
    assert written == styledial.load(run, 0.03).generate(PROMPT, temperature=0.0, max_new_tokens=40)
    assert model.strength == 0.03
    model._scale = 1.0
    assert model.generate(PROMPT, **SHORT) == as_trained


def test_a_stream_is_the_text_in_pieces(model) -> None:
    whole = model.generate(PROMPT, max_new_tokens=40)
    pieces = list(model.stream(PROMPT, max_new_tokens=40))
    assert "".join(pieces) == whole
    assert len(pieces) > 10
    stream = model.stream(PROMPT, max_new_tokens=10_000)
    assert next(stream)
    stream.close()  # returns at once: the writing stops with it
    assert model.generate(PROMPT, max_new_tokens=40) == whole


def test_what_a_strength_cannot_be(model, tiny_base: Path) -> None:
    with pytest.raises(UserError, match="reaches strengths above 0 and up to"):
        model.strength = 9
    with pytest.raises(UserError, match="is one whole model"):
        styledial.load(tiny_base, 0.1)
    with pytest.raises(UserError, match="no chat template"):
        model.generate([{"role": "user", "content": "?"}])
    with pytest.raises(UserError, match="tokens; the model reads"):
        model.generate("门" * 3_000_000)


def test_exports_and_merges_load_too(run: Path, tmp_path: Path) -> None:
    peft = invoke("export", run, "--to", "peft", "--strength", "0.03", "-o", tmp_path / "peft")
    assert peft.returncode == 0, peft.stderr
    merged = ["export", run, "--to", "merged", "--strength", "0.03", "-o", tmp_path / "merged"]
    assert invoke(*merged).returncode == 0
    greedy = {"temperature": 0.0, "max_new_tokens": 20}
    wanted = styledial.load(run, 0.03).generate(PROMPT, **greedy)
    adapter = styledial.load(tmp_path / "peft" / "kl-0.03")
    assert adapter.strength == pytest.approx(0.03)
    assert adapter.generate(PROMPT, **greedy) == wanted
    assert styledial.load(tmp_path / "merged" / "model").generate(PROMPT, **greedy) == wanted


def test_training_from_python(
    tiny_base: Path, novels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in SHORT_END:
        monkeypatch.setattr(*each)
    flat = dict(each.split("=", 1) for each in small_run(tiny_base, novels, tmp_path / "run"))
    flat["training.max_steps"] = 2
    nested: dict[str, dict] = {}
    for name, value in flat.items():
        section, key = name.split(".")
        nested.setdefault(section, {})[key] = value
    summary = styledial.train(nested)
    assert summary["steps"] == 2
    assert (tmp_path / "run" / "adapter_model.safetensors").is_file()
    with pytest.raises(ConfigError, match=r"Did you mean `training\.kl_beta`"):
        styledial.train({"training": {"kl_bata": 0.1}})


def test_many_prompts_become_json_lines(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('他推开门\n\n{"prompt": "话说\\n武松"}\n', encoding="utf-8")
    args = ["generate", run, "--prompts", file, "--max-new-tokens", 6, "--compare", "0.03,0"]
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
    run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text(f"他推开门\n{'门' * 5000}\n", encoding="utf-8")
    done = invoke("generate", run, "--prompts", file, "--max-new-tokens", 2)
    assert done.returncode == 2
    assert "prompt 2 of 2: the prompt has about" in done.stderr
    assert "{" not in done.stderr


def test_one_prompt_compared_is_read_from_the_base_on(run: Path) -> None:
    args = ["--prompt", PROMPT, "--compare", "0,0.03", "--max-new-tokens", 6]
    done = invoke("generate", run, *args)
    assert done.stderr.index("--- base") < done.stderr.index(", KL 0.03")


def test_strength_zero_is_the_base(run: Path, tiny_base: Path) -> None:
    """`generate --strength 0` was refused, though chat, --compare and the docs have it."""
    args = ["--prompt", PROMPT, "--max-new-tokens", 6]
    at_zero = invoke("generate", run, *args, "--strength", 0)
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
def test_what_generate_refuses(args: tuple[str, ...], says: str, run: Path) -> None:
    done = invoke("generate", run, *args)
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


def chat(*args: object, lines: str) -> tuple[str, int]:
    result = run_cli(["chat", *map(str, args), "--max-new-tokens", "8"], input=lines)
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return result.output, result.exit_code


def test_a_chat_with_a_base_continues_one_text(run: Path, tmp_path: Path) -> None:
    saved = tmp_path / "story.md"
    lines = f"他推开门\n\n/strength 0.03\n/base\n/retry\n/strength x\n/nope\n/save {saved}\n/quit\n"
    output, code = chat(run, lines=lines)
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
    output, _ = chat(run, lines=f"/save {saved}\n")
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


def test_a_line_too_long_is_refused_and_the_chat_goes_on(run: Path) -> None:
    long = "门" * 3_400_000  # 10 MB
    output, code = chat(run, lines=f"{long}\n他推开门\n/save ~nobody-here\0\n/save {'x' * 300}\n")
    assert code == 0
    assert "tokens; the model reads" in output
    assert output.count("cannot be written") == 2
    assert len(output) < 5_000  # and after it the short line was continued
    session = Session(styledial.load(run), max_new_tokens=4)
    with pytest.raises(UserError, match="the model reads"):
        "".join(session.write(long))
    assert session.turns == []
    assert "".join(session.write("他推开门"))


HOSTILE = [
    "\x1b[2J\x07他推开门",
    "</s><|im_end|>${x}",
    "\u202e\u200b\ufdd0\U0010ffff",
    "'; rm -rf ~ #",
]


def test_a_chat_in_gbk_is_read_and_other_bytes_are_refused(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a character from another encoding ended the chat as a defect."""
    lines = "他推开门\n".encode("gbk") + b"\xff\xfe\n/quit\n"
    typed = io.TextIOWrapper(io.BytesIO(lines), "utf-8", errors="surrogateescape")
    monkeypatch.setattr("sys.stdin", typed)
    cli_chat.chat(str(run), max_new_tokens=2, temperature=0.0)
    shown = capsys.readouterr()
    assert "chat: is not text in utf-8" in shown.err
    greedy = styledial.load(run).generate("他推开门", max_new_tokens=2, temperature=0.0)
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


@pytest.mark.parametrize("prompt", HOSTILE)
def test_prompts_of_any_characters_are_text(prompt: str, run: Path, tmp_path: Path) -> None:
    done = invoke("generate", run, "--prompt", prompt, "--max-new-tokens", 4)
    assert done.returncode == 0
    assert prompt.removeprefix("\x1b[2J") in done.stderr  # click leaves such codes out of a pipe
    output, code = chat(run, lines=f"{prompt}\n")
    assert code == 0
    assert "\x1b" not in output


@pytest.mark.parametrize("named", ["~nobody-here/run", "../..", "/dev/null", "a/b/c", "."])
def test_what_is_no_model_is_said(named: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for args in (("chat", named), ("generate", named, "--prompt", "x"), ("serve", named)):
        done = invoke(*args)
        assert done.returncode == 2, args
        assert named[:200] in done.stderr


def test_an_adapter_whose_base_is_gone_or_another(
    run: Path, tiny_base: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(run, tmp_path / "moved"))
    (moved / "notes.exe").write_bytes(b"MZ\0unknown")  # a stranger's file is left alone
    base = json.loads((moved / "base.json").read_text())
    (moved / "base.json").write_text(json.dumps({**base, "model": str(tmp_path / "gone")}))
    other = Path(shutil.copytree(tiny_base, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rope_theta": 5.0}))
    for command in ("generate", "chat", "serve"):
        more = ["--prompt", "x"] if command == "generate" else []
        done = invoke(command, moved, *more)
        assert done.returncode == 2, command
        assert "--base FOLDER" in done.stderr, command
        done = invoke(command, moved, *more, "--base", other)
        assert done.returncode == 2, command
        assert "not the base" in done.stderr or "another base" in done.stderr, done.stderr
    done = invoke("generate", moved, "--prompt", "x", "--max-new-tokens", 4, "--base", tiny_base)
    assert done.returncode == 0, done.stderr
    assert (moved / "notes.exe").read_bytes() == b"MZ\0unknown"


@pytest.mark.parametrize(
    ("command", "option"), [("generate", "--base"), ("chat", "--base"), ("generate", "")]
)
def test_a_base_that_is_not_there_is_named_as_it_was_typed(
    command: str, option: str, run: Path, tmp_path: Path
) -> None:
    """The sentence began with model.model_name_or_path, which nobody had typed."""
    gone = tmp_path / "gone"
    (gone / "x").mkdir(parents=True)
    (gone / "config.json").write_text("{}")
    prompt = [] if command == "chat" else ["--prompt", "x"]
    done = invoke(command, *([run, option, gone / "x"] if option else [gone]), *prompt)
    assert done.returncode == 2
    assert "model.model_name_or_path" not in done.stderr
    assert str(gone) in done.stderr


def test_nothing_written_commands_the_terminal() -> None:
    assert printable("门\x1b[2J\x07\n\tok") == "门[2J\n\tok"


def test_texts_written_side_by_side_are_those_written_alone(model, tiny_base: Path) -> None:
    how = {"max_new_tokens": 30, "seed": 5}
    strengths = [0, 0.03, 0.1]
    texts = ["", "", ""]
    order = []
    state = torch.get_rng_state()
    for number, piece in stream_each(model, PROMPT, strengths, **how):
        texts[number] += piece
        order.append(number)
    assert order[:6] == [0, 1, 2, 0, 1, 2]
    assert torch.equal(torch.get_rng_state(), state)
    alone = []
    for each in strengths:
        model.strength = each
        alone.append(model.generate(PROMPT, **how))
    assert texts == alone
    assert len(set(texts)) == 3
    with pytest.raises(UserError, match="reaches strengths above 0"):
        next(stream_each(model, PROMPT, [0, 9]))
    stream = stream_each(model, PROMPT, [0, 0.03], max_new_tokens=10_000)
    next(stream)
    stream.close()
    plain = styledial.load(tiny_base)
    [whole] = ["".join(piece for _, piece in stream_each(plain, PROMPT, [None], **how))]
    assert whole == plain.generate(PROMPT, **how) == texts[0]
