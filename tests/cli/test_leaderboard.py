"""`gnlbench leaderboard` on a real SQLite store, as a process of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from robustbench_gnl.records import (
    CLEAN,
    N_CALIBRATION_BINS,
    Calibration,
    Condition,
    ImageSet,
    Model,
    Piece,
    Protocol,
)
from robustbench_gnl.store import open_store
from robustbench_gnl.suites import DEFAULT_SUITE

N_IMAGES = 8
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "COLUMNS"} | {
    "PYTHONPATH": str(ROOT)
}
PROGRAM = (
    "import sys, robustbench_gnl.cli.leaderboard;"
    "from robustbench_gnl.cli import app;"
    "app(sys.argv[1:])"
)
IMAGES = ImageSet(
    "tiny", "imagenet-1k", tuple(f"n01440764/{i}" for i in range(N_IMAGES)), (0,) * N_IMAGES
)


def model(name: str) -> Model:
    return Model(name, "ab" * 32, "state_dict", 5_000_000, 1000, (0.5,) * 3, (0.5,) * 3)


def protocol(name: str, source: str, crop: str = "center-224") -> Protocol:
    return Protocol(
        name=name,
        source=source,
        image_set=IMAGES.fingerprint,
        n_images=N_IMAGES,
        label_set="imagenet-1k",
        crop=crop,
        resampling="none",
        jpeg_quality=None,
        engine=None,
        engine_version=None,
        seed=None,
        precision="fp32",
        jpeg_decoder="pillow",
    )


def piece(condition: Condition, n_right: int) -> Piece:
    rest = (0,) * (N_CALIBRATION_BINS - 1)
    return Piece(
        block=0,
        condition=condition,
        n_images=N_IMAGES,
        n_top1=n_right,
        n_top5=n_right,
        negative_log_likelihood_sum=1.0,
        calibration=Calibration((N_IMAGES, *rest), (n_right, *rest), (1.0, *(0.0 for _ in rest))),
        correct=((0xFF << (8 - n_right)) & 0xFF).to_bytes(1, "big"),
        digest="0" * 64,
        seconds=0.1,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two real protocols and the sample: good, bad and one unfinished, each with its errors."""
    path = tmp_path_factory.mktemp("store") / "gnlbench.sqlite"
    tiny = protocol("tiny", "released")
    everything = (CLEAN, *DEFAULT_SUITE.main_conditions)
    plan = [
        ("good_net", tiny, 6, everything),
        ("bad_net", tiny, 2, everything),
        ("unfinished_net", tiny, 7, everything[:32]),
        ("other_net", protocol("tiny-resized", "released", "resize-256-224"), 4, everything),
        ("demo_net", protocol("sample", "sample"), 5, everything),
    ]
    with open_store(str(path), write=True) as opened:
        for name, under, n_right, conditions in plan:
            run_id = opened.create_run(model(name), under, IMAGES, block_size=512, tags=["t"])
            for condition in conditions:
                opened.add_piece(run_id, piece(condition, n_right))
    return path


def gnlbench(
    *arguments: str, program: str = PROGRAM, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, "leaderboard", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**ENVIRONMENT, **environment},
    )


def test_json_ranks_protocol_by_protocol(store: Path) -> None:
    done = gnlbench("--db", str(store), "--format", "json")
    document = json.loads(done.stdout)
    ranks = {
        board["protocol"]["name"]: {row["model"]: row["rank"] for row in board["rows"]}
        for board in document["boards"]
    }

    assert (done.returncode, done.stderr) == (0, "")
    assert list(ranks)[-1] == "sample"
    assert ranks["tiny"] == {
        "good_net": 1,
        "bad_net": 2,
        "AlexNet (reference)": None,
        "unfinished_net": None,
    }
    assert ranks["tiny-resized"]["other_net"] == 1
    good = document["boards"][0]["rows"][0]
    assert good["mean_corruption_error"] == 0.25
    assert good["clean_error"] == 0.25
    unfinished = document["boards"][0]["rows"][-1]
    assert unfinished["remark"] == "31/75 cells"


def test_the_table_in_a_narrow_terminal_and_in_a_pipe(store: Path) -> None:
    narrow = gnlbench("--db", str(store), COLUMNS="80")
    pipe = gnlbench("--db", str(store))

    for done in (narrow, pipe):
        assert done.returncode == 0
        for phrase in ("good_net", "unfinished_net", "31/75 cells", "reference: AlexNet"):
            assert phrase in done.stdout
        assert "Demonstration sample" in done.stdout
    assert max(map(len, narrow.stdout.splitlines())) <= 80
    assert "weather" not in narrow.stdout
    assert "weather" in pipe.stdout


def test_csv_has_the_protocol_and_the_wanted_columns(store: Path) -> None:
    done = gnlbench("--db", str(store), "--format", "csv", "--columns", "all", "--limit", "1")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))

    assert {row["protocol"] for row in rows} == {"tiny", "tiny-resized", "sample"}
    assert len(rows) == 6
    assert rows[0]["ce_fog"]


def test_one_protocol_alone(store: Path) -> None:
    done = gnlbench("--db", str(store), "-f", "json", "--protocol", "tiny-resized", "--published")
    unknown = gnlbench("--db", str(store), "--protocol", "tiny-resize")

    assert [board["protocol"]["name"] for board in json.loads(done.stdout)["boards"]] == [
        "tiny-resized"
    ]
    assert unknown.returncode == 2
    assert "no run under a protocol 'tiny-resize'; the store has" in unknown.stderr


def test_a_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    table = gnlbench("--db", str(path))
    as_json = gnlbench("--db", str(path), "--format", "json")

    assert (table.returncode, table.stdout) == (0, "")
    assert "gnlbench demo" in table.stderr
    assert json.loads(as_json.stdout) == {"schema_version": 1, "boards": []}
    assert not path.exists()


def test_published_results_need_no_store(tmp_path: Path) -> None:
    done = gnlbench("--db", str(tmp_path / "none.sqlite"), "--published", "-f", "json")
    (board,) = json.loads(done.stdout)["boards"]

    assert (done.returncode, done.stderr) == (0, "")
    assert board["protocol"] is None
    assert board["rows"][0]["rank"] == 1


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [("--sort", "relativ_mce", "'relative_mce'"), ("--columns", "groups_", "'groups'")],
)
def test_unknown_names_are_refused_with_a_hint(
    store: Path, option: str, value: str, hint: str
) -> None:
    done = gnlbench("--db", str(store), option, value)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"did you mean {hint}" in done.stderr


def test_help_has_an_example() -> None:
    done = gnlbench("--help")

    assert done.returncode == 0
    assert "Example" in done.stdout
    assert "gnlbench leaderboard --published" in " ".join(done.stdout.split())


@pytest.mark.parametrize("format", ["table", "json"])
def test_heavy_libraries_stay_out(store: Path, format: str) -> None:
    program = (
        "import atexit, sys;"
        "atexit.register(lambda: print(*(set(sys.modules) & {'torch', 'numpy', 'pandas', 'timm'}),"
        "file=sys.stderr));" + PROGRAM
    )
    done = gnlbench("--db", str(store), "--format", format, program=program)

    assert done.returncode == 0
    assert done.stdout
    assert done.stderr.strip() == ""


def test_a_reader_that_has_seen_enough_is_no_failure(store: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "leaderboard", "--db", str(store), "--published"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()

    assert (process.wait(), errors) == (0, b"")
