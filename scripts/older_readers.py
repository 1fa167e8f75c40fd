"""Make an environment with the older libraries that people read our exports with.

    python scripts/older_readers.py FOLDER

transformers 4.57 and PEFT 0.13 go into FOLDER; torch and the rest are borrowed from the Python
that runs this. Prints FOLDER's Python. A minute and 60 MB; nothing where it is there already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

_OLDER = ("transformers==4.57.6", "tokenizers==0.22.1", "huggingface_hub==0.36.0", "peft==0.13.2")
_THEIR_NEEDS = ("requests",)


def make_environment(folder: Path) -> Path:
    """The environment's Python. Raises CalledProcessError where the packages are not available."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / ".installed"
    if done.is_file() and done.read_text(encoding="utf-8") == "\n".join(_OLDER):
        return python
    venv.create(folder, with_pip=True, clear=True)
    for packages in (("--no-deps", *_OLDER), _THEIR_NEEDS):
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
            check=True,
            capture_output=True,
            text=True,
            timeout=600,
        )
    own = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    # After its own packages in the search path, so that those win.
    borrowed = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (Path(own) / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    done.write_text("\n".join(_OLDER), encoding="utf-8")
    return python


if __name__ == "__main__":
    print(make_environment(Path(sys.argv[1]).absolute()))
