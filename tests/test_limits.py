"""What a base can't read is refused before training: rows too long, ids without an embedding."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from running import invoke, small_run

from styledial.build import texts
from styledial.errors import UserError
from styledial.models.generation import Sampling, continue_text
from styledial.models.limits import check_length, positions
from styledial.models.load import load_base, load_tokenizer

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "original_max_position_embeddings": 8192,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
}


@pytest.mark.parametrize(
    ("kind", "settings", "most"),
    [
        ("qwen2", {"max_position_embeddings": 32768}, 32768),
        ("qwen2", {"max_position_embeddings": 32768, "rope_scaling": YARN}, 131072),
        ("qwen2", {"max_position_embeddings": 131072, "rope_scaling": YARN}, 131072),
        ("llama", {"max_position_embeddings": 131072, "rope_scaling": LLAMA3}, 131072),
        (
            "llama",
            {"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 2.0}},
            8192,
        ),
        (
            "llama",
            {"max_position_embeddings": 2048, "rope_scaling": {"type": "dynamic", "factor": 4.0}},
            8192,
        ),
        ("gpt2", {"n_positions": 1024}, 1024),
        ("gemma3_text", {"max_position_embeddings": 8192}, 8192),
        ("bloom", {}, None),
        ("falcon", {"alibi": True}, None),
    ],
)
def test_positions(kind: str, settings: dict[str, Any], most: int | None) -> None:
    from transformers import AutoConfig

    shape = AutoConfig.for_model(kind, **settings)
    assert positions(shape) == most
    if most is not None:
        check_length(shape, "m", most)
        with pytest.raises(UserError, match=f"data.max_length={most}"):
            check_length(shape, "m", most + 1)


def test_the_text_part_of_a_model_of_several_counts() -> None:
    from transformers import AutoConfig

    shape = AutoConfig.for_model("gemma3", text_config={"max_position_embeddings": 4096})
    assert positions(shape) == 4096


@pytest.mark.parametrize("command", ["train", "plan"])
def test_rows_longer_than_the_positions_are_refused(
    command: str, tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    settings = [*small_run(tiny_base, novels, tmp_path / "out"), "data.max_length=513"]
    done = invoke(command, *settings)
    assert done.returncode == 2
    assert f"513 is more than the 512 positions that {tiny_base} was made for" in done.stderr
    assert "data.max_length=512" in done.stderr
    assert not (tmp_path / "out" / "adapter_config.json").exists()


@pytest.fixture(scope="module")
def short_embedding(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with the embedding of its commonest 600 tokens alone, and its whole tokenizer."""
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("short") / "base"
    shutil.copytree(tiny_base, folder)
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    model.resize_token_embeddings(600)
    model.config.eos_token_id = model.config.pad_token_id = 599
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = 599
    model.save_pretrained(folder)
    tokenizer = load_tokenizer(str(tiny_base))
    tokenizer.eos_token = tokenizer.pad_token = tokenizer.convert_ids_to_tokens(599)
    tokenizer.save_pretrained(folder)
    return folder


def test_ids_without_an_embedding_are_refused(
    short_embedding: Path, novels: Path, tmp_path: Path
) -> None:
    """The tokenizer had more tokens than the base: an error of the device in the first update."""
    done = invoke("train", *small_run(short_embedding, novels, tmp_path / "out"))
    assert done.returncode == 2
    assert f"data.data_dir {novels}: the tokenizer of {short_embedding}" in done.stderr
    assert f"the embedding of {short_embedding} has only 600 rows (0 to 599)" in done.stderr


@pytest.fixture(scope="module")
def known_text(
    short_embedding: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The novels in a folder, of their characters only those that the short embedding has."""
    tokenizer = load_tokenizer(str(short_embedding))
    text = "\n".join(path.read_text("utf-8") for path in sorted(novels.glob("*.txt")))
    known = {c for c in set(text) if max(tokenizer(c)["input_ids"]) < 600}
    folder = tmp_path_factory.mktemp("known")
    (folder / "a.txt").write_text("".join(c for c in text if c in known), encoding="utf-8")
    return folder


@pytest.mark.parametrize("source", ["data.general", "data.anchor", "prompts"])
def test_every_text_is_looked_at(
    source: str,
    short_embedding: Path,
    known_text: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = "江湖" if source == "prompts" else known_text.joinpath("a.txt").read_text("utf-8")[:5]
    monkeypatch.setattr(texts, "sample_prompts", lambda text: (asked,))
    done = invoke(
        "train",
        *small_run(short_embedding, known_text, tmp_path / "out"),
        f"data.general={known_text / 'a.txt' if source != 'data.general' else 'bundled'}",
        f"data.anchor={'bundled' if source == 'data.anchor' else 'off'}",
    )
    assert done.returncode == 2
    assert done.stderr.startswith(source)
    assert f"the tokenizer of {short_embedding}" in done.stderr


def test_a_prompt_without_embeddings_is_refused(short_embedding: Path, novels: Path) -> None:
    tokenizer = load_tokenizer(str(short_embedding))
    text = "".join(path.read_text("utf-8") for path in sorted(novels.glob("*.txt")))
    prompt = next(c for c in text if max(tokenizer(c)["input_ids"]) >= 600)
    with pytest.raises(UserError, match=r"^--prompt: the tokenizer of .* has only 600 rows"):
        continue_text(load_base(str(short_embedding)), tokenizer, prompt, Sampling(2))
