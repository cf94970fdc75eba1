"""Fixtures that several folders of tests share; `tests.trees` builds the image trees."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.made_runs import make_run, protocol_of  # noqa: F401
from tests.trees import make_clean_tree, make_released_tree

CHECKOUT = Path(__file__).parents[1]
_SHARED = CHECKOUT.parent / "shared" / "data"

# The same examples at each run, however slow the machine: a red test means a changed program.
settings.register_profile("gnlbench", deadline=None, derandomize=True)
settings.load_profile("gnlbench")

RunPython = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def clean_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of two clean images each; not to be changed."""
    return make_clean_tree(tmp_path_factory.mktemp("clean") / "val")


@pytest.fixture(scope="session")
def released_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same six keys under fog and snow, severities 1 and 3; not to be changed."""
    root = tmp_path_factory.mktemp("released") / "imagenet-c"
    return make_released_tree(root, names=("fog", "snow"), severities=(1, 3))


@pytest.fixture(scope="session")
def sample_photographs() -> list[Path]:
    """The photographs that foolbox carries."""
    spec = importlib.util.find_spec("foolbox")
    assert spec is not None
    assert spec.origin is not None
    return sorted((Path(spec.origin).parent / "data").glob("imagenet_*.jpg"))


@pytest.fixture(scope="session")
def imagenet_photographs() -> list[Path]:
    """Validation photographs of many shapes, where they are at hand."""
    found = sorted((_SHARED / "imagenet-sample").glob("*/*.JPEG"))
    if not found:
        pytest.skip("the ImageNet photographs are not here")
    return found


@pytest.fixture(scope="session")
def robustbench_files() -> list[str]:
    """Paths of the 5,000 images that RobustBench drew, where the list is at hand."""
    listing = _SHARED / "robustbench_5k.txt"
    if not listing.is_file():
        pytest.skip("RobustBench's list of images is not here")
    return listing.read_text().split()


@pytest.fixture
def run_python() -> RunPython:
    """Run a few lines in a fresh interpreter that imports what this one does."""

    def run(code: str, *arguments: str, before: Path | None = None):
        path = [str(CHECKOUT), *([os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [])]
        if before is not None:
            path.insert(0, str(before))
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
