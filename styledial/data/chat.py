"""A base's chat template: how an instruct model is asked, and which tokens end its answer.

    messages -> [quoted] -> template -> ids     its own control tokens are real ones; a control
                                                token that a message writes out stays text

Thinking models answer at once: their templates are asked for that, and where one opens a thought
all the same, the thought is closed. Not every base with a template was taught to answer: those of
Qwen2.5 and Qwen3 bring one, but end a text by <|endoftext|>, not by the <|im_end|> of a turn.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from styledial.data.tokens import control_ids, opening_ids, quoted, rendered_ids, text_ids
from styledial.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": ...}

# What templates ask for: Qwen3, GLM 4.5, SmolLM3 | DeepSeek V3.1, Granite | Seed-OSS. A template
# that knows none of them takes no notice.
_AT_ONCE: dict[str, Any] = {"enable_thinking": False, "thinking": False, "thinking_budget": 0}
# In front of a template that names today's date (Llama 3, SmolLM3), where the same text is wanted
# on every day; a function can't be passed to it from outside.
_ON_ONE_DAY = "{% macro strftime_now(form) %}01 Jan 2025{% endmacro %}"
# Behind a prompt that ends so, this is where the answer begins (R1 and its kind | gpt-oss).
_OPENS = {"<think>": "\n\n</think>\n\n", "<|start|>assistant": "<|channel|>final<|message|>"}
# In place of messages that are to be found again in what a template made of them.
_ASKED, _SAID, _THEN = "\ue000Q\ue000", "\ue000A\ue000", "\ue000Q2\ue000"


def rendered(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    *,
    answer_next: bool,
    **more: Any,
) -> str:
    """The template's text for `messages`, thinking off; with `answer_next` up to where the answer
    begins. `more`: further arguments of the template. Errors of the template are passed on."""
    text = str(
        tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=answer_next, **_AT_ONCE, **more
        )
    )
    if not answer_next:
        return text
    opened = next((each for each in _OPENS if text.rstrip().endswith(each)), None)
    return text.rstrip() + _OPENS[opened] if opened else text


def asked_ids(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """The ids behind which the answer to `messages` begins."""
    talk = [{**each, "content": quoted(tokenizer, each["content"])} for each in messages]
    return rendered_ids(tokenizer, rendered(tokenizer, talk, answer_next=True))


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: str, *, answers: bool) -> list[int]:
    """A prompt's ids: of a text to go on from or, for a model that `answers`, a user's message."""
    if answers:
        return asked_ids(tokenizer, [{"role": "user", "content": prompt}])
    return [*opening_ids(tokenizer), *text_ids(tokenizer, [prompt])]


@dataclass(frozen=True)
class Request:
    """A user's message around a text: the ids before it and behind it, up to the answer."""

    before: tuple[int, ...]
    behind: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, words: str) -> Request:
        """The message `words`, with the text after them."""
        return cls._around(tokenizer, f"{words}{_ASKED}")

    @classmethod
    def bare(cls, tokenizer: PreTrainedTokenizerBase) -> Request | None:
        """The whole message, to be written by the model; None where that can't be told from the
        rest: without a template, or where no control token ends the message in it."""
        if not tokenizer.chat_template:
            return None
        try:
            dated = _ON_ONE_DAY + tokenizer.get_chat_template()
            found = cls._around(tokenizer, _ASKED, chat_template=dated)
        except Exception:  # a template is a program; it may want other turns than this one
            return None
        ended = not control_ids(tokenizer).isdisjoint(found.behind)
        return found if ended and found.before else None

    @classmethod
    def _around(cls, tokenizer: PreTrainedTokenizerBase, content: str, **more: Any) -> Request:
        message = {"role": "user", "content": content}
        before, behind = rendered(tokenizer, [message], answer_next=True, **more).split(_ASKED)
        return cls(*(tuple(rendered_ids(tokenizer, each)) for each in (before, behind)))


def turn_ends(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end an answer in the tokenizer's chat template: the first control token
    behind it, where it is the last message and where a question follows. None where the template
    puts no such token there, or there is no template."""
    if not tokenizer.chat_template:
        return frozenset()
    talk = [{"role": "user", "content": _ASKED}, {"role": "assistant", "content": _SAID}]
    controls, ends = control_ids(tokenizer), set()
    for then in ([], [{"role": "user", "content": _THEN}]):
        try:
            text = rendered(tokenizer, [*talk, *then], answer_next=False)
        except Exception:  # a template is a program; it may want other turns than these
            continue
        behind = text.rpartition(_SAID)[2].partition(_THEN)[0]
        ids = tokenizer(behind, add_special_tokens=False)["input_ids"] if behind else []
        ends.update([each for each in ids if each in controls][:1])
    return frozenset(ends)


def was_taught_to_answer(tokenizer: PreTrainedTokenizerBase, ends: Collection[int]) -> bool:
    """Whether a model that ends its texts by one of `ends` is an instruct model: it has a chat
    template, and ends a turn of it by one of them."""
    if not tokenizer.chat_template or not takes_a_message(tokenizer):
        return False
    of_turn = turn_ends(tokenizer)
    return not of_turn or not of_turn.isdisjoint(ends)


def takes_a_message(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the template renders one message of a user's, which is how prompts are put."""
    try:
        rendered(tokenizer, [{"role": "user", "content": "x"}], answer_next=True)
    except Exception:  # a template is a program; it may want other turns than this one
        return False
    return True


def check_template(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Raises ModelError for a chat template that can't be read as one."""
    from jinja2 import TemplateSyntaxError

    if not tokenizer.chat_template:
        return
    try:
        tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)
    except TemplateSyntaxError as error:
        raise ModelError(
            f"model.model_name_or_path: the chat template of {name} is damaged ({error.message}, "
            f"line {error.lineno}). Restore chat_template.jinja or tokenizer_config.json.",
            f"model.model_name_or_path：{name} 的对话模板已损坏（第 {error.lineno} 行："
            f"{error.message}）。请恢复 chat_template.jinja 或 tokenizer_config.json。",
        ) from None
    except Exception:  # it wants other messages than this one
        return
