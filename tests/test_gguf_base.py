"""A GGUF file as base: dequantised once, trained on, remembered by the file itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from gguf_bases import requantised, write_base
from running import invoke, small_run

from styledial.errors import AdapterError, ModelError
from styledial.models.adapter import base_of
from styledial.models.gguf_base import in_words, origin_of
from styledial.models.load import load_base, load_tokenizer
from styledial.models.locate import find_base
from styledial.run_folder.described import is_plain_model

REPOSITORY = "owner/tiny-model"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEDIAL_HOME", str(home))


@pytest.fixture(scope="module")
def gguf_file(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    told = {
        "name": "Tiny",
        "license": "apache-2.0",
        "source__url": f"https://huggingface.co/{REPOSITORY}",
    }
    return write_base(tiny_base, path, "qwen2", own_tokenizer=True, **told)


def test_the_same_model_and_tokens(gguf_file: Path, tiny_base: Path) -> None:
    model, folder = load_base(str(gguf_file)), load_base(str(tiny_base))
    for name, weight in folder.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name]), name
    text = "他推开门，看见 1984 年。\n<|endoftext|>"
    tokenizer, own = load_tokenizer(str(gguf_file)), load_tokenizer(str(tiny_base))
    assert tokenizer(text)["input_ids"] == own(text)["input_ids"]
    assert tokenizer.eos_token_id == own.eos_token_id


def test_quantised_weights_keep_their_values_in_16_bits(gguf_file: Path, tmp_path: Path) -> None:
    model = load_base(str(requantised(gguf_file, tmp_path / "q8.gguf", "Q8_0")), dtype="float32")
    exact = load_base(str(gguf_file)).state_dict()
    assert model.file_dtype == "float16"
    for name, weight in model.state_dict().items():
        assert weight.sub(exact[name]).abs().max() < exact[name].abs().max() / 200, name


def test_what_a_file_says_of_itself(gguf_file: Path) -> None:
    assert in_words(gguf_file).startswith("tiny.gguf: qwen2, F32, ")
    origin = origin_of(gguf_file)
    assert (origin.name, origin.repository, origin.quantisation) == ("Tiny", REPOSITORY, "F32")


def test_files_that_are_no_base(gguf_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(gguf_file.read_bytes()[:100_000])
    text = tmp_path / "text.gguf"
    text.write_text("no model", encoding="utf-8")
    lora = write_base(tiny_base, tmp_path / "lora.gguf", "qwen2", type="adapter")
    folder, capitals = tmp_path / "folder", tmp_path / "capitals"
    for place, name in ((folder, "it.gguf"), (capitals, "IT.GGUF")):
        place.mkdir()
        shutil.copy(gguf_file, place / name)
    assert is_plain_model(capitals / "IT.GGUF")  # generate and chat take it
    for path, says in (
        (cut, "is damaged or incomplete"),
        (text, "is a file and no GGUF"),
        (lora, "holds no language model"),
        (folder, "name the file: .*it.gguf"),
        (capitals, "name the file: .*IT.GGUF"),
        (tmp_path / "none.gguf", "no such folder or file"),
        ("models/none.gguf", "no such folder or file"),
    ):
        with pytest.raises(ModelError, match=says):
            load_base(str(path))


@pytest.fixture(scope="module")
def run(
    gguf_file: Path, novels: Path, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "style"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLEDIAL_HOME", str(home))
        done = invoke("train", *small_run(gguf_file, novels, folder), "max_steps=2")
    assert done.returncode == 0, done.stderr
    assert "tiny.gguf: qwen2, F32" in done.stderr
    return folder


def test_an_adapter_names_where_the_file_comes_from(run: Path, gguf_file: Path) -> None:
    settings = json.loads((run / "adapter_config.json").read_text(encoding="utf-8"))
    assert settings["base_model_name_or_path"] == REPOSITORY
    base = json.loads((run / "base.json").read_text(encoding="utf-8"))
    assert base["model"] == str(gguf_file)
    assert base["origin"]["repository"] == REPOSITORY
    assert list(base["identity"]) == ["gguf"]


def test_a_moved_file_is_the_same_base_and_another_is_not(
    run: Path, gguf_file: Path, tmp_path: Path
) -> None:
    moved = shutil.copy(gguf_file, tmp_path / "elsewhere.gguf")
    assert base_of(run, str(moved)).model == str(moved)
    other = requantised(gguf_file, tmp_path / "q8.gguf", "Q8_0")
    with pytest.raises(AdapterError, match="GGUF file differ"):
        base_of(run, str(other))
    assert find_base(str(moved)) == str(moved)


@pytest.mark.slow  # of each part: the other tests here
def test_every_command_knows_it(run: Path, gguf_file: Path, tmp_path: Path) -> None:
    resumed = invoke("train", "--config", run / "train_config.yaml", "--resume", "max_steps=3")
    assert resumed.returncode == 0, resumed.stderr
    for args in (
        ("generate", run, "--prompt", "他", "--max-new-tokens", 4),
        ("generate", gguf_file, "--prompt", "他", "--max-new-tokens", 4),
        ("dial", run),
        ("evaluate", run, "--passages", 10, "--max-new-tokens", 16),
        ("export", run, "--to", "peft", "-o", tmp_path / "peft"),
        ("merge", run, "-o", tmp_path / "merged"),
        ("models", gguf_file),
    ):
        done = invoke(*args)
        assert done.returncode == 0, done.stderr
    assert "can be trained (model type qwen2" in done.stderr
    merged = load_base(str(tmp_path / "merged"))
    assert merged.file_dtype == "float32"


def test_exports_use_the_file_itself(run: Path, gguf_file: Path, tmp_path: Path) -> None:
    """Its name needn't be given again."""
    pytest.importorskip("xllamacpp", reason="llama.cpp (the extra llamacpp) is not installed")
    done = invoke("export", run, "--to", "gguf-lora", "-o", tmp_path / "lora")
    assert done.returncode == 0, done.stderr
    assert "the GGUF base itself is 0.0000 from the run's base" in done.stderr
    assert f"llama-server -m {gguf_file} --lora-scaled {tmp_path}/lora/style.gguf" in done.stderr
    card = (tmp_path / "lora" / "README.md").read_text(encoding="utf-8")
    assert f"base_model: {REPOSITORY}\n" in card
    assert "license: apache-2.0\n" in card
    assert "llama-server -m tiny.gguf" in card
    assert invoke("export", run, "--to", "ollama", "-o", tmp_path / "own").returncode == 0
    assert from_line(tmp_path / "own") == f"FROM {gguf_file}"


def test_without_llama_cpp_an_export_is_said_to_be_unmeasured(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from styledial.export import write

    monkeypatch.setattr(write, "is_installed", lambda: False)
    done = invoke("export", run, "--to", "gguf-lora", "-o", tmp_path / "lora")
    assert done.returncode == 0, done.stderr
    assert "pip install 'styledial[llamacpp]'" in done.stderr


def test_what_a_modelfile_is_from(
    run: Path, gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path from the folder of the command is none from the Modelfile's."""
    monkeypatch.chdir(gguf_file.parent)
    for named, says in (
        (gguf_file.name, str(gguf_file)),
        ("qwen2.5:1.5b", "qwen2.5:1.5b"),
        ("hf.co/owner/tiny-model:Q4_K_M", "hf.co/owner/tiny-model:Q4_K_M"),
    ):
        out = tmp_path / named.replace("/", "-")
        done = invoke("export", run, "--to", "ollama", "--base-gguf", named, "-o", out)
        assert done.returncode == 0, done.stderr
        assert from_line(out) == f"FROM {says}"
    for named in ("none.gguf", "./none", "a\nADAPTER b", "two words"):
        done = invoke("export", run, "--to", "ollama", "--base-gguf", named, "-o", tmp_path / "no")
        assert done.returncode == 2
        assert "is not a GGUF file" in done.stderr
        assert not (tmp_path / "no").exists()


def from_line(folder: Path) -> str:
    return next(folder.glob("Modelfile.*")).read_text(encoding="utf-8").splitlines()[0]


def test_serve_finds_the_file(run: Path, gguf_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from styledial.cli import serve

    served: list[object] = []
    monkeypatch.setattr(serve, "_serve", lambda _, base, *more: served.extend([base, *more]))
    done = invoke("serve", run, "--port", 0)
    assert done.returncode == 0, done.stderr
    assert served == [gguf_file, 0, 4096, 2]


@pytest.mark.slow
def test_an_adapter_goes_over_to_another_quantisation(
    run: Path, gguf_file: Path, tmp_path: Path
) -> None:
    """Another file of the same model is another base, of the same shape and vocabulary."""
    other = requantised(gguf_file, tmp_path / "q8.gguf", "Q8_0")
    done = invoke("dial", run, "--base", other, "-o", tmp_path / "moved")
    assert done.returncode == 0, done.stderr
    assert base_of(tmp_path / "moved").model == str(other)
    own, there = (
        json.loads((folder / "summary.json").read_text())["style_nll"]
        for folder in (run, tmp_path / "moved")
    )
    assert there == pytest.approx(own, abs=0.05)
    assert there != own


@pytest.mark.slow
def test_file_and_folder_give_the_same_kl(
    gguf_file: Path, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    found = []
    for base in (gguf_file, tiny_base):
        folder = tmp_path / f"of-{base.suffix or 'folder'}"
        done = invoke("train", *small_run(base, novels, folder), "max_steps=3")
        assert done.returncode == 0, done.stderr
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        found.append(summary["kl_final"])
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[1] > 1e-3
