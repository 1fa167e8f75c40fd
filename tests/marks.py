"""Which cases of a long table `make test` runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow_but(cases: Iterable[str], *quick: str) -> list[Any]:
    """Parameters of a test: all cases, of which only `quick` are not marked slow."""
    assert set(quick) <= {*cases}
    return [case if case in quick else pytest.param(case, marks=pytest.mark.slow) for case in cases]
