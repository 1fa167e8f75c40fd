"""Writing with a model at any strength: the Python API, many prompts, the chat."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from running import invoke, small_run
from typer.testing import CliRunner

import styledial
from styledial.cli.chat import printable
from styledial.cli.main import app
from styledial.errors import ConfigError, UserError
from styledial.inference.prompts import parse_compared, read_prompts

SHORT = {"max_new_tokens": 12}
PROMPT = "他推开门"


@pytest.fixture(scope="module")
def run(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "style"
    settings = [*small_run(tiny_base, novels, folder), "max_steps=40", "kl_beta=0.15"]
    assert invoke("train", *settings).returncode == 0
    assert invoke("dial", folder).returncode == 0
    return folder


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


def test_training_from_python(tiny_base: Path, novels: Path, tmp_path: Path) -> None:
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


def test_one_prompt_compared_is_read_from_the_base_on(run: Path) -> None:
    args = ["--prompt", PROMPT, "--compare", "0,0.03", "--max-new-tokens", 6]
    done = invoke("generate", run, *args)
    assert done.stderr.index("--- base") < done.stderr.index(", KL 0.03")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "either --prompt TEXT or --prompts FILE"),
        (("--prompt", "x", "--prompts", "y"), "either --prompt TEXT or --prompts FILE"),
        (("--prompts", "nowhere.txt"), "cannot be read"),
        (("--prompt", "x", "--compare", "huge"), "--compare huge"),
        (("--prompt", "x", "--compare", "-1"), "--compare -1"),
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
    monkeypatch.setattr("sys.stdin", io.StringIO("one\ntwo\n"))
    assert read_prompts("-") == ["one", "two"]
    assert parse_compared("medium，0") == [0.0, 0.1]


def chat(*args: object, lines: str) -> tuple[str, int]:
    result = CliRunner().invoke(
        app, ["chat", *map(str, args), "--max-new-tokens", "8"], input=lines
    )
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
    import shutil

    from styledial.inference.session import Session

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
    shown = model.tokenizer.decode(model._ids(session._asked()))
    assert shown == f"[system]短[user]门[assistant]{again}[answer]"


def test_nothing_written_commands_the_terminal() -> None:
    assert printable("门\x1b[2J\x07\n\tok") == "门[2J\n\tok"
