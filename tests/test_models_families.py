"""Newer families load by the same path; what can't be trained is refused."""

import json

import pytest
import torch
from marks import slow_but
from rehearsal import rehearse
from tiny_models import TEXT, build, spread

from styledial.errors import ModelError
from styledial.models.classes import with_attention
from styledial.models.frozen import frozen
from styledial.models.load import load_base
from styledial.models.policy import with_lora
from styledial.models.support import TESTED, check_behaviour, refusal

LLAMA31 = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip
FAMILIES = {
    "Qwen/Qwen2.5-7B-Instruct": ("qwen2", {}),
    "Qwen/Qwen3-8B": ("qwen3", {"head_dim": 32}),
    "meta-llama/Llama-3.1-8B": ("llama", {"rope_parameters": LLAMA31}),
    "meta-llama/Llama-3.2-1B": ("llama", {"rope_parameters": LLAMA31, "tie_word_embeddings": True}),
    "01-ai/Yi-1.5-6B": ("llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 5e6}}),
    "zai-org/GLM-4-9B-0414": ("glm4", {"head_dim": 16, "attention_bias": False}),
    "google/gemma-3-1b-pt": ("gemma3_text", {"head_dim": 32, "sliding_window": 16}),
}


@pytest.mark.parametrize("name", slow_but(FAMILIES, "google/gemma-3-1b-pt"))
def test_newer_families_go_the_whole_way(name, tmp_path):
    books = tmp_path / "books"
    books.mkdir()
    (books / "book.txt").write_text(TEXT * 3, encoding="utf-8")
    kind, changes = FAMILIES[name]
    base = build(name, tmp_path / "base", kind=kind, **changes)
    figures = rehearse(name, base, tmp_path, books)
    assert figures.fresh_kl == 0.0
    assert figures.nll_after < figures.nll_before
    assert figures.merge_gap < 1e-4
    assert figures.round_trip
    assert kind in TESTED


REFUSED = [
    ("qwen2", {"quantization_config": {"quant_method": "gptq"}}, "quantised .gptq.*load_in_4bit"),
    ("t5", {"is_encoder_decoder": True}, "encoder-decoder"),
    ("no_such_type", {}, "no causal language model of type no_such_type"),
    (None, {}, "no model_type"),
]


@pytest.mark.parametrize(("kind", "config", "says"), REFUSED, ids=[s[:20] for *_, s in REFUSED])
def test_what_cannot_be_trained_is_refused_from_its_config(kind, config, says, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, **config}))
    with pytest.raises(ModelError, match=says) as caught:
        load_base(str(tmp_path))
    assert str(tmp_path) in caught.value.zh


def test_remote_code_is_only_for_those_who_ask():
    config = {"model_type": "its_own", "auto_map": {"AutoModelForCausalLM": "modeling.X"}}
    assert "trust_remote_code" in refusal(config)[0]
    assert refusal(config, trust_remote_code=True) is None


def behaviour(model):
    check_behaviour(model.eval(), "this model")


def random_model(kind, **changes):
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=64, **{**SIZES, **changes})
    model = AutoModelForCausalLM.from_config(config)
    spread(model)
    return model


SIZES = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip


def test_a_head_that_is_not_known_shows_in_behaviour():
    """A family of tomorrow whose logits are more than a cap, a scale and a bias."""
    model = random_model("olmo2", pad_token_id=1)
    behaviour(model)
    model.lm_head.register_forward_hook(lambda module, args, logits: logits.abs())
    with pytest.raises(ModelError, match="not a function of the last hidden states"):
        behaviour(model)


def test_a_model_that_sees_what_comes_is_refused():
    """BERT as a decoder of text sees both sides unless its config says otherwise."""
    with pytest.raises(ModelError, match="sees those after it"):
        behaviour(random_model("bert", is_decoder=False))


# Where families keep what is random in training: a module's own number, the configuration, a
# mixture's router, whole layers left out.
RANDOM = {
    "opt": {"dropout": 0.1, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "starcoder2": {"residual_dropout": 0.1, "embedding_dropout": 0.1, "num_key_value_heads": 2},
    "falcon": {"hidden_dropout": 0.1, "attention_dropout": 0.1},
    "phimoe": {"router_jitter_noise": 0.01, "input_jitter_noise": 0.01, "num_key_value_heads": 2},
    "biogpt": {"layerdrop": 0.5, "hidden_dropout_prob": 0.1},
    "gpt2": {"resid_pdrop": 0.1, "n_embd": 32, "n_layer": 2, "n_head": 4},
}


@pytest.mark.parametrize("kind", RANDOM)
def test_nothing_in_the_base_is_random_while_it_trains(kind):
    """OPT and Starcoder2 were trained against a reference with another dropout in each pass."""
    model = random_model(kind, pad_token_id=1, **RANDOM[kind])
    model.base_model.quantiser = torch.nn.Identity()
    model.base_model.quantiser.config = {"dropout": 0.1}  # of whatever kind: not the model's own
    behaviour(frozen(model))
    policy = with_lora(model, r=2, lora_alpha=4, lora_dropout=0.0, target_modules="all-linear")
    policy.train()
    ids = torch.arange(5, 29).unsqueeze(0)
    assert torch.equal(policy(ids), policy.reference(ids))


def test_logits_in_fp32_of_weights_in_bf16_are_known():
    """Mamba 2 gives them so; it was refused wherever a GPU computes in bf16."""
    model = random_model("olmo2", pad_token_id=1).bfloat16()
    model.lm_head.register_forward_hook(lambda module, args, logits: logits.float())
    behaviour(model)


def test_a_model_that_stays_random_is_refused():
    model = random_model("olmo2", pad_token_id=1)
    mlp = model.model.layers[0].mlp
    mlp.register_forward_hook(
        lambda module, args, out: out + torch.randn(out.shape) * module.training
    )
    with pytest.raises(ModelError, match="training mode its outputs are random"):
        behaviour(model)


@pytest.mark.parametrize(("cap", "taken"), [(50.0, "eager"), (None, "sdpa")])
def test_scores_that_are_capped_are_not_left_to_sdpa(cap, taken, monkeypatch) -> None:
    """transformers 5.12 took it for Gemma 2 and left the cap out: log-probabilities 0.009 off."""
    from transformers import Gemma2Config

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = Gemma2Config(attn_logit_softcapping=cap)
    chosen = with_attention(lambda attn_implementation: attn_implementation, "sdpa", config)
    assert chosen == taken
