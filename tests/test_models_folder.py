"""Model folders that are not whole, or not of one model, are refused before training."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import build

from styledial.errors import ModelError
from styledial.models.inspect import check_folder
from styledial.models.load import load_base, load_tokenizer


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tiny Qwen2 in three shards."""
    folder = build("Qwen/Qwen2.5-7B", tmp_path_factory.mktemp("whole"))
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    listed = {}
    for i in range(3):
        file = f"model-{i + 1:05d}-of-00003.safetensors"
        save_file({name: weights[name] for name in names[i::3]}, folder / file)
        listed.update(dict.fromkeys(names[i::3], file))
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": listed})
    )
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "model")


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def cut(folder):
    path = folder / "model-00002-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


def lengthen(folder):
    with (folder / "model-00002-of-00003.safetensors").open("ab") as file:
        file.write(b"x")


def lose_a_weight(folder):
    path = folder / "model-00003-of-00003.safetensors"
    weights = load_file(path)
    weights.pop(sorted(weights)[0])
    save_file(weights, path)


def reshape_a_weight(folder):
    path = folder / "model-00001-of-00003.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if weights[name].dim() == 2)
    weights[name] = weights[name][:-1].contiguous()
    save_file(weights, path)


def lead_elsewhere(folder):
    index = folder / "model.safetensors.index.json"
    index.write_text(
        json.dumps({"metadata": {}, "weight_map": {"a": "../../elsewhere.safetensors"}})
    )


FAULTS = [
    (lambda f: (f / "model-00002-of-00003.safetensors").unlink(),
     r"model-00002-of-00003\.safetensors is missing, which model\.safetensors\.index\.json lists"),
    (cut, r"model-00002-of-00003\.safetensors: is truncated or damaged"),
    (lengthen, r"model-00002-of-00003\.safetensors: is truncated or damaged"),
    (lambda f: (f / "model-00001-of-00003.safetensors").write_bytes(b""), "is truncated"),
    (lambda f: (f / "model-00001-of-00003.safetensors").write_bytes(b"\xff" * 64), "is truncated"),
    (lambda f: (f / "model-00001-of-00003.safetensors").write_bytes(
        (8).to_bytes(8, "little") + b"not json"), "no readable header"),
    (lose_a_weight, r"config\.json do not match: .* is missing"),
    (reshape_a_weight, r"model-00001-of-00003\.safetensors and config\.json do not match: .* is \["),
    (lambda f: change_config(f, hidden_size=32), r"do not match: .*config\.json makes it"),
    (lambda f: change_config(f, num_hidden_layers=1, layer_types=None), "config.json has no such layer"),
    (lambda f: change_config(f, num_hidden_layers=3, layer_types=None), r"layers\.2\..* is missing"),
    (lambda f: change_config(f, tie_word_embeddings=False, vocab_size=9), "do not match"),
    (lambda f: change_config(f, num_attention_heads="four"), r"config\.json: no model can be built"),
    (lambda f: (f / "config.json").write_text("{"), r"config\.json: cannot be read"),
    (lambda f: (f / "model.safetensors.index.json").write_text("[]"), r"index\.json: is damaged"),
    (lead_elsewhere, r"index\.json: is damaged"),
    (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer"),
    (lambda f: [p.unlink() for p in f.glob("model*")], "has no weights"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "says"), FAULTS, ids=[says[:30] for _, says in FAULTS])
def test_a_faulty_folder_is_refused_with_the_files_name(folder, fault, says):
    fault(folder)
    with pytest.raises(ModelError, match=says) as caught:
        load_base(str(folder))
    assert str(folder) in caught.value.en
    assert str(folder) in caught.value.zh


def test_a_whole_folder_passes_and_loads(folder):
    check_folder(folder)
    assert load_base(str(folder)).config.num_hidden_layers == 2


def test_old_checkpoints_may_hold_computed_buffers(folder):
    path = folder / "model-00001-of-00003.safetensors"
    extra = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}
    save_file({**load_file(path), **extra}, path)
    check_folder(folder)


def test_a_model_with_pickles_only_is_read_weights_only(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "model")
    weights = {}
    for path in folder.glob("*.safetensors"):
        weights |= load_file(path)
        path.unlink()
    (folder / "model.safetensors.index.json").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    model = load_base(str(folder), dtype="float32")
    assert torch.equal(model.state_dict()["lm_head.weight"], weights["lm_head.weight"])
    data = (folder / "pytorch_model.bin").read_bytes()
    (folder / "pytorch_model.bin").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: is truncated"):
        load_base(str(folder))


def test_a_tokenizer_that_loses_text_is_refused(folder):
    # transformers 5 may rebuild a tokenizer by model type, as a class that finds no text in it.
    state = json.loads((folder / "tokenizer.json").read_text())
    state["model"]["vocab"] = {"<|endoftext|>": 0}
    state["model"]["merges"] = []
    (folder / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(ModelError, match="loses text"):
        load_tokenizer(str(folder))


def test_an_adapter_keeps_the_name_of_its_base(folder):
    assert load_base(str(folder)).name_or_path == str(folder)
