"""MinHash signatures: datasketch's numbers, and the likeness that they estimate."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from styledial.data.copies.minhash import PERMUTATIONS, signature


def test_the_numbers_are_those_of_datasketch() -> None:
    """Of datasketch 2.0.0, MinHash(128, seed=1), so that caches of earlier versions stay right."""
    found = signature(np.array([1, 2, 3, 4_000_000_000], dtype=np.uint64))
    assert found[:4].tolist() == [277274469, 515955198, 1311794348, 590521821]
    assert (signature(np.zeros(0, np.uint64)) == 0xFFFFFFFF).all()


@pytest.mark.parametrize("likeness", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_equal_numbers_estimate_the_likeness_of_sets(likeness: float) -> None:
    draw = np.random.default_rng(7)
    union = draw.choice(1 << 32, size=4000, replace=False).astype(np.uint64)
    shared = round(likeness * len(union))
    half = (len(union) - shared) // 2
    one, other = union[: shared + half], np.concatenate([union[:shared], union[shared + half :]])
    found = float((signature(one) == signature(other)).mean())
    assert found == pytest.approx(likeness, abs=3 * 0.5 / PERMUTATIONS**0.5)


def test_fingerprints_need_no_scipy() -> None:
    code = (
        "import sys; from styledial.data.copies.fingerprint import fingerprint as f; f('雪' * 90)"
    )
    subprocess.run([sys.executable, "-c", f"{code}; assert 'scipy' not in sys.modules"], check=True)
