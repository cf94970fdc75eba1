"""The numbers that an earlier version printed for a store are printed today, to the last digit."""

from __future__ import annotations

import csv
import io
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from robustbench_gnl.cli import app

HERE = Path(__file__).parent
OUTPUTS = json.loads(lzma.decompress((HERE / "outputs_before.json.xz").read_bytes()))

REWORDED: dict[str, str] = {
    "The tree has the layout of ImageNet-C, but not its images: where it comes from is "
    "unverified.": (
        "The data has the layout of ImageNet-C, but is not the complete published set of images: "
        "its origin is unverified."
    ),
    "the network is near chance on clean images, so its clean error foretells nothing": (
        "the model is near chance on clean images, so its clean error has no predictive value"
    ),
    "share of the images whose first answer is wrong": (
        "share of the images whose top-1 prediction is wrong"
    ),
    "whose label is not among the first five answers": (
        "whose label is not among the top five predictions"
    ),
    "how surprised the network is by the label": "how improbable the label is to the model",
    "what corruption itself costs, against the reference": (
        "what corruption adds to the clean error, relative to the reference"
    ),
    "how far mCE lies below what the clean error foretells": (
        "how far mCE is below what the clean error predicts"
    ),
    ": the worst would be the unluckiest": ", so the maximum would mostly reflect chance",
    "a group of the paper": "mean CE of a group of corruptions",
    "mean over its severities": "mean error over the severities of the corruption",
    "its errors as a share of those of": "errors of the corruption as a share of those of",
    "the same of what corruption adds to the clean error": (
        "what the corruption adds to the clean error, as a share of what it adds to the reference's"
    ),
}
"""Sentences of the earlier version and their wording today; numbers and keys never change."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("golden")
    content = lzma.decompress((HERE / "store_before.sqlite.xz").read_bytes())
    (root / "store.sqlite").write_bytes(content)
    (root / "yardstick.csv").write_text((HERE / "yardstick.csv").read_text())
    return root


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: " ".join(output["command"]))
def test_the_output_is_that_of_the_earlier_version(
    output: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name in ("GNLBENCH_DB", "GNLBENCH_DATA", "GNLBENCH_CLEAN_DATA", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(app, [*output["command"], "--db", "store.sqlite"])
    assert done.exit_code == output["exit_code"], done.stderr
    if output["command"][-1] == "csv":
        before, now = _table(output["stdout"]), _table(done.stdout)
    else:
        before, now = _json(output["stdout"]), _json(done.stdout)
    assert not list(_differences(before, now))


def _json(text: str) -> Any:
    return json.loads(text) if text else None


def _table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """What is missing or has changed; new keys are allowed."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key, value in before.items():
            if key in now:
                yield from _differences(value, now[key], f"{path}.{key}")
            else:
                yield f"{path}.{key} is missing"
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _differences(one, other, f"{path}[{i}]")
    elif before != now and not (isinstance(before, str) and _reworded(before) == now):
        yield f"{path}: {before!r} before, {now!r} now"


def _reworded(sentence: str) -> str:
    for before, today in REWORDED.items():
        sentence = sentence.replace(before, today)
    return sentence


@pytest.mark.parametrize(
    ("before", "now"),
    [({"a": 1}, {}), ({"a": 1}, {"a": 1.5}), ([1, 2], [1]), ({"a": [{"b": None}]}, {"a": [{}]})],
)
def test_a_difference_is_seen(before: Any, now: Any) -> None:
    assert list(_differences(before, now))
    with_more = {**before, "new": 1} if isinstance(before, dict) else before
    assert not list(_differences(before, with_more))
