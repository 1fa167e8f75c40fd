"""Continuing a prompt with the base or with base + adapter."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from styledial.data.chat import prompt_ids, takes_a_message, turn_ends, was_taught_to_answer
from styledial.data.tokens import continuation
from styledial.distributed.sharded_tensors import model_is_sharded
from styledial.errors import ModelError
from styledial.language import say
from styledial.models.evaluating import evaluating
from styledial.models.limits import check_ids
from styledial.progress import stage

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Sampling:
    """How a text is written; temperature 0 takes the likeliest token each time."""

    max_new_tokens: int = 200
    seed: int = 42
    temperature: float = 0.8
    top_p: float = 0.95
    repetition_penalty: float = 1.05

    def options(self) -> dict[str, Any]:
        """As transformers' generate takes them."""
        chosen: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None}
        if self.temperature > 0:
            chosen = {"do_sample": True, "temperature": self.temperature, "top_p": self.top_p}
        return {
            **chosen,
            "top_k": 0 if self.temperature > 0 else None,
            "max_new_tokens": self.max_new_tokens,
            "repetition_penalty": self.repetition_penalty,
        }


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids at which writing ends: those of generation_config.json, the tokenizer's own and the
    ends of a turn in its chat template. A model may have none."""
    return sorted({*_own_ends(model, tokenizer), *turn_ends(tokenizer)})


def answers_by_template(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: str = "auto"
) -> bool:
    """Whether a prompt is a user's message to this model, not a text to go on from: as `asked`,
    on or off, or by whether it was taught to answer. Always off without a chat template. Raises
    ModelError where `on` is asked of a template that takes no single message."""
    if asked == "off" or not tokenizer.chat_template:
        return False
    if asked == "on" and not takes_a_message(tokenizer):
        raise ModelError(
            "model.chat: on, but the base's chat template refuses a single message of a user's; "
            "write model.chat: off.",
            "model.chat 为 on，但基座的对话模板不接受单条用户消息；请写 model.chat: off。",
        )
    return asked == "on" or was_taught_to_answer(tokenizer, _own_ends(model, tokenizer))


def text_ends(model: PreTrainedModel) -> list[int]:
    """The ids that end a text by generation_config.json; a model may have several, or none."""
    ends = model.generation_config.eos_token_id
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)


def _own_ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    own = tokenizer.eos_token_id
    return {*text_ends(model), *([] if own is None else [own])}


def continue_text(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    how: Sampling,
    *,
    answers: bool = False,
) -> str:
    """The text that `model` writes after `prompt` (the prompt itself is not returned), or that it
    `answers` to it. The same seed gives the same text on the same device."""
    return continue_ids(model, tokenizer, prompt_ids(tokenizer, prompt, answers=answers), how)


def continue_ids(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    before: list[int],
    how: Sampling,
    **watching: Any,
) -> str:
    """The text after the ids `before`; `watching`: a streamer, stopping criteria."""
    return continuation(tokenizer, before, _written(model, tokenizer, before, how, **watching))


@torch.no_grad()
def _written(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    before: list[int],
    how: Sampling,
    **watching: Any,
) -> list[int]:
    rows = model.get_input_embeddings().weight.shape[0]
    check_ids([("--prompt", max(before, default=-1))], rows, tokenizer, model.name_or_path)
    input_ids = torch.tensor([before], dtype=torch.long, device=model.device)
    words = say("writing", "续写")
    with (
        evaluating(model),
        torch.random.fork_rng(),
        counting(len(before), how.max_new_tokens, words) as count,
    ):
        torch.manual_seed(how.seed)
        watching["stopping_criteria"] = [*count, *watching.get("stopping_criteria", ())]
        with _finite(model):
            ids = model.generate(
                input_ids=input_ids,
                attention_mask=torch.ones_like(input_ids),
                pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
                eos_token_id=end_tokens(model, tokenizer) or None,
                use_cache=True,
                synced_gpus=model_is_sharded(model),  # no rank ends early: all gather each layer
                **how.options(),
                **watching,
            )
    written: list[int] = ids[0, len(before) :].tolist()
    return written


@contextmanager
def _finite(model: PreTrainedModel) -> Iterator[None]:
    """Sampling from NaN is a RuntimeError on a CPU; ModelError says where it comes from."""
    try:
        yield
    except RuntimeError as error:
        if "probability tensor" not in str(error):
            raise
        name = model.name_or_path
        raise ModelError(
            f"{name}: gives non-finite values (NaN or infinity) for a text. Its weights are "
            "damaged, or float16 is too narrow for them: restore them from their source, or set "
            "model.dtype to bfloat16 or float32.",
            f"{name}：对文本给出 NaN 或无穷大。权重已损坏，或 float16 的范围不够："
            "请从原处恢复权重，或把 model.dtype 设为 bfloat16 或 float32。",
        ) from None


def streamed_ids(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, before: list[int], how: Sampling
) -> Iterator[str]:
    """The pieces of what `continue_ids` gives, as they are written, by a thread of its own.

    A piece never ends within a character. Where the caller stops, so does the writing.
    """
    tokens: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    stream = TokenStream(len(before), tokens.put)
    thread = threading.Thread(target=stream.run, args=(model, tokenizer, before, how), daemon=True)
    thread.start()
    text = GrowingText(tokenizer, before)
    try:
        while (token := tokens.get()) is not None:
            if piece := text.add(token):
                yield piece
    finally:
        stream.left.set()
        thread.join()
    if stream.error:
        raise stream.error


class GrowingText:
    """The text of ids that come one by one behind `before`."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, before: list[int]) -> None:
        self._tokenizer, self._before = tokenizer, before
        self._ids: list[int] = []
        self._shown = ""

    def add(self, token: int) -> str:
        """What this token adds; nothing as long as a character isn't whole."""
        self._ids.append(token)
        text = continuation(self._tokenizer, self._before, self._ids)
        if not text.startswith(self._shown):
            return ""
        piece, self._shown = text[len(self._shown) :], text
        return piece


class TokenStream:
    """transformers' streamer and stopping criterion in one: `take` gets each new token, None last.

    `between` is called after each token, by the thread that writes. Set `left` to stop it.
    """

    def __init__(
        self,
        opening: int,
        take: Callable[[int | None], None],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self.left = threading.Event()
        self.error: BaseException | None = None
        self._opening, self._take, self._between = opening, take, between

    def run(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        before: list[int],
        how: Sampling,
    ) -> None:
        """Write; what goes wrong is kept in `error`, for the thread that reads to raise."""
        try:
            _written(model, tokenizer, before, how, streamer=self, stopping_criteria=[self._stop])
        except BaseException as error:
            self.error = error
        finally:
            self._take(None)

    def put(self, ids: torch.Tensor) -> None:
        """Called first with the prompt, then with each token."""
        new = ids.flatten().tolist()
        skipped, self._opening = min(self._opening, len(new)), max(self._opening - len(new), 0)
        for token in new[skipped:]:
            self._take(token)

    def end(self) -> None:
        """The end is said by `run`, after an error too."""

    def _stop(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        self._between()
        return torch.full((len(ids),), self.left.is_set(), dtype=torch.bool, device=ids.device)


@contextmanager
def counting(opening: int, tokens: int, words: str = "") -> Iterator[list[Any]]:
    """A stage for `generate(stopping_criteria=...)` of `tokens` new tokens after `opening`: what it
    gives counts them, and stops nothing."""
    with stage(words, tokens) as at:

        def count(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            at(ids.shape[1] - opening)
            return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

        yield [count]
