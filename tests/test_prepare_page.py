"""`prepare --html` and what overrules the rules: data.keep, data.drop, data.encoding."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from data_samples import novel
from typer.testing import CliRunner

from styledial.cli.prepare import app
from styledial.config.resolve import resolve
from styledial.data.cleaning.language import find_language
from styledial.data.novels import read_folder
from styledial.data.overrides import Overrides
from styledial.data.store import Book
from styledial.errors import DataError
from styledial.report.suspicions import Chapter, findings


def prepared(at: Path, *options: str) -> tuple[str, dict[str, str]]:
    """(the page, text by book) of the folder `at`/n."""
    out, html = at / "out.jsonl", at / "page.html"
    done = CliRunner().invoke(app, [str(at / "n"), "-o", str(out), "--html", str(html), *options])
    nothing_kept = "nothing to train on" in str(done.exception)
    assert nothing_kept or done.exit_code == 0, done.output
    text: dict[str, str] = {}
    for line in map(json.loads, out.read_text("utf-8").splitlines()):
        text[line["book"]] = text.get(line["book"], "") + line["text"] + "\n"
    return html.read_text("utf-8"), text


def folder(at: Path) -> None:
    (at / "n").mkdir()
    story = novel(1, 12)
    first = story.index("第二回")
    noted = story[:first] + "　　感谢“小舟”的588打赏，<谢谢支持>！\n" + story[first:]
    (at / "n" / "a.txt").write_text(noted, encoding="utf-8")
    (at / "n" / "lost.txt").write_text("锟斤拷" * 400, encoding="utf-8")
    (at / "n" / "whole.txt").write_text(
        "\n".join(row for row in novel(2, 40).split("\n") if not row.startswith("第")),
        encoding="utf-8",
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_shows_chapters_drops_and_what_is_odd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", language)
    folder(tmp_path)
    page, _ = prepared(tmp_path)
    told = {
        "en": ["12 chapters", "held out", "No chapters were found.", "author&#39;s note ("],
        "zh": ["12 章", "留出", "没有找到章节。", "作者的话 ("],
    }[language]
    for words in told:
        assert words in page
    assert "第十二回" in page
    assert "&lt;谢谢支持&gt;" in page  # a file's text is text
    assert "锟斤拷" in page
    assert f'lang="{"zh-Hans" if language == "zh" else "en"}"' in page
    assert not re.search(r"<script|src=|url\(|href=\"(?!#)", page)


def test_ten_examples_of_each_reason(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "a.txt").write_text(novel(1, 30), encoding="utf-8")
    page, _ = prepared(tmp_path)
    (titles,) = [part for part in page.split("<summary>") if part.startswith("title")]
    assert titles.count("<li>") == 10


def test_lines_that_the_user_keeps_and_drops(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    rows = novel(1, 4).split("\n")
    rows[6:6] = ["　　求月票！求推荐票！", "　　第三章 渡", "　　本地口音重，外人听不懂。"]
    (tmp_path / "n" / "a.txt").write_text("\n".join(rows), encoding="utf-8")
    plain = prepared(tmp_path)[1]["a.txt"]
    assert "求月票" not in plain
    assert "第三章" not in plain
    assert "口音" in plain
    _, text = prepared(tmp_path, "--keep", "^　*求月票", "--keep", "第三章", "--drop", "口音")
    kept = text["a.txt"].split("\n")
    assert "口音" not in text["a.txt"]
    place = kept.index("求月票！求推荐票！")
    assert kept[place - 1] == rows[5].strip("　")
    assert kept[place + 1] == "第三章 渡"


def test_the_encoding_that_the_user_names(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    short = "こんにちは、世界。"
    (tmp_path / "n" / "a.txt").write_bytes(short.encode("euc_jp"))
    assert prepared(tmp_path, "--encoding", "*.txt=euc_jp")[1]["a.txt"].replace("\n", "") == short
    assert prepared(tmp_path, "--encoding", "b.txt=gb18030")[1].keys() <= {"a.txt"}
    with pytest.raises(DataError, match=r"data\.encoding"):
        read_folder(tmp_path / "n", 0.1, overrides=Overrides(encoding=("a.txt=utf-8",)))


@pytest.mark.parametrize(
    ("given", "en"),
    [
        ({"keep": ("(",)}, "is no regular expression"),
        ({"drop": (".*",)}, "fits every line"),
        ({"encoding": ("gb18030",)}, "is not FILE=NAME"),
        ({"encoding": ("a.txt=klingon",)}, "names no encoding"),
        ({"encoding": ("a.txt=base64",)}, "names no encoding"),
    ],
)
def test_what_is_no_pattern_or_encoding_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, tuple[str, ...]], en: str
) -> None:
    monkeypatch.setenv("STYLEDIAL_LANG", "en")
    with pytest.raises(DataError, match=en):
        Overrides(**given)


def test_a_books_oddities() -> None:
    def told(book: Book, *chapters: tuple[str | None, str, int]) -> str:
        made = []
        for title, text, times in chapters:
            made.append(Chapter(("b", title)))
            for _ in range(times):
                made[-1].add(text, "train")
        return " ".join(finding.what[0] for finding in findings(book, made))

    zh, en = novel(1, 1, 6) * 3, "He went to the mill and it was dark, and the rain fell. " * 20
    assert find_language([zh]).code == "zh"
    assert find_language([en]).code == "en"
    fine = Book("b", chars_in=90_000, chars_out=90_000)
    assert told(fine, ("一", zh, 4), ("二", zh, 4)) == ""
    assert "No chapters" in told(fine, (None, zh, 9))
    assert "One chapter has" in told(fine, ("一", zh, 90), ("二", zh, 4))
    assert "a line or two" in told(fine, *[(str(i), "短。", 1) for i in range(9)])
    assert "several languages: zh 67%, en 33%" in told(fine, ("一", zh, 8), ("二", en, 4))
    much = Book("b", chars_in=90_000, chars_out=60_000, drops={"licence": 30_000})
    assert "33% of its characters" in told(much, ("一", zh, 4))
    copy = Book("b", kept=False, reason="near-duplicate of a", pieces=4)
    assert told(copy) == ""


def test_the_configuration_has_them() -> None:
    settings = resolve(assignments=["data.keep=['^甲']", "data.encoding=[a.txt=big5]"]).data
    assert (settings.keep, settings.drop, settings.encoding) == (["^甲"], [], ["a.txt=big5"])
