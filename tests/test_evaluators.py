"""Each metric on text of which the answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from running import invoke, run_cli, small_run

from styledial.data.pack import PackedRows
from styledial.evaluation.copying import longest_copies
from styledial.evaluation.fluency import distinct, longest_loop
from styledial.evaluation.record import Evaluation, warnings
from styledial.evaluation.result import Result, of_max, of_rate
from styledial.evaluation.rhythm import Rhythm
from styledial.evaluation.style import StyleScore, plain
from styledial.evaluation.words import CHINESE, function_words, sentence_lengths
from styledial.evaluation.writing import Passage, Passages, as_text
from styledial.models.load import load_tokenizer


def rows_of(stream: np.ndarray, width: int) -> PackedRows:
    """A stream of tokens as rows, each beginning with the last token of the row before."""
    count = (len(stream) - 1) // width
    rows = [stream[i * width : (i + 1) * width + 1] for i in range(count)]
    return PackedRows(np.array(rows, dtype=np.int32), [[(0, width + 1)]] * count)


def test_copies_are_found_as_by_looking_at_every_pair() -> None:
    generator = np.random.default_rng(0)
    for _ in range(5):
        stream = generator.integers(1, 40, size=193)
        passages = []
        for _ in range(5):
            start, size = generator.integers(0, 150), generator.integers(4, 40)
            around = generator.integers(1, 40, size=(2, 10))
            passages.append(np.concatenate([around[0], stream[start : start + size], around[1]]))
        found = longest_copies(passages, rows_of(stream, 16)).tolist()
        assert found == [common_run(p.tolist(), stream[:-1].tolist()) for p in passages]


def common_run(a: list[int], b: list[int]) -> int:
    best, above = 0, [0] * (len(b) + 1)
    for x in a:
        row = [0] * (len(b) + 1)
        for j, y in enumerate(b, 1):
            row[j] = above[j - 1] + 1 if x == y else 0
        best, above = max(best, *row), row
    return best if best >= 8 else 0


def test_dashes_are_nobodys_words() -> None:
    stream = np.array([7] * 100 + list(range(10, 110)))
    assert longest_copies([np.array([7] * 50)], rows_of(stream, 16)).tolist() == [0]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([1, 2, 3, 4, 5, 6], 0),
        ([1, 2, 2, 3], 0),
        ([1, 2, 2, 2, 3], 3),
        ([9, 4, 5, 4, 5, 4, 5, 9], 6),
        ([1, 2, 3] * 5, 15),
    ],
)
def test_loops(tokens: list[int], expected: int) -> None:
    assert longest_loop(np.array(tokens)) == expected


def test_distinct() -> None:
    assert distinct(np.array([1, 2, 1, 2, 1]), 2) == 0.5
    assert distinct(np.array([1]), 2) is None


def test_the_interval_of_a_rate_is_one_of_rates() -> None:
    for count in (10, 24, 64, 192):
        for hits in {0, 1, count // 2, count - 1, count}:
            rate, (low, high) = of_rate(np.arange(count) < hits)
            assert rate == hits / count
            assert 0 <= low <= rate <= high <= 1
            assert high > low
    low, high = of_rate(np.arange(96) < 2)[1]  # as in Wilson's formula, worked out by hand
    assert (round(low, 4), round(high, 4)) == (0.0057, 0.0728)


def test_the_largest_may_be_larger_elsewhere() -> None:
    assert of_max(np.array([9.0] + [0.0] * 99)) == (9, (0, 18))
    assert of_max(np.full(50, 9.0)) == (9, (9, 9))


def test_function_words_and_sentences() -> None:
    counts = function_words("之乎者也，大江。", chinese=True)
    assert [counts[CHINESE.index(word)] for word in "之乎者也"] == [1, 1, 1, 1]
    assert counts[-1] == 2
    assert sum(function_words("The cat, and the dog!", chinese=False)) == 5
    text = "了半句。“一二三！”四五，六七。八九十"
    assert sentence_lengths(text, chinese=True) == [3, 4]
    assert sentence_lengths("end. He did. Mr Fox ran off! And", chinese=False) == [2, 4]


def test_layout_is_no_clue() -> None:
    assert plain("天色\n　已晚 。\nHe  said\nso") == "天色已晚。He said so"


@pytest.fixture(scope="module")
def corpora(tiny_base: Path):
    """Two styles as pieces of 80 tokens: the package's wuxia tale and its modern prose."""
    import build_base

    tokenizer = load_tokenizer(str(tiny_base))

    def pieces(name: str, count: int) -> list[np.ndarray]:
        ids = tokenizer("\n".join(build_base.texts(name)))["input_ids"][: 80 * count]
        return list(np.array(ids).reshape(count, 80))

    return tokenizer, pieces("wuxia", 100), pieces("modern", 100)


def passages_of(books: list[np.ndarray], base: list[np.ndarray], tuned: list[np.ndarray]):
    def side(pieces: list[np.ndarray]) -> list[Passage]:
        return [Passage(place, ids, False) for place, ids in enumerate(pieces)]

    return Passages(
        prompts=np.zeros((len(books), 4), dtype=np.int64),
        opened=list(range(len(books))),
        book=side(books),
        reference=books,
        tokens=80,
        tuned=side(tuned),
        base=side(base),
    )


def test_the_style_score_tells_books_from_base_and_a_mixture_lies_between(corpora) -> None:
    tokenizer, books, base = corpora

    def score(tuned: list[np.ndarray]) -> Result:
        return next(StyleScore(passages_of(books, base, tuned), tokenizer).run())

    mixed = [ids for pair in zip(books[::2], base[1::2], strict=True) for ids in pair]
    low, half, high = score(base), score(mixed), score(books)
    assert low.base is not None
    assert low.books is not None
    assert low.base < 0.1
    assert low.books > 0.9
    assert low.value == pytest.approx(low.base)
    assert high.value == pytest.approx(high.books)
    assert half.value == pytest.approx((low.base + low.books) / 2, abs=0.07)
    assert half.ci[0] < half.value < half.ci[1]


def test_length_gives_no_style_away(corpora) -> None:
    """Books and base from one text, but cut to different lengths: the classifier knows nothing."""
    tokenizer, books, _ = corpora
    found = next(
        StyleScore(
            passages_of(books[::2], [b[:50] for b in books[1::2]], books[::2]), tokenizer
        ).run()
    )
    assert found.base is not None
    assert found.value - found.base < 0.3


def test_passages_that_end_at_once_have_no_style(corpora) -> None:
    """A base that answers with nothing: the other metrics are of use all the same."""
    tokenizer, books, base = corpora
    empty = [ids[: 80 * (number % 2)] for number, ids in enumerate(base)]
    passages = passages_of(books, empty, empty)
    assert list(StyleScore(passages, tokenizer).run()) == []
    assert [found.name for found in Rhythm(passages, tokenizer).run()] == [
        "function_word_distance",
        "sentence_rhythm_distance",
    ]


def test_distances_are_smallest_to_ones_own_kind(corpora) -> None:
    tokenizer, books, base = corpora
    for result in Rhythm(passages_of(books, base, books), tokenizer).run():
        assert result.value == pytest.approx(0, abs=1e-9), result.name
        assert result.base is not None
        assert result.base > 0.005, result.name


def test_text_passes_through_the_tokenizer_whole(corpora) -> None:
    tokenizer, *_ = corpora
    # A character cut in two by the end of a passage leaves no mark of its own.
    ids = tokenizer("好\U0002a700")["input_ids"]
    assert as_text(tokenizer, np.array(ids[:-1])) == "好"


def test_copying_is_spoken_of_above_the_stated_rate() -> None:
    def said(value: float, low: float, base: float, books: float | None = None) -> int:
        result = Result("long_copy_rate", value, (low, 1.0), "share of passages", base, books)
        return len(warnings(Evaluation({"long_copy_rate": result})))

    assert said(0.3, 0.2, 0.0) == 1
    assert said(0.3, 0.2, 0.25) == 0  # the base knows the books as well
    assert said(0.3, 0.2, 0.0, 0.25) == 0  # the books say it again themselves
    assert said(0.01, 0.005, 0.0) == 0


@pytest.mark.slow
def test_an_overfitted_run_is_flagged_and_an_ordinary_one_is_not(
    tiny_base: Path, novels: Path, tmp_path: Path
) -> None:
    """The same base: twelve hundred characters a hundred times over, and a few passes."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(novels.glob("*.txt")))
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/one.txt").write_text(text[:1600], encoding="utf-8")
    planted = [
        *small_run(tiny_base, tmp_path / "tiny", tmp_path / "planted"), "kl_mode=off",
        "use_peft=false", "learning_rate=0.005", "max_steps=320", "evaluate_at_end=quick",
    ]  # fmt: skip
    done = invoke("train", *planted)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "planted/evaluation.json").read_text(encoding="utf-8"))
    rate = found["metrics"]["extraction_rate_32"]
    assert rate["value"] > 0.5
    assert rate["base"] == 0
    assert 0 < found["settings"]["places"] <= 24  # as many as so short a text has
    assert any("extraction_rate_32" in warning["en"] for warning in found["warnings"])
    assert "reproduces passages of the training books" in done.stderr
    # Nothing was held to a budget, and nobody is told of one.
    assert "/0.1  lambda" not in done.stderr
    assert " of 0.1 nats per token" not in done.stderr
    assert "further from the novels" in done.stderr
    ordinary = [*small_run(tiny_base, novels, tmp_path / "ordinary"), "evaluate_at_end=quick"]
    assert invoke("train", *ordinary).returncode == 0
    found = json.loads((tmp_path / "ordinary/evaluation.json").read_text(encoding="utf-8"))
    assert found["warnings"] == []
    assert found["metrics"]["extraction_rate_32"]["value"] == 0
    assert found["metrics"]["long_copy_rate"]["value"] == 0


def test_a_missing_extra_prints_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("styledial.evaluation.harness.find_spec", lambda name: None)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "x"}')
    result = run_cli(["evaluate", str(tmp_path), "--bench", "cmmlu"])
    assert "pip install 'styledial[bench]'" in str(result.exception)
    assert getattr(result.exception, "exit_code", None) == 2


def test_tasks_of_the_harness_before_and_after(tiny_base: Path, tmp_path: Path) -> None:
    """The installed harness on a task of ours: nothing is downloaded."""
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is the extra `bench`")
    from styledial.errors import UserError
    from styledial.evaluation.bench import Bench
    from styledial.models.load import load_base
    from styledial.models.policy import with_lora

    questions = [{"q": "水往哪里流？", "choices": ["低处", "高处"], "gold": 0}] * 4
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    (tmp_path / "questions.jsonl").write_text(lines, encoding="utf-8")
    task = {
        "task": "ours", "dataset_path": "json", "test_split": "test",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "questions.jsonl")}},
        "output_type": "multiple_choice", "doc_to_text": "{{q}}", "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }  # fmt: skip
    (tmp_path / "ours.yaml").write_text(json.dumps(task), encoding="utf-8")
    policy = with_lora(
        load_base(str(tiny_base), dtype="float32"),
        r=4,
        lora_alpha=8,
        lora_dropout=0.0,
        target_modules="all-linear",
    )
    tokenizer = load_tokenizer(str(tiny_base))
    (found,) = Bench(policy, tokenizer, ("ours",), 2, folder=tmp_path).run()
    assert found.name == "bench_ours"
    assert found.value in (0.0, 1.0)  # one question four times
    assert found.value == found.base  # a fresh adapter is the base
    with pytest.raises(UserError, match="not a task"):
        list(Bench(policy, tokenizer, ("nowhere",), 2).run())
