"""A base or an adapter with one damaged file: one sentence that names it, from every command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from marks import slow_but
from run_folders import contents
from running import invoke, small_run

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"
Damage = Callable[[Path], object]


def written(name: str, text: str) -> Damage:
    return lambda folder: (folder / name).write_text(text)


def setting(**values: Any) -> Damage:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


def all_nan(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file({name: w * float("nan") for name, w in load_file(path).items()}, path)


# How a base is damaged, and what `train` and `plan` say of it; None: plan reads no such file.
BASES: dict[str, tuple[Damage, str, str | None]] = {
    "a size that is null": (setting(hidden_size=None), "hidden_size", "no model can be built"),
    "a size that is text": (setting(hidden_size="64"), "hidden_size", "no model can be built"),
    "few tokens": (setting(vocab_size=10), "has only 10 rows", "no model can be built"),
    "positions": (setting(rope_scaling={"type": "zzz"}), "no model can", "no model can"),
    "quantised how": (setting(quantization_config="x"), "base", "its weights are quantised"),
    "weights by LFS": (written("model.safetensors", POINTER), "git lfs pull", None),
    "tokenizer by LFS": (written("tokenizer.json", POINTER), "git lfs pull", None),
    "tokenizer": (written("tokenizer.json", "{}"), "could not be loaded", None),
    "tokenizer's settings": (written("tokenizer_config.json", "{"), "could not be loaded", None),
    "generation": (written("generation_config.json", "[]"), "could not be loaded", None),
    "template": (written("chat_template.jinja", "{% if %}"), "the chat template of", None),
    "weights that are NaN": (all_nan, "gives non-finite values", None),
}


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


@pytest.mark.parametrize("name", BASES)
def test_a_base_with_a_damaged_file(name: str, base: Path, novels: Path, tmp_path: Path) -> None:
    """Most of these ended in a traceback of transformers, or of jinja or torch."""
    damage, trained, _ = BASES[name]
    damage(base)
    settings = [*small_run(base, novels, tmp_path / "out"), "max_steps=1"]
    done = invoke("train", *settings, little_text=True)
    assert (done.returncode, trained in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "out").exists()


# A plan reads config.json alone, so that the others are planned, a second each.
@pytest.mark.parametrize("name", slow_but(BASES, *(n for n in BASES if BASES[n][2]), "tokenizer"))
def test_a_plan_for_a_base_with_a_damaged_file(name: str, base: Path) -> None:
    damage, _, planned = BASES[name]
    damage(base)
    done = invoke("plan", f"model.model_name_or_path={base}", "--memory", "24GB")
    assert done.returncode == (2 if planned else 0), done.stderr
    assert (planned or "") in done.stderr


def test_another_base_with_a_damaged_file_is_another_base(
    run: Path, base: Path, tiny_base: Path
) -> None:
    (base / "tokenizer_config.json").write_text("[]")
    done = invoke("generate", run, "--prompt", "他", "--base", base)
    assert done.returncode == 2
    assert "its tokenizer differ" in done.stderr


@pytest.fixture(scope="module")
def run(tiny_base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "out"
    settings = [*small_run(tiny_base, novels, folder), "max_steps=1"]
    done = invoke("train", *settings, little_text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("what", ["NaN", "more than its settings say"])
def test_an_adapter_that_would_be_read_wrongly(what: str, run: Path, tmp_path: Path) -> None:
    """NaN was written with and exported; layers that the settings don't name were left out."""
    from safetensors.torch import load_file, save_file

    adapter = Path(shutil.copytree(run, tmp_path / "adapter"))
    path = adapter / "adapter_model.safetensors"
    weights = load_file(path)
    first = min(weights)
    if what == "NaN":
        weights[first] = weights[first] * float("nan")
    else:
        weights[first.replace("layers.0", "layers.7")] = weights[first].clone()
    save_file(weights, path)
    before = contents(adapter)
    for command in (
        ["generate", adapter, "--prompt", "他"],
        ["merge", adapter, "-o", tmp_path / "merged"],
        ["export", adapter, "--to", "merged", "-o", tmp_path / "exported"],
        ["dial", adapter],
    ):
        done = invoke(*command)
        assert done.returncode == 2, command
        assert "adapter_model.safetensors" in done.stderr
    assert contents(adapter) == before
    assert not (tmp_path / "merged").exists()
    assert not (tmp_path / "exported").exists()


@pytest.mark.parametrize(
    ("damage", "more", "says"),
    [
        (written("adapter_model.safetensors", POINTER), [], "git lfs pull"),
        (lambda run: (run / "adapter_config.json").unlink(), [], "its adapter is gone"),
        (
            lambda run: (run / "style_dial.json").mkdir(),
            ["--strength", "light"],
            "style_dial.json: cannot be read",
        ),
    ],
)
def test_a_run_that_was_copied_badly(
    damage: Damage, more: list[str], says: str, run: Path, tmp_path: Path
) -> None:
    """A folder under a file's name was an internal error, and a run without its adapter was taken
    for a model without its config.json."""
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    damage(copy)
    done = invoke("generate", copy, "--prompt", "他", *more)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
