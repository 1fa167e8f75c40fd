"""The model card, README.md, by Hugging Face's conventions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from styledial.data.cleaning.language import UNKNOWN, find_language
from styledial.export.measured import Reading
from styledial.export.programs import programs
from styledial.export.source import At, Source
from styledial.files import read_json
from styledial.language import say
from styledial.models.identity import Base
from styledial.models.registry import known
from styledial.run_folder.layout import DATA_MANIFEST, SAMPLES_DATA
from styledial.run_folder.metrics import is_number
from styledial.run_folder.outcome import target_of
from styledial.run_folder.reader import mapping, mappings
from styledial.units import count

_SHOWN_BOOKS, _SHOWN_SAMPLES = 50, 3
_LIBRARY = {
    "peft": "peft", "vllm": "peft", "merged": "transformers", "gguf": "gguf",
    "gguf-lora": "gguf", "ollama": "gguf",
}  # fmt: skip
# What a licence's own text says -> the hub's name of it.
_LICENCES = (
    ("apache license", "apache-2.0"), ("mit license", "mit"), ("llama 3.1", "llama3.1"),
    ("llama 3.2", "llama3.2"), ("llama 3.3", "llama3.3"), ("gemma terms", "gemma"),
)  # fmt: skip


def card(source: Source, kind: str, wanted: list[At], readings: Mapping[str, Reading]) -> str:
    """The whole text, front matter first, in the user's language."""
    run = source.run or source.adapter
    manifest = _read(run / DATA_MANIFEST)
    samples = mappings(_read(run / SAMPLES_DATA).get("samples"))
    parts = [
        *_front(source, kind, samples),
        f"# {source.name}",
        "",
        *_about(source),
        *_strengths(wanted, readings),
        *_trained_on(manifest),
        *_figures(source.summary),
        *_how_to_load(source, kind, wanted),
        *_samples(samples),
        *_limits(source),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _front(source: Source, kind: str, samples: list[dict[str, Any]]) -> Iterator[str]:
    yield "---"
    if (hub := _on_the_hub(source.base)) is not None:
        yield f"base_model: {hub}"
    yield f"library_name: {_LIBRARY[kind]}"
    yield f"license: {_licence_of(source)}"
    if (language := _language(samples)) != UNKNOWN:
        yield "language:"
        yield f"- {language}"
    yield "pipeline_tag: text-generation"
    yield "tags:"
    yield from (f"- {tag}" for tag in ("styledial", "style-transfer", "lora"))
    if target_of(source.summary) is not None:
        yield "- kl-divergence"
    yield "---"
    yield ""


def _on_the_hub(base: Base) -> str | None:
    """OWNER/NAME; of a GGUF file, that of the model which the file says that it was made of."""
    repository = mapping(base.origin).get("repository")
    return str(repository) if repository else hub_name(base.model)


def _licence_of(source: Source) -> str:
    told = str(mapping(source.base.origin).get("license", "")).lower()
    if re.fullmatch(r"[a-z][a-z0-9.-]+", told):
        return told
    return licence(source.base.model, source.base_folder)


def hub_name(model: str) -> str | None:
    """OWNER/NAME where the base has one; a folder of this machine says nothing to others."""
    is_name = model.count("/") == 1 and not model.startswith((".", "/", "~"))
    return model.partition("@")[0] if is_name and not Path(model).exists() else None


def licence(model: str, folder: Path) -> str:
    """The hub's name of the base's licence: of a known model, else by its LICENSE; or `other`."""
    if (found := known(model)) is not None:
        words = found.licence.lower()
        return "apache-2.0" if words.startswith("apache") else "other"
    for path in sorted(folder.glob("LICEN[CS]E*")):
        text = path.read_text(encoding="utf-8", errors="replace")[:2000].lower()
        return next((name for words, name in _LICENCES if words in text), "other")
    return "other"


def _language(samples: list[dict[str, Any]]) -> str:
    """Of what it writes, as ISO 639-1."""
    texts = (f"{each.get('prompt', '')}{each.get('after', '')}" for each in samples)
    return find_language(texts).code


def _about(source: Source) -> Iterator[str]:
    base = _on_the_hub(source.base) or Path(source.base.model).name
    budget = target_of(source.summary)
    if budget is None:
        yield say(
            f"A writing style on the base model {base}, trained with StyleDial. Its strength is "
            "its KL divergence from the base, in nats per token.",
            f"在基座模型 {base} 上学到的文风，由 StyleDial 训练。强度即与基座的 KL 散度"
            "（nats/token）。",
        )
    else:
        yield say(
            f"A writing style on the base model {base}, trained with StyleDial under a KL budget "
            f"of {budget:g} nats per token: how far the model may move from its base.",
            f"在基座模型 {base} 上学到的文风，由 StyleDial 训练，KL 预算（与基座的距离上限）为 "
            f"{budget:g} nats/token。",
        )
    yield ""


def _strengths(wanted: list[At], readings: Mapping[str, Reading]) -> Iterator[str]:
    yield say("## Strength", "## 强度")
    yield ""
    yield say(
        "| name | KL asked | scale | KL as exported |", "| 名称 | 目标 KL | 缩放 | 导出后实测 KL |"
    )
    yield "|---|---|---|---|"
    for at in wanted:
        asked = "-" if at.kl is None else f"{at.kl:.4g}"
        found = f"{readings[at.name].exported:.4f}" if at.name in readings else "-"
        yield f"| {at.name} | {asked} | {at.scale:.4f} | {found} |"
    yield ""
    for at in wanted:
        if at.name in readings:
            yield f"{at.name}: {readings[at.name].words()}"
            yield ""


def _trained_on(manifest: Mapping[str, Any]) -> Iterator[str]:
    books = [book for book in mappings(manifest.get("books")) if book.get("kept")]
    if not books:
        return
    yield say("## Trained on", "## 训练文本")
    yield ""
    tokens = mapping(manifest.get("tokens")).get("train")
    if is_number(tokens):
        files = count(len(books), "file", "files", "个文件")
        yield say(
            f"{files}, {int(tokens):,} tokens to train on.",
            f"{files}，训练用 {int(tokens):,} tokens。",
        )
        yield ""
    for book in books[:_SHOWN_BOOKS]:
        chars = book.get("chars_out")
        size = f" ({chars:,} " + say("characters)", "字)") if is_number(chars) else ""
        yield f"- {_plain(str(book.get('file')))}{size}"
    if len(books) > _SHOWN_BOOKS:
        yield f"- ... {len(books) - _SHOWN_BOOKS}"
    yield ""


def _figures(summary: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (say("loss on held-out novels", "留出小说的损失"), "style_nll_base", "style_nll"),
        (say("loss on general text", "通用文本的损失"), "general_nll_base", "general_nll"),
    ]
    found = [
        (words, summary[before], summary[after])
        for words, before, after in rows
        if is_number(summary.get(before)) and is_number(summary.get(after))
    ]
    if not found:
        return
    yield say("## Figures at full strength", "## 全强度下的数据")
    yield ""
    yield say("| nats per token | base | tuned |", "| nats/token | 基座 | 微调后 |")
    yield "|---|---|---|"
    yield from (f"| {words} | {before:.3f} | {after:.3f} |" for words, before, after in found)
    yield ""


def _how_to_load(source: Source, kind: str, wanted: list[At]) -> Iterator[str]:
    yield say("## How to load it", "## 如何使用")
    yield ""
    base = _on_the_hub(source.base) or "BASE"
    gguf = source.base_gguf.name if source.base_gguf else "BASE.gguf"
    for program, line in programs(source.name, kind, base, gguf, wanted[0]):
        yield f"**{program}**"
        yield ""
        yield "```"
        yield line
        yield "```"
        yield ""


def _samples(samples: list[dict[str, Any]]) -> Iterator[str]:
    if not samples:
        return
    yield say("## Samples", "## 样例")
    yield ""
    for each in samples[:_SHOWN_SAMPLES]:
        yield f"**{_plain(str(each.get('prompt')))}**"
        yield ""
        for words, key in ((say("base", "基座"), "before"), (say("tuned", "微调后"), "after")):
            yield f"> {words}: {_plain(str(each.get(key)))}"
            yield ">"
        yield ""


def _limits(source: Source) -> Iterator[str]:
    yield say("## Limits", "## 局限")
    yield ""
    yield say(
        "- It learned how the texts are written, not what is true; names and events of theirs may "
        "come up.",
        "- 学到的是写法，不是事实；可能出现原文中的人名和情节。",
    )
    yield say(
        "- The licence of the base holds for this model, and the rights in the novels are those of "
        "their authors.",
        "- 本模型遵守基座的许可证；小说的权利属于其作者。",
    )
    yield say(
        "- Strength is measured at temperature 1 on held-out text; another base, or one quantised "
        "further, moves it.",
        "- 强度在温度 1 下于留出文本上测得；换用其他基座或更低比特的量化会改变强度。",
    )


def _plain(text: str) -> str:
    """On one line, without what Markdown or a terminal would act on."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|" else c for c in shown)


def _read(path: Path) -> dict[str, Any]:
    try:
        return mapping(read_json(path))
    except (OSError, ValueError):
        return {}
