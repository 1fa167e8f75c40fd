"""Every module can be imported, and the light ones stay light."""

import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import styledial

# The page itself is written in Gradio's terms; what begins it, cli/studio.py, asks first.
NEED_GRADIO = ("styledial.studio.actions", "styledial.studio.page", "styledial.studio.slider")


def test_import_every_module() -> None:
    names = [m.name for m in pkgutil.walk_packages(styledial.__path__, "styledial.")]
    assert len(names) > 20
    if find_spec("gradio") is None:  # the extra `studio`
        names = [name for name in names if name not in NEED_GRADIO]
    for name in names:
        assert import_module(name).__doc__, f"{name} has no docstring"


# Each takes longer to import than the 0.3 s that a page of help may take.
HEAVY = {
    "accelerate", "bitsandbytes", "datasets", "gradio", "huggingface_hub", "matplotlib", "numpy",
    "peft", "pyarrow", "safetensors", "scipy", "sklearn", "tokenizers", "torch", "transformers",
}  # fmt: skip


def test_help_and_version_import_nothing_heavy() -> None:
    code = f"""
import sys, typer.main, config_loader
from contextlib import redirect_stdout
from io import StringIO
from styledial.cli.main import app

def pages(command, path=()):
    yield [*path, "--help"]
    for name, inner in getattr(command, "commands", {{}}).items():
        yield from pages(inner, (*path, name))

shown = 0
for words in [["--version"], *pages(typer.main.get_command(app))]:
    with redirect_stdout(StringIO()) as page:
        app(words, standalone_mode=False)
    shown += bool(page.getvalue())
    if loaded := sorted({HEAVY!r} & set(sys.modules)):
        sys.exit(f"{{words}} imports {{loaded}}")
print(shown)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert int(done.stdout) > 20, "not every command was asked"
