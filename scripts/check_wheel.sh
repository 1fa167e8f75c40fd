#!/usr/bin/env bash
# Builds the sdist and the wheel, installs the wheel into a new environment with its dependencies
# (no extras), and uses it from an empty folder, where the checkout can't be imported.
# VENV names the environment that builds: one with the `test` extra.
set -euo pipefail
cd "$(dirname "$0")/.."
BUILDER=$PWD/${VENV:-.venv}/bin/python
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

mkdir "$WORK/copy" "$WORK/empty"  # a copy, so that no old build/ gets in and no new one stays here
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$WORK/copy"
run() {
    echo "check_wheel: $*"
    "$@" > "$WORK/log" 2>&1 || { cat "$WORK/log"; exit 1; }
}
# The first builds the sdist, and the wheel from it; both wheels must hold the same.
run "$BUILDER" -m build --outdir "$WORK/dist" "$WORK/copy"
run "$BUILDER" -m build --wheel --outdir "$WORK/direct" "$WORK/copy"
"$BUILDER" - "$WORK"/dist/*.whl "$WORK"/direct/*.whl <<'PYTHON'
import sys
from zipfile import ZipFile


def content(wheel):
    return {file.filename: file.CRC for file in ZipFile(wheel).infolist()}


sdist, direct = map(content, sys.argv[1:])
differ = sorted(name for name in {*sdist, *direct} if sdist.get(name) != direct.get(name))
if differ:
    sys.exit(f"check_wheel: these files differ: {differ}")
PYTHON

echo "check_wheel: install the wheel into a new environment"
"$BUILDER" -m venv "$WORK/env"
pip() { "$WORK/env/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
# torch first and by version, as in the Makefile; compiling all of it would be a minute more.
pip install --no-compile -c constraints.txt torch==2.13.0
pip install --no-compile -c constraints.txt "$WORK"/dist/*.whl

cd "$WORK/empty"
unset PYTHONPATH
export PATH="$WORK/env/bin:$PATH" HF_HUB_OFFLINE=1 STYLEDIAL_LANG=en
presets=$(python - <<'PYTHON'
import importlib
import pkgutil
import sys
from pathlib import Path

import styledial

package = Path(styledial.__file__).parent
assert package.is_relative_to(sys.prefix), package
need_gradio = {f"styledial.studio.{name}" for name in ("actions", "page", "slider")}
for module in pkgutil.walk_packages([str(package)], "styledial."):
    if module.name not in need_gradio:
        importlib.import_module(module.name)  # with no extra installed
print(package / "presets")
PYTHON
)
run styledial --version
run python -m styledial --version
run styledial config show --preset standard
# The demo's configuration, but a few updates of it.
run styledial train --config "$presets/demo.yaml" training.max_steps=4
run styledial dial outputs/demo
run styledial generate outputs/demo --prompt 他推开门 --kl_beta 0.0001 --max-new-tokens 8
run styledial report outputs/demo
run styledial plan --config "$presets/demo.yaml" --gpu T4
test -s outputs/demo/adapter_model.safetensors
test -s outputs/demo/report.html
echo "check_wheel: passed"
