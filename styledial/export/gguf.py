"""GGUF: the adapter beside a table of scales, or the merged model through llama.cpp's converter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from styledial.errors import StyleDialError, UserError
from styledial.export.source import At, Source
from styledial.files import write_json
from styledial.language import say, typed
from styledial.models.gguf_lora import write_gguf_lora
from styledial.progress import stage

SCALES = "strengths.json"
CONVERTER = "convert_hf_to_gguf.py"


def lora(source: Source, wanted: list[At], folder: Path) -> None:
    """NAME.gguf at full strength, and strengths.json: the scale of each strength."""
    file = f"{source.name}.gguf"
    write_gguf_lora(source.adapter, source.base_folder, folder / file, name=source.name)
    table: dict[str, Any] = {
        "file": file,
        "unit": "KL(tuned || base), nats per token of held-out text",
        "strengths": [{"name": at.name, "kl_beta": at.kl, "scale": at.scale} for at in wanted],
        "points": [{"scale": point.scale, "kl": point.kl} for point in source.points],
    }
    write_json(folder / SCALES, table)


def find_converter(named: Path | None) -> Path | None:
    """llama.cpp's convert_hf_to_gguf.py: where the user says, on the PATH, or in ~/llama.cpp.

    Raises UserError where the user's place doesn't have it.
    """
    if named is not None:
        path = named.expanduser()
        path = path / CONVERTER if path.is_dir() else path
        if not path.is_file():
            raise UserError(
                f"--llama-cpp {named}: {CONVERTER} is not there; name the folder of llama.cpp.",
                f"--llama-cpp {named}：没有 {CONVERTER}；请写 llama.cpp 的文件夹。",
            )
        return path.absolute()
    on_path = [Path(part) / CONVERTER for part in os.get_exec_path()]
    places = [*on_path, Path.home() / "llama.cpp" / CONVERTER]
    return next((path for path in places if path.is_file()), None)


def convert(converter: Path, merged: Path, target: Path, quant: str) -> None:
    """Run llama.cpp's converter on a merged model; raises StyleDialError with its last line."""
    command = [sys.executable, str(converter), str(merged)]
    with stage(say("converting with llama.cpp", "用 llama.cpp 转换")):
        done = subprocess.run(
            [*command, "--outfile", str(target), "--outtype", quant],
            capture_output=True,
            text=True,
            check=False,
            errors="replace",
        )
    if done.returncode != 0 or not target.is_file():
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise StyleDialError(
            f"{converter}: failed ({last}). Update llama.cpp and the packages in its "
            "requirements.txt, or convert by hand: styledial export --to merged, then "
            f"python {CONVERTER}.",
            f"{converter}：转换失败（{last}）。请更新 llama.cpp 及其 requirements.txt 中的程序包，"
            f"或先用 styledial export --to merged，再手动运行 {CONVERTER}。",
        )


def commands(merged: Path, file: str, quant: str) -> list[str]:
    """The commands that make the GGUF, for a user who has no llama.cpp here."""
    return [
        "git clone https://github.com/ggml-org/llama.cpp",
        "pip install -r llama.cpp/requirements.txt",
        f"python llama.cpp/{CONVERTER} {typed(merged)} --outfile {typed(Path(file))} "
        f"--outtype {quant}",
    ]


def left_as_merged() -> str:
    """Why there is no GGUF, only the model that it is made of."""
    return say(
        f"llama.cpp's {CONVERTER} is not here (--llama-cpp FOLDER names it), so the merged model "
        "was written; these commands make the GGUF:",
        f"没有找到 llama.cpp 的 {CONVERTER}（可用 --llama-cpp 指明），因此只写出了合并后的模型；"
        "用以下命令生成 GGUF：",
    )
