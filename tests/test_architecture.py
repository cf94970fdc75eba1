"""Imports go one way, and what must start at once loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "robustbench_gnl"
ENGINE = PACKAGE.parent / "corruptions"

LAYERS = (
    {"_version", "errors", "text", "files", "fingerprints"},
    {"records", "resources", "normalisation", "progress", "levels"},
    {"contents", "modules", "serialization"},
    {"suites"},
    {"metrics"},
    {"data", "models"},
    {"statistics", "store"},
    {"evaluation"},
    {"leaderboard", "citations"},
    {"reports"},
    {"cli"},
    {"__main__", "__init__"},
)
"""Each imports what stands above it here, and itself: never what stands beside or below it."""
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}


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


FILES = sorted(PACKAGE.rglob("*.py"))


def own_imports(file: Path) -> set[str]:
    """The modules of the package that a file imports, anywhere in it."""
    found = set()
    for name in imported_modules(file):
        parts = name.split(".")
        while parts and parts[0] == "robustbench_gnl":
            place = PACKAGE.parent.joinpath(*parts)
            if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
                found.add(".".join(parts))
                break
            parts.pop()
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_imports_only_what_stands_above_it(file: Path) -> None:
    layer = layer_of(file)
    for name in own_imports(file) - {"robustbench_gnl"}:
        other = name.split(".")[1]
        assert other == layer or HEIGHT[other] < HEIGHT[layer], f"{layer} imports {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions and for type checkers count, too: a reader follows them as well."""
    graph: dict[str, set[str]] = {}
    for file in FILES:
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        graph[name] = own_imports(file) - {name, "robustbench_gnl"}
    order = TopologicalSorter(graph)
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("file", sorted((PACKAGE / "store").rglob("*.py")), ids=lambda f: f.name)
def test_the_store_knows_no_corruption(file: Path) -> None:
    """Which conditions a run may have is up to its suite."""
    assert not {name for name in imported_modules(file) if name.split(".")[0] == "corruptions"}


def test_the_program_uses_no_mock() -> None:
    for file in [*PACKAGE.rglob("*.py"), *ENGINE.rglob("*.py")]:
        assert not {name for name in imported_modules(file) if name.startswith("unittest")}, file


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
        ("import robustbench_gnl.evaluation", {"torch", "timm", "sqlalchemy", "pandas"}),
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
