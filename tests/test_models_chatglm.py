"""ChatGLM3 against what its authors' implementation computed (../shared/chatglm3)."""

import copy
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from styledial.models.chatglm.convert import write_weights
from styledial.models.chatglm.weights import to_original

SHARED = Path(os.environ.get("STYLEDIAL_SHARED", Path(__file__).parents[2] / "shared"))
ORACLE = SHARED / "chatglm3"

pytestmark = pytest.mark.skipif(
    not ORACLE.is_dir(), reason=f"the ChatGLM3 oracle is not at {ORACLE} (set STYLEDIAL_SHARED)"
)


@pytest.fixture(scope="module")
def wanted():
    return load_file(ORACLE / "oracle_io.safetensors")


@pytest.fixture(scope="module")
def meta():
    return json.loads((ORACLE / "oracle_meta.json").read_text())


@pytest.fixture(scope="module", params=["hf_bin", "hf_safetensors_sharded"])
def model(request, tmp_path_factory):
    from transformers import AutoModelForCausalLM

    from styledial.models.chatglm.layout import check_is_chatglm3, glm_config

    source = ORACLE / request.param
    target = tmp_path_factory.mktemp(request.param)
    original = json.loads((source / "config.json").read_text())
    check_is_chatglm3(original, source)
    write_weights(source, target, original)
    glm_config(original).save_pretrained(target)
    return AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()


def furthest(a, b):
    return (a - b).abs().max().item()


def test_eps_and_the_other_numbers_that_hardly_show(model):
    # A wrong eps moves the logits by 8.5e-5 only: it has to be asserted, not noticed.
    assert model.config.rms_norm_eps == 1e-5
    assert {layer.input_layernorm.variance_epsilon for layer in model.model.layers} == {1e-5}
    assert model.model.norm.variance_epsilon == 1e-5
    assert model.config.rope_parameters["partial_rotary_factor"] == 0.5
    assert model.config.rope_parameters["rope_theta"] == 10000.0
    assert (model.config.pad_token_id, model.config.eos_token_id) == (0, 2)
    assert not model.config.tie_word_embeddings


@torch.no_grad()
def test_logits(model, wanted):
    assert furthest(model(wanted["input_ids"]).logits, wanted["logits"]) < 1e-5
    assert furthest(model(wanted["long_input_ids"]).logits, wanted["long_logits"]) < 1e-5


@torch.no_grad()
def test_hidden_states(model, wanted):
    hidden = model(wanted["input_ids"], output_hidden_states=True).hidden_states
    for layer in range(3):
        assert furthest(hidden[layer], wanted[f"hidden_{layer}"]) < 1e-5
    # The original's last state comes before its final norm, this one's after it.
    assert furthest(hidden[3], model.model.norm(wanted["hidden_3"])) < 1e-5


@torch.no_grad()
def test_left_padding(model, wanted):
    mask = wanted["leftpad_attention_mask"]
    logits = model(
        wanted["leftpad_input_ids"],
        attention_mask=mask,
        position_ids=wanted["leftpad_position_ids"],
    ).logits
    assert furthest(logits[mask.bool()], wanted["leftpad_logits"][mask.bool()]) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_loses_no_more_than_the_original(model, wanted, dtype):
    theirs = wanted["logits_bf16" if dtype == torch.bfloat16 else "logits_fp16"].float()
    ours = copy.deepcopy(model).to(dtype)(wanted["input_ids"]).logits.float()
    exact = wanted["logits"]
    assert (ours - exact).abs().mean() < 1.1 * (theirs - exact).abs().mean()


def test_loss_and_gradients(model, wanted, meta):
    gradients = load_file(ORACLE / "oracle_grads_original_layout.safetensors")
    model.zero_grad()
    loss = model(wanted["input_ids"], labels=wanted["labels"]).loss
    loss.backward()
    assert abs(loss.item() - meta["loss"]) < 1e-5
    ours = to_original({name: p.grad for name, p in model.named_parameters()})
    assert set(ours) == set(gradients)
    assert max(furthest(ours[name], gradients[name]) for name in gradients) < 1e-6
    norm = torch.sqrt(sum((g.double() ** 2).sum() for g in ours.values()))
    assert norm.item() == pytest.approx(meta["grad_norm"], abs=1e-5)


@torch.no_grad()
def test_greedy_tokens(model, meta):
    prompt = torch.tensor([meta["greedy_prompt"]])
    out = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        eos_token_id=None,
        max_new_tokens=len(meta["greedy_ids"]) - prompt.shape[1],
        pad_token_id=0,
    )
    assert out[0].tolist() == meta["greedy_ids"]


def test_there_and_back_is_the_same_weights(model):
    original = {}
    for path in sorted((ORACLE / "hf_safetensors_sharded").glob("*.safetensors")):
        original |= load_file(path)
    original.pop("transformer.rotary_pos_emb.inv_freq")
    back = to_original(model.state_dict())
    assert set(back) == set(original)
    assert all(torch.equal(back[name], original[name]) for name in original)
