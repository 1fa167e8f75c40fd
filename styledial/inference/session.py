"""A session of `styledial chat`: turns and commands, independent of the terminal.

An instruct base answers by its chat template; a plain base continues one growing text, and an
empty line lets it go on.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from styledial.errors import UserError
from styledial.files import expanded, write_text
from styledial.inference.model import Message, StyleModel
from styledial.inference.strengths import parse_kl
from styledial.keyboard import half_width
from styledial.language import say
from styledial.units import strength as figure

QUIT = ("/quit", "/exit")
_COMMANDS = {*QUIT, "/retry", "/strength", "/base", "/system", "/save", "/new", "/help"}
_SLASHES = "／、"  # what a Chinese keyboard types for the slash


def as_command(line: str) -> str | None:
    """The command that a line is, as `Session.command` reads it; None of a text. Behind the slash
    of a Chinese keyboard, which also begins texts, only the commands that there are."""
    word, _, rest = line.strip().replace("\u3000", " ").partition(" ")
    if word[:1] == "/":
        return f"{word.lower()} {rest}".strip()
    command = "/" + half_width(word[1:]).lower()
    known = word[:1] in _SLASHES and word and command in _COMMANDS
    return f"{command} {rest}".strip() if known else None


@dataclass
class Session:
    """`turns` are messages; of a plain base, pieces of one text. `seed` moves on with each."""

    model: StyleModel
    max_new_tokens: int = 200
    temperature: float = 0.8
    seed: int = 42
    system: str = ""
    turns: list[Message] = field(default_factory=list)

    def write(self, line: str) -> Iterator[str]:
        """The answer to `line` in pieces; one that is interrupted is kept as far as it goes."""
        if line or self.model.is_chat:
            self.turns.append({"role": "user", "content": line})
        return self._answer()

    def retry(self) -> Iterator[str]:
        """Another answer in place of the last one, by another seed. Raises UserError."""
        if not self.turns or self.turns[-1]["role"] != "assistant":
            raise UserError("/retry: there is no answer yet.", "/retry：还没有回答。")
        return self._answer(self.turns.pop())

    def _answer(self, former: Message | None = None) -> Iterator[str]:
        """`former`: the answer that this one replaces; it stays where nothing comes of this."""
        pieces: list[str] = []
        stream = self.model.stream(
            self._asked(),
            max_new_tokens=self.max_new_tokens,
            seed=self.seed,
            temperature=self.temperature,
        )
        self.seed += 1
        try:
            for piece in stream:
                pieces.append(piece)
                yield piece
        except UserError:  # too long: the session continues without the refused line
            if not former and self.turns and self.turns[-1]["role"] == "user":
                self.turns.pop()
            raise
        finally:
            stream.close()  # type: ignore[attr-defined]
            if pieces:
                self.turns.append({"role": "assistant", "content": "".join(pieces)})
            elif former:
                self.turns.append(former)

    def _asked(self) -> str | list[Message]:
        if not self.model.is_chat:
            return self.system + "".join(turn["content"] for turn in self.turns)
        opening = [{"role": "system", "content": self.system}] if self.system else []
        return [*opening, *self.turns]

    def command(self, line: str) -> str | Iterator[str]:
        """What a line with a slash does: words for the user, or an answer in pieces.

        Raises UserError for one that isn't known or can't be done.
        """
        name, _, rest = line.partition(" ")
        if name == "/retry":
            return self.retry()
        commands: dict[str, Callable[[str], str]] = {
            "/strength": self._set_strength, "/base": lambda _: self._set_strength("0"),
            "/system": self._set_system, "/save": self._save, "/new": self._forget,
            "/help": lambda _: help_text(),
        }  # fmt: skip
        if name not in commands:
            raise UserError(
                f"{name}: no such command. {help_text()}", f"{name}：没有这个命令。{help_text()}"
            )
        return commands[name](rest.strip())

    def _set_strength(self, typed: str) -> str:
        if typed:
            self.model.strength = parse_kl("/strength", typed)
        return strength_line(self.model)

    def _set_system(self, typed: str) -> str:
        self.system = typed
        return say(f"system: {typed or '(none)'}", f"系统提示：{typed or '（无）'}")

    def _forget(self, _: str) -> str:
        self.turns.clear()
        return say("a new conversation", "新的对话")

    def _save(self, typed: str) -> str:
        """As Markdown, or as JSON lines where the name says so; never over another file."""
        path = expanded(typed or time.strftime("chat-%Y%m%d-%H%M%S.md"))
        try:
            if os.path.lexists(path):
                raise UserError(
                    f"/save {path}: exists already; give another name.",
                    f"/save {path}：已存在；请换个名字。",
                )
            write_text(path, self.as_text(lines=path.suffix == ".jsonl"))
        except (OSError, ValueError) as error:  # a NUL in the name is a ValueError
            why = getattr(error, "strerror", None) or str(error)
            raise UserError(
                f"/save {path}: cannot be written ({why}).", f"/save {path}：无法写入（{why}）。"
            ) from None
        return say(f"saved to {path}", f"已保存到 {path}")

    def as_text(self, *, lines: bool) -> str:
        """The whole session, for a file."""
        if lines:
            kept = {"messages": self.turns, "system": self.system, "kl_beta": self.model.strength}
            return json.dumps(kept, ensure_ascii=False) + "\n"
        if not self.model.is_chat:
            return self.system + "".join(turn["content"] for turn in self.turns) + "\n"
        return "".join(f"**{turn['role']}**\n\n{turn['content']}\n\n" for turn in self.turns)


def strength_line(model: StyleModel) -> str:
    """The strength in force."""
    if model.strength is None:
        return say("strength: not measured", "强度：未测量")
    base = say(" (the base)", "（基座）") if model.strength == 0 else ""
    kl = figure(model.strength) if model.strength else "0"
    return say(f"strength: KL {kl}", f"强度：KL {kl}") + base


def help_text() -> str:
    """The commands in a line."""
    return say(
        "/strength 0.08, /base, /retry, /system TEXT, /new, /save FILE, /quit; Ctrl-C stops an "
        "answer.",
        "/strength 0.08、/base、/retry、/system 文字、/new、/save 文件、/quit；"
        "按 Ctrl-C 中断回答。",
    )
