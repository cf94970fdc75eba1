"""Other files under the same names are another image set, whatever the command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import gnlbench, gnlbench_json

FEW = ("--corruptions", "contrast,fog", "--severities", "1", "--workers", "0")


@pytest.fixture(scope="module")
def photographs(clean_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six of the twenty."""
    root = tmp_path_factory.mktemp("few") / "val"
    for folder in sorted(clean_tree.iterdir())[:6]:
        shutil.copytree(folder, root / folder.name)
    return root


def blurred(root: Path) -> None:
    """Other pixels under the same names."""
    for path in sorted(root.rglob("*.JPEG")):
        image = Image.open(path).convert("RGB")
        image.resize((32, 32)).resize(image.size).save(path, "JPEG", quality=90)


@pytest.fixture(scope="module")
def others(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("others") / "val"
    shutil.copytree(photographs, root)
    blurred(root)
    return root


def written(clean: Path, folder: Path) -> Path:
    gnlbench("corrupt", clean, folder, *FEW)
    return folder


@pytest.fixture
def evaluated(model: tuple[object, ...], tmp_path: Path) -> Callable[..., dict]:
    def run(data: Path, *options: object) -> dict:
        return gnlbench_json(
            "eval", *model, "--data", data, *FEW, "--db", tmp_path / "db", *options
        )

    return run


def test_another_folder_with_the_same_names_is_not_answered_from_the_store(
    evaluated: Callable[..., dict], model: tuple[object, ...], photographs: Path, others: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    first, second = evaluated(photographs), evaluated(others)
    assert first["run_id"] != second["run_id"]
    assert first["protocol"]["fingerprint"] == second["protocol"]["fingerprint"]
    assert first["clean_error"] < second["clean_error"]
    for data, of in ((photographs, first), (others, second)):  # each is found again
        assert evaluated(data)["run_id"] == of["run_id"]
    told = gnlbench("eval", *model, "--data", photographs, *FEW, "--db", tmp_path / "db").stderr
    assert f"run {second['run_id']} of this model and protocol read other files" in told

    db = ("--db", tmp_path / "db")
    boards = gnlbench_json("leaderboard", *db)["boards"]
    assert [[row["run_id"] for row in board["rows"] if row["run_id"]] for board in boards] == [
        [second["run_id"]], [first["run_id"]],
    ]  # fmt: skip
    assert len({board["image_files"] for board in boards}) == 2
    for format in ("table", "markdown", "latex"):
        assert "different image files of the same names" in gnlbench(
            "leaderboard", *db, "--format", format
        ).stdout.replace("\n", " ")
    assert "image_files" in gnlbench("leaderboard", *db, "--format", "csv").stdout.split("\n")[0]

    ids = (first["run_id"], second["run_id"])
    gnlbench("runs", "export", ids[1], "-o", tmp_path / "second.json", *db)
    for other in (ids[1], tmp_path / "second.json"):
        for command in (
            ("compare", ids[0], other),
            ("check", other, "--baseline", ids[0], "--fail-on", "clean_error:+1pp"),
            ("plan", ids[0], "--against", other),
        ):
            refused = gnlbench(*command, *db, check=2)
            assert "read different image files of the same names" in refused.stderr
    refused = gnlbench(
        "check", *model, "--data", others, *FEW, "--baseline", ids[0],
        "--fail-on", "clean_error:+1pp", *db, check=2,
    )  # fmt: skip
    assert "the baseline read other image files of the same names" in refused.stderr


def test_one_changed_image_is_enough(
    evaluated: Callable[..., dict], photographs: Path, tmp_path: Path
) -> None:
    root = tmp_path / "val"
    shutil.copytree(photographs, root)
    before = evaluated(root)
    changed = next(root.rglob("*.JPEG"))
    changed.write_bytes(changed.read_bytes() + b"\0")
    assert evaluated(root)["run_id"] != before["run_id"]


def test_a_tree_and_the_images_it_was_made_from_are_the_same(
    evaluated: Callable[..., dict], photographs: Path, others: Path, tmp_path: Path
) -> None:
    tree = written(photographs, tmp_path / "tree")
    on_the_fly = evaluated(photographs)
    assert evaluated(tree, "--clean-data", photographs)["run_id"] == on_the_fly["run_id"]
    other_tree = written(others, tmp_path / "other tree")
    of_the_other = evaluated(other_tree, "--clean-data", others)
    assert of_the_other["run_id"] != on_the_fly["run_id"]
    assert evaluated(others)["run_id"] == of_the_other["run_id"]
    from_the_tree = evaluated(tree, "--rerun")
    db = ("--db", tmp_path / "db")
    assert len(gnlbench_json("leaderboard", *db)["boards"]) == 2
    gnlbench("compare", on_the_fly["run_id"], from_the_tree["run_id"], *db)
    gnlbench("compare", of_the_other["run_id"], from_the_tree["run_id"], *db, check=2)


def test_a_run_of_a_tree_goes_on_from_its_clean_images(
    evaluated: Callable[..., dict], photographs: Path, others: Path, tmp_path: Path
) -> None:
    tree = written(photographs, tmp_path / "tree")
    begun = evaluated(tree, "--corruptions", "fog")
    went_on = evaluated(photographs)
    assert went_on["run_id"] == begun["run_id"]
    assert went_on["n_common_cells"] == 2
    assert evaluated(others)["run_id"] != begun["run_id"]


def test_a_tree_that_was_changed_is_refused(
    evaluated: Callable[..., dict], model: tuple[object, ...], photographs: Path, tmp_path: Path
) -> None:
    evaluated(photographs)
    tree = written(photographs, tmp_path / "tree")
    victim = sorted(tree.glob("fog/1/*/*"))[-1]
    content = victim.read_bytes()
    Image.new("RGB", (224, 224), (255, 0, 0)).save(victim, "JPEG", quality=85)
    rest = ("eval", *model, "--data", tree, *FEW, "--db", tmp_path / "db")
    for options in ((), ("--rerun",), ("--limit", "6", "--rerun")):
        refused = gnlbench(*rest, *options, check=3)
        assert f"{victim} was changed since gnlbench wrote it" in refused.stderr
    gnlbench(*rest, "--rerun", "--corruptions", "contrast")  # these files are as they were
    victim.unlink()
    gnlbench("corrupt", photographs, tree, *FEW)
    assert victim.read_bytes() == content
    gnlbench(*rest)


def test_digests_of_written_files_are_completed(photographs: Path, tmp_path: Path) -> None:
    tree = written(photographs, tmp_path / "tree")
    digests = (tree / "gnlbench-files.json").read_bytes()
    (tree / "gnlbench-files.json").unlink()  # as after a power cut
    next(tree.glob("contrast/1/*/*")).unlink()
    gnlbench("corrupt", photographs, tree, *FEW)
    assert (tree / "gnlbench-files.json").read_bytes() == digests


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version": 2}', '{"version": 1, "files": {"fog/1": "ab"}}']
)
def test_digests_that_gnlbench_did_not_write(
    content: str, model: tuple[object, ...], photographs: Path, tmp_path: Path
) -> None:
    tree = written(photographs, tmp_path / "tree")
    (tree / "gnlbench-files.json").write_text(content)
    refused = gnlbench("eval", *model, "--data", tree, *FEW, "--db", tmp_path / "db", check=3)
    assert "is not a list of digests that gnlbench wrote" in refused.stderr


def test_the_manifest_of_an_older_tree_states_no_files(
    evaluated: Callable[..., dict], photographs: Path, others: Path, tmp_path: Path
) -> None:
    tree = written(photographs, tmp_path / "tree")
    path = tree / "gnlbench-manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["clean_images"]
    path.write_text(json.dumps(manifest))
    (tree / "gnlbench-files.json").unlink()
    run = evaluated(tree)
    assert evaluated(tree)["run_id"] == run["run_id"]
    assert evaluated(photographs)["run_id"] == run["run_id"]  # as it was before files were stated
    gnlbench("corrupt", photographs, tree, *FEW)  # it can be completed
    assert "clean_images" not in json.loads(path.read_text())


def test_clean_images_beside_a_tree_are_those_it_was_made_from(
    model: tuple[object, ...], photographs: Path, others: Path, tmp_path: Path
) -> None:
    tree = written(photographs, tmp_path / "tree")
    refused = gnlbench(
        "eval", *model, "--data", tree, "--clean-data", others, *FEW, "--db", tmp_path / "db",
        check=3,
    )  # fmt: skip
    assert "is not the file from which" in refused.stderr


def test_a_tree_is_not_completed_from_other_files(
    photographs: Path, others: Path, tmp_path: Path
) -> None:
    tree = written(photographs, tmp_path / "tree")
    refused = gnlbench("corrupt", others, tree, *FEW, check=2)
    assert "was begun from other files: 6 of 6 clean images changed" in refused.stderr


def test_released_files_that_were_saved_again_are_another_image_set(
    evaluated: Callable[..., dict], photographs: Path, tmp_path: Path
) -> None:
    tree = written(photographs, tmp_path / "tree")
    (tree / "gnlbench-manifest.json").unlink()  # of unknown origin now
    before = evaluated(tree)
    blurred(tree / "fog")
    assert evaluated(tree)["run_id"] != before["run_id"]
