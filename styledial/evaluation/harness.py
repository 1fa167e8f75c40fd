"""Whether lm-evaluation-harness is installed, asked before torch is imported."""

from __future__ import annotations

from importlib.util import find_spec

from styledial.errors import UserError


def require_harness() -> None:
    """Raises UserError with the line that installs it."""
    if find_spec("lm_eval") is None:
        raise UserError(
            "--bench: needs lm-evaluation-harness: pip install 'styledial[bench]'",
            "--bench：需要 lm-evaluation-harness：pip install 'styledial[bench]'",
        )
