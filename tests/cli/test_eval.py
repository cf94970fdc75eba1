"""`gnlbench eval` on real photographs, against loops that know nothing of it."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision import transforms

from robustbench_gnl.cli._session import typed_command
from robustbench_gnl.data import imagenet_labels
from robustbench_gnl.models import load_demo_model
from tests.cli.conftest import MADE, command, environment, gnlbench, gnlbench_json

QUICK = ("--corruptions", "fog,contrast", "--severities", "1,3", "--workers", "0")


def right_answers(folder: Path, transform: object) -> dict[str, bool]:
    """The plain way: one image at a time, no code of ours but the network's weights."""
    network, labels = load_demo_model().module, imagenet_labels()
    with torch.inference_mode():
        return {
            f"{path.parent.name}/{path.stem}": int(
                network(transform(Image.open(path).convert("RGB"))[None]).argmax()
            )
            == labels[path.parent.name]
            for path in sorted(folder.glob("*/*.JPEG"))
        }


TO_INPUT = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])
CLEAN = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), TO_INPUT])


def exported_bits(run_id: str, db: Path) -> dict[str, np.ndarray]:
    """Condition to right or wrong by image, as the export holds them."""
    document = json.loads(gnlbench("runs", "export", run_id, "--db", db).stdout)
    n_images = document["protocol"]["n_images"]
    return {
        f"{piece['corruption']}/{piece['severity']}": np.unpackbits(
            np.frombuffer(base64.b64decode(piece["correct"]), np.uint8), count=n_images
        ).astype(bool)
        for piece in document["pieces"]
    }


def test_a_tree_in_the_releases_layout_agrees_with_an_independent_loop(
    model: tuple[object, ...], made_tree: Path, clean_tree: Path, tmp_path: Path
) -> None:
    db = tmp_path / "store.sqlite"
    document = gnlbench_json(
        "eval", *model, "--data", made_tree, "--clean-data", clean_tree, "--db", db
    )
    assert document["protocol"]["source"] == "released-layout"
    assert document["protocol"]["resampling"] == "none"
    bits = exported_bits(document["run_id"], db)
    assert len(bits) == 1 + 5 * len(MADE)
    for name in MADE:
        for severity in range(1, 6):
            expected = right_answers(made_tree / name / str(severity), TO_INPUT)
            assert bits[f"{name}/{severity}"].tolist() == list(expected.values())
            error = 1 - np.mean(list(expected.values()))
            found = document["corruptions"][name]["severities"][severity - 1]
            assert found == pytest.approx(error)
    expected = right_answers(clean_tree, CLEAN)
    assert bits["clean/0"].tolist() == list(expected.values())
    assert document["clean_error"] == pytest.approx(1 - np.mean(list(expected.values())))


def test_the_json_is_the_documented_contract(
    model: tuple[object, ...], made_tree: Path, tmp_path: Path
) -> None:
    document = gnlbench_json(
        "eval", *model, "--data", made_tree, "--workers", "0", "--limit", "5",
        "--corruptions", "fog", "--db", tmp_path / "s.sqlite",
    )  # fmt: skip
    assert document["schema_version"] == 1
    assert {"name", "checkpoint_sha256", "n_params"} <= set(document["model"])
    assert {"name", "fingerprint"} <= set(document["protocol"])
    assert document["n_images"] == 5
    assert set(document["corruptions"]["fog"]) >= {"error", "ce", "severities"}
    assert document["corruptions"]["fog"]["ce"] is not None
    for undefined in ("clean_error", "mce", "relative_mce", "mean_corruption_error"):
        assert document[undefined] is None
        assert document["reasons"][undefined]


def test_a_killed_run_resumes_and_equals_an_undisturbed_one(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    arguments = (
        "eval", *model, "--data", clean_tree, "--corruptions", "noise,fog", "--severities", "1-5",
        "--workers", "2",
    )  # fmt: skip
    killed, whole = tmp_path / "killed.sqlite", tmp_path / "whole.sqlite"
    process = subprocess.Popen(
        command(*arguments, "--db", killed), stderr=subprocess.DEVNULL, env=environment()
    )
    deadline = time.monotonic() + 120
    while n_pieces(killed) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stored = n_pieces(killed)
    assert 4 <= stored < 21

    resumed = gnlbench(*arguments, "--db", killed, "--format", "json")
    assert f"{stored} pieces are stored" in resumed.stderr
    first = json.loads(resumed.stdout)
    second = gnlbench_json(*arguments, "--db", whole)
    assert pieces_of(first["run_id"], killed) == pieces_of(second["run_id"], whole)
    assert first["corruptions"] == second["corruptions"]


def n_pieces(db: Path) -> int:
    try:
        with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
            return int(connection.execute("select count(*) from pieces").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def pieces_of(run_id: str, db: Path) -> list[dict]:
    """All the facts but the time they took; sums to 1e-9 relative."""
    document = json.loads(gnlbench("runs", "export", run_id, "--db", db).stdout)
    pieces = []
    for piece in document["pieces"]:
        total = piece.pop("negative_log_likelihood_sum")
        calibration = piece.pop("calibration")
        piece.pop("seconds")
        sums = [total, *calibration["confidence_sum"]]
        rounded = [float(f"{value:.9g}") for value in sums]
        counts = (calibration["n_images"], calibration["n_top1"])
        pieces.append(piece | {"sums": rounded, "counts": counts})
    return pieces


def test_ctrl_c_exits_130_and_leaves_no_process_behind(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    db = tmp_path / "store.sqlite"
    arguments = ("eval", *model, "--data", clean_tree, "--workers", "2", "--db", db)
    process = subprocess.Popen(
        command(*arguments), stderr=subprocess.PIPE, text=True, env=environment(),
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while n_pieces(db) < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 130, stderr
    assert "the same command goes on where this one stopped" in stderr
    assert "Traceback" not in stderr
    assert n_pieces(db) >= 1


def test_a_complete_run_is_printed_at_once_and_rerun_makes_a_new_one(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    arguments = ("eval", *model, "--data", clean_tree, *QUICK, "--limit", "4")
    arguments = (*arguments, "--db", tmp_path / "store.sqlite")
    first = gnlbench(*arguments, "--format", "json")
    again = gnlbench(*arguments, "--format", "json", "--tag", "second")
    assert "stored already" in again.stderr
    assert json.loads(again.stdout)["run_id"] == json.loads(first.stdout)["run_id"]
    assert json.loads(again.stdout)["tags"] == ["second"]
    anew = gnlbench(*arguments, "--format", "json", "--rerun", "--tag", "second")
    ids = [json.loads(done.stdout)["run_id"] for done in (first, anew)]
    assert ids[0] != ids[1]
    assert f"which selects the newest, {ids[1]} (before: {ids[0]})" in anew.stderr


def test_more_conditions_complete_the_same_run(
    model: tuple[object, ...], made_tree: Path, tmp_path: Path
) -> None:
    arguments = ("eval", *model, "--data", made_tree, "--limit", "4", "--workers", "0")
    arguments = (*arguments, "--db", tmp_path / "store.sqlite", "--corruptions", "fog")
    first = gnlbench_json(*arguments, "--severities", "1,3")
    second = gnlbench_json(*arguments, "--severities", "1-5")
    assert second["run_id"] == first["run_id"]
    assert first["corruptions"]["fog"]["severities"][1] is None
    assert None not in second["corruptions"]["fog"]["severities"]


def test_several_models_share_the_images_and_equal_single_evaluations(
    checkpoint: Path, model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    tensors = load_file(checkpoint)
    other = tmp_path / "other.safetensors"
    save_file({key: t * 0.7 if "classifier" in key else t for key, t in tensors.items()}, other)
    rest = ("--data", clean_tree, *QUICK, "--limit", "6")
    both = gnlbench_json("eval", *model, "--ckpt", other, *rest, "--db", tmp_path / "both.sqlite")
    alone = gnlbench_json(
        "eval", "--model", "tf_efficientnet_lite0", "--ckpt", other, *rest,
        "--db", tmp_path / "alone.sqlite",
    )  # fmt: skip
    assert len(both["runs"]) == 2
    assert pieces_of(both["runs"][1]["run_id"], tmp_path / "both.sqlite") == pieces_of(
        alone["run_id"], tmp_path / "alone.sqlite"
    )


def test_workers_and_batch_size_change_no_answer(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    rest = ("--corruptions", "impulse_noise,glass_blur,snow", "--severities", "2", "--limit", "9")
    answers = []
    for index, way in enumerate((("--workers", "0"), ("--workers", "2", "--batch-size", "4"))):
        db = tmp_path / f"{index}.sqlite"
        document = gnlbench_json("eval", *model, "--data", clean_tree, *rest, *way, "--db", db)
        bits = exported_bits(document["run_id"], db)
        answers.append({condition: found.tolist() for condition, found in bits.items()})
    assert answers[0] == answers[1]


def test_a_dry_run_says_what_would_be_done_and_stores_nothing(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    db = tmp_path / "store.sqlite"
    done = gnlbench("eval", *model, "--data", clean_tree, *QUICK, "--dry-run", "--db", db)
    assert done.stdout == ""
    assert "20 in 1 block; conditions: 5" in done.stderr
    assert "0 of 5 pieces stored" in done.stderr
    assert "Left: 100 images; about" in done.stderr
    assert not db.exists()


def test_csv_of_several_models_is_one_table(
    checkpoint: Path, model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    save_file({key: t * 1 for key, t in load_file(checkpoint).items()}, other, {"format": "pt"})
    done = gnlbench(
        "eval", *model, "--ckpt", other, "--ckpt", checkpoint, "--data", clean_tree, *QUICK,
        "--limit", "2", "--db", tmp_path / "s.sqlite", "--format", "csv",
    )  # fmt: skip
    assert "evaluated once" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len({row["run_id"] for row in rows}) == 2
    assert "run_id" not in {row["run_id"] for row in rows}


def test_a_run_that_lacks_only_its_end_is_finished(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    db = tmp_path / "store.sqlite"
    arguments = ("eval", *model, "--data", clean_tree, *QUICK, "--limit", "2", "--db", db)
    gnlbench(*arguments)
    with sqlite3.connect(db) as connection:  # killed between the last piece and the end
        connection.execute("update runs set finished_at = null")
    assert gnlbench_json(*arguments)["finished_at"]


def test_a_resumed_run_says_where_it_went_on(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    db = tmp_path / "store.sqlite"
    arguments = ("eval", *model, "--data", clean_tree, "--limit", "2", "--workers", "0")
    arguments = (*arguments, "--severities", "1", "--db", db)
    run_id = gnlbench_json(*arguments, "--corruptions", "fog")["run_id"]
    gnlbench(*arguments, "--corruptions", "contrast")
    exported = json.loads(gnlbench("runs", "export", run_id, "--db", db).stdout)
    began = exported["run"]["environment"]
    assert began["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    (resumed,) = began["resumed"]
    assert resumed["device"] == began["device"]
    assert resumed["at"]


def test_a_password_is_not_for_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:secret@host/runs"
    monkeypatch.setattr(sys, "argv", ["gnlbench", "eval", "--db", url, f"--db={url}"])
    assert "secret" not in typed_command(url, "postgresql://me:***@host/runs")
    assert typed_command(url, "X") == "gnlbench eval --db X --db=X"


def test_clean_images_named_in_the_environment_are_for_released_trees_only(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNLBENCH_CLEAN_DATA", str(tmp_path))
    rest = (*QUICK, "--limit", "2", "--db", tmp_path / "s.sqlite")
    done = gnlbench("eval", *model, "--data", clean_tree, *rest)
    assert "GNLBENCH_CLEAN_DATA is not used" in done.stderr
    typed = ("--clean-data", tmp_path)
    assert (
        "--clean-data"
        in gnlbench("eval", *model, "--data", clean_tree, *typed, *rest, check=2).stderr
    )
