"""`styledial prepare DIR -o OUT.jsonl`: novels as they are found -> passages to train on."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styledial.cli.opening import working
from styledial.cli.outputs import new_file, new_page
from styledial.cli.streams import show_any_character
from styledial.cli.typer_words import Command, run
from styledial.commands import command, next_lines
from styledial.data.reading.own_output import MANIFEST
from styledial.data.reading.own_output import prepared as written_by_prepare
from styledial.errors import DataError, StyleDialError, UserError
from styledial.language import say
from styledial.places import check_new
from styledial.progress import stage
from styledial.units import duration

if TYPE_CHECKING:
    from styledial.data.pipeline import Prepared

HELP = say(
    "Read a folder of novels, clean it, and write passages. In any encoding; duplicates are "
    "dropped, and a part is held out.",
    "读取任意编码的小说文件夹：清洗、去重、划分，并写出段落。",
)
EPILOG = say(
    "Example: styledial prepare novels -o novels.jsonl",
    "示例：styledial prepare novels -o novels.jsonl",
)

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help=say(
            "Folder with .txt, .md, .epub, .jsonl or .json files.",
            "存放 .txt、.md、.epub、.jsonl 或 .json 文件的文件夹。",
        ),
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        callback=new_file,
        help=say(
            "Passages, one a line; the manifest is written beside it.",
            "输出的段落，每行一段；清单写在旁边。",
        ),
    ),
]
ValidationSplit = Annotated[
    float,
    typer.Option(min=0.0, max=0.5, help=say("Part of each book held out.", "每本书留出的比例。")),
]
ToSimplified = Annotated[
    bool,
    typer.Option(
        "--to-simplified", help=say("Traditional characters to simplified.", "繁体转简体。")
    ),
]
Dedup = Annotated[
    bool,
    typer.Option(help=say("Drop duplicates and near-duplicates.", "去掉重复和近似重复的内容。")),
]
ShowDrops = Annotated[
    bool,
    typer.Option(
        "--show-drops",
        help=say("List everything that was dropped, and why.", "列出所有去掉的内容及原因。"),
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        callback=new_page,
        help=say(
            "A page to look at: chapters, what was dropped, what is odd.",
            "写出可查看的网页：章节、去掉的内容、可疑之处。",
        ),
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help=say("Lines that must stay; repeatable.", "必须保留的行（正则表达式），可重复。"),
    ),
]
DropLines = Annotated[
    list[str] | None,
    typer.Option(
        "--drop",
        metavar="PATTERN",
        help=say("Lines that must go; repeatable.", "必须去掉的行（正则表达式），可重复。"),
    ),
]
EncodingOf = Annotated[
    list[str] | None,
    typer.Option(
        "--encoding",
        metavar="FILE=NAME",
        help=say("The encoding of a file; repeatable.", "指定某个文件的编码，可重复。"),
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help=say("Processes; one a core if not given.", "进程数；默认每核一个。")),
]


def prepare(
    folder: Folder,
    out: Out,
    validation_split: ValidationSplit = 0.05,
    to_simplified: ToSimplified = False,
    dedup: Dedup = True,
    show_drops: ShowDrops = False,
    html: Html = None,
    keep: Keep = None,
    drop: DropLines = None,
    encoding: EncodingOf = None,
    workers: Workers = None,
) -> None:
    """Read `folder`, write passages, dialogues and manifest, and say what was read."""
    from styledial.data.overrides import Overrides

    show_any_character()
    manifest, talks, store = beside(out)
    _refuse_foreign(out, manifest, talks)
    overrides = Overrides(tuple(keep or ()), tuple(drop or ()), tuple(encoding or ()))
    out.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with working(say(f"prepare {folder}", f"整理 {folder}")):
        from styledial.data.manifest import summary, write_manifest
        from styledial.data.pipeline import prepare_folder

        try:
            prepared = prepare_folder(
                folder,
                store,
                validation_split,
                to_simplified=to_simplified,
                dedup=dedup,
                workers=workers,
                leave_out=[out, manifest, talks, *([html] if html else [])],
                overrides=overrides,
            )
            with stage(say("writing the passages", "写出段落")):
                _write(prepared, out, talks)
                write_manifest(manifest, prepared)
            if html:
                _write_page(html, folder, prepared)
        except KeyboardInterrupt:
            _say_stopped(store)
            raise
    for line in summary(prepared):
        typer.echo(line)
    if show_drops:
        _show_drops(prepared)
    shutil.rmtree(store, ignore_errors=True)  # absent where nothing was read
    passed = duration(time.monotonic() - began)
    typer.echo(say(f"{out}  ({passed})", f"{out}（{passed}）"))
    _check_any_kept(prepared, folder, manifest)
    advice = [(say("train on it", "用它训练"), command("train", f"data.data_dir={folder}"))]
    for line in next_lines(advice):
        typer.echo(line)


def _check_any_kept(prepared: Prepared, folder: Path, manifest: Path) -> None:
    if not any(book.kept for book in prepared.books):
        raise DataError(
            f"{folder}: no file there could be used, so there is nothing to train on; the reasons "
            f"are above and in {manifest}. Put novels there that can be read.",
            f"{folder}：没有可用的文件，因此没有可训练的内容；原因见上文和 {manifest}。"
            "请放入可以读取的小说。",
        )


def _refuse_foreign(*files: Path) -> None:
    """Raises UserError where -o, or what is written beside it, would replace another's file: a
    novel, say."""
    for path in files:
        check_new("-o", path, folder=False)
        if path.exists() and path.stat().st_size and written_by_prepare(path) is None:
            raise UserError(
                f"-o: {path} exists already and isn't what prepare wrote; it is left as it is. "
                "Name another file.",
                f"-o：{path} 已存在，且不是 prepare 写下的，未改动；请换一个文件名。",
            )


def _write_page(html: Path, folder: Path, prepared: Prepared) -> None:
    from styledial.report.reading import write_page

    html.parent.mkdir(parents=True, exist_ok=True)
    write_page(html, folder, prepared)


def _say_stopped(store: Path) -> None:
    typer.echo(
        say(
            f"Stopped. {store} keeps the books that were done; the same command goes on there.",
            f"已停止。{store} 保留了已完成的书；再次运行同一命令即可继续。",
        ),
        err=True,
    )


def beside(out: Path) -> tuple[Path, Path, Path]:
    """(manifest, dialogues, working folder) of an output file, all next to it."""
    stem = out.name.removesuffix(".jsonl")
    return (
        out.with_name(f"{stem}{MANIFEST}"),
        out.with_name(f"{stem}.dialogues.jsonl"),
        out.with_name(f".{stem}.work"),
    )


def _write(prepared: Prepared, out: Path, talks: Path) -> None:
    """OUT.jsonl always; the dialogues only where there are any."""
    from styledial.files import written_aside

    with written_aside(out) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        for p in prepared.passages():
            line = {"text": p.text, "book": p.book, "chapter": p.chapter, "split": p.split}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    if not any(book.dialogues for book in prepared.books if book.kept):
        talks.unlink(missing_ok=True)
        return
    with written_aside(talks) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        for d in prepared.dialogues():
            record = {"messages": d.messages, "book": d.book, "split": d.split}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _show_drops(prepared: Prepared) -> None:
    from styledial.data.manifest import reason_name

    for book in prepared.books:
        for drop in prepared.store.drops(book.key):
            typer.echo(f"{book.file}:{drop.number}  {reason_name(drop.reason)}  {drop.text}")
    for book, passage in prepared.dropped_copies():
        typer.echo(f"{book.file}  {reason_name('duplicate')}  {passage}")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command(cls=Command, help=HELP, epilog=EPILOG)(prepare)


def main() -> None:
    """The command alone, with errors as one sentence and exit code 2."""
    try:
        run(app)
    except StyleDialError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
