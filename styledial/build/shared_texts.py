"""The texts of a run, made once on each disk and read by all its processes.

    cache/texts-KEY.npz     tokens and packing of the three texts, prompts, and what was left out

KEY covers this program's version, the settings, and name, size and time of every file that is read,
so a file of an earlier run is used only where it would come out the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from styledial import __version__
from styledial.build.texts import Texts, prepare_texts, read_material
from styledial.config import BUNDLED, Config
from styledial.data.pack import PackedRows
from styledial.data.texts import ASSETS, style_folder
from styledial.distributed.ranks import Place, taking_turns
from styledial.files import written_aside
from styledial.language import say

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def read_texts(
    config: Config,
    tokenizer: Callable[[], PreTrainedTokenizerBase],
    cache: Path,
    here: Place,
    tell: Callable[[str], None],
) -> Texts:
    """The run's texts; `tell` is called with a sentence for each file left out. Raises DataError.

    `tokenizer` is called once the folder has been read: a bad folder is refused before a model
    is downloaded. Of several processes that share a disk one cleans and tokenises and the others
    wait for it, without a time limit, and read what it made.
    """
    if here.count == 1:
        return _make(config, tokenizer, cache, tell)
    kept = cache / f"texts-{_key(config)}.npz"
    with taking_turns(cache):
        if not kept.is_file():
            told: list[str] = []
            _save(kept, _make(config, tokenizer, cache, told.append), told)
    texts, told = _load(kept)
    for line in told:
        tell(line)
    return texts


def _make(
    config: Config,
    tokenizer: Callable[[], PreTrainedTokenizerBase],
    cache: Path,
    tell: Callable[[str], None],
) -> Texts:
    material = read_material(config, cache / "novels", tell)
    texts = prepare_texts(config, material, tokenizer())
    if not texts.shared_rows:
        tell(_one_text_a_row(texts))
    return texts


def _one_text_a_row(texts: Texts) -> str:
    padding = 1 - texts.style.total_targets / max(len(texts.style) * texts.style.max_length, 1)
    return say(
        "each row holds one text: this model or its attention would mix several; "
        f"{padding:.0%} of the rows is padding",
        f"每行只放一段文本：该模型或其注意力实现会混淆同一行的多段文本；填充占 {padding:.0%}",
    )


def _key(config: Config) -> str:
    digest = hashlib.sha256(f"{__version__} {config.data.model_dump_json()}".encode())
    digest.update(f"{config.model.attn_implementation} {config.model.model_name_or_path}".encode())
    general = config.data.general
    for source in (
        style_folder(config.data.data_dir),
        ASSETS / "general" if general == BUNDLED else Path(general).expanduser(),
        Path(config.model.model_name_or_path).expanduser(),  # where it is a folder: its tokenizer
    ):
        for path in sorted([source, *source.rglob("*")]):
            if path.is_file():
                info = path.stat()
                digest.update(f"{path} {info.st_size} {info.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _save(path: Path, texts: Texts, told: list[str]) -> None:
    arrays: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for field in fields(texts):
        value = getattr(texts, field.name)
        if isinstance(value, PackedRows):
            arrays |= {f"{field.name}.{part}": a for part, a in value.arrays().items()}
        else:
            plain[field.name] = value
    words = json.dumps({"texts": plain, "told": told}).encode()
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez(file, words=np.frombuffer(words, dtype=np.uint8), **arrays)


def _load(path: Path) -> tuple[Texts, list[str]]:
    with np.load(path, allow_pickle=False) as file:
        words = json.loads(file["words"].tobytes())
        parts: dict[str, Any] = {
            name: PackedRows.from_arrays(
                {part: file[f"{name}.{part}"] for part in ("tokens", "pieces", "in_row")}
            )
            for name in {key.partition(".")[0] for key in file.files if "." in key}
        }
    parts.update((key, tuple(v) if isinstance(v, list) else v) for key, v in words["texts"].items())
    return Texts(**parts), words["told"]
