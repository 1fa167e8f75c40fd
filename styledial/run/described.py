"""A finished run's configuration, read before anything large is imported."""

from __future__ import annotations

from pathlib import Path

from styledial.config import Config, resolve
from styledial.data.texts import style_folder
from styledial.errors import AdapterError
from styledial.run_folder.described import describe_adapter
from styledial.run_folder.layout import SETTINGS


def described_run(folder: Path, data_dir: str | None) -> Config:
    """The configuration that a run left beside its adapter; raises AdapterError without one."""
    describe_adapter(folder)
    path = folder / SETTINGS
    if not path.is_file():
        raise AdapterError(
            f"{folder}: has no {SETTINGS}, so its text isn't known. Name the output_dir "
            "of a run of StyleDial.",
            f"{folder}：没有 {SETTINGS}，无法得知所用文本。请写 StyleDial 训练的 output_dir。",
        )
    config = resolve(path, None, {"data.data_dir": data_dir})
    if not style_folder(config.data.data_dir).is_dir():
        raise AdapterError(
            f"{config.data.data_dir}: the novels of this run are not there. Say where they are "
            "now: --data-dir FOLDER.",
            f"{config.data.data_dir}：这次训练的小说已不在此处。请用 --data-dir 指明现在的文件夹。",
        )
    return config
