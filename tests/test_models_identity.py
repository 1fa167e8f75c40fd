"""A run's base: remembered by what it is and where it lies, and checked by every later command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from marks import slow_but
from running import invoke, small_run
from safetensors.torch import load_file, save_file

from styledial.models.identity import identify, remembered_base
from styledial.models.load import load_base


@pytest.fixture(scope="module")
def base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("models") / "q2"))


@pytest.fixture(scope="module")
def run(base: Path, novels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained from the folder above the base's, with its path as one types it there."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base.parent)
        done = invoke(
            "train", *small_run(Path("q2"), novels, folder), "max_steps=4", "save_steps=2"
        )
    assert done.returncode == 0, done.stderr
    return folder


def other_weights(folder: Path, *, all_of_them: bool = True) -> None:
    """Another base of the same shape; or a single tensor of it, changed by a rounding."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    for name in sorted(weights)[-1:] if not all_of_them else weights:
        weights[name] = torch.nextafter(weights[name], torch.tensor(9.0))
    save_file(weights, path, metadata={"format": "pt"})


def other_config(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "rms_norm_eps": 1e-3}), encoding="utf-8")


def other_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    one, two = sorted(vocabulary)[-2:]
    vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]
    path.write_text(json.dumps(content), encoding="utf-8")


COMMANDS = {
    "generate": ("generate", "--prompt", "夜里", "--max-new-tokens", "2"),
    "dial": ("dial", "--remeasure"),
    "evaluate": ("evaluate", "--passages", "10", "--max-new-tokens", "16"),
    "merge": ("merge", "-o"),
}


def command(name: str, run: Path, tmp_path: Path) -> list[object]:
    verb, *rest = COMMANDS[name]
    return [verb, run, *rest, *([tmp_path / "merged"] if name == "merge" else [])]


def test_a_run_records_its_base_by_an_absolute_path(run: Path, base: Path) -> None:
    remembered = remembered_base(run)
    assert remembered is not None
    assert remembered.model == str(base)
    assert remembered.identity == identify(base)
    for file, key in (
        ("summary.json", "model"),
        ("adapter_config.json", "base_model_name_or_path"),
    ):
        assert json.loads((run / file).read_text(encoding="utf-8"))[key] == str(base)
    assert str(base) in (run / "train_config.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "dial"])
def test_another_base_in_its_place_is_refused(
    name: str, run: Path, base: Path, tmp_path: Path
) -> None:
    """dial --remeasure wrote its table anew, measured against weights of another model."""
    other = Path(shutil.copytree(base, tmp_path / "other"))
    other_weights(other)
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    done = invoke(*command(name, run, tmp_path), "--base", other)
    assert done.returncode == 2
    assert "is not the base that" in done.stderr
    assert "its weights differ" in done.stderr
    assert f"dial {run} --base {other}" in done.stderr  # which takes the adapter over
    assert "\n" not in done.stderr.strip()
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("name", slow_but(COMMANDS, "generate", "merge"))
def test_a_base_that_moved_is_named_with_an_option(
    name: str, run: Path, base: Path, tmp_path: Path
) -> None:
    moved = base.rename(base.parent / "elsewhere")
    try:
        done = invoke(*command(name, run, tmp_path))
        assert done.returncode == 2
        assert "--base FOLDER" in done.stderr
        assert "download" not in done.stderr
        done = invoke(*command(name, run, tmp_path), "--base", moved)
        assert done.returncode == 0, done.stderr
    finally:
        moved.rename(base)


@pytest.mark.slow  # a run: test_a_run_records_its_base_by_an_absolute_path
def test_exports_remember_the_base_too(run: Path, base: Path) -> None:
    done = invoke("dial", run, "--export", "0.01")
    assert done.returncode == 0, done.stderr
    assert remembered_base(run / "export" / "kl-0.01") == remembered_base(run)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (other_weights, "weights"),
        pytest.param(other_config, "config.json", marks=pytest.mark.slow),
        pytest.param(other_tokenizer, "tokenizer", marks=pytest.mark.slow),
    ],
)
def test_going_on_with_another_base_is_refused(
    change, part: str, run: Path, base: Path, novels: Path, tmp_path: Path
) -> None:
    again = Path(shutil.copytree(run, tmp_path / "run"))
    other = Path(shutil.copytree(base, tmp_path / "other"))
    settings = [*small_run(other, novels, again), "max_steps=4", "save_steps=2"]
    done = invoke("train", *settings, "--resume")
    assert done.returncode == 0, done.stderr  # the same base at another place
    change(other)
    done = invoke("train", *settings, "--resume")
    assert done.returncode == 2
    assert f"its {part} differ" in done.stderr


def test_what_makes_another_base_and_what_does_not(base: Path, tmp_path: Path) -> None:
    whole = identify(base)
    copy = Path(shutil.copytree(base, tmp_path / "copy"))
    other_weights(copy, all_of_them=False)
    assert identify(copy)["weights"] != whole["weights"]
    shutil.copy(base / "model.safetensors", copy)
    # Saved again by another version, in shards: the same base.
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    changed = {**config, "transformers_version": "4.30.0", "use_cache": False}
    (copy / "config.json").write_text(json.dumps(changed), encoding="utf-8")
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    listed = {}
    for number, names in enumerate((sorted(weights)[::2], sorted(weights)[1::2])):
        file = f"part-{number}.safetensors"
        save_file({name: weights[name] for name in names}, copy / file, metadata={"format": "pt"})
        listed.update(dict.fromkeys(names, file))
    index = {"metadata": {}, "weight_map": listed}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert identify(copy) == whole
    # The index may name its shards as it likes.
    model, there = (load_base(str(f), dtype="float32").state_dict() for f in (copy, base))
    assert all(torch.equal(weight, there[name]) for name, weight in model.items())
