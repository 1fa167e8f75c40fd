"""transformers' configuration of a model that may not be here yet: a folder, a download, a name."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styledial.commands import command
from styledial.errors import ModelError
from styledial.files import write_json
from styledial.models.chatglm.layout import glm_config, is_original
from styledial.models.gguf_base import gguf_config
from styledial.models.inspect import built_from, read_config
from styledial.models.locate import find_base, split_revision
from styledial.models.prequantised import settings_in
from styledial.models.registry import known
from styledial.models.support import check_supported

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from styledial.hub.download import Place


def model_config(name: str, *, trust_remote_code: bool = False) -> PretrainedConfig:
    """transformers' configuration of what `model_name_or_path` names.

    A folder, a GGUF file or a finished download is read; the guide's six are known offline; of any
    other name config.json alone is asked for where a download would come from. Raises ModelError.
    """
    from transformers import AutoConfig

    folder = Path(find_base(name))
    if folder.is_file():
        return gguf_config(folder)
    if folder.is_dir():
        raw = read_config(folder)
        if is_original(raw):
            return glm_config(raw)
        check_supported(raw, name, trust_remote_code=trust_remote_code)
        with built_from(folder):
            return AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    model = known(name)
    if model is not None:
        return AutoConfig.for_model(model.model_type, **model.config)
    try:
        return _of_the_hub(name, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, ModelError):
        raise ModelError(
            f"model.model_name_or_path: the config.json of {name} is neither here nor available "
            f"from the hub. Download the model first: `{command('download', '--model', name)}`.",
            f"model.model_name_or_path：本地没有 {name} 的 config.json，也无法从模型中心取得。"
            f"请先下载模型：`{command('download', '--model', name)}`。",
        ) from None


def _of_the_hub(name: str, *, trust_remote_code: bool) -> PretrainedConfig:
    """Asked once: transformers itself would ask huggingface.co alone, whatever mirror was named,
    and without a network five times, with 23 s of waiting in between."""
    from huggingface_hub import try_to_load_from_cache
    from transformers import AutoConfig

    from styledial.hub.download import place

    repo, revision = split_revision(name)
    cached = try_to_load_from_cache(repo, "config.json", revision=revision)
    if isinstance(cached, str):
        return AutoConfig.from_pretrained(Path(cached).parent, trust_remote_code=trust_remote_code)
    raw = _remote(repo, place(), revision)
    if trust_remote_code and "auto_map" in raw:  # with code beside it, which transformers gets
        return AutoConfig.from_pretrained(repo, revision=revision, trust_remote_code=True)
    with tempfile.TemporaryDirectory() as alone:
        write_json(Path(alone) / "config.json", raw)
        return AutoConfig.from_pretrained(alone)


@cache
def _remote(repo: str, where: Place, revision: str | None) -> dict[str, Any]:
    """config.json in a repository: a command that asks for it at five places downloads it once."""
    from styledial.hub.download import remote_config

    return remote_config(repo, where, revision)


def quantisation_of(name: str, *, trust_remote_code: bool = False) -> Mapping[str, Any]:
    """How the files of `name` are quantised, as config.json says it (models/prequantised.py); {}
    where they aren't, and for a hub's name of which nothing is here or available from the hub.

    Raises ModelError for a path that isn't a model.
    """
    folder = Path(find_base(name))
    if folder.is_dir():
        return read_config(folder)
    if folder.is_file():
        return {}  # a GGUF is dequantised as it is read
    try:
        with built_from(name):
            return settings_in(model_config(name, trust_remote_code=trust_remote_code))
    except ModelError:  # its download will tell
        return {}
