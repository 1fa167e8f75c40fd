"""Adapter + base -> one plain model that needs neither PEFT nor StyleDial."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from styledial.errors import AdapterError, UserError
from styledial.files import sync
from styledial.hub.home import require_space


def merge_adapter(
    adapter: Path, target: Path, *, base: str | None = None, dtype: str = "auto", scale: float = 1.0
) -> Path:
    """Write W + scale alpha/r B A and the tokenizer as the new folder `target`.

    `base` replaces the base that the adapter names. An adapter of a quantised base is merged into
    the unquantised one. dtype "auto" keeps the precision of the base's files. Costs one copy of
    the weights in memory. Raises AdapterError or ModelError for what can't be merged, UserError
    if `target` holds something.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(
            f"{target}: exists already and is left as it is; choose another folder with -o.",
            f"{target}：已存在，未改动；请用 -o 另选文件夹。",
        )
    name = base or str(_settings(adapter).get("base_model_name_or_path") or "")
    if not name:
        raise AdapterError(
            f"{adapter}/adapter_config.json: names no base model; give it with --base.",
            f"{adapter}/adapter_config.json：没有写明基座模型；请用 --base 指定。",
        )
    from peft import PeftModel
    from peft.helpers import rescale_adapter_scale

    from styledial.models.dora import scale_norms
    from styledial.models.load import load_base, load_tokenizer
    from styledial.models.policy import quiet_peft

    model = load_base(name, dtype=dtype, keep_file_dtype=dtype == "auto")
    require_space(target, _size(model), ("the merged model", "合并后的模型"))
    try:
        with quiet_peft():
            tuned = PeftModel.from_pretrained(model, str(adapter))
            scale_norms(tuned, scale)
            with rescale_adapter_scale(tuned, scale):
                merged = tuned.merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        first = str(error).strip().split("\n")[0][:200]
        raise AdapterError(
            f"{adapter}: doesn't fit {name} ({first}). Give the base it was trained on with "
            "--base.",
            f"{adapter}：与 {name} 不匹配（{first}）。请用 --base 指定训练时的基座。",
        ) from None
    merged.config.use_cache = True
    tokenizer = load_tokenizer(str(adapter) if _has_tokenizer(adapter) else name)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        merged.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        for path in aside.iterdir():
            sync(path)
        aside.chmod(0o755)
        if target.is_dir():
            target.rmdir()
        aside.rename(target)
        sync(target.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _settings(adapter: Path) -> dict[str, Any]:
    path = adapter / "adapter_config.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise AdapterError(
            f"{adapter}: no adapter here (adapter_config.json is missing or damaged). Name the "
            "output_dir of a finished LoRA run; one with use_peft: false is a plain model already.",
            f"{adapter}：这里没有适配器（adapter_config.json 缺失或损坏）。"
            "请写已完成的 LoRA 训练的 output_dir；use_peft: false 的结果本来就是完整模型。",
        ) from None


def _has_tokenizer(folder: Path) -> bool:
    return (folder / "tokenizer_config.json").is_file()


def _size(model: Any) -> int:
    return sum(weight.nbytes for weight in model.parameters())
