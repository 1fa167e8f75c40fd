"""Figures in words: small, zero and negative ones too."""

from __future__ import annotations

import pytest

from styledial import units


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (units.fixed(-0.0004), "0.000"),
        (units.fixed(-0.0006), "-0.001"),
        (units.fixed(1234.5, 1), "1,234.5"),
        (units.signed(-0.0), "0.000"),
        (units.signed(-0.0004), "0.000"),
        (units.signed(0.0089), "+0.009"),
        (units.signed(-0.007), "-0.007"),
        (units.strength(0.0938), "0.094"),
        (units.strength(0.00042), "0.00042"),
        (units.strength(0.0), "0.000"),
        (units.percent(0), "0%"),
        (units.percent(0.001), "< 1%"),
        (units.percent(0.999), "99%"),
        (units.percent(1), "100%"),
        (units.duration(0), "0 s"),
        (units.duration(0.004), "0.1 s"),
        (units.duration(9.96), "10 s"),
        (units.duration(61), "1 min 01 s"),
        (units.duration(3725), "1 h 02 min"),
        (units.duration(3 * 86_400 + 3600), "3 days 1 h"),
        (units.about(0.2), "1 s"),
        (units.about(43), "45 s"),
        (units.about(58), "1 min"),
        (units.about(3600), "60 min"),
        (units.about(6000), "1.7 h"),
        (units.about(10 * 86_400), "10 days"),
        (units.count(0.09, "token", "tokens", "个"), "under 1 token"),
        (units.count(1, "book", "books", "本"), "1 book"),
        (units.count(0, "book", "books", "本"), "0 books"),
        (units.epochs(0.0499)[0], "0.05 epochs"),
        (units.epochs(0.001)[0], "< 0.01 epochs"),
        (units.epochs(1)[0], "1 epoch"),
        (units.epochs(2.9301)[0], "2.93 epochs"),
        (units.epochs(120.02)[1], "120 轮"),
        (units.operations(3.1e9), "3.1 GFLOP"),
        (units.operations(1.26e13), "12.6 TFLOP"),
        (units.large(980), "980"),
        (units.large(12_345), "12,300"),
        (units.large(1_263_000), "1.26 million"),
        (units.memory_size(100), "< 1 MiB"),
        (units.memory_size(0), "0 MiB"),
        (units.disk_size(900), "900 B"),
    ],
)
def test_a_figure_reads_as_it_is(shown: str, wanted: str) -> None:
    assert shown == wanted


def test_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """The screen said 约 0.0 小时 and 只有 0.09 个."""
    monkeypatch.setenv("STYLEDIAL_LANG", "zh")
    assert units.duration(20) == "20 秒"
    assert units.about(120) == "2 分钟"
    assert units.count(0.09, "token", "tokens", "个") == "不到 1 个"
    assert units.large(1_263_000) == "126.3 万"
