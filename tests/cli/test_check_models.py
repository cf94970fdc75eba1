"""`gnlbench check --model`: evaluates what is not stored, then checks."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.cli.conftest import gnlbench

QUICK = ("--corruptions", "fog", "--severities", "1,5", "--workers", "0")


@pytest.fixture(scope="module")
def release(
    model: tuple[object, ...], clean_tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An evaluated baseline, exported; its store lies beside it."""
    path = tmp_path_factory.mktemp("release") / "baseline.json"
    db = path.with_name("store.sqlite")
    gnlbench("eval", *model, "--data", clean_tree, *QUICK, "--tag", "released", "--db", db)
    gnlbench("runs", "export", "released", "-o", path, "--db", db)
    return path


GATE = ("--fail-on", "error:+1pp", "--fail-on", "clean_error:+1pp")


def test_a_model_that_is_stored_is_checked_without_evaluating_it_again(
    model: tuple[object, ...], clean_tree: Path, release: Path
) -> None:
    done = gnlbench(
        "check", *model, "--data", clean_tree, *QUICK, "--baseline", release, *GATE,
        "--db", release.with_name("store.sqlite"),
    )  # fmt: skip
    assert "stored already" in done.stderr
    assert "is the baseline itself, so nothing was compared" in done.stdout.splitlines()[0]


def test_a_model_is_evaluated_stored_and_checked(
    checkpoint: Path, clean_tree: Path, release: Path, tmp_path: Path
) -> None:
    broken, db = tmp_path / "broken.safetensors", tmp_path / "s.sqlite"
    tensors = load_file(checkpoint)
    save_file({k: t * 0 if "classifier.w" in k else t for k, t in tensors.items()}, broken)
    done = gnlbench(
        "check", "--model", "tf_efficientnet_lite0", "--ckpt", broken, "--data", clean_tree,
        *QUICK, "--tag", "candidate", "--baseline", release, *GATE, "--db", db,
        "--format", "json", check=1,
    )  # fmt: skip
    document = json.loads(done.stdout)
    assert [rule["passed"] for rule in document["rules"]] == [False, False]
    (stored,) = json.loads(gnlbench("runs", "list", "-f", "json", "--db", db).stdout)["runs"]
    assert (stored["id"], stored["tags"]) == (document["run"]["run_id"], ["candidate"])


def test_cells_that_a_rule_lacks_are_told_before_any_image_is_read(
    model: tuple[object, ...], clean_tree: Path, release: Path, tmp_path: Path
) -> None:
    done = gnlbench(
        "check", *model, "--data", clean_tree, *QUICK, "--severities", "1", "--baseline", release,
        *GATE,
        "--db", tmp_path / "s.sqlite", check=2,
    )  # fmt: skip
    assert "that the run lacks" in done.stderr
    assert not (tmp_path / "s.sqlite").exists()


def test_another_protocol_is_refused_before_any_image_is_read(
    model: tuple[object, ...], clean_tree: Path, release: Path, tmp_path: Path
) -> None:
    unreadable = shutil.copytree(clean_tree, tmp_path / "val")
    for image in unreadable.glob("*/*.JPEG"):
        os.truncate(image, 0)
    options = ("--data", unreadable, *QUICK, "--baseline", release, *GATE)
    options = ("check", *model, *options, "--db", tmp_path / "s.sqlite")
    assert "seed: 0 and 1" in gnlbench(*options, "--seed", "1", check=2).stderr
    assert not (tmp_path / "s.sqlite").exists()
    assert "read other image files" in gnlbench(*options, check=2).stderr
    assert gnlbench("runs", "list", "--db", tmp_path / "s.sqlite").stdout == ""


def test_what_the_baseline_lacks_is_told_before_the_work(
    model: tuple[object, ...], release: Path, tmp_path: Path
) -> None:
    done = gnlbench(
        "check", *model, "--data", tmp_path / "none", "--baseline", release,
        "--fail-on", "mCE:+1", "--db", tmp_path / "s.sqlite", check=2,
    )  # fmt: skip
    assert "that the baseline lacks" in done.stderr
