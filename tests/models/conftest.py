"""Fixtures for the tests of models: the authors' reference figures, where they are at hand."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_SHARED = Path(__file__).parents[3] / "shared"


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of figures measured on the authors' code."""
    folder = _SHARED / "data" / "groupnl"
    if not folder.is_dir():
        pytest.skip("the authors' reference figures are not here")
    return folder


@pytest.fixture(scope="session")
def layer_figures(reference: Path) -> dict[str, Any]:
    return json.loads((reference / "layer.json").read_text())


@pytest.fixture(scope="session")
def network_figures(reference: Path) -> dict[str, Any]:
    return json.loads((reference / "models.json").read_text())["models"]


@pytest.fixture(scope="session")
def fill(reference: Path) -> ModuleType:
    """The rule by which the reference weights were filled."""
    spec = importlib.util.spec_from_file_location(
        "groupnl_fill", reference.parents[1] / "tools" / "groupnl_fill.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
