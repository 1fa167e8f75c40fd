"""Modelfiles for Ollama, one a strength: it takes no scale, so each has an adapter scaled inside.

TEMPLATE is Go's text/template. It is found by rendering the tokenizer's chat template with
markers in place of the messages, and kept only if it gives the same text for a conversation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.data.tokens import opening_ids
from styledial.export.source import At, Source
from styledial.files import read_json, write_text
from styledial.language import say
from styledial.models.gguf_lora import write_gguf_lora
from styledial.models.load import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SYSTEM, _USER, _ANSWER = "\ue000S\ue000", "\ue000U\ue000", "\ue000A\ue000"
_USER_2, _ANSWER_2 = "\ue000V\ue000", "\ue000B\ue000"
# As `styledial generate` samples.
_SAMPLING = {"temperature": "0.8", "top_p": "0.95", "top_k": "0", "repeat_penalty": "1.05"}


@dataclass(frozen=True)
class Template:
    """`text` in Go's template language; `system` is the default system message."""

    text: str
    system: str | None


def write(source: Source, wanted: list[At], folder: Path, base: str) -> list[str]:
    """NAME-STRENGTH.gguf and Modelfile.STRENGTH for each; `base` is what FROM names.
    Returns what the user should know."""
    trusted = bool(source.base.loading.get("trust_remote_code"))
    tokenizer = load_tokenizer(source.base.model, trust_remote_code=trusted)
    template, notes = None, []
    if tokenizer.chat_template:
        template = find_template(tokenizer)
        if template is None:
            notes.append(_no_template())
    stops = _stops(tokenizer, source.base_folder)
    for at in wanted:
        file = f"{source.name}-{at.name}.gguf"
        write_gguf_lora(
            source.adapter,
            source.base_folder,
            folder / file,
            name=f"{source.name} {at.name}",
            scale=at.scale,
        )
        lines = _modelfile(base, file, template, stops)
        write_text(folder / f"Modelfile.{at.name}", "\n".join(lines) + "\n")
    return notes


def _modelfile(base: str, file: str, template: Template | None, stops: list[str]) -> list[str]:
    lines = [f"FROM {base}", f"ADAPTER ./{file}"]
    if template:
        lines.append(f'TEMPLATE """{template.text}"""')
        if template.system:
            lines.append(f'SYSTEM """{template.system}"""')
    lines += [f"PARAMETER {name} {value}" for name, value in _SAMPLING.items()]
    return [*lines, *(f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops)]


def _no_template() -> str:
    return say(
        "The chat template has no equal in Ollama's template language; none was written, and "
        "Ollama takes the one that FROM brings.",
        "该对话模板无法用 Ollama 的模板语言表达，因此没有写出；Ollama 会使用 FROM 自带的模板。",
    )


def _stops(tokenizer: PreTrainedTokenizerBase, base: Path) -> list[str]:
    """The texts of the tokens that end an answer."""
    ends = [tokenizer.eos_token_id]
    path = base / "generation_config.json"
    if path.is_file():
        held = read_json(path).get("eos_token_id")
        ends += held if isinstance(held, list) else [held]
    ids = dict.fromkeys(each for each in ends if isinstance(each, int))
    return [str(tokenizer.convert_ids_to_tokens(each)) for each in ids]


def find_template(tokenizer: PreTrainedTokenizerBase) -> Template | None:
    """Ollama's form of the tokenizer's chat template; None where it has none with the same text."""
    try:
        found = _derived(tokenizer)
        return found if found and _agrees(tokenizer, found) else None
    except Exception:  # a template is a program of its author's; what it raises can't be known
        return None


def _derived(tokenizer: PreTrainedTokenizerBase) -> Template | None:
    whole = _render(tokenizer, [_USER, _ANSWER, _USER_2, _ANSWER_2])
    before, rest = whole.split(_USER)
    asked, rest = rest.split(_ANSWER)
    between, rest = rest.split(_USER_2)
    _, end = rest.split(_ANSWER_2)
    opens = between.removeprefix(end)
    if not between.startswith(end) or not before.endswith(opens):
        return None
    opening = before.removesuffix(opens)
    said, after = _render(tokenizer, [_USER, _ANSWER], _SYSTEM).split(_USER)[0].split(_SYSTEM)
    bos = _bos(tokenizer)
    said, after = said.removeprefix(bos), after.removesuffix(opens)
    opening = opening.removeprefix(bos)
    system = None
    if opening:  # the template's default system message
        if not (opening.startswith(said) and opening.endswith(after)):
            return None
        system = opening.removeprefix(said).removesuffix(after)
    text = (
        f"{{{{ if .System }}}}{said}{{{{ .System }}}}{after}{{{{ end }}}}"
        f"{{{{ if .Prompt }}}}{opens}{{{{ .Prompt }}}}{asked}{{{{ end }}}}"
        f"{{{{ .Response }}}}{end}"
    )
    return Template(text, system)


def _bos(tokenizer: PreTrainedTokenizerBase) -> str:
    """The token that llama.cpp puts before every text by itself; none for most."""
    opens = tokenizer.bos_token_id in opening_ids(tokenizer)
    return str(tokenizer.bos_token) if opens else ""


def _agrees(tokenizer: PreTrainedTokenizerBase, found: Template) -> bool:
    """Whether Ollama would send what transformers sends: with a system message and without one."""
    for system in (None, "Be brief."):
        messages = ["One?", "Yes.", "Two?"]
        wanted = _render(tokenizer, messages, system, opens_answer=True)
        wanted = wanted.removeprefix(_bos(tokenizer))
        if _as_ollama(found, messages, system or found.system) != wanted:
            return False
    return True


def _as_ollama(found: Template, messages: list[str], system: str | None) -> str:
    """A round at a time; the last one ends where the answer begins."""
    head, prompt_part, tail = found.text.split("{{ end }}")
    said, after = head.removeprefix("{{ if .System }}").split("{{ .System }}")
    opens, asked = prompt_part.removeprefix("{{ if .Prompt }}").split("{{ .Prompt }}")
    end = tail.removeprefix("{{ .Response }}")
    text = f"{said}{system}{after}" if system else ""
    for number in range(0, len(messages), 2):
        text += opens + messages[number] + asked
        if number + 1 < len(messages):
            text += messages[number + 1] + end
    return text


def _render(
    tokenizer: PreTrainedTokenizerBase,
    messages: list[str],
    system: str | None = None,
    *,
    opens_answer: bool = False,
) -> str:
    roles = ("user", "assistant")
    talk: list[dict[str, Any]] = [
        {"role": roles[number % 2], "content": text} for number, text in enumerate(messages)
    ]
    if system:
        talk.insert(0, {"role": "system", "content": system})
    rendered = tokenizer.apply_chat_template(
        talk, tokenize=False, add_generation_prompt=opens_answer
    )
    return str(rendered)
