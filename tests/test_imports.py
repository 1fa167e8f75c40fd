"""Every module can be imported, and the light ones stay light."""

import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import styledial

# The page itself is written in Gradio's terms; what begins it, cli/studio.py, asks first.
NEED_GRADIO = ("styledial.studio.page", "styledial.studio.slider")


def test_import_every_module() -> None:
    names = [m.name for m in pkgutil.walk_packages(styledial.__path__, "styledial.")]
    assert len(names) > 20
    if find_spec("gradio") is None:  # the extra `studio`
        names = [name for name in names if name not in NEED_GRADIO]
    for name in names:
        assert import_module(name).__doc__, f"{name} has no docstring"


def test_the_command_line_starts_without_torch() -> None:
    code = (
        "import sys, styledial.cli.main, config_loader; "
        "print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
