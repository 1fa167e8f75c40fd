"""The first block of a run: what is about to happen, before anything large is downloaded.

    base      Qwen2.5-7B: qwen2, 7.62 billion parameters; to be downloaded, 15.2 GB
    device    CPU, 8 cores, no GPU: about 9 days for all updates
    novels    3 books, 120 chapters; 1.26 million tokens to learn from, 66,000 held out
    training  240 updates of 16 rows (3 epochs); strength medium, 0.1

The first two lines stand there at once, the others when the texts have been read. On a GPU the
time is known after the first updates; on a CPU, where it may be days, it is estimated here by
timing a matrix product.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from styledial.build.language_fit import language_warning
from styledial.build.texts import Texts
from styledial.commands import from_here, rows
from styledial.config import BUNDLED, Config
from styledial.errors import ModelError
from styledial.language import say
from styledial.memory.gpus import found_card
from styledial.models.gguf_base import in_words
from styledial.models.inspect import read_config
from styledial.models.locate import find_base
from styledial.models.registry import known
from styledial.models.shards import safetensors_headers, weight_files
from styledial.monitor.screen import WIDEST
from styledial.run.cpu_time import cpu_seconds
from styledial.strength import name_of
from styledial.training.row_order import RowOrder
from styledial.units import about, count, disk_size, epochs, memory_size

# A CPU run that takes longer is warned of.
_LONG = 2 * 3600.0


def model_rows(config: Config) -> list[str]:
    """Base and device. Reads headers of files at most; no hub is asked."""
    name = config.model.model_name_or_path
    parameters, words = described(name)
    card = found_card()
    if card:
        device = f"{card.name}, {memory_size(card.memory)} " + say("free", "可用")
        found = [(say("base", "基座"), words), (say("device", "设备"), device)]
        return list(rows(found, like=WIDEST))
    seconds = cpu_seconds(config, parameters) if parameters else None
    device = _cpu(seconds)
    lines = list(rows([(say("base", "基座"), words), (say("device", "设备"), device)], like=WIDEST))
    if seconds and seconds > _LONG:
        lines.append(
            say(
                "  Without a GPU this is a long run. To try it out: training.max_steps=20, a "
                "smaller base, or model.model_name_or_path=bundled. Ctrl-C stops it.",
                "  没有 GPU，训练会很久。想先试试：training.max_steps=20、换更小的基座，"
                "或 model.model_name_or_path=bundled。Ctrl-C 可停止。",
            )
        )
    return lines


def text_rows(
    config: Config, texts: Texts, tokenizer: Any, order: RowOrder, steps: int, done: int
) -> list[str]:
    """Novels and updates; and a warning where the base doesn't know the novels' language."""
    training = config.training
    books = count(texts.books, "book", "books", "本书")
    chapters = count(texts.chapters, "chapter", "chapters", "章")
    learnt, kept = texts.style.total_targets, texts.heldout.total_targets
    novels = say(
        f"{books}, {chapters}; {learnt:,} tokens to learn from, {kept:,} held out",
        f"{books}，{chapters}；训练 {learnt:,} token，留出 {kept:,}",
    )
    passes = epochs(order.epoch(steps))
    of = "update" if steps == 1 else "updates"
    updates = say(
        f"{steps:,} {of} of {order.effective_batch} rows ({passes[0]})",
        f"{steps:,} 次更新，每次 {order.effective_batch} 行（{passes[1]}）",
    )
    if done:
        updates += say(f", {done:,} of them made", f"，已完成 {done:,} 次")
    if training.mode.has_target:
        name, asked = name_of(training.kl_beta), f"{training.kl_beta:g}"
        updates += say(f"; strength: {name} ({asked})", f"；目标强度：{name}（{asked}）")
    found = [(say("novels", "小说"), novels), (say("training", "训练"), updates)]
    warning = language_warning(texts.style, tokenizer, config.model.model_name_or_path)
    return [*rows(found, like=WIDEST), *([say(*warning)] if warning else [])]


def described(name: str) -> tuple[int | None, str]:
    """Parameters, where they are known, and the base in words."""
    model = known(name)
    folder = Path(find_base(name))
    if folder.is_file():
        return None, f"{folder.parent / in_words(folder)}"
    if not folder.is_dir():
        if model is None:
            return None, say(f"{name}: to be downloaded", f"{name}：将下载")
        size = disk_size(model.parameters * 2)
        return model.parameters, say(
            f"{name}: {model.model_type}, {_billions(model.parameters)}; to be downloaded, {size}",
            f"{name}：{model.model_type}，{_billions(model.parameters)}；将下载 {size}",
        )
    family = str(read_config(folder).get("model_type", ""))
    try:
        files = weight_files(folder)
        size = disk_size(sum(path.stat().st_size for path in files))
        parameters = _parameters(files)
    except ModelError:  # said in full where it is loaded
        return None, f"{name} ({family})"
    shown = (
        say("the bundled toy model", "自带的演示模型")
        if name == BUNDLED
        else str(from_here(folder))
    )
    found = [family, *([_billions(parameters)] if parameters else []), size]
    return parameters, say(f"{shown}: {', '.join(found)}", f"{shown}：{'，'.join(found)}")


def _parameters(files: list[Path]) -> int | None:
    """None for pickles, which have no header."""
    if any(path.suffix != ".safetensors" for path in files):
        return None
    return sum(math.prod(h.shape) for path in files for h in safetensors_headers(path).values())


def _billions(parameters: int) -> str:
    small = parameters < 10**9
    english = f"{parameters / 1e6:.3g} million" if small else f"{parameters / 1e9:.3g} billion"
    small = parameters < 10**8
    chinese = f"{parameters / 1e4:,.0f} 万" if small else f"{parameters / 1e8:.3g} 亿"
    return say(f"{english} parameters", f"{chinese}参数")


def _cpu(seconds: float | None) -> str:
    cores = os.cpu_count() or 1
    words = say(f"CPU, {cores} cores, no GPU", f"CPU，{cores} 核，没有 GPU")
    if seconds is None:
        return words
    return words + say(
        f": about {about(seconds)} for all updates", f"：全部更新约需 {about(seconds)}"
    )
