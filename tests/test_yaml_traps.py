"""What YAML 1.1 makes of numbers and `#`, and what people mean by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from styledial.config import resolve
from styledial.config.source import parse_assignment
from styledial.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("0100", 100),
        ("-007", -7),
        ("100", 100),
        ("1:30", "1:30"),
        ("my novels #2", "my novels #2"),
        ("'my novels #2'", "my novels #2"),
        ("my\nnovels", "my\nnovels"),
        ("[a, b]", ["a", "b"]),
        ("", ""),  # nothing said; `null` is None
        ("'0100'", "0100"),
    ],
)
def test_a_value_is_what_was_typed(typed: str, value: object) -> None:
    """0100 was 64, 1:30 was 90, and the folder `my novels #2` was `my novels`."""
    assert parse_assignment(f"a.b={typed}") == ("a.b", value)


def test_a_file_reads_numbers_as_the_command_line_does(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("training:\n  max_steps: 0100\n", "utf-8")
    assert resolve(file).training.max_steps == 100
    file.write_text("training:\n  max_steps: 1:30\n", "utf-8")
    with pytest.raises(ConfigError, match="max_steps"):
        resolve(file)


@pytest.mark.parametrize("typed", ["none", "off", "false", "None"])
def test_no_anchor_is_said_in_many_words(typed: str) -> None:
    """`none` was taken for a folder of that name."""
    assert resolve(assignments=[f"data.anchor={typed}"]).data.anchor == "off"


@pytest.mark.parametrize(
    "line",
    [
        "kl_beta:\t0.2",
        "kl_beta: 0.2\t# a comment",
        "kl_beta: 0.2\u3000#中等",
        "kl_beta:\u30000.2 \u00a0# 注意:\u3000中等",
        "kl_beta:\u00a00.2",
        "kl_beta:\u30000.2",
        "\u00a0\u00a0kl_beta: 0.2",
        "\tkl_beta: 0.2",
    ],
)
def test_a_blank_that_is_no_space(line: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    indent = "" if line[0].isspace() else "  "
    file.write_text(f"training:\n{indent}{line}\n", "utf-8")
    assert resolve(file).training.kl_beta == 0.2


@pytest.mark.parametrize("blank", ["\u3000", "\u00a0"])
@pytest.mark.parametrize("before", ["drop: ", "drop:\n  - ", "drop:\n  -   "])
@pytest.mark.parametrize("pattern", ["书名:{}.*", "Title:{}.*", "广告{}#.*", "第一章:{}{}初见"])
def test_a_blank_within_a_value_is_the_values(
    pattern: str, before: str, blank: str, tmp_path: Path
) -> None:
    """Patterns for web novels, which have full-width spaces after their colons."""
    file = tmp_path / "c.yaml"
    typed = pattern.replace("{}", blank)
    file.write_text(f"# 注意:{blank}abc\ndata:\n  # 书名:{blank}# x\n  {before}{typed}\n", "utf-8")
    config = resolve(file)
    assert config.data.drop == [typed]
    assert config.notes == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 5000, "cannot be read as YAML"),
        ("training:\n  kl_beta: {{kl}}\n", r"training\.kl_beta is .*kl"),
        ("training:\n  <<: {kl_beta: 0.2}\n", "merge is not read here"),
        ("? [a, b]\n: c\n", r"`\[a, b\]` is not a setting"),
    ],
)
def test_what_is_no_configuration_is_shown_as_it_was_written(
    text: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said) as raised:
        resolve(file)
    assert "Node" not in raised.value.en


def test_keys_in_full_width_letters(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("ｍodel：\n　　ｌora＿r：１６\n", "utf-8")
    assert resolve(file).model.lora_r == 16


def test_a_value_in_thousands_of_brackets_is_text() -> None:
    assert parse_assignment("a.b=" + "[" * 5000) == ("a.b", "[" * 5000)
