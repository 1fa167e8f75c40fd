"""The page that shows the idea does what it says."""

from __future__ import annotations

import re
import sys

import minimal_loop
import pytest


def test_it_learns_the_style_at_the_distance_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["minimal_loop.py", "--kl_beta", "0.02", "--steps", "12"])
    minimal_loop.main()
    said = capsys.readouterr().out
    before, after, kl, scale = map(float, re.findall(r"\d+\.\d{3,4}", said.partition("held")[2]))
    assert after < before - 0.05
    assert kl == pytest.approx(0.02, rel=0.01)
    assert 0 < scale < 1
