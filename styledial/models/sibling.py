"""Whether an adapter's weights fit another model: one of its base's shape and vocabulary.

What was learnt on a base goes over to a sibling that was tuned from it, such as its instruct model
(StyleAdaptedLM, arXiv 2507.18294). Settings of config.json, the adapter's own matrices and the
tokenizer have to be alike; its chat template and special tokens may differ.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from styledial.data.texts import ASSETS
from styledial.errors import ModelError
from styledial.models.attach import shapes_of
from styledial.models.classes import auto_class, with_attention
from styledial.models.configuration import model_config
from styledial.models.identity import Base
from styledial.models.load import load_tokenizer
from styledial.models.locate import find_base, ready_folder
from styledial.models.policy import quiet_peft

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Words = tuple[str, str]  # in English and Chinese
# What decides how weights are read. Positions, such as rope_theta, may differ: long-context
# siblings change them.
_SETTINGS = (
    "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "intermediate_size", "vocab_size",
)  # fmt: skip


def first_difference(adapter: Path, base: Base, other: str) -> Words | None:
    """The first way in which `other` isn't shaped as the base of `adapter`; None where it is.

    The base itself need not be here any more: the adapter's matrices and tokenizer say most of
    it. Reads `other`'s configuration, tokenizer and the headers of its weights; downloads it where
    it isn't here. Raises ModelError where `other` isn't available or can't be trained, AdapterError
    for a damaged adapter.
    """
    trusted = bool(base.loading.get("trust_remote_code"))
    ready_folder(other, trust_remote_code=trusted)
    if found := difference_in_shape(adapter, base, other):
        return found
    own = base.model if _is_here(base.model) else str(adapter)
    tokenizers = [load_tokenizer(each, trust_remote_code=trusted) for each in (own, other)]
    return _of_tokenizers(*tokenizers)


def difference_in_shape(adapter: Path, base: Base, other: str) -> Words | None:
    """As `first_difference`, by the configuration alone: nothing else of `other` is downloaded."""
    trusted = bool(base.loading.get("trust_remote_code"))
    shape = model_config(other, trust_remote_code=trusted)
    own = model_config(base.model, trust_remote_code=trusted) if _is_here(base.model) else None
    found = _of_settings(own, shape) if own else _of_layers(adapter, shape, trusted)
    return found or _of_matrices(adapter, shape, trusted)


def _is_here(name: str) -> bool:
    try:
        return Path(find_base(name)).exists()
    except ModelError:
        return False


def _of_settings(own: PretrainedConfig, other: PretrainedConfig) -> Words | None:
    for key in _SETTINGS:
        before, now = (getattr(each.get_text_config(), key, None) for each in (own, other))
        if before != now:
            return (
                f"its {key} is {now}, that of the adapter's base is {before}",
                f"其 {key} 为 {now}，而适配器的基座为 {before}",
            )
    return None


def _of_layers(adapter: Path, shape: PretrainedConfig, trusted: bool) -> Words | None:
    """Of layers that `shape` has beyond those of the adapter: all of a kind are adapted, or none.
    For a base that is gone, whose number of layers only the adapter tells."""
    held = {_layer_of(name) for name in shapes_of(adapter)}
    kinds = {re.sub(r"\d+", "N", layer) for layer in held}
    for name, _ in _without_memory(shape, trusted).named_modules():
        if name not in held and re.sub(r"\d+", "N", name) in kinds:
            return (
                f"its layer {name} has no counterpart in the adapter",
                f"其 {name} 层在适配器中没有对应",
            )
    return None


def _of_matrices(adapter: Path, shape: PretrainedConfig, trusted: bool) -> Words | None:
    """Of the adapter's matrices and those that it would have on `shape`, by PEFT's names."""
    held = shapes_of(adapter)
    try:
        wanted = _matrices_on(adapter, shape, trusted)
    except ValueError as error:  # none of the adapter's layers is there
        reason = str(error).strip().split("\n")[0][:200].rstrip(".")
        return f"the adapter's layers aren't in it ({reason})", f"没有适配器所需的层（{reason}）"
    for name in held:
        layer = _layer_of(name)
        if name not in wanted:
            return f"it has no layer {layer}", f"没有 {layer} 层"
        if held[name] != wanted[name]:
            inputs = "lora_A" in name or "lora_embedding_A" in name
            en, zh = ("inputs", "输入") if inputs else ("outputs", "输出")
            before, now = (shapes[name][-1 if inputs else 0] for shapes in (held, wanted))
            return (
                f"its layer {layer} has {now} {en}, that of the adapter's base {before}",
                f"其 {layer} 层的{zh}为 {now}，而适配器的基座为 {before}",
            )
    return None


def _layer_of(name: str) -> str:
    """base_model.model.model.layers.0.mlp.up_proj.lora_A.weight -> model.layers.0.mlp.up_proj"""
    return name.removeprefix("base_model.model.").partition(".lora_")[0]


def _matrices_on(
    adapter: Path, shape: PretrainedConfig, trusted: bool
) -> dict[str, tuple[int, ...]]:
    """Shapes of the adapter's weights on a model of `shape`."""
    import torch

    with quiet_peft():
        from peft import PeftConfig, get_peft_model, get_peft_model_state_dict

    model = _without_memory(shape, trusted)
    settings = PeftConfig.from_pretrained(str(adapter))
    settings.base_model_name_or_path = None  # PEFT would warn of the other base
    with torch.device("meta"), quiet_peft():
        tuned = get_peft_model(model, settings)
        weights = get_peft_model_state_dict(tuned, save_embedding_layers=False)
    return {name: tuple(weight.shape) for name, weight in weights.items()}


def _without_memory(shape: PretrainedConfig, trusted: bool) -> PreTrainedModel:
    import torch

    with torch.device("meta"):
        make = partial(auto_class(shape).from_config, shape, trust_remote_code=trusted)
        return with_attention(make, "sdpa", shape)


def _of_tokenizers(own: PreTrainedTokenizerBase, other: PreTrainedTokenizerBase) -> Words | None:
    """Of the ids of ordinary tokens, and of texts; special tokens may have other names."""
    before, now = own.get_vocab(), other.get_vocab()
    special = {*own.get_added_vocab(), *other.get_added_vocab()}
    for token in sorted({*before, *now} - special):
        if before.get(token) != now.get(token):
            return (
                f"its tokenizer has the id {now.get(token)} for {token!r}, that of the adapter's "
                f"base {before.get(token)}",
                f"其分词器中 {token!r} 的编号为 {now.get(token)}，"
                f"而适配器的基座为 {before.get(token)}",
            )
    for path in sorted(ASSETS.glob("*/*.txt")):
        text = path.read_text(encoding="utf-8")[:2000]
        ids = [each(text, add_special_tokens=False)["input_ids"] for each in (own, other)]
        if ids[0] != ids[1]:
            return "its tokenizer cuts texts otherwise", "其分词器切分文本的方式不同"
    return None
