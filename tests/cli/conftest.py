"""A real network and real photographs: those of the demonstration, as files of a user."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

import corruptions
from robustbench_gnl.cli import app
from robustbench_gnl.data import clean_crop, imagenet_labels, jpeg_step
from robustbench_gnl.models import load_demo_model
from tests.cli.stored import Stored, make_stored

CHECKOUT = Path(__file__).parents[2]
MADE = ("fog", "pixelate", "jpeg_compression")
"""The corruptions of the tree in the release's layout: quick to make, one of them random."""


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def gnlbench(*arguments: object, check: int | None = 0) -> Done:
    """The real command line in this process, where torch is loaded already."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.stderr
    if check is not None:
        assert result.exit_code == check, result.stderr
    return Done(result.exit_code, result.stdout, result.stderr)


def command(*arguments: object) -> list[str]:
    """The command for a process of its own."""
    return [sys.executable, "-m", "robustbench_gnl", *map(str, arguments)]


def environment() -> dict[str, str]:
    ours = ("GNLBENCH", "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return kept | {"PYTHONPATH": str(CHECKOUT)}


def gnlbench_json(*arguments: object) -> dict:
    return json.loads(gnlbench(*arguments, "--format", "json").stdout)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests must not see the data, the store and the terminal of the person who runs them."""
    ours = ("GNLBENCH_DATA", "GNLBENCH_CLEAN_DATA", "GNLBENCH_DB")
    for name in (*ours, "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Runs of made-up answers; not to be changed."""
    return make_stored(tmp_path_factory.mktemp("stored") / "store.sqlite")


@pytest.fixture(scope="session")
def yardstick(stored: Stored) -> Path:
    """A reference of the user's own, called `yardstick`: the errors of a run."""
    shown = gnlbench("runs", "show", "worse_net", "--format", "csv", "--db", stored.db).stdout
    path = stored.db.with_name("yardstick.csv")
    path.write_text(shown.replace("worse_net", "yardstick"))
    return path


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration's weights under timm's own keys, as a checkpoint file."""
    path = tmp_path_factory.mktemp("checkpoint") / "lite0.safetensors"
    save_file(load_demo_model().module.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> tuple[object, ...]:
    """The options that name the network."""
    return ("--model", "tf_efficientnet_lite0", "--ckpt", checkpoint)


@pytest.fixture(scope="session")
def clean_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty photographs in class folders by WordNet id."""
    root = tmp_path_factory.mktemp("data") / "val"
    folder = Path(importlib.util.find_spec("foolbox").origin).parent / "data"
    wnids = list(imagenet_labels())
    for photograph in sorted(folder.glob("imagenet_*.jpg")):
        label = int(photograph.stem.rsplit("_", 1)[1])
        target = root / wnids[label] / f"{photograph.stem}.JPEG"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(photograph.read_bytes())
    return root


@pytest.fixture(scope="session")
def made_tree(clean_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree in the layout of the release, made as the release was, with another seed."""
    root = tmp_path_factory.mktemp("imagenet-c")
    for path in sorted(clean_tree.glob("*/*.JPEG")):
        crop = np.asarray(clean_crop(Image.open(path).convert("RGB")))
        for name in MADE:
            for severity in corruptions.SEVERITIES:
                target = root / name / str(severity) / path.parent.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                image = corruptions.corrupt(crop, name, severity, seed=7, key=path.stem)
                target.write_bytes(as_jpeg(image))
    return root


def as_jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=85, optimize=True)
    decoded = np.asarray(Image.open(io.BytesIO(buffer.getvalue())).convert("RGB"))
    assert np.array_equal(decoded, jpeg_step(image, 85))
    return buffer.getvalue()
