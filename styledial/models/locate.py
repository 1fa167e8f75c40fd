"""From what the user writes as model_name_or_path to a folder that is ready to load.

bundled               -> the tiny model in the package
a folder              -> itself
a name on the hub     -> its StyleDial download, else Hugging Face's cache, else a download now
a ChatGLM3 in there   -> its cached conversion
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from styledial.errors import ModelError
from styledial.hub.home import model_folder
from styledial.models.chatglm.convert import converted
from styledial.models.chatglm.layout import is_original
from styledial.models.inspect import check_folder, read_config
from styledial.models.registry import known, on_hugging_face, on_modelscope
from styledial.models.support import check_supported

_BUNDLED = Path(__file__).resolve().parents[1] / "assets" / "base"
Say = Callable[[str], None]


def ready_folder(
    name_or_path: str,
    *,
    trust_remote_code: bool = False,
    check: bool = True,
    say: Say | None = None,
) -> Path:
    """A folder that the Auto classes load; downloads and converts where that is needed.

    With `check` it is also whole and of a kind that can be trained. `say` is told what takes
    long. Raises ModelError with what to do for anything unfit.
    """
    folder = Path(find_base(name_or_path))
    if not folder.is_dir():
        folder = _downloaded(name_or_path, trust_remote_code, say)
    config = read_config(folder)
    if is_original(config):
        return converted(folder, say)
    if check:
        check_supported(config, name_or_path, trust_remote_code=trust_remote_code)
        check_folder(folder, trust_remote_code=trust_remote_code)
    return folder


def find_base(name_or_path: str) -> str:
    """The bundled model's folder, a folder, a finished download's folder, or the hub name.

    Raises ModelError for a path that isn't a model folder; no hub is asked here.
    """
    if name_or_path == "bundled":
        return str(_BUNDLED)
    path = Path(name_or_path).expanduser()
    if path.is_file():
        raise ModelError(
            f"model.model_name_or_path: {name_or_path} is a file; name the folder that holds "
            "config.json and the .safetensors files.",
            f"model.model_name_or_path：{name_or_path} 是文件；请写包含 config.json 和 "
            ".safetensors 的文件夹。",
        )
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(
                f"model.model_name_or_path: {name_or_path} has no config.json, so it isn't a "
                "model folder; name the folder that does.",
                f"model.model_name_or_path：{name_or_path} 中没有 config.json，不是模型文件夹；"
                "请写正确的文件夹。",
            )
        return str(path)
    if name_or_path.startswith((".", "/", "~", "\\")) or name_or_path.count("/") != 1:
        raise cannot_be_had(name_or_path, "no such folder", "没有这个文件夹")
    return str(_downloaded_before(name_or_path) or name_or_path)


def _downloaded_before(name: str) -> Path | None:
    """The folder of a finished `styledial download`, from either hub."""
    from styledial.hub.download import is_complete

    for each in dict.fromkeys([name, on_hugging_face(name), on_modelscope(name)]):
        folder = model_folder(each)
        if is_complete(folder):
            return folder
    return None


def _downloaded(name: str, trust_remote_code: bool, say: Say | None) -> Path:
    from huggingface_hub import is_offline_mode

    from styledial.hub.download import download, place

    repo = on_hugging_face(name)
    cached = _in_hugging_face_cache(repo)
    if cached is not None:
        return cached
    if is_offline_mode():
        raise cannot_be_had(name, "HF_HUB_OFFLINE is set", "设置了 HF_HUB_OFFLINE")
    if say is not None:
        say(f"{repo} -> {model_folder(repo)}")
    try:
        return download(repo, model_folder(repo), place(), with_code=trust_remote_code).folder
    except ModelError as error:
        if known(name) and known(name).gated:  # type: ignore[union-attr]
            raise
        raise cannot_be_had(name, error.en.rstrip("."), error.zh.rstrip("。")) from None


def _in_hugging_face_cache(repo: str) -> Path | None:
    """What another program left in Hugging Face's own cache, if its weights are all there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, "config.json")
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


def cannot_be_had(name: str, en: str, zh: str) -> ModelError:
    return ModelError(
        f"model.model_name_or_path: {name} cannot be had ({en}). Download it: "
        f"`python scripts/download_model.py --model {name}`; from China add --use-mirror; or try "
        "the demo, which needs no network: `python train.py --config configs/demo.yaml`.",
        f"model.model_name_or_path：无法取得 {name}（{zh}）。可以下载："
        f"`python scripts/download_model.py --model {name}`；国内加 --use-mirror；"
        "或运行无需网络的示例：`python train.py --config configs/demo.yaml`。",
    )
