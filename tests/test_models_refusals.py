"""Bases, layers and adapters that can't be used: one right sentence each, before the work."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from running import invoke
from safetensors.torch import load_file, save_file
from tiny_models import build

from styledial.errors import AdapterError, ModelError
from styledial.files import write_json
from styledial.models.adapter import load_adapter, save_model
from styledial.models.generation import Sampling, continue_text
from styledial.models.identity import describe_base
from styledial.models.load import load_base, load_tokenizer
from styledial.models.locate import find_base
from styledial.models.policy import with_lora


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2.5-1.5B, whose embedding is its output head."""
    return build("Qwen/Qwen2.5-1.5B", tmp_path_factory.mktemp("tied"))


@pytest.fixture
def base(tied: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tied, tmp_path / "base"))


def lora(base: Path, target_modules):
    return with_lora(
        load_base(str(base), dtype="float32"),
        r=4,
        lora_alpha=8,
        lora_dropout=0.0,
        target_modules=target_modules,
    )


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    save_model(lora(base, "all-linear"), folder)
    write_json(folder / "base.json", asdict(describe_base(str(base), {"dtype": "float32"})))
    return folder


def test_an_adapter_beside_a_model_is_no_base(base: Path, adapter: Path) -> None:
    """transformers takes base + adapter for the base, and KL is measured against that."""
    with pytest.raises(ModelError, match=r"holds an adapter, not a model.*styledial merge"):
        load_base(str(adapter))
    for path in adapter.glob("adapter_*"):
        shutil.copy(path, base)
    with pytest.raises(ModelError, match="holds a model and an adapter"):
        load_base(str(base))


def test_a_single_file_beside_shards_is_refused(base: Path) -> None:
    """The check read the shards, transformers the single file."""
    weights = load_file(base / "model.safetensors")
    save_file(weights, base / "model-00001-of-00001.safetensors", metadata={"format": "pt"})
    index = {
        "metadata": {},
        "weight_map": dict.fromkeys(weights, "model-00001-of-00001.safetensors"),
    }
    (base / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(
        ModelError, match=r"contains two copies of the weights: model\.safetensors, and"
    ):
        load_base(str(base))
    (base / "model.safetensors").unlink()
    load_base(str(base))


def test_a_local_path_is_never_offered_for_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """models/q2 is somebody's model on the hub."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for name in ("models/q2", "./q2", "/nowhere/q2", "~/q2-that-is-not-there"):
        with pytest.raises(ModelError, match="no such folder") as caught:
            load_base(name)
        assert "ownload" not in caught.value.en
        assert "下载" not in caught.value.zh
    (tmp_path / "Qwen").mkdir()
    assert find_base("Qwen/Qwen2.5-7B") == "Qwen/Qwen2.5-7B"  # known, and no folder


def test_missing_flash_attention_is_what_is_said(base: Path) -> None:
    with pytest.raises(ModelError, match=r"attn_implementation.*pip install flash-attn") as caught:
        load_base(str(base), attn_implementation="flash_attention_2")
    assert "ownload" not in caught.value.en


@pytest.mark.parametrize(
    "taste",
    [{"stop_strings": ["。"]}, {"num_beams": 3}, {"repetition_penalty": 9.0, "do_sample": True}],
)
def test_the_authors_generation_settings_change_nothing(base: Path, taste: dict) -> None:
    """stop_strings ended in a traceback; beams changed the text where 0 is called greedy."""
    tokenizer = load_tokenizer(str(base))

    def text() -> str:
        model = load_base(str(base), dtype="float32")
        return continue_text(model, tokenizer, "武松", Sampling(8, temperature=0.0))

    plain = text()
    path = base / "generation_config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **taste}), encoding="utf-8")
    assert text() == plain


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        (["q_proj", "v_porj"], "there is no layer v_porj; did you mean v_proj"),
        (
            ["q_proj", "nothing_like_it"],
            "there is no layer nothing_like_it. This model has down_proj",
        ),
        ("*", "lora_target_modules: .*This model has down_proj"),
        (["embed_tokens", "q_proj"], "embed_tokens and the output head lm_head are one weight"),
        ("model.embed_tokens", "are one weight"),
        (["lm_head"], "one weight|output head"),
    ],
)
def test_layers_that_get_no_adapter(tied: Path, targets, says: str) -> None:
    """One of several names misspelt trained the others; a tied embedding gave another merge."""
    with pytest.raises(ModelError, match=says) as caught:
        lora(tied, targets)
    assert "\n" not in caught.value.en


def test_an_untied_embedding_may_have_an_adapter(tmp_path: Path) -> None:
    untied = build("Qwen/Qwen2.5-7B", tmp_path / "untied")
    policy = lora(untied, ["embed_tokens", "q_proj"])
    assert any("lora_embedding_B" in name for name, _ in policy.named_parameters())


@pytest.mark.parametrize("alpha", ["inf", ".inf", "1e400", "nan"])
def test_an_infinite_alpha_is_refused_before_the_run(alpha: str, tmp_path: Path) -> None:
    done = invoke("config", f"model.lora_alpha={alpha}")
    assert done.returncode == 2
    assert "lora_alpha" in done.stderr


def cut(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def lose_half(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({name: weights[name] for name in sorted(weights)[::2]}, path)


def endless(folder: Path) -> None:
    path = folder / "adapter_config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "lora_alpha": math.inf}), encoding="utf-8")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (cut, "adapter_model.safetensors: is truncated or damaged; restore it"),
        (lose_half, r"adapter_model.safetensors: is missing base_model\S+ and 13 more; restore it"),
        (
            lambda f: (f / "adapter_model.safetensors").unlink(),
            "adapter_model.safetensors: is missing",
        ),
        (endless, "adapter_config.json: is damaged"),
        (lambda f: (f / "adapter_config.json").write_text("{"), "adapter_config.json: is damaged"),
        (lambda f: (f / "base.json").write_text("[]"), "base.json: cannot be read"),
    ],
)
def test_a_faulty_adapter_is_one_sentence(adapter: Path, fault, says: str, tmp_path: Path) -> None:
    """Half an adapter was used as if it were whole."""
    fault(adapter)
    with pytest.raises(AdapterError, match=says) as caught:
        load_adapter(adapter)
    assert "\n" not in caught.value.en
    done = invoke("merge", adapter, "-o", tmp_path / "merged")
    assert (done.returncode, done.stderr) == (2, caught.value.en)
    assert not (tmp_path / "merged").exists()


def test_a_base_is_loaded_as_the_run_did_unless_told_otherwise(adapter: Path) -> None:
    policy, _ = load_adapter(adapter)
    assert policy.head.weight.dtype == torch.float32
    policy, _ = load_adapter(adapter, dtype="bfloat16")
    assert policy.head.weight.dtype == torch.bfloat16


def test_a_strangers_adapter_does_not_fetch_code(adapter: Path) -> None:
    path = adapter / "base.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content.update(model="someone/evil", loading={"trust_remote_code": True})
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(AdapterError, match="is not on this machine"):
        load_adapter(adapter)
