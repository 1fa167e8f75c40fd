"""What a wheel would hold; scripts/check_wheel.sh builds, installs and uses a real one.

`styledial.memory` was once missing from the list of packages: an installed wheel couldn't train,
and an editable install, as here, hid it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from styledial import __version__


def python(folder: Path, *args: str) -> str:
    """What `python ARGS` prints there."""
    command = [sys.executable, *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that setuptools puts into a wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    python(root, "setup.py", "--quiet", "build_py", "--build-lib", str(folder))
    return folder


def files(folder: Path) -> set[str]:
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def test_every_file_of_the_package_is_in_the_wheel(built: Path, root: Path) -> None:
    source = files(root / "styledial")
    presets = {f"presets/{path.name}" for path in (root / "configs").glob("*.yaml")}
    assert {"memory/__init__.py", "assets/base/config.json", "py.typed"} < source
    assert files(built / "styledial") == source | presets


def test_nothing_else_is_in_the_wheel(built: Path) -> None:
    assert {path.name for path in built.iterdir()} == {"styledial", "config_loader.py"}


def test_presets_of_an_installed_package_are_its_own(built: Path) -> None:
    """A folder `configs` of another package, beside an installed one, once took their place."""
    (built / "configs").mkdir(exist_ok=True)
    code = (
        "from styledial.config.resolve import PRESETS, preset_path\n"
        "for name in PRESETS: assert preset_path(name).is_file(), preset_path(name)\n"
        "print(preset_path('quick'))"
    )
    assert python(built, "-c", code) == str(built / "styledial/presets/quick_test.yaml")
    (built / "configs").rmdir()


def test_python_m_styledial(built: Path) -> None:
    assert python(built, "-m", "styledial", "--version") == f"styledial {__version__}"
