"""`gnlbench corrupt`: the tree counts as the corruptions on the fly do, whatever stopped it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from robustbench_gnl.data import BadImageError, start_workers, write_tree, writing
from robustbench_gnl.data import open_source as open_tree
from robustbench_gnl.records import Condition
from robustbench_gnl.store import open_store
from tests.cli.conftest import command, environment, gnlbench, gnlbench_json
from tests.trees import make_clean_tree, make_released_tree

SOME = ("--corruptions", "gaussian_noise,fog,pixelate", "--severities", "1,4")
ONE_PROCESS = ("--workers", "0")


def content(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.JPEG")}


def test_a_tree_counts_as_the_corruptions_on_the_fly(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    tree, db = tmp_path / "tree", tmp_path / "s.sqlite"
    done = gnlbench("corrupt", clean_tree, tree, *SOME, "--seed", "5", *ONE_PROCESS)
    assert "20 images under 6 conditions: 120 files, about 2 MB" in done.stderr
    assert f"gnlbench eval --model NAME --ckpt FILE --data {tree}" in done.stderr

    common = (*model, *SOME, *ONE_PROCESS, "--db", db)
    read = gnlbench_json("eval", *common, "--data", tree, "--clean-data", clean_tree)
    made = gnlbench_json("eval", *common, "--data", clean_tree, "--seed", "5", "--rerun")

    assert read["protocol"]["source"] == "generated"
    assert read["protocol"]["fingerprint"] == made["protocol"]["fingerprint"]
    assert read["corruptions"] == made["corruptions"]
    with open_store(str(db)) as store:
        pieces = [
            {(p.condition, p.block): (p.correct, p.n_top5) for p in store.pieces(run["run_id"])}
            for run in (read, made)
        ]
    assert pieces[0] == pieces[1]  # bit for bit, the clean images too


@pytest.mark.parametrize("tree_first", [True, False])
def test_a_run_may_be_begun_with_the_tree_and_finished_from_its_source_and_back(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path, tree_first: bool
) -> None:
    tree = tmp_path / "tree"
    gnlbench("corrupt", clean_tree, tree, *SOME, *ONE_PROCESS)
    ways = [("--data", tree, "--clean-data", clean_tree), ("--data", clean_tree)]
    parts = ["gaussian_noise", "fog", "pixelate"]
    common = ("eval", *model, "--severities", "1,4", *ONE_PROCESS, "--db", tmp_path / "s.sqlite")
    in_turn = [*ways, ways[0]] if tree_first else [*ways[::-1], ways[1]]
    for part, way in zip(parts, in_turn, strict=True):
        mixed = gnlbench_json(*common, "--corruptions", part, *way)

    whole = gnlbench_json(*common, "--corruptions", ",".join(parts), *ways[0], "--rerun")
    assert mixed["corruptions"] == whole["corruptions"]
    assert mixed["run_id"] != whole["run_id"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (("--seed", "5"), "was made with --seed 0, and --seed 5 was asked for"),
        (("--jpeg-quality", "0"), "was made with --jpeg-quality 85, and --jpeg-quality 0 was"),
        (("--engine", "imagecorruptions"), "was made with --engine gnlbench"),
    ],
)
def test_a_recipe_that_a_tree_does_not_have_is_refused(
    model: tuple[object, ...],
    clean_tree: Path,
    tmp_path: Path,
    typed: tuple[str, ...],
    sentence: str,
) -> None:
    tree = tmp_path / "tree"
    gnlbench("corrupt", clean_tree, tree, *SOME, *ONE_PROCESS)
    rest = ("eval", *model, "--data", tree, *SOME, *ONE_PROCESS, "--db", tmp_path / "s.sqlite")

    assert sentence in gnlbench(*rest, *typed, check=2).stderr
    gnlbench(*rest, "--dry-run", "--seed", "0", "--jpeg-quality", "85", "--engine", "gnlbench")


@pytest.mark.parametrize("engine", ["gnlbench", "imagecorruptions"])
def test_the_layout_and_the_manifest(tmp_path: Path, engine: str) -> None:
    clean, tree = make_clean_tree(tmp_path / "val"), tmp_path / "a" / "tree"
    gnlbench(
        "corrupt", clean, tree, *SOME, "--jpeg-quality", "70", "--engine", engine, *ONE_PROCESS
    )
    manifest = json.loads((tree / "gnlbench-manifest.json").read_text())
    source = open_tree(tree)

    assert (manifest["engine"], manifest["jpeg_quality"], manifest["seed"]) == (engine, 70, 0)
    assert len(content(tree)) == 36
    assert (source.kind, source.n_images, len(source.trees)) == ("generated", 6, 6)
    assert Image.open(next(tree.rglob("*.JPEG"))).size == (224, 224)


def test_workers_and_order_leave_the_files_alone(tmp_path: Path) -> None:
    clean = make_clean_tree(tmp_path / "val")
    gnlbench("corrupt", clean, tmp_path / "one", *SOME, *ONE_PROCESS)
    gnlbench("corrupt", clean, tmp_path / "two", *SOME[:2], "--severities", "4", *ONE_PROCESS)
    gnlbench("corrupt", clean, tmp_path / "two", *SOME, "--workers", "2")

    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    clean, tree = make_clean_tree(tmp_path / "val"), tmp_path / "tree"
    gnlbench("corrupt", clean, tree, *SOME, *ONE_PROCESS)
    expected = content(tree)
    first, second, *_ = sorted(tree.rglob("*.JPEG"))
    first.unlink()
    kept = second.stat().st_mtime_ns
    (tree / "fog" / "1" / "left.JPEG.123.gnlbench-unfinished").write_bytes(b"half")
    done = gnlbench("corrupt", clean, tree, *SOME, *ONE_PROCESS)

    assert "Wrote 1 file; 35 were there" in done.stderr
    assert content(tree) == expected
    assert second.stat().st_mtime_ns == kept
    assert not list(tree.rglob("*gnlbench-unfinished"))


def test_a_killed_process_leaves_no_half_file_and_is_repeated(tmp_path: Path) -> None:
    clean = make_clean_tree(tmp_path / "val", 3, 8)
    gnlbench("corrupt", clean, tmp_path / "whole", "--corruptions", "noise,blur", *ONE_PROCESS)
    tree = tmp_path / "tree"
    arguments = command("corrupt", clean, tree, "--corruptions", "noise,blur", "--workers", "1")
    process = subprocess.Popen(
        arguments, env=environment(), stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and len(list(tree.rglob("*.JPEG"))) < 30:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    whole = content(tmp_path / "whole")
    after_the_kill = content(tree)
    assert 30 <= len(after_the_kill) < len(whole)
    assert all(whole[path] == data for path, data in after_the_kill.items())

    gnlbench("corrupt", clean, tree, "--corruptions", "noise,blur", *ONE_PROCESS)
    assert content(tree) == whole


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("--seed", "1"), "seed 0 there and 1 asked for"),
        (("--jpeg-quality", "90"), "jpeg_quality 85 there and 90 asked for"),
        (("--engine", "imagecorruptions"), "engine 'gnlbench' there"),
        (("--limit", "3"), "its images are others"),
    ],
)
def test_one_tree_has_one_recipe(tmp_path: Path, change: tuple[str, ...], sentence: str) -> None:
    clean, tree = make_clean_tree(tmp_path / "val"), tmp_path / "tree"
    arguments = ("corrupt", clean, tree, "--corruptions", "fog", "--severities", "1", *ONE_PROCESS)
    gnlbench(*arguments)
    before = content(tree)

    assert sentence in gnlbench(*arguments, *change, check=2).stderr
    assert content(tree) == before


def test_where_no_tree_belongs(tmp_path: Path) -> None:
    clean = make_clean_tree(tmp_path / "val")
    full = make_clean_tree(tmp_path / "full")
    assert "is not empty" in gnlbench("corrupt", clean, full, check=2).stderr
    assert "lies in" in gnlbench("corrupt", clean, clean / "c", check=2).stderr
    assert "lies in" in gnlbench("corrupt", clean, clean, check=2).stderr
    assert "does not exist" in gnlbench("corrupt", tmp_path / "no", tmp_path / "c", check=3).stderr
    unknown = gnlbench("corrupt", clean, tmp_path / "c", "--engine", "fast", check=2)
    assert "unknown engine 'fast'" in unknown.stderr
    file = tmp_path / "file"
    file.write_text("")
    assert f"{file} is a file" in gnlbench("corrupt", clean, file, check=2).stderr
    assert not (tmp_path / "c").exists()


def test_a_file_that_is_no_image_stops_with_its_path(tmp_path: Path) -> None:
    clean = make_clean_tree(tmp_path / "val")
    bad = max(clean.rglob("*.*"))
    bad.write_bytes(b"no image")
    done = gnlbench("corrupt", clean, tmp_path / "c", *SOME, *ONE_PROCESS, check=3)

    assert f"{bad} cannot be used" in done.stderr
    assert "--skip-bad-images" not in done.stderr  # which this command does not have


def test_corrupted_images_are_not_corrupted_again(tmp_path: Path) -> None:
    tree = make_released_tree(tmp_path / "c", 2, 1, severities=(3,))
    target, part = tmp_path / "t", tree / "fog" / "3"
    done = gnlbench("corrupt", part, target, *SOME, *ONE_PROCESS, check=3)
    assert "corrupted already (fog, severity 3)" in done.stderr
    assert "give the folder of the clean images" in done.stderr
    assert "clean images were expected" in gnlbench("corrupt", tree, target, check=3).stderr
    assert not target.exists()

    gnlbench("corrupt", part, target, *SOME, *ONE_PROCESS, "--source", "generated")
    assert len(content(target)) == 12
    assert "expected generated" in gnlbench(
        "corrupt", part, target, "--source", "released", check=2
    ).stderr  # fmt: skip


def test_small_images_are_not_enlarged_in_silence(tmp_path: Path) -> None:
    small = make_clean_tree(tmp_path / "cifar", 2, 1, size=(32, 32), suffix=".png")
    done = gnlbench("corrupt", small, tmp_path / "t", *SOME, *ONE_PROCESS, check=3)
    assert "small images (such as 32 x 32)" in done.stderr
    explicit = ("--source", "generated")
    done = gnlbench("corrupt", small, tmp_path / "t", *SOME, *ONE_PROCESS, *explicit)
    assert "Note: 2 of 2 images" in done.stderr


def test_the_validation_images_below_the_folder_are_corrupted(tmp_path: Path) -> None:
    val = make_clean_tree(tmp_path / "ILSVRC" / "Data" / "CLS-LOC" / "val")
    make_clean_tree(val.with_name("train"))
    done = gnlbench("corrupt", tmp_path / "ILSVRC", tmp_path / "t", *SOME, *ONE_PROCESS)

    assert f"Note: {tmp_path / 'ILSVRC'} holds class folders of images in {val}" in done.stderr
    assert f"--clean-data {val}" in done.stderr
    gnlbench("corrupt", val, tmp_path / "of_val", *SOME, *ONE_PROCESS)
    assert content(tmp_path / "t") == content(tmp_path / "of_val")


@pytest.mark.parametrize("n_bytes", [0, 1, 900])
def test_a_file_that_a_power_cut_left_unfinished_is_written_anew(
    tmp_path: Path, n_bytes: int
) -> None:
    clean, tree = make_clean_tree(tmp_path / "val"), tmp_path / "tree"
    gnlbench("corrupt", clean, tree, *SOME, *ONE_PROCESS)
    before = content(tree)
    victim = max(tree.rglob("*.JPEG"))
    victim.write_bytes(victim.read_bytes()[:n_bytes])

    assert "Wrote 1 file; 35 were there" in gnlbench(
        "corrupt", clean, tree, *SOME, *ONE_PROCESS
    ).stderr  # fmt: skip
    assert content(tree) == before


def test_a_full_disk_says_so_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def full(self: Path, *arguments: object, **options: object) -> object:
        if not self.name.endswith(writing.UNFINISHED):
            return opened(self, *arguments, **options)
        self.touch()
        raise OSError(28, "No space left on device")

    clean, tree = make_clean_tree(tmp_path / "val"), tmp_path / "tree"
    monkeypatch.setattr(Path, "open", full)
    done = gnlbench("corrupt", clean, tree, *SOME, *ONE_PROCESS, check=5)

    assert "the disk is full" in done.stderr
    assert not [path for path in tree.rglob("*") if "JPEG" in path.name]
    assert not list(tree.rglob(f"*{writing.UNFINISHED}"))


def test_a_tree_that_cannot_be_written_any_more_says_so(tmp_path: Path) -> None:
    clean, tree = make_clean_tree(tmp_path / "val"), tmp_path / "tree"
    gnlbench("corrupt", clean, tree, *SOME, *ONE_PROCESS)
    (tree / ".gnlbench-lock").unlink(missing_ok=True)
    (tree / ".gnlbench-lock").mkdir()  # as good as no permission, and root is refused too

    assert f"cannot write {tree}" in gnlbench("corrupt", clean, tree, check=5).stderr


def test_two_processes_do_not_write_one_tree(tmp_path: Path) -> None:
    clean, tree = make_clean_tree(tmp_path / "val"), tmp_path / "tree"
    gnlbench("corrupt", clean, tree, *SOME, *ONE_PROCESS)
    with writing.locked(tree):
        assert "another process is writing" in gnlbench("corrupt", clean, tree, check=2).stderr


def test_an_incomplete_tree_is_no_data(
    model: tuple[object, ...], clean_tree: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    gnlbench("corrupt", clean_tree, tree, *SOME, *ONE_PROCESS)
    min((tree / "pixelate" / "4").rglob("*.JPEG")).unlink()
    done = gnlbench(
        "eval", *model, "--data", tree, *SOME, *ONE_PROCESS, "--db", tmp_path / "s.sqlite", check=3
    )
    assert "lacks 1 of 20 images" in done.stderr


def test_writing_stops_at_the_first_bad_image(tmp_path: Path) -> None:
    clean = make_clean_tree(tmp_path / "val", 2, 2)
    min(clean.rglob("*.*")).write_bytes(b"")
    with start_workers(0) as executor, pytest.raises(BadImageError):
        write_tree(open_tree(clean), tmp_path / "t", [Condition("fog", 1)], executor, n_workers=0)


def test_corrupt_loads_no_torch(tmp_path: Path) -> None:
    clean = make_clean_tree(tmp_path / "val")
    code = (
        "import sys\nfrom robustbench_gnl.cli import app\n"
        f"app(['corrupt', {str(clean)!r}, {str(tmp_path / 't')!r}, '--workers', '0'],"
        " standalone_mode=False)\n"
        "print(sorted({'torch', 'timm', 'cv2', 'skimage', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
