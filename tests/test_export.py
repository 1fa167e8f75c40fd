"""Merges and adapters in the hands of other programs: plain readers, older versions."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from exports import FAMILIES, IDS, exported, published_base, read_elsewhere
from running import invoke
from safetensors.torch import load_file, save_file

from styledial.errors import UserError
from styledial.models.adapter import save_model
from styledial.models.load import load_base
from styledial.models.merge import merge_adapter
from styledial.models.policy import quiet_peft, with_all_weights


@pytest.fixture(scope="module")
def older_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with transformers 4.57 and PEFT 0.13; STYLEDIAL_OLDER_READERS keeps it."""
    from older_readers import make_environment

    kept = os.environ.get("STYLEDIAL_OLDER_READERS")
    try:
        return make_environment(Path(kept) if kept else tmp_path_factory.mktemp("older"))
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"transformers 4.57 and PEFT 0.13 can't be installed here: {error}")


@pytest.mark.slow
def test_eight_families_are_the_same_in_older_and_newer_readers(
    older_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers 4.57 read a merge with rope_theta 10,000 and refused its tokenizer's class."""
    pytest.importorskip("sentencepiece", reason="makes the tiny tokenizer.model")
    monkeypatch.setenv("STYLEDIAL_HOME", str(tmp_path / "home"))
    jobs, wanted = [], []
    for number, name in enumerate(FAMILIES):
        base = published_base(name, tmp_path / f"base-{number}")
        adapter, merged, logits = exported(base, tmp_path / f"out-{number}")
        on_base = [str(load_base(str(base)).base_folder), str(adapter)]
        jobs += [[str(merged)], on_base]
        wanted += [(name, logits)] * 2
    for python in (older_python, Path(sys.executable)):
        found = read_elsewhere(python, tmp_path, jobs)
        for (name, logits), there, job in zip(wanted, found, jobs, strict=True):
            assert (there["logits"] - logits).abs().max() < 1e-4, (python, name, job)
        assert all(a["ids"] == b["ids"] for a, b in zip(found[::2], found[1::2], strict=True))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published_base("Qwen/Qwen2.5-1.5B", tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def out(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, torch.Tensor]:
    return exported(base, tmp_path_factory.mktemp("out"))


def test_a_merge_is_written_from_the_bases_own_files(base: Path, out: tuple) -> None:
    merged = out[1]
    for name in (
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "LICENSE",
        "generation_config.json",
    ):
        assert (merged / name).read_bytes() == (base / name).read_bytes(), name
    weights = load_file(merged / "model.safetensors")
    assert weights.keys() == load_file(base / "model.safetensors").keys()
    assert {path.name for path in merged.iterdir()} == {path.name for path in base.iterdir()}


def test_only_the_precision_is_changed_where_another_is_asked_for(
    base: Path, out: tuple, tmp_path: Path
) -> None:
    merged = merge_adapter(out[0], tmp_path / "half", dtype="float16")
    before, after = (
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
        for folder in (base, merged)
    )
    assert after == {**before, "torch_dtype": "float16"}
    assert {w.dtype for w in load_file(merged / "model.safetensors").values()} == {torch.float16}


def test_a_merge_has_the_umasks_permissions(out: tuple) -> None:
    """The weights could be read by their owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(out[1].stat().st_mode) == 0o777 & ~mask
    assert {stat.S_IMODE(path.stat().st_mode) for path in out[1].iterdir()} == {0o666 & ~mask}


@pytest.mark.parametrize("rslora", [True, False])
@pytest.mark.parametrize("dora", [True, False])
def test_a_reader_that_takes_alpha_over_r_gets_the_same_model(
    rslora: bool, dora: bool, base: Path, tmp_path: Path
) -> None:
    """Such readers made an rsLoRA of rank 4 half as strong."""
    adapter, _, logits = exported(base, tmp_path, rslora=rslora, dora=dora)
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    assert settings["use_rslora"] is False
    if dora:
        return
    weights = load_file(adapter / "adapter_model.safetensors")
    model = load_base(str(base), dtype="float32")
    with torch.no_grad():
        for name in {key.rpartition(".lora_")[0] for key in weights}:
            a, b = (weights[f"{name}.lora_{part}.weight"] for part in "AB")
            layer = model.get_submodule(name.removeprefix("base_model.model."))
            layer.weight += settings["lora_alpha"] / settings["r"] * b @ a
        assert (model(IDS).logits - logits).abs().max() < 1e-4


def test_what_cannot_become_a_new_folder_is_refused_before_the_work(
    out: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("styledial.models.load.load_base", lambda *_, **__: pytest.fail("loaded"))
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name, says in (
        ("file", "exists already"),
        ("link", "exists already"),
        ("dangling", "exists already"),
        ("file/below", "is a file"),
    ):
        with pytest.raises(UserError, match=says):
            merge_adapter(out[0], tmp_path / name)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_a_chat_template_of_an_earlier_run_is_not_shipped(out: tuple, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(out[0], tmp_path / "adapter"))
    (adapter / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    merged = merge_adapter(adapter, tmp_path / "merged")
    assert not (merged / "chat_template.jinja").exists()


def test_full_tuning_keeps_the_bases_files_and_precision(base: Path, tmp_path: Path) -> None:
    """It left fp32 weights of a bf16 base, and use_cache: false."""
    half = Path(shutil.copytree(base, tmp_path / "half"))
    weights = {n: w.bfloat16() for n, w in load_file(half / "model.safetensors").items()}
    save_file(weights, half / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((half / "config.json").read_text(encoding="utf-8"))
    (half / "config.json").write_text(json.dumps({**config, "torch_dtype": "bfloat16"}))
    policy = with_all_weights(load_base(str(half), dtype="float32"))
    with torch.no_grad():
        policy.causal_lm.model.norm.weight.add_(1.0)
    save_model(policy, tmp_path / "tuned")
    for name in ("config.json", "tokenizer.json", "generation_config.json", "LICENSE"):
        assert (tmp_path / "tuned" / name).read_bytes() == (half / name).read_bytes(), name
    tuned = load_file(tmp_path / "tuned" / "model.safetensors")
    assert tuned.keys() == weights.keys()
    assert {w.dtype for w in tuned.values()} == {torch.bfloat16}
    assert torch.equal(tuned["model.norm.weight"], weights["model.norm.weight"] + 1)
    assert torch.equal(tuned["model.embed_tokens.weight"], weights["model.embed_tokens.weight"])


def foreign(base: Path, folder: Path, **settings: object) -> Path:
    """An adapter that PEFT alone has made, of some strength."""
    from peft import LoraConfig, get_peft_model

    plain = load_base(str(base), dtype="float32")
    with quiet_peft():
        model = get_peft_model(plain, LoraConfig(r=4, task_type="CAUSAL_LM", **settings))
    dice = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name and "_B" in name:
                weight.normal_(0.0, 0.05, generator=dice)
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["embed_tokens", "q_proj"]},
        {"target_modules": ["lm_head"]},
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
        {"target_modules": ["q_proj"], "trainable_token_indices": {"embed_tokens": [1, 2]}},
    ],
    ids=["embedding", "head", "saved", "tokens"],
)
def test_an_adapter_on_a_tied_embedding_is_not_merged(
    settings: dict[str, object], tiny_base: Path, tmp_path: Path
) -> None:
    """Merged into the one weight it changed the head too: KL 3.8e-3, the adapter's 4.5e-4."""
    adapter = foreign(tiny_base, tmp_path / "adapter", **settings)
    with pytest.raises(UserError, match=r"tunes .*(embed_tokens|lm_head), which shares its weight"):
        merge_adapter(adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("targets", [["embed_tokens", "q_proj"], ["lm_head", "v_proj"]])
def test_an_adapter_on_an_embedding_of_its_own_merges_exactly(
    targets: list[str], tmp_path: Path
) -> None:
    from styledial.models.attach import attach_adapter

    untied = published_base("meta-llama/Llama-3.1-8B", tmp_path / "base")
    adapter = foreign(untied, tmp_path / "adapter", target_modules=targets)
    plain = load_base(str(untied), dtype="float32")
    before = plain(IDS).logits
    tuned = attach_adapter(plain, adapter, "base")(IDS).logits
    assert (tuned - before).abs().max() > 0.1
    merged = load_base(str(merge_adapter(adapter, tmp_path / "merged")), dtype="float32")
    assert (merged(IDS).logits - tuned).abs().max() < 1e-4


def test_a_merge_says_that_it_is_of_the_unquantised_base(out: tuple, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(out[0], adapter)
    said = invoke("merge", adapter, "-o", tmp_path / "plain")
    assert (said.returncode, "unquantised" in said.stderr) == (0, False)
    base = json.loads((adapter / "base.json").read_text(encoding="utf-8"))
    base["loading"]["load_in_4bit"] = True
    (adapter / "base.json").write_text(json.dumps(base), encoding="utf-8")
    said = invoke("merge", adapter, "-o", tmp_path / "merged")
    assert said.returncode == 0
    assert "trained and measured on its base in 4 bits; the merge is of the unquantised" in (
        said.stderr
    )
    assert "about 4 times the memory" in said.stderr
    assert (tmp_path / "merged" / "model.safetensors").is_file()
