"""Many prompts: read from a file, written as JSON lines, one for each prompt and strength."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from styledial.errors import UserError
from styledial.files import expanded
from styledial.inference.model import StyleModel
from styledial.strength import parse_strengths

STDIN = "-"


def read_prompts(named: str) -> list[str]:
    """A prompt a line; a line that is a JSON object gives its "prompt". `-` is stdin.

    Raises UserError for a file that isn't text or has no prompt, with the line's number.
    """
    text = _decoded(named).replace("\r\n", "\n")
    prompts = []
    for number, line in enumerate(text.split("\n"), 1):  # and not at U+2028, which JSON may hold
        if line.strip():
            prompts.append(_prompt(line, f"{named}:{number}"))
    if not prompts:
        raise UserError(
            f"--prompts {named}: has no prompt; write one in each line.",
            f"--prompts {named}：没有内容；请每行写一个开头。",
        )
    return prompts


def _decoded(named: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if named == STDIN else expanded(named).read_bytes()
        return raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserError(
            f"--prompts {named}: cannot be read ({why}); name a text file in UTF-8, or - for "
            "standard input.",
            f"--prompts {named}：无法读取（{why}）；请写 UTF-8 文本文件，或用 - 表示标准输入。",
        ) from None


def _prompt(line: str, where: str) -> str:
    if not line.lstrip().startswith("{"):
        return line
    try:
        found = json.loads(line)["prompt"]
    except (ValueError, KeyError):
        found = None
    if not isinstance(found, str) or not found:
        raise UserError(
            f'--prompts {where}: a line in JSON needs a "prompt" that is a text.',
            f'--prompts {where}：JSON 行需要文字形式的 "prompt"。',
        )
    return found


def parse_compared(typed: str) -> list[float]:
    """ "0.1,0,0.05" -> [0.0, 0.05, 0.1]: the base first. Raises UserError."""
    return sorted({each.kl for each in parse_strengths(typed, "--compare", base=True)})


def write_each(
    model: StyleModel, prompts: Sequence[str], strengths: Sequence[float] | None, **how: Any
) -> Iterator[dict[str, Any]]:
    """{"prompt", "text", "kl_beta", "seed"} for each prompt at each strength, seed by seed the
    same; None: at the strength that the model has. Raises UserError for a strength out of reach, or
    a prompt that is too long, before anything is written."""
    for each in strengths or ():
        model.strength = each
    for number, prompt in enumerate(prompts, 1):
        try:
            model.ids_of(model.asked(prompt))
        except UserError as error:
            if len(prompts) == 1:
                raise
            raise UserError(
                f"prompt {number} of {len(prompts)}: {error.en}",
                f"第 {number} 个开头（共 {len(prompts)} 个）：{error.zh}",
            ) from None
    for prompt in prompts:
        for kl_beta in strengths or (None,):
            if kl_beta is not None:
                model.strength = kl_beta
            text = model.generate(model.asked(prompt), **how)
            found = {"prompt": prompt, "text": text, "kl_beta": model.strength}
            found["answers"] = model.is_chat
            yield {**found, "seed": how["seed"]}
