"""The page that shows the idea does what it says."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import minimal_loop
import pytest


@pytest.mark.slow  # no part of the program
def test_it_learns_the_style_at_the_distance_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wuxia").mkdir()
    for file in sorted((minimal_loop.ASSETS / "wuxia").glob("*.txt"))[:2]:
        shutil.copy(file, tmp_path / "wuxia")
    monkeypatch.setattr(minimal_loop, "ASSETS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["minimal_loop.py", "--kl_beta", "0.02", "--steps", "12"])
    minimal_loop.main()
    said = capsys.readouterr().out
    before, after, kl, scale = map(float, re.findall(r"\d+\.\d{3,4}", said.partition("held")[2]))
    assert after < before - 0.05
    assert kl == pytest.approx(0.02, rel=0.01)
    assert 0 < scale < 1
