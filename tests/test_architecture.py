"""Imports go one way, and what must start at once loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "robustbench_gnl"
ENGINE = PACKAGE.parent / "corruptions"

# Whom each layer may import, besides itself and what stands below it.
MIDDLE = {"reports", "leaderboard", "statistics", "store", "evaluation", "models", "data"}
BASE = {
    *("metrics", "contents", "modules", "normalisation", "records", "reference", "resources"),
    *("suites", "text", "files"),
}
ALLOWED = {
    "cli": MIDDLE | BASE | {"citations", "errors"},
    "evaluation": {"data"} | BASE | {"errors"},
    "reports": {"leaderboard", "statistics"} | BASE | {"errors"},
    "leaderboard": {"statistics"} | BASE | {"errors"},
    "citations": {"reference"},
    "statistics": BASE | {"errors"},
    "store": BASE | {"errors"},
    "models": BASE | {"errors"},
    "data": BASE | {"errors"},
    "metrics": {"contents", "records", "reference", "errors"},
    "contents": {"records", "errors"},
    "reference": {"records", "resources", "files", "errors"},
    "resources": {"errors"},
    "suites": {"records", "resources", "errors"},
    "records": {"errors"},
    "normalisation": {"errors"},
    "modules": {"normalisation", "records"},
    "text": set(),
    "files": set(),
    "errors": set(),
}


def imported_modules(file: Path) -> set[str]:
    """Dotted names imported anywhere in a file, functions included."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if layer_of(file) in ALLOWED]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_below_it(file: Path) -> None:
    layer = layer_of(file)
    for name in imported_modules(file):
        parts = name.split(".")
        if parts[0] == "robustbench_gnl" and len(parts) > 1 and parts[1] != "__version__":
            assert parts[1] in ALLOWED[layer] | {layer}, f"{layer} imports {name}"


@pytest.mark.parametrize("file", sorted(ENGINE.rglob("*.py")), ids=lambda file: file.name)
def test_the_engine_knows_nothing_of_the_application(file: Path) -> None:
    unwanted = {"robustbench_gnl", "timm", "sqlalchemy", "cv2", "scipy", "skimage"}
    if file.parent.name != "batch":  # the one place for tensors
        unwanted.add("torch")
    for name in imported_modules(file):
        assert name.split(".")[0] not in unwanted


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import corruptions", {"numpy", "cv2", "torch"}),
        ("import robustbench_gnl", {"numpy", "torch", "sqlalchemy"}),
        ("import robustbench_gnl.cli", {"numpy", "torch", "pandas", "sqlalchemy", "timm"}),
        ("import robustbench_gnl.data", {"torch", "timm", "cv2"}),
    ],
)
def test_importing_loads_nothing_heavy(statement: str, unwanted: set[str]) -> None:
    script = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not unwanted & set(done.stdout.split())


@pytest.mark.parametrize("file", sorted((PACKAGE / "reports/render").glob("*.py")), ids=str)
def test_a_renderer_knows_blocks_and_formats_alone(file: Path) -> None:
    known = ("reports.document", "reports.formatting", "reports.render", "text", "errors")
    for name in imported_modules(file):
        if name.startswith("robustbench_gnl."):
            assert name.removeprefix("robustbench_gnl.").startswith(known), name


@pytest.mark.parametrize("package", ["reports", "leaderboard"])
def test_modules_of_a_package_do_not_import_in_circles(package: str) -> None:
    files = {
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts): file
        for file in (PACKAGE / package).rglob("*.py")
        if file.name != "__init__.py"
    }
    left = {
        name: {other for other in files for one in imported_modules(file) if _is_of(one, other)}
        for name, file in files.items()
    }
    while left:
        free = {name for name, needs in left.items() if not needs & set(left)}
        assert free, f"these import each other: {sorted(left)}"
        left = {name: needs for name, needs in left.items() if name not in free}


def _is_of(imported: str, module: str) -> bool:
    return imported == module or imported.startswith(f"{module}.")
