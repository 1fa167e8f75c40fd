"""What a run refuses before it loads anything: folders in each other, a resume that isn't one."""

from __future__ import annotations

import os
from pathlib import Path

from styledial.config import BUNDLED, Config, resolve
from styledial.errors import UserError


def check_folders(config: Config) -> None:
    """Raises UserError where a run's own files would become its novels."""
    if config.data.data_dir == BUNDLED:
        return
    novels = Path(config.data.data_dir).expanduser().resolve()
    output = Path(config.training.output_dir).expanduser().resolve()
    if output == novels or novels in output.parents:
        raise UserError(
            f"training.output_dir: {output} lies inside data.data_dir, so its samples would be "
            "read as novels; name a folder outside.",
            f"training.output_dir：{output} 在 data.data_dir 之内，其中的样例会被当作小说读入；"
            "请换到外面的文件夹。",
        )


# What a resumed run must have in common with the run it goes on from.
_SAME = {
    "model": ("model_name_or_path", "use_peft", "lora_r", "lora_alpha", "lora_target_modules"),
    "data": ("data_dir", "max_length", "validation_split", "anchor", "anchor_ratio"),
    "training": ("kl_beta", "kl_mode", "kl_direction", "per_device_train_batch_size",
                 "gradient_accumulation_steps", "seed"),
}  # fmt: skip


def check_same_run(config: Config, folder: Path) -> None:
    """Raises UserError where `--resume` would go on with other settings than the run had."""
    path = folder / "train_config.yaml"
    if not path.is_file():
        return
    earlier = resolve(path)
    changed = [
        f"{section}.{key} {getattr(getattr(earlier, section), key)} -> "
        f"{getattr(getattr(config, section), key)}"
        for section, keys in _SAME.items()
        for key in keys
        if getattr(getattr(earlier, section), key) != getattr(getattr(config, section), key)
    ]
    if changed and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        listed = "; ".join(changed)
        raise UserError(
            f"--resume: the run in {folder} had other settings ({listed}). Put them back, or "
            "start a new run with --overwrite or in another folder.",
            f"--resume：{folder} 中的训练设置不同（{listed}）。请改回原设置，"
            "或用 --overwrite、换文件夹重新训练。",
        )
