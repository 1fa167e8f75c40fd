"""Where text comes from: the user's folders, or the samples that the package carries.

assets/wuxia     sample novels: the style                     data_dir: bundled
assets/general   modern prose, only ever measured on          general: bundled
assets/modern    modern prose the bundled base learnt from    anchor: bundled
assets/legend    a wuxia tale that the bundled base learnt from
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from styledial.data.novels import read_text
from styledial.data.passage import Passage
from styledial.data.reading.beside_model import beside_model
from styledial.errors import DataError

ASSETS = Path(__file__).resolve().parents[1] / "assets"
BUNDLED = "bundled"


def style_folder(data_dir: str) -> Path:
    """The user's folder of novels, or that of the sample novels."""
    return ASSETS / "wuxia" if data_dir == BUNDLED else Path(data_dir).expanduser()


def general_passages(
    source: str, setting: str, bundled: Literal["general", "modern"] = "general"
) -> list[Passage]:
    """General text from a file, a folder of .txt files, or the sample; every text whole.

    `setting` is the configuration key to name in a DataError.
    """
    files = _files(source, setting, ASSETS / bundled)
    return [Passage(read_text(file), file.name, ends_book=True) for file in files]


def check_general(source: str, setting: str) -> None:
    """Raises DataError where `source` names no text; costs a listing of the folder."""
    _files(source, setting, ASSETS / "general")


def _texts_in(folder: Path) -> list[Path]:
    """The .txt files below it, but for those of a model; each folder is listed once more."""
    found = sorted(folder.rglob("*.txt"))
    of_models = {
        parent / name
        for parent in {file.parent for file in found}
        for name in beside_model(parent, [each.name for each in parent.iterdir()])
    }
    return [file for file in found if file not in of_models]


def _files(source: str, setting: str, bundled: Path) -> list[Path]:
    path = bundled if source == BUNDLED else Path(source).expanduser()
    if path.is_file():
        files = [path]
    elif path.is_dir():
        files = _texts_in(path)
    else:
        raise DataError(
            f"{setting}: {source} is neither a file nor a folder; name a text, or `bundled`.",
            f"{setting}：{source} 既不是文件也不是文件夹；请写文本路径或 bundled。",
        )
    if not files:
        raise DataError(
            f"{setting}: {source} has no .txt files; name a text, or `bundled`.",
            f"{setting}：{source} 中没有 .txt 文件；请写文本路径或 bundled。",
        )
    return files
