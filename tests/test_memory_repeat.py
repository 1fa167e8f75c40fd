"""Layers of one kind traced once: the same trace as of the whole model, event by event."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest
import torch
from real_updates import small_config
from transformers import AutoConfig

from styledial.memory.rehearse import rehearse, rows_of
from styledial.memory.repeat import Irregular, with_layers
from styledial.memory.second import Accumulated, add_second
from styledial.memory.shorten import Repeat, find_repeat
from styledial.memory.skeleton import build_skeleton
from styledial.memory.trace import Event, Storage, Trace
from styledial.models.configuration import model_config

_SIZES = {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 12,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
_ALTERNATING = {"layer_types": ["sliding_attention", "full_attention"] * 6}
MODELS = {
    "qwen2": ("qwen2", {}),
    "llama": ("llama", {}),
    "glm4": ("glm4", {}),
    "gpt_neox": ("gpt_neox", {}),
    "gemma3": ("gemma3_text", _ALTERNATING),
    "gemma3, three kinds": ("gemma3_text", {
        "num_hidden_layers": 16,
        "layer_types": ["full_attention", *["sliding_attention", "sliding_attention",
                                            "full_attention"] * 5]}),
}  # fmt: skip
# (model, rows of several texts, on a GPU, settings)
CASES = {
    "qwen2": ("qwen2", False, True, []),
    "on a CPU, packed": ("qwen2", True, False, []),
    "no checkpointing": ("qwen2", False, True, ["gradient_checkpointing=false"]),
    "every second layer": ("qwen2", True, True, ["gradient_checkpointing=every_second"]),
    "all weights": ("qwen2", False, True, ["use_peft=false"]),
    "all weights, no checkpointing": (
        "qwen2", False, True, ["use_peft=false", "gradient_checkpointing=false"]),
    "4 bits": ("qwen2", False, True, ["load_in_4bit=true"]),
    "8 bits": ("qwen2", False, True, ["load_in_8bit=true"]),
    "without KL": ("qwen2", False, True, ["kl_mode=off"]),
    "accumulation": ("qwen2", False, True, ["gradient_accumulation_steps=4"]),
    "without KL, accumulation": (
        "qwen2", True, True, ["kl_mode=off", "gradient_accumulation_steps=4"]),
    "all weights, accumulation": (
        "qwen2", False, True, ["use_peft=false", "gradient_accumulation_steps=4"]),
    "4 bits, accumulation": (
        "qwen2", True, True, ["load_in_4bit=true", "gradient_accumulation_steps=4"]),
    "KL on half of the rows": ("qwen2", False, True, ["training.kl_rows=0.5"]),
    "no anchor, dropout": ("qwen2", False, True, ["data.anchor=off", "lora_dropout=0.1"]),
    "DoRA": ("qwen2", False, True, ["use_dora=true"]),
    "eager attention": ("qwen2", False, True, ["attn_implementation=eager"]),
    "two layers adapted": ("qwen2", False, True, ["lora_target_modules=[q_proj,v_proj]"]),
    "llama": ("llama", True, True, []),
    "glm4": ("glm4", False, True, []),
    "gpt_neox": ("gpt_neox", False, True, []),
    "gemma3": ("gemma3", False, True, []),
    "gemma3, every second layer": ("gemma3", False, True, ["gradient_checkpointing=every_second"]),
    "gemma3, three kinds, no checkpointing": (
        "gemma3, three kinds", False, True, ["gradient_checkpointing=false"]),
}  # fmt: skip


@pytest.mark.slow  # what is planned is measured: test_memory_plan.py
@pytest.mark.parametrize("name", CASES)
def test_the_short_trace_is_the_whole_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, packed, on_gpu, settings = CASES[name]
    kind, changes = MODELS[model]
    AutoConfig.for_model(kind, **{**_SIZES, **changes}).save_pretrained(tmp_path)
    config = small_config(tmp_path, *settings)
    expanded = []

    def told(trace: Trace, repeat: Repeat) -> Trace:
        expanded.append(repeat)
        return with_layers(trace, repeat)

    monkeypatch.setattr("styledial.memory.repeat.with_layers", told)
    short, whole = (
        rehearse(
            config,
            model_config(str(tmp_path)),
            dtype=torch.float32,
            on_gpu=on_gpu,
            rows=rows_of(config),
            packed=packed,
            whole=whole,
        )
        for whole in (False, True)
    )
    assert len(expanded) == 1
    assert expanded[0].left_out
    assert in_order(short) == in_order(whole)
    assert described(short) == described(whole)
    assert sum(short.flops.values()) == sum(whole.flops.values())
    assert sum(short.micro_flops.values()) == sum(whole.micro_flops.values()) > 0


def in_order(trace: Trace) -> list[list[tuple[int, int]]]:
    """Stretches of storages that come, and of some that go. In which order those go between two
    that come is all the same to an allocator; Python leaves it open where many go at once."""
    stretches = groupby(((e.id, e.size) for e in trace.events), key=lambda event: event[1] > 0)
    return [list(found) if comes else sorted(found) for comes, found in stretches]


def described(trace: Trace) -> list[tuple[int, str, str, str]]:
    return [(s.size, s.phase, s.operation, s.kind) for s in trace.storages]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("a" * 6, None),
        ("a" * 7, Repeat(2, 1, 1)),
        ("a" * 48, Repeat(2, 1, 42)),
        ("ab" * 5, Repeat(2, 2, 1)),
        ("ab" * 5 + "a", Repeat(2, 2, 1)),
        ("daaaaaaaa", Repeat(3, 1, 2)),
        ("aaaaaaaaz", Repeat(2, 1, 2)),
        ("aaaaab" * 10, Repeat(6, 6, 6)),
        ("abcdefgh", None),
        ("", None),
    ],
)
def test_layers_that_can_be_left_out(kinds: str, expected: Repeat | None) -> None:
    found = find_repeat(kinds)
    assert found == expected
    if found:
        kept = len(kinds) - found.left_out
        assert kept >= found.first + 2 * found.period + max(found.period, 2)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([], Repeat(2, 1, 6)),
        (["gradient_checkpointing=every_second"], Repeat(2, 2, 2)),
        (["lora_target_modules=[q_proj,v_proj]"], Repeat(2, 1, 6)),
        # Layers of some numbers alone have an adapter.
        (["lora_target_modules=.*layers[.][2-5][.].*q_proj"], None),
        (["lora_target_modules=[layers.3.self_attn.q_proj]"], None),
    ],
)
def test_what_is_left_out(settings: list[str], expected: Repeat | None, tmp_path: Path) -> None:
    AutoConfig.for_model("qwen2", **_SIZES).save_pretrained(tmp_path)
    shape = model_config(str(tmp_path))
    config = small_config(tmp_path, *settings)
    policy, found = build_skeleton(config, shape, torch.float32, short=True)
    assert found == expected
    left = 12 - (found.left_out if found else 0)
    assert len(policy.causal_lm.model.layers) == policy.causal_lm.config.num_hidden_layers == left
    assert shape.num_hidden_layers == 12


def test_a_layer_with_events_of_its_own_is_noticed() -> None:
    """What looks alike and isn't: the trace is not expanded."""
    layers = [layer for layer in range(6) for _ in range(2)]
    trace = Trace(1)
    for number, layer in enumerate(layers):
        size = 100 if number != 6 else 101
        trace.storages.append(Storage(size, "forward", "mm", "activations", layer=layer))
        trace.events.append(Event(number, size, layer))
    with pytest.raises(Irregular):
        with_layers(trace, Repeat(2, 1, 3))
    trace.storages[6].size, trace.events[6] = 100, Event(6, 100, 3)
    assert len(with_layers(trace, Repeat(2, 1, 3)).storages) == 18


def test_a_micro_batch_that_leaves_more_than_gradients_stands_for_no_second() -> None:
    storages = [Storage(512, "forward", "aten.mm", kind) for kind in ("gradients", "activations")]
    left = Trace(events=[Event(0, 512), Event(1, 512)], storages=list(storages))
    gradient = Accumulated(0, 1, None)
    assert not add_second(left, 0, [gradient])
    assert len(left.events) == 2
    freed = Trace(events=[*left.events, Event(1, -512)], storages=storages)
    assert add_second(freed, 0, [gradient])
    sizes = [(event.id, event.size) for event in freed.events[3:]]
    assert sizes == [(2, 512), (2, -512), (3, 512), (3, -512)]
