"""Own classes, from the folders to the leaderboard: labels, class maps, and where mCE is none."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from robustbench_gnl.data import imagenet_labels
from robustbench_gnl.store import open_store
from robustbench_gnl.store.stored_run import RunHead, StoredRun
from tests.cli.conftest import gnlbench, gnlbench_json
from tests.statistics.samples import ALL_CELLS, chances, draw, pieces_of
from tests.store.samples import make_image_set, make_model, make_protocol

NAMES = ["aircraft", "boxer_9", "boxer_10", "Persian", "tabby", "Zebra"]
"""In timm's order."""
FEW = ("--corruptions", "contrast", "--severities", "1", "--workers", "0")


@pytest.fixture(scope="module")
def named_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six of the photographs whose class the network knows, in folders with names."""
    root = tmp_path_factory.mktemp("named") / "val"
    folder = Path(importlib.util.find_spec("foolbox").origin).parent / "data"
    for name, photograph in zip(NAMES, sorted(folder.glob("imagenet_*.jpg")), strict=False):
        (root / name).mkdir(parents=True)
        shutil.copy(photograph, root / name)
    return root


def label_of(folder: Path) -> int:
    return int(next(folder.iterdir()).stem.rsplit("_", 1)[1])


@pytest.fixture(scope="module")
def six_classes(checkpoint: Path, named_tree: Path, tmp_path_factory) -> Path:
    """The network with a head for these six, as timm's training on them would have it."""
    state = load_file(checkpoint)
    rows = [label_of(named_tree / name) for name in NAMES]
    for key in ("classifier.weight", "classifier.bias"):
        state[key] = state[key][rows].clone()
    path = tmp_path_factory.mktemp("six") / "six.pth"
    torch.save({"state_dict": state}, path)
    return path


def evaluated(named_tree: Path, checkpoint: Path, db: Path, *options: object) -> dict:
    return gnlbench_json(
        "eval", "--model", "tf_efficientnet_lite0", "--ckpt", checkpoint, "--data", named_tree,
        *FEW, "--db", db, *options,
    )  # fmt: skip


def test_named_folders_are_numbered_as_timm_trained_on_them(
    named_tree: Path, six_classes: Path, tmp_path: Path
) -> None:
    db = tmp_path / "db"
    right = evaluated(named_tree, six_classes, db)
    assert right["protocol"]["label_set"].startswith("folders-natural-")
    plain = tmp_path / "plain.txt"
    plain.write_text("\n".join(sorted(NAMES)))
    shifted = evaluated(named_tree, six_classes, db, "--class-map", plain)
    assert shifted["protocol"]["fingerprint"] != right["protocol"]["fingerprint"]
    assert right["clean_error"] < 0.5 < shifted["clean_error"]
    told = gnlbench(
        "eval", "--model", "tf_efficientnet_lite0", "--ckpt", six_classes, "--data", named_tree,
        *FEW, "--db", db,
    ).stderr  # fmt: skip
    assert "numbered as timm's training numbers them" in told


def test_own_folders_onto_imagenets_classes(
    named_tree: Path, checkpoint: Path, six_classes: Path, tmp_path: Path
) -> None:
    wnids = list(imagenet_labels())
    path = tmp_path / "map.json"
    path.write_text(json.dumps({name: wnids[label_of(named_tree / name)] for name in NAMES}))
    mapped = evaluated(named_tree, checkpoint, tmp_path / "db", "--class-map", path)
    of_six = evaluated(named_tree, six_classes, tmp_path / "db")
    assert mapped["protocol"]["label_set"].startswith("imagenet-1k-map-")
    assert of_six["clean_error"] <= mapped["clean_error"] < 0.5  # fewer classes to choose from
    assert "contrast was not" not in mapped["reasons"]["mce"]
    assert "have other classes" not in mapped["reasons"]["mce"]


def test_a_class_map_and_the_sample(model: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "map.txt").write_text("a\n")
    refused = gnlbench(
        "eval", *model, "--data", "sample", "--class-map", tmp_path / "map.txt", check=2
    )
    assert "leave out --class-map" in refused.stderr


def test_mce_is_not_defined_for_other_classes(
    named_tree: Path, six_classes: Path, tmp_path: Path
) -> None:
    db = tmp_path / "db"
    run = evaluated(named_tree, six_classes, db)
    assert run["mce"] is None
    assert "ImageNet's 1,000 classes, and these images have other classes" in run["reasons"]["mce"]
    assert "--reference" in run["reasons"]["corruptions.contrast.ce"]
    assert run["mean_corruption_error"] is None  # one corruption of fifteen
    assert "other classes" not in run["reasons"]["mean_corruption_error"]
    shown = gnlbench("runs", "show", run["run_id"], "--db", db).stdout
    assert "no mCE and no relative mCE: CE and mCE divide by AlexNet's errors" in shown


@pytest.fixture(scope="module")
def own_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Complete runs of two models on classes that are not ImageNet's."""
    db = tmp_path_factory.mktemp("own") / "db.sqlite"
    rng = np.random.default_rng(0)
    good = draw(rng, chances(rng, 64))
    images = replace(make_image_set(64), label_set="folders-0123456789ab")
    with open_store(str(db), write=True) as store:
        for index, (name, wrong) in enumerate(
            {"good_net": good, "bad_net": good | (rng.random(64) < 0.5)}.items()
        ):
            head = RunHead(
                f"20261123-142530-{index:06x}", 32, "2026-11-23T14:25:30+00:00",
                "2026-11-23T14:27:00+00:00", (), {}, {},
            )  # fmt: skip
            pieces = tuple(pieces_of(wrong, ALL_CELLS, block_size=32))
            protocol = make_protocol(images, name="generated-64-folders")
            store.import_stored([StoredRun(head, make_model(name, name), protocol, images, pieces)])
    return db


@pytest.mark.parametrize("sort", ["mce", "relative_mce", "noise", "fog"])
@pytest.mark.parametrize("ci", [(), ("--ci",)])
def test_runs_of_other_classes_rank_by_mean_corruption_error(
    own_classes: Path, sort: str, ci: tuple[str, ...]
) -> None:
    arguments = ("leaderboard", "--db", own_classes, "--sort", sort, *ci)
    (board,) = gnlbench_json(*arguments)["boards"]
    assert board["sort"] == "mean_corruption_error"
    assert [(row["rank"], row["model"]) for row in board["rows"]] == [
        (1, "good_net"),
        (2, "bad_net"),
    ]
    assert all(row["mce"] is None for row in board["rows"])
    text = gnlbench(*arguments).stdout
    assert "ranked by mean corruption error" in text
    assert "no reference: CE and mCE divide by AlexNet's errors on ImageNet's 1,000 classes" in text
    assert "AlexNet (reference)" not in text


def test_rules_of_mce_say_why_they_cannot_be_judged(own_classes: Path) -> None:
    check = ("check", "bad_net", "--baseline", "good_net", "--db", own_classes, "--fail-on")
    for rule in ("mCE:+0.5", "relative_mCE:+1", "CE[fog]:+1"):
        refused = gnlbench(*check, rule, check=2)
        assert "these images have other classes" in refused.stderr
    gnlbench(*check, "error:+1pp", check=1)


def test_a_reference_of_ones_own_is_the_way_on(own_classes: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.csv"
    shown = gnlbench("runs", "show", "good_net", "--format", "csv", "--db", own_classes).stdout
    reference.write_text(shown)
    arguments = ("--db", own_classes, "--reference", reference)
    (board,) = gnlbench_json("leaderboard", *arguments)["boards"]
    assert board["sort"] == "mce"
    values = {row["model"]: row["mce"] for row in board["rows"] if row["kind"] == "run"}
    assert values["good_net"] == pytest.approx(100)
    assert values["bad_net"] > 100
    gnlbench(
        "check", "bad_net", "--baseline", "good_net", "--fail-on", "mCE:+0.5", *arguments, check=1
    )


@pytest.mark.parametrize("command", ["compare", "plan", "explain"])
@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown", "latex"])
def test_every_report_does_without_mce(own_classes: Path, command: str, format: str) -> None:
    runs = {"compare": ("good_net", "bad_net"), "plan": ("good_net",), "explain": ("good_net",)}
    out = gnlbench(command, *runs[command], "--db", own_classes, "--format", format).stdout
    assert "errors of AlexNet" not in out
    assert "AlexNet = 100" not in out


def test_a_subset_of_imagenets_classes_says_what_is_divided_by_what(stored) -> None:
    document = gnlbench_json("runs", "show", "base_net", "--db", stored.db)
    shown = gnlbench("runs", "show", "base_net", "--db", stored.db).stdout
    assert document["n_image_classes"] == 32
    assert (
        "CE divides the errors on images of 32 classes by AlexNet's on all 1,000, of which these "
        "need not be typical"
    ) in " ".join(shown.split())
