"""The six as published: their parameters are counted, not believed."""

import pytest
import torch
from tiny_models import GUIDE

from styledial.models.registry import MODELS, known, on_hugging_face, on_modelscope


@pytest.mark.parametrize("model", MODELS, ids=GUIDE)
def test_the_configuration_has_the_stated_parameters_and_lora_layers(model):
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(model.model_type, **model.config)
    for key, value in model.config.items():
        if key != "rope_parameters":
            assert getattr(config, key) == value, key
    assert config.rope_parameters["rope_theta"] == model.config["rope_parameters"]["rope_theta"]
    with torch.device("meta"):
        built = AutoModelForCausalLM.from_config(config)
    assert sum(p.numel() for p in built.parameters()) == model.parameters
    layers = {
        name.rpartition(".")[2]
        for name, m in built.named_modules()
        if isinstance(m, torch.nn.Linear)
    }
    assert layers == {*model.lora_layers, "lm_head"}


def test_the_guides_six_in_its_order():
    assert GUIDE == [
        "Qwen/Qwen2.5-1.5B",
        "Qwen/Qwen2.5-7B",
        "Qwen/Qwen2.5-14B",
        "THUDM/chatglm3-6b",
        "meta-llama/Llama-3-8B",
        "mistralai/Mistral-7B-v0.1",
    ]


@pytest.mark.parametrize(
    ("name", "hugging_face", "modelscope"),
    [
        ("meta-llama/Llama-3-8B", "meta-llama/Meta-Llama-3-8B", "LLM-Research/Meta-Llama-3-8B"),
        (
            "meta-llama/Meta-Llama-3-8B",
            "meta-llama/Meta-Llama-3-8B",
            "LLM-Research/Meta-Llama-3-8B",
        ),
        ("zai-org/chatglm3-6b", "THUDM/chatglm3-6b", "ZhipuAI/chatglm3-6b"),
        ("qwen/qwen2.5-7b", "Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
        ("Mistral-7B-v0.1", "mistralai/Mistral-7B-v0.1", "AI-ModelScope/Mistral-7B-v0.1"),
        ("someone/else", "someone/else", "someone/else"),
    ],
)
def test_names_on_both_hubs(name, hugging_face, modelscope):
    assert (on_hugging_face(name), on_modelscope(name)) == (hugging_face, modelscope)


def test_only_llama_3_is_gated():
    assert [model.name for model in MODELS if model.gated] == ["meta-llama/Llama-3-8B"]
    assert known("Llama-3-8B").page == "https://huggingface.co/meta-llama/Meta-Llama-3-8B"
    assert known("meta-llama/Llama-3-70B") is None
