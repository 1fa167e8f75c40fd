"""Continuing a prompt with the base or with base + adapter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from styledial.data.tokens import continuation, opening_ids, text_ids
from styledial.distributed.sharded_tensors import model_is_sharded
from styledial.language import say
from styledial.models.limits import check_ids
from styledial.progress import stage

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@torch.no_grad()
def continue_text(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    *,
    max_new_tokens: int = 200,
    seed: int = 42,
    temperature: float = 0.8,
    top_p: float = 0.95,
    repetition_penalty: float = 1.05,
) -> str:
    """The text that `model` writes after `prompt` (the prompt itself is not returned).

    The same seed gives the same text on the same device. temperature 0 takes the likeliest
    token each time.
    """
    before = [*opening_ids(tokenizer), *text_ids(tokenizer, [prompt])]
    rows = model.get_input_embeddings().weight.shape[0]
    check_ids([("--prompt", max(before, default=-1))], rows, tokenizer, model.name_or_path)
    input_ids = torch.tensor([before], dtype=torch.long, device=model.device)
    sampling = (
        {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
        if temperature > 0
        else {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    )
    was_training = model.training
    model.eval()
    words = say("writing", "续写")
    with torch.random.fork_rng(), counting(len(before), max_new_tokens, words) as count:
        torch.manual_seed(seed)
        ids = model.generate(
            input_ids=input_ids,
            attention_mask=torch.ones_like(input_ids),
            stopping_criteria=count,
            max_new_tokens=max_new_tokens,
            repetition_penalty=repetition_penalty,
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
            use_cache=True,
            synced_gpus=model_is_sharded(model),  # nobody ends early: all gather each layer
            **sampling,
        )
    model.train(was_training)
    return continuation(tokenizer, before, ids[0, len(before) :].tolist())


@contextmanager
def counting(opening: int, tokens: int, words: str = "") -> Iterator[list[Any]]:
    """A stage for `generate(stopping_criteria=...)` of `tokens` new tokens after `opening`: what it
    gives counts them, and stops nothing."""
    with stage(words, tokens) as at:

        def count(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            at(ids.shape[1] - opening)
            return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

        yield [count]
