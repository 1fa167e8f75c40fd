"""Every command that a message or a page of docs/ advises exists, with the options it is given."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import styledial
from styledial.cli.main import app
from styledial.config.whole import all_keys

PACKAGE = Path(styledial.__file__).parent
ROOT = PACKAGE.parent
_ADVISED = re.compile(
    r"(?:styledial|python train\.py|python scripts/download_model\.py)(?= \S)((?:[^`\n；。\\]|\\\n)+)"
)
_OPTION = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")
_ITS_OWN = {"python train.py": "train", "python scripts/download_model.py": "download"}


@functools.cache
def options() -> dict[str, set[str]]:
    """Every command, with those of a group as "config show", and every way to write its options."""

    def below(name: str, command: Any) -> Iterator[tuple[str, set[str]]]:
        written = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        if any(p.name == "settings" for p in command.params):
            written |= {f"--{key}" for key in all_keys()}
        yield name, {"--help", *written}
        for sub, each in getattr(command, "commands", {}).items():
            yield from below(f"{name} {sub}".strip(), each)

    return dict(below("", get_command(app)))


def texts(tree: ast.AST) -> Iterator[str]:
    """Every string of a module, with X for what is filled in; and `command(...)` as it's typed."""
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for part in ast.walk(node) if part is not node}  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in inner:
            continue
        if isinstance(node, ast.Constant | ast.JoinedStr):
            yield plain(node)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "command":
            yield " ".join(["styledial", *map(plain, node.args)])


def plain(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(plain, node.values))
    return "X"


def unknown(text: str) -> list[str]:
    """The commands in `text` that aren't there, or have no such option."""
    found = []
    for match in _ADVISED.finditer(text):
        program = match[0][: -len(match[1])]
        words = [*_ITS_OWN.get(program, "").split(), *match[1].replace("\\\n", " ").split()]
        name = "" if words[0].startswith("-") else words[0]
        name = " ".join(words[:2]) if " ".join(words[:2]) in options() else name
        given = set(_OPTION.findall(match[1]))
        if name not in options():
            found += [match[0]] if given else []  # without options: a sentence that goes on
        elif wrong := sorted(given - options()[name]):
            found.append(f"{match[0]}: {wrong}")
    return found


@pytest.mark.parametrize("folder", sorted(p.name for p in PACKAGE.iterdir() if p.suffix != ".pyc"))
def test_a_command_in_a_message_has_its_options(folder: str) -> None:
    place = PACKAGE / folder
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    wrong = {
        file.name: found
        for file in files
        if file.suffix == ".py"
        for text in texts(ast.parse(file.read_text(encoding="utf-8")))
        if (found := unknown(text))
    }
    assert wrong == {}


@pytest.mark.parametrize("page", [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")],
                         ids=lambda page: page.name)  # fmt: skip
def test_a_command_in_a_page_has_its_options(page: Path) -> None:
    assert unknown(page.read_text(encoding="utf-8")) == []


def test_the_check_sees_a_wrong_option() -> None:
    assert unknown("run `styledial start --resume` again")
    assert unknown("styledial nothing --yes")
    assert not unknown("`styledial export X --no-measure`, and --resume is another's")
    assert not unknown("python train.py --config a.yaml \\\n  --kl_beta 0.15")
    assert unknown("python train.py --config a.yaml \\\n  --strenth 0.15")
