"""One export from start to end: checked, written aside, measured, described, put in place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from styledial.commands import command
from styledial.errors import UserError, nearest
from styledial.export import gguf, measured, ollama, vllm
from styledial.export.card import card
from styledial.export.programs import ONE_MODEL, llama_server
from styledial.export.source import At, Source, chosen, read_source
from styledial.files import beside, expanded, folder_written_aside, is_gguf, write_json, write_text
from styledial.language import say, typed
from styledial.models.adapter import load_adapter, scale_adapter, write_adapter
from styledial.models.gguf_base import ENDING
from styledial.models.identity import FILE as BASE
from styledial.models.inspect import read_config
from styledial.models.llama_cpp import is_installed
from styledial.models.merge import check_target, left_by_merge, merge_adapter
from styledial.run_folder.described import how_it_writes, prompt_of
from styledial.run_folder.layout import SUMMARY

KINDS = ("peft", "merged", "gguf-lora", "gguf", "ollama", "vllm")
DTYPES = ("auto", "bfloat16", "float16", "float32")
QUANTS = ("f16", "bf16", "f32", "q8_0", "auto")
_IN_OLLAMA = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*){0,3}(?::[\w.-]+)?")  # hf.co/owner/name:tag


@dataclass(frozen=True)
class Options:
    """What the user chose besides the kind; `base_gguf` is a GGUF file or a name in Ollama."""

    strength: str | None = None
    output: Path | None = None
    base: str | None = None
    dtype: str = "auto"
    quant: str = "f16"
    base_gguf: str | None = None
    llama_cpp: Path | None = None
    measure: bool = True


@dataclass
class Exported:
    """What was written: `readings` by strength, `notes` for the user, `typed` commands for next."""

    folder: Path
    kind: str
    strengths: list[At]
    readings: dict[str, measured.Reading] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)


def export(adapter: Path, kind: str, options: Options) -> Exported:
    """Write the adapter for another program into a new folder and say what it is.

    Raises UserError for an unknown kind, a folder that is there already, a strength out of reach
    and what the other program has no place for, before anything is written.
    """
    check_one_of("--to", kind, KINDS)
    check_one_of("--dtype", options.dtype, DTYPES)
    check_one_of("--quant", options.quant, QUANTS)
    target = options.output or beside(adapter, kind)
    check_target(target)
    source = read_source(adapter, options.base)
    wanted = chosen(source, options.strength, several=kind not in ONE_MODEL)
    done = Exported(target, kind, wanted)
    with folder_written_aside(target) as aside:
        _WRITERS[kind](source, options, aside, done)
        for at in wanted:
            if (reading := done.readings.get(at.name)) and reading.is_off:
                done.notes.append(_is_off(at, reading))
        write_text(aside / "README.md", card(source, kind, wanted, done.readings))
    return done


def check_one_of(option: str, value: str, allowed: Iterable[str]) -> None:
    """Raises UserError, with the nearest of those that are allowed."""
    choices = tuple(allowed)
    if value not in choices:
        guess = nearest(value, choices)
        raise UserError(
            f"{option} {value}: there are {', '.join(choices)}."
            + (f" Did you mean {guess}?" if guess else ""),
            f"{option} {value}：可选 {'、'.join(choices)}。"
            + (f"是否想写 {guess}？" if guess else ""),
        )


def _peft(source: Source, options: Options, folder: Path, done: Exported) -> None:
    """NAME/ for each strength: what plain PEFT loads, scaled inside."""
    policy, _ = load_adapter(source.adapter, base=options.base)
    before = 1.0
    for at in done.strengths:
        scale_adapter(policy, at.scale / before)
        before = at.scale
        place = folder / at.name
        place.mkdir()
        write_adapter(policy, place)
        described = {
            "model": source.base.model, "kl_beta": at.kl, "kl_final": at.kl,
            "dialled_from": source.adapter.resolve().name, "adapter_scale": at.scale,
            **how_it_writes(source.adapter),
        }  # fmt: skip
        write_json(place / SUMMARY, described)
        write_json(place / BASE, asdict(source.base))


def _generate(source: Source, folder: Path) -> str:
    return command("generate", folder, "--prompt", prompt_of(source.run or source.adapter))


def _adapters(source: Source, options: Options, folder: Path, done: Exported) -> None:
    _peft(source, options, folder, done)
    done.typed.append(_generate(source, done.folder / done.strengths[0].name))


def _merged(source: Source, options: Options, folder: Path, done: Exported) -> None:
    _merge(source, options, folder / "model", done)
    done.typed.append(_generate(source, done.folder / "model"))


def _merge(source: Source, options: Options, model: Path, done: Exported) -> None:
    (at,) = done.strengths
    if left := left_by_merge(source.adapter):
        done.notes.append(say(*left))
    merge_adapter(source.adapter, model, base=options.base, dtype=options.dtype, scale=at.scale)
    if not options.measure:
        return
    if opened := measured.reopened(source.run, options.base):
        done.readings[at.name] = measured.of_merged(opened, model, at.scale)
    else:
        done.notes.append(_not_measured())


def _gguf_lora(source: Source, options: Options, folder: Path, done: Exported) -> None:
    named = options.base_gguf
    base = source.base_gguf if named is None else gguf_file(named)
    gguf.lora(source, done.strengths, folder)
    file = f"{source.name}.gguf"
    if base is not None:
        done.typed.append(llama_server(base, done.folder / file, done.strengths[0]))
    if base is None or not options.measure:
        return
    if named is None and not is_installed():
        done.notes.append(_needs_llama_cpp())
        return
    opened = measured.reopened(source.run, options.base)
    if opened is None:
        done.notes.append(_not_measured())
        return
    scales = [at.scale for at in done.strengths]
    found = measured.of_gguf(opened, base, folder / file, scales)
    names = [at.name for at in done.strengths]
    done.readings.update(zip(names, found or [], strict=False))


def gguf_file(named: str) -> Path:
    """The GGUF of the base that --base-gguf names; raises UserError where it isn't there."""
    path = expanded(named)
    if not is_gguf(path):
        raise UserError(
            f"--base-gguf {named}: is not a GGUF file; name the base's own, as a file.",
            f"--base-gguf {named}：不是 GGUF 文件；请写基座的 GGUF 文件。",
        )
    return path


def _gguf(source: Source, options: Options, folder: Path, done: Exported) -> None:
    """The merged model is kept only where there is no converter to make a GGUF of it."""
    converter = gguf.find_converter(options.llama_cpp)
    _merge(source, options, folder / "model", done)
    file = f"{source.name}-{options.quant}.gguf"
    if converter is None:
        done.notes.append(gguf.left_as_merged())
        place = done.folder / "model"
        done.typed += gguf.commands(place, str(done.folder / file), options.quant)
        return
    gguf.convert(converter, folder / "model", folder / file, options.quant)
    for path in (folder / "model").iterdir():  # written a moment ago, by this function
        path.unlink()
    (folder / "model").rmdir()


def _ollama(source: Source, options: Options, folder: Path, done: Exported) -> None:
    base = _base_in_ollama(source, options.base_gguf)
    done.notes += ollama.write(source, done.strengths, folder, base)
    for at in done.strengths:
        file = typed(done.folder / f"Modelfile.{at.name}")
        done.typed.append(f"ollama create {source.name}-{at.name} -f {file}")


def _base_in_ollama(source: Source, named: str | None) -> str:
    """What FROM names. A path is absolute, as Ollama reads others from the Modelfile's folder."""
    if named is None:
        return str(source.base_gguf or source.base_folder)
    path = expanded(named)
    if path.is_dir():
        return str(path.absolute())
    if path.exists() or named.endswith(ENDING) or not _IN_OLLAMA.fullmatch(named):
        return str(gguf_file(named).absolute())
    return named


def _vllm(source: Source, options: Options, folder: Path, done: Exported) -> None:
    family = read_config(source.base_folder).get("model_type", "")
    rank = vllm.check(source.adapter, str(family))
    _peft(source, options, folder, done)
    line = vllm.launch_line(source, done.strengths, done.folder.absolute(), rank)
    write_text(folder / "serve.sh", f"#!/bin/sh\nexec {line}\n")
    done.typed.append(line)


_WRITERS: dict[str, Callable[[Source, Options, Path, Exported], None]] = {
    "peft": _adapters, "merged": _merged, "gguf-lora": _gguf_lora, "gguf": _gguf,
    "ollama": _ollama, "vllm": _vllm,
}  # fmt: skip


def _is_off(at: At, reading: measured.Reading) -> str:
    remedy = ("Merge in float32 (--dtype float32).", "请用 float32 合并（--dtype float32）。")
    if reading.base is not None:
        remedy = (
            "Its base is quantised: one of higher precision (--base-gguf FILE, Q8_0 or F16) is "
            "nearer.",
            "基座经过量化：精度更高的基座（--base-gguf 文件，Q8_0 或 F16）会更接近。",
        )
    return say(
        f"{at.name}: the strength as exported, {reading.exported:.4f}, is more than 10% away from "
        f"the adapter's, {reading.adapter:.4f}. {remedy[0]}",
        f"{at.name}：导出后的强度 {reading.exported:.4f} 与适配器的 {reading.adapter:.4f} "
        f"相差超过 10%。{remedy[1]}",
    )


def _needs_llama_cpp() -> str:
    return say(
        "The strength as exported was not measured: that needs llama.cpp (pip install "
        "'styledial[llamacpp]').",
        "未测量导出后的强度：需要 llama.cpp（pip install 'styledial[llamacpp]'）。",
    )


def _not_measured() -> str:
    return say(
        "The strength as exported was not measured: the run's settings or its novels are not here.",
        "未测量导出后的强度：找不到训练设置或小说。",
    )
