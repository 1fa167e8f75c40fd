"""Files that were read wrongly once, as `prepare` reads them now: a table of right and wrong.

python benchmarks/reading_cases.py ../shared/cases/found
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import zipfile
from pathlib import Path

from styledial.data.pipeline import prepare_folder
from styledial.data.reading.decode import detect, lines
from styledial.errors import DataError

_NOT_PROSE = ("编者的脚注", "译注", "被盗", "盗版必究", "隐藏", "かん", "ISBN")


def encoding(path: Path) -> tuple[bool, str]:
    """Right where the text is that of the encoding in the file's name, or the file is refused."""
    _, _, name = path.stem.removesuffix("-l").removesuffix("-short").partition("-")
    wanted = re.sub(r"\s+", "", path.read_bytes().decode(name, "replace"))
    try:
        found = detect(path)
    except DataError as error:
        return True, f"refused: {str(error).split(path.name, 1)[-1][:90]}"
    text = re.sub(r"\s+", "", "".join(lines(path, found)))
    letters = [re.sub(r"[\W_\x80-\x9f]", "", value) for value in (text, wanted)]
    return letters[0] == letters[1], found.name


def whole(path: Path) -> tuple[bool, str]:
    """Right where something is kept without what isn't prose, or a reason is given."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder) / "n"
        at.mkdir()
        (at / path.name).write_bytes(path.read_bytes())
        prepared = prepare_folder(at, Path(folder) / "s", 0.0, workers=1)
        text = "".join(passage.text for passage in prepared.passages())
        book, talks = prepared.books[0], list(prepared.dialogues())
    if not book.kept:
        return bool(
            book.reason
        ) and "no text left" not in book.reason, f"refused: {book.reason[:90]}"
    unwanted = _NOT_PROSE if path.suffix == ".epub" else ("锟", "<p>")
    clean = not any(word in text for word in unwanted)
    fits = len(text) + sum(len(m["content"]) for d in talks for m in d.messages)
    enough = fits > _letters(path) * 0.9
    return clean and enough, f"{book.encoding}: {len(text):,} characters, {len(talks)} dialogues"


def _letters(path: Path) -> int:
    """Chinese characters in a file of records or its pages, each text counted once."""
    if path.suffix == ".epub":
        with zipfile.ZipFile(path) as packed:
            pages = [packed.read(n) for n in packed.namelist() if re.search(r"c\d+\w*\.xhtml$", n)]
        return (
            sum(len(re.findall("[一-鿿]", page.decode("utf-8", "ignore"))) for page in pages) // 2
        )
    rows = {row for row in path.read_bytes().decode("utf-8", "ignore").split("\n") if row.strip()}
    return len(re.findall("[一-鿿]", json.dumps(sorted(rows), ensure_ascii=False))) // 2


def main() -> None:
    root, wrong = Path(sys.argv[1]), 0
    for folder in ("enc", "garb", "epub", "rec", "mixdlg"):
        for path in sorted((root / folder).iterdir()):
            right, told = encoding(path) if folder == "enc" else whole(path)
            wrong += not right
            print(f"{'right' if right else 'WRONG'}  {folder}/{path.name}  {told}")
    print(f"{wrong} wrong")


if __name__ == "__main__":
    main()
