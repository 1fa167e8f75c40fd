#!/usr/bin/env bash
# The quick tests with the oldest or the newest dependencies that pyproject.toml allows:
#
#   scripts/check_dependencies.sh lowest|newest [pytest options]
#
# torch is the same in both (constraints.txt): another version would be gigabytes of CUDA.
# Needs Python 3.10 or newer as PYTHON (python3) and the package index. docs/dependencies.md has
# the results.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
    lowest) RESOLUTION=lowest-direct WARNINGS=(-W default) ;;  # old libraries warn of new ones
    newest) RESOLUTION=highest WARNINGS=() ;;
    *)
        echo "usage: $0 lowest|newest [pytest options]" >&2
        exit 2
        ;;
esac
shift
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

"${PYTHON:-python3}" -m venv "$WORK/env"
PYTHON=$WORK/env/bin/python
"$PYTHON" -m pip install --quiet --disable-pip-version-check uv "$(grep ^torch== constraints.txt)"
echo 'torch; sys_platform == "none"' > "$WORK/override"  # installed above: left out below
"$PYTHON" -m uv --quiet pip compile pyproject.toml --extra test --resolution $RESOLUTION \
    --python "$PYTHON" --override "$WORK/override" --output-file "$WORK/requirements.txt"
# Without dependencies: resolving again, without the override, would replace torch.
"$PYTHON" -m uv --quiet pip install --no-deps --python "$PYTHON" -r "$WORK/requirements.txt"
"$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps -e .
"$PYTHON" -m pip check
grep -E '^[a-zA-Z]' "$WORK/requirements.txt"
"$PYTHON" -m pytest -n 2 --dist loadfile -m "not slow" "${WARNINGS[@]}" "$@"
