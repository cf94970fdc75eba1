"""`gnlbench demo`: the first thing that anybody types."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import CHECKOUT, environment, gnlbench


def test_the_demo_prints_a_true_table_and_says_what_comes_next(tmp_path: Path) -> None:
    db = tmp_path / "demo.sqlite"
    done = gnlbench("demo", "--db", db)
    assert "demonstration" in done.stdout
    assert "AlexNet (reference)" in done.stdout
    assert "50,000 released images" in done.stdout
    assert "gnlbench eval --model" in done.stdout

    document = json.loads(gnlbench("demo", "--db", db, "--format", "json").stdout)
    assert document["protocol"]["source"] == "sample"
    assert document["n_images"] == 20
    # The network is right on 17 of the 20; what corruptions cost it was read off its first run.
    assert document["clean_error"] == 0.15
    assert 65 < document["mce"] < 75
    assert len(document["corruptions"]) == 15

    board = json.loads(gnlbench("leaderboard", "--db", db, "--format", "json").stdout)
    assert [entry["protocol"]["source"] for entry in board["boards"]] == ["sample"]


def test_no_library_of_the_demo_needs_a_screen(tmp_path: Path) -> None:
    """OpenCV's usual build wants libGL, which slim containers lack: the demo must not load it."""
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open it')\n")
    maps = "sorted(line.split('/')[-1] for line in open('/proc/self/maps') if '.so' in line)"
    code = (
        "import sys\nfrom robustbench_gnl.cli import app\n"
        f"app(['demo', '--db', {str(tmp_path / 'd.sqlite')!r}, '--workers', '0'],"
        " standalone_mode=False)\n"
        f"print([name for name in {maps} if 'GL' in name or 'cv2' in name])\n"
        "print(sorted({'cv2', 'skimage', 'imagecorruptions'} & set(sys.modules)))"
    )
    path = {"PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment(), **path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["[]", "[]"]


def test_the_built_in_sample_serves_any_model(model: tuple[object, ...], tmp_path: Path) -> None:
    done = gnlbench(
        "eval", *model, "--data", "sample", "--corruptions", "fog", "--severities", "1",
        "--workers", "0", "--db", tmp_path / "s.sqlite", "--format", "json",
    )  # fmt: skip
    assert json.loads(done.stdout)["protocol"]["name"] == "sample-gnlbench-20"
