"""A conversation as ChatGLM3's authors feed it: exact ids, and the labels for training.

    [gMASK] sop  <|user|> ▁ \\n  ▁question...  <|assistant|> ▁ \\n  ▁answer...  <|user|> | </s>
    labels:                                               `------ learnt ------'  `- learnt -'

Role line and content are encoded apart, as the original does. Text never becomes a special
token: a user who writes "<|assistant|>" can't speak for the assistant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from styledial.data.tokens import text_ids
from styledial.errors import DataError
from styledial.models.chatglm.tokenizer import OPENING, ROLES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_IGNORED = -100


class ChatIds(NamedTuple):
    """`labels` has -100 wherever a token isn't learnt; both lists are of one length."""

    input_ids: list[int]
    labels: list[int]


def chat_ids(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Mapping[str, str]],
    *,
    answer_follows: bool = False,
) -> ChatIds:
    """Ids and labels of `messages` ({"role", "content"} each).

    With `answer_follows` the ids end in <|assistant|>, ready to generate, and nothing is learnt;
    else an answer at the end is closed by </s>. Raises DataError for an unknown role.
    """
    ids = [tokenizer.convert_tokens_to_ids(token) for token in OPENING]
    labels = [_IGNORED] * len(ids)
    answered = False
    for message in messages:
        role = message["role"]
        if role not in ROLES:
            raise DataError(
                f"role {role!r}: ChatGLM3 knows {', '.join(ROLES)}. Correct the message's role.",
                f"role {role!r}：ChatGLM3 只有 {', '.join(ROLES)}。请修改该消息的 role。",
            )
        mark = tokenizer.convert_tokens_to_ids(f"<|{role}|>")
        text = encode(tokenizer, "\n") + encode(tokenizer, message["content"])
        ids += [mark, *text]
        # The role that follows an answer is how the model says that it has finished.
        labels.append(mark if answered else _IGNORED)
        answered = role == "assistant"
        labels += text if answered else [_IGNORED] * len(text)
    if answer_follows:
        ids.append(tokenizer.convert_tokens_to_ids("<|assistant|>"))
        return ChatIds(ids, [_IGNORED] * len(ids))
    if answered:
        ids.append(tokenizer.eos_token_id)
        labels.append(tokenizer.eos_token_id)
    return ChatIds(ids, labels)


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Plain text, in which nothing is special."""
    return text_ids(tokenizer, [text])


def stop_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens that end an answer: </s>, <|user|>, <|observation|>."""
    marks = [tokenizer.convert_tokens_to_ids(f"<|{role}|>") for role in ("user", "observation")]
    return [tokenizer.eos_token_id, *marks]
