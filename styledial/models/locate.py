"""Resolving model_name_or_path to a local folder that is ready to load.

bundled               -> the tiny model in the package
a folder              -> itself
a name on the hub     -> its StyleDial download, else Hugging Face's cache, else a download now
a ChatGLM3 in there   -> its cached conversion
a GGUF file           -> its model dequantised, cached
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from styledial.commands import command
from styledial.errors import ModelError
from styledial.files import expanded, is_gguf
from styledial.hub.home import model_folder
from styledial.language import typed
from styledial.models.chatglm.convert import converted
from styledial.models.chatglm.layout import is_original
from styledial.models.gguf_base import ENDING, dequantised
from styledial.models.inspect import check_folder, read_config
from styledial.models.registry import known, on_hugging_face, on_modelscope
from styledial.models.support import check_supported
from styledial.run_folder.layout import ADAPTER_SETTINGS

_BUNDLED = Path(__file__).resolve().parents[1] / "assets" / "base"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ON_A_HUB = re.compile(r"(?:[\w.-]+/)?[\w.-]{1,96}(?:@.*)?", re.ASCII)
Say = Callable[[str], None]


def ready_folder(
    name_or_path: str,
    *,
    trust_remote_code: bool = False,
    check: bool = True,
    say: Say | None = None,
) -> Path:
    """A folder that the Auto classes load; downloads and converts where that is needed.

    With `check` it is also whole and of a kind that can be trained. `say` is called with what takes
    long. Raises ModelError with what to do for anything unfit.
    """
    folder = source_folder(name_or_path, trust_remote_code=trust_remote_code, say=say)
    if folder.is_file():
        return dequantised(folder)
    config = read_config(folder)
    if is_original(config):
        return converted(folder, say)
    if check:
        check_supported(config, name_or_path, trust_remote_code=trust_remote_code)
        check_folder(folder, trust_remote_code=trust_remote_code)
    return folder


def source_folder(
    name_or_path: str, *, trust_remote_code: bool = False, say: Say | None = None
) -> Path:
    """The base's folder, or GGUF file, as its authors publish it: before a conversion, downloaded
    if need be."""
    folder = Path(find_base(name_or_path))
    return folder if folder.exists() else _downloaded(name_or_path, trust_remote_code, say)


def find_base(name_or_path: str) -> str:
    """The bundled model's folder, a folder, a GGUF file, a finished download's folder, or the hub
    name.

    Raises ModelError for a path that isn't a model folder; no hub is asked here.
    """
    if name_or_path == "bundled":
        return str(_BUNDLED)
    path = expanded(name_or_path)
    if is_gguf(path):
        return str(path)
    if path.is_file():
        raise ModelError(
            f"model.model_name_or_path: {name_or_path} is a file and no GGUF; name the folder that "
            "holds config.json and the .safetensors files, or a GGUF file.",
            f"model.model_name_or_path：{name_or_path} 是文件，又不是 GGUF；请写包含 "
            "config.json 和 .safetensors 的文件夹，或 GGUF 文件。",
        )
    if path.is_dir():
        _check_is_plain_model(path)
        return str(path)
    if _is_path(name_or_path):
        raise _no_folder(name_or_path)
    return str(_downloaded_before(name_or_path) or name_or_path)


def _check_is_plain_model(path: Path) -> None:
    """Raises ModelError for an adapter's folder, alone or beside a model: transformers would load
    the adapter on its base and call that the base, and KL would be measured against it."""
    if (path / ADAPTER_SETTINGS).is_file():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"model.model_name_or_path: {path} holds an adapter, not a model. Merge it into "
                f"its base first: `styledial merge {typed(path)} -o FOLDER`.",
                f"model.model_name_or_path：{path} 是适配器而不是模型。"
                f"请先并入基座：`styledial merge {typed(path)} -o 文件夹`。",
            )
        raise ModelError(
            f"model.model_name_or_path: {path} holds a model and an adapter "
            "(adapter_config.json), so it isn't clear which of them is the base. Move the "
            "adapter_* files to another folder.",
            f"model.model_name_or_path：{path} 中既有模型又有适配器（adapter_config.json），"
            "无法确定哪个是基座。请把 adapter_* 文件移到别的文件夹。",
        )
    if not (path / "config.json").is_file():
        if files := sorted(each for each in path.iterdir() if is_gguf(each)):
            raise ModelError(
                f"model.model_name_or_path: {path} is a folder with a GGUF file; name the file: "
                f"{typed(files[0])}.",
                f"model.model_name_or_path：{path} 是存放 GGUF 的文件夹；请写文件本身："
                f"{typed(files[0])}。",
            )
        raise ModelError(
            f"model.model_name_or_path: {path} has no config.json, so it isn't a "
            "model folder; name the folder that does.",
            f"model.model_name_or_path：{path} 中没有 config.json，不是模型文件夹；"
            "请写正确的文件夹。",
        )


def _is_path(name: str) -> bool:
    """Whether a name that is no folder is meant as one: models/q2 where there is a folder models.

    It is never taken for a name on the hub: models/q2 may be somebody's model there.
    """
    if "/" not in name and known(split_revision(name)[0]):
        return False  # Qwen2.5-7B, without its owner
    if name.startswith((".", "/", "~", "\\")) or name.count("/") != 1 or name.endswith(ENDING):
        return True
    if not _ON_A_HUB.fullmatch(name):
        return True
    return (
        known(split_revision(name)[0]) is None
        and Path(name).parent.exists()
        and (_downloaded_before(name) is None)
    )


def _no_folder(name: str) -> ModelError:
    return ModelError(
        f"model.model_name_or_path: {name}: no such folder or file. Name a model's folder, a GGUF "
        "file, or a model on the hub as OWNER/NAME (`styledial models` lists the known ones).",
        f"model.model_name_or_path：{name}：没有这个文件夹或文件。请写模型所在的文件夹、GGUF 文件，"
        "或以 OWNER/NAME 的形式写模型名（`styledial models` 列出已知模型）。",
    )


def absolute(name_or_path: str) -> str:
    """The absolute path of a folder or file, found from everywhere; a name stays as it is."""
    path = expanded(name_or_path)
    here = name_or_path != "bundled" and path.exists()
    return str(path.absolute()) if here else name_or_path


def split_revision(name: str) -> tuple[str, str | None]:
    """ "owner/name@main" -> ("owner/name", "main"): a branch, tag or commit of the hub."""
    repo, _, revision = name.partition("@")
    return repo, revision or None


def at_commit(name: str, commit: str | None) -> str:
    """A hub's model at the commit that a run remembers; `name` for a folder, or where what is
    here is kept under the name alone."""
    repo, asked = split_revision(name)
    if asked == commit or not commit or not _COMMIT.fullmatch(commit):
        return name
    if name == "bundled" or expanded(name).exists() or _is_path(name):
        return name
    exact = f"{repo}@{commit}"
    return name if _downloaded_before(name) and not _downloaded_before(exact) else exact


def download_folder(repo: str, revision: str | None) -> Path:
    """Where a model's download is kept; one of another revision has a folder of its own."""
    return model_folder(f"{repo}@{revision}" if revision else repo)


def _downloaded_before(name: str) -> Path | None:
    """The folder of a finished `styledial download`, from either hub."""
    from styledial.hub.download import downloaded_revision, is_complete

    repo, revision = split_revision(name)
    for each in dict.fromkeys([repo, on_hugging_face(repo), on_modelscope(repo)]):
        folder, newest = download_folder(each, revision), download_folder(each, None)
        if is_complete(folder):
            return folder
        if revision and is_complete(newest) and downloaded_revision(newest) == revision:
            return newest
    return None


def _downloaded(name: str, trust_remote_code: bool, say: Say | None) -> Path:
    from huggingface_hub import is_offline_mode

    from styledial.hub.download import download, place

    plain, revision = split_revision(name)
    cached = _in_hugging_face_cache(on_hugging_face(plain), revision)
    if cached is not None:
        return cached
    if is_offline_mode():
        raise not_available(name, "HF_HUB_OFFLINE is set", "设置了 HF_HUB_OFFLINE")
    where = place()
    repo = on_modelscope(plain) if where.source == "modelscope" else on_hugging_face(plain)
    target = download_folder(repo, revision)
    if say is not None:
        say(f"{repo} -> {target}")
    try:
        return download(repo, target, where, revision=revision, with_code=trust_remote_code).folder
    except ModelError as error:
        if known(plain) and known(plain).gated:  # type: ignore[union-attr]
            raise
        raise not_available(name, error.en.rstrip("."), error.zh.rstrip("。")) from None


def _in_hugging_face_cache(repo: str, revision: str | None) -> Path | None:
    """What another program left in Hugging Face's own cache, if its weights are all there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, "config.json", revision=revision)
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    try:
        if is_original(read_config(folder)):
            return folder if (folder / "tokenizer.model").is_file() else None
        check_folder(folder)
    except ModelError:
        return None  # half of a model: the download completes it in our own folder
    return folder


def not_available(name: str, en: str, zh: str) -> ModelError:
    """The error for a base that is neither here nor downloadable; en, zh: the reason."""
    retry = command("download", "--model", name)
    return ModelError(
        f"model.model_name_or_path: {name} is not available ({en}). Download it where there is a "
        f"network: `{retry}`; or try without one, with `bundled` in place of its name.",
        f"model.model_name_or_path：{name} 不可用（{zh}）。请在有网络的环境下载：`{retry}`；"
        "或把模型名换成 bundled，不用网络先试试。",
    )
