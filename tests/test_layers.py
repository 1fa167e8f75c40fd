"""Imports point down only."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "styledial"
# From the bottom up; a module may import from its own layer and from those below.
LAYERS = [
    {"__init__", "words"},
    {"errors", "files"},
    {"processes"},
    {"home"},
    {"hub"},
    {"parts", "config", "losses", "controller", "order", "agree", "guards", "signals", "phases"},
    {"data", "models", "checkpoint", "metrics", "outputs", "prompts", "objective"},
    {"step", "stepdown", "sharding"},
    {"anchor", "reference", "trainer", "evaluators", "generate", "adapter", "landing", "dial"},
    {"screen", "closing", "trackers", "build", "checks", "resume", "incidents", "doctor"},
    {"prepared", "evaluation", "report", "recorder", "announce"},
    {"memory"},
    {"finish"},
    {"run", "redial"},
    {"cli"},
]
# The parts take plain values: configuration is read in run and above.
READS_CONFIG = {
    "announce",
    "prepared",
    "report",
    "build",
    "checks",
    "doctor",
    "evaluation",
    "memory",
    "finish",
    "run",
    "redial",
    "cli",
    "config",
}


def layer_of(module: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if module in names)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "styledial":
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("styledial.")}
    return found - {"__version__"}


def test_imports_point_down() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for other in imports(path):
            upward = layer_of(other) > layer_of(own)
            config = other == "config" and own not in READS_CONFIG
            if upward or config:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {other}")
    assert wrong == []


def test_every_module_has_a_layer() -> None:
    names = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in PACKAGE.rglob("*.py")}
    assert names == set().union(*LAYERS)
