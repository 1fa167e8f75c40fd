"""Dialogue and instruction records -> messages -> tokens with loss on the answers only.

alpaca      {"instruction", "input"?, "output", "system"?, "history"?}
sharegpt    {"conversations": [{"from": "human" | "gpt" | "system", "value"}]}
OpenAI      {"messages": [{"role", "content"}]}
pairs       {"source", "target"}: plain text and the same in the style; {"prompt", "completion"},
            {"question", "answer"}, {"input", "output"} and the like
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from styledial.data.chat import rendered
from styledial.data.passage import Dialogue
from styledial.data.tokens import quoted, rendered_ids
from styledial.errors import DataError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = list[dict[str, str]]

_ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "chatgpt": "assistant", "bing": "assistant", "model": "assistant", "system": "system",
    "bot": "assistant", "ai": "assistant", "developer": "system", "prompter": "user",
}  # fmt: skip
_TOOLS = {"tool", "function", "function_call", "observation", "ipython"}
TURNS = ("messages", "conversations", "conversation", "dialogue", "dialog")
_PAIRS = (
    ("instruction", "input", "output"), ("source", "target"), ("prompt", "completion"),
    ("prompt", "response"), ("prompt", "chosen"), ("question", "answer"), ("query", "response"),
    ("query", "answer"), ("input", "output"), ("context", "response"), ("human", "assistant"),
    ("user", "assistant"), ("human", "gpt"), ("user", "bot"), ("prompt", "output"),
    ("prompt", "answer"), ("input", "target"), ("input", "response"), ("problem", "solution"),
    ("src", "tgt"), ("q", "a"), ("问", "答"), ("问题", "回答"), ("问题", "答案"),
)  # fmt: skip


def read_messages(record: dict[str, Any]) -> Messages | None:
    """The messages of a record in any of the forms, or None where it is none of them.

    Also None for a record whose turns can't be learnt from: no answer, an unknown role, text
    that is no text.
    """
    messages = _messages(record)
    if not messages:
        return None
    messages = _by_turns(messages)
    return messages if messages and _can_be_learnt(messages) else None


def is_dialogue(record: dict[str, Any]) -> bool:
    """Whether a record means to be a dialogue, well formed or not."""
    if any(isinstance(record.get(key), list) for key in TURNS):
        return True
    pair = _pair_of(record)
    return pair is not None and any(str(record.get(key) or "").strip() for key in pair[:-1])


def _messages(record: dict[str, Any]) -> Messages | None:
    turns = next((record[key] for key in TURNS if isinstance(record.get(key), list)), None)
    if turns is not None:
        messages = _turns(turns)
        if messages and record.get("system") and messages[0]["role"] != "system":
            system = _encodable(str(record["system"]))
            messages = [{"role": "system", "content": system}, *messages]
        return messages
    pair = _pair_of(record)
    if pair is None:
        return None
    if pair[0] == "instruction":
        return _alpaca(record)
    answered = _pair(record[pair[0]], record[pair[1]])
    earlier = _earlier(record.get("history") or [])
    return answered if answered is None or earlier is None else [*earlier, *answered]


def _pair_of(record: dict[str, Any]) -> tuple[str, ...] | None:
    """The keys that ask, and the one that answers."""
    if "instruction" in record and "output" not in record:
        answer = next((key for key in ("response", "answer", "completion") if key in record), None)
        if answer:
            record["output"] = record[answer]
    return next((keys for keys in _PAIRS if record.keys() >= {keys[0], keys[-1]}), None)


def _turns(turns: list[Any]) -> Messages | None:
    """Messages of {"from", "value"} or {"role", "content"}, or of pairs as {"input", "output"}."""
    messages: Messages = []
    for turn in turns:
        if not isinstance(turn, dict):
            return None
        if "role" not in turn and "from" not in turn and (keys := _pair_of(turn)):
            if turn.get("system") and not messages:
                messages.append({"role": "system", "content": _encodable(str(turn["system"]))})
            asked = [turn[key] for key in keys[:-1] if turn.get(key)]
            question = "\n".join(asked) if all(isinstance(part, str) for part in asked) else None
            messages += _pair(question, turn[keys[-1]]) or []
            continue
        who = str(turn.get("role", turn.get("from"))).lower()
        text = _content(turn.get("content", turn.get("value", turn.get("text"))))
        if (who in _TOOLS and messages) or (turn.get("tool_calls") and not text):
            continue
        if who not in _ROLES or text is None:
            return None
        messages.append({"role": _ROLES[who], "content": _encodable(text)})
    return messages


def _content(value: Any) -> str | None:
    """A message's text; OpenAI writes it as parts too, of which those that are text count."""
    if isinstance(value, list):
        parts = [part.get("text") for part in value if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str)) or None
    return value if isinstance(value, str) else None


def _by_turns(messages: Messages) -> Messages:
    """Without what no question precedes (a greeting) and what no answer follows (thanks)."""
    kept = list(messages)
    first = 1 if kept[0]["role"] == "system" else 0
    if len(kept) > first + 1 and kept[first]["role"] == "assistant":
        del kept[first]
    if len(kept) > first + 1 and kept[-1]["role"] == "user":
        del kept[-1]
    return kept


def _alpaca(record: dict[str, Any]) -> Messages | None:
    asked = [str(record[key]) for key in ("instruction", "input") if record.get(key)]
    system = [{"role": "system", "content": str(record["system"])}] if record.get("system") else []
    earlier = _earlier(record.get("history") or [])
    if not isinstance(record["output"], str) or earlier is None:
        return None
    return [*system, *earlier, *(_pair("\n".join(asked), record["output"]) or [])]


def _earlier(history: Any) -> Messages | None:
    """The turns of [[question, answer], ...]; None where it is something else."""
    earlier: Messages = []
    for pair in history if isinstance(history, list) else [None]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            return None
        earlier += _pair(str(pair[0]), str(pair[1])) or []
    return earlier


def _pair(question: Any, answer: Any) -> Messages | None:
    if not isinstance(question, str) or not isinstance(answer, str):
        return None
    return [
        {"role": "user", "content": _encodable(question)},
        {"role": "assistant", "content": _encodable(answer)},
    ]


def _can_be_learnt(messages: Messages) -> bool:
    """System first if at all, then user and assistant by turns, an answer last, none empty."""
    turns = messages[1:] if messages[0]["role"] == "system" else messages
    expected = [("user", "assistant")[i % 2] for i in range(len(turns))]
    roles = [turn["role"] for turn in turns]
    filled = all(turn["content"].strip() for turn in turns)
    return bool(turns) and roles == expected and roles[-1] == "assistant" and filled


def _encodable(text: str) -> str:
    """JSON may carry half a surrogate pair, which no file and no tokenizer takes."""
    return text.encode("utf-8", "ignore").decode("utf-8")


def render_dialogue(
    dialogue: Dialogue, tokenizer: PreTrainedTokenizerBase
) -> tuple[list[int], list[int]]:
    """(input_ids, loss_mask): the model's own chat template, loss 1 on the answers only.

    What is learnt is what will be served: the text before an answer is exactly what
    `data.chat.rendered(..., answer_next=True)` gives at that turn, tokenised apart from the answer
    as it will be, and the answer with the token that ends it is the rest.
    Raises ModelError where the model has no chat template, or one whose prompt for a turn isn't
    the beginning of its rendering with the answer: it would be trained on other tokens than it
    is asked with. DataError where the template refuses the messages.

    A control token written out in a message is text.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError(
            f"{tokenizer.name_or_path}: has no chat template, so dialogues cannot be rendered in "
            "the format used at inference. Use an Instruct or Chat version of the model, or "
            "provide novels only.",
            f"{tokenizer.name_or_path}：没有对话模板，无法按推理时的格式渲染对话数据。"
            "请换用该模型的 Instruct/Chat 版本，或只提供小说文本。",
        )
    ids: list[int] = []
    mask: list[int] = []
    done = ""
    special = set(tokenizer.all_special_ids)
    messages = [{**m, "content": quoted(tokenizer, m["content"])} for m in dialogue.messages]
    for place, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        asked = _render(tokenizer, messages[:place], answer_next=True)
        answered = _render(tokenizer, messages[: place + 1], answer_next=False)
        if not (asked.startswith(done) and answered.startswith(asked)):
            raise _differs(dialogue, tokenizer)
        question = rendered_ids(tokenizer, asked[len(done) :])
        answer = rendered_ids(tokenizer, answered[len(asked) :])
        # The loss ends with the token that ends the answer; a line break after it is layout.
        last = max((i for i, token in enumerate(answer) if token in special), default=len(answer))
        ids += [*question, *answer]
        mask += [0] * len(question) + [int(i <= last) for i in range(len(answer))]
        done = answered
    return ids, mask


def _render(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[dict[str, str]], answer_next: bool
) -> str:
    try:
        return rendered(tokenizer, messages, answer_next=answer_next)
    except Exception as error:  # templates raise what their authors wrote, e.g. "no system role"
        reason = str(error)
        raise DataError(
            f"{tokenizer.name_or_path}: its chat template refuses a dialogue ({reason}). Remove "
            "what it refuses (often the system message) from the file.",
            f"{tokenizer.name_or_path}：其对话模板拒绝了一条对话（{reason}）。"
            "请从文件中去掉它不接受的内容（通常是 system 消息）。",
        ) from None


def _differs(dialogue: Dialogue, tokenizer: PreTrainedTokenizerBase) -> ModelError:
    model, book = tokenizer.name_or_path, dialogue.book
    return ModelError(
        f"{model}: its chat template renders the same turn of {book} differently with and "
        "without the answer, so training would not match inference. Use a model whose template "
        "leaves earlier turns unchanged, or single-turn dialogues.",
        f"{model}：其对话模板对 {book} 中同一轮对话，带回答与不带回答时的渲染结果不同，训练与推理"
        "将不一致。请换用模板不改动前文的模型，或只用单轮对话。",
    )
