"""`--reference FILE`: CE divides by it, and its name stands wherever such a number does."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import gnlbench, gnlbench_json
from tests.cli.stored import Stored

COMMANDS = {
    "compare": ("compare", "base_net", "near_net"),
    "check": ("check", "near_net", "--baseline", "base_net", "--fail-on", "mCE:+1"),
    "plan": ("plan", "base_net"),
    "explain": ("explain", "base_net"),
    "leaderboard": ("leaderboard",),
    "leaderboard --ci": ("leaderboard", "--ci"),
    "runs show": ("runs", "show", "base_net"),
}


NAMED = [
    pytest.param(words, format, id=f"{name} {format}")
    for name, words in COMMANDS.items()
    for format in ("table", "json", "csv", "markdown", "latex")
]


@pytest.mark.parametrize(("words", "format"), NAMED)
def test_the_reference_is_named(
    stored: Stored, yardstick: Path, words: tuple[str, ...], format: str
) -> None:
    options = ("--format", format, "--db", stored.db)
    default = gnlbench(*words, *options).stdout
    assert "AlexNet" in default
    assert "yardstick" not in default
    assert "yardstick" in gnlbench(*words, *options, "--reference", yardstick).stdout


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_each_row_of_a_csv_names_it(
    stored: Stored, yardstick: Path, words: tuple[str, ...]
) -> None:
    options = ("--format", "csv", "--reference", yardstick, "--db", stored.db)
    rows = list(csv.DictReader(io.StringIO(gnlbench(*words, *options).stdout)))
    assert {row["reference"] for row in rows} == {"yardstick"}


def test_a_run_against_its_own_errors_has_100(stored: Stored, yardstick: Path) -> None:
    options = ("--reference", yardstick, "--db", stored.db)
    shown = gnlbench_json("runs", "show", "worse_net", *options)
    assert (shown["mce"], shown["relative_mce"]) == pytest.approx((100, 100))
    boards = gnlbench_json("leaderboard", *options)["boards"]
    (mce,) = (
        row["mce"] for board in boards for row in board["rows"] if row["model"] == "worse_net"
    )
    assert mce == pytest.approx(100)
    document = gnlbench_json("compare", "worse_net", "base_net", *options)
    assert document["comparisons"][0]["numbers"]["mce"]["baseline"] == pytest.approx(100)
    (rule,) = gnlbench_json(
        "check", "base_net", "--baseline", "worse_net", "--fail-on", "CE[fog]:+1", *options
    )["rules"]
    assert rule["baseline"] == pytest.approx(100)
    numbers = gnlbench_json("explain", "worse_net", *options)["numbers"]
    (explained,) = (one["value"] for one in numbers if one["number"] == "mCE")
    assert explained == pytest.approx(100)


def test_effective_robustness_is_defined_against_alexnet_alone(
    stored: Stored, yardstick: Path
) -> None:
    options = ("runs", "show", "base_net", "--db", stored.db)
    assert gnlbench_json(*options)["effective_robustness"] is not None
    shown = gnlbench_json(*options, "--reference", yardstick)
    assert shown["effective_robustness"] is None
    assert "AlexNet" in shown["reasons"]["effective_robustness"]


def test_published_results_do_not_stand_beside_another_reference(
    stored: Stored, yardstick: Path
) -> None:
    arguments = ("leaderboard", "--published", "--reference", yardstick, "--db", stored.db)
    assert "leave out --published or --reference" in gnlbench(*arguments, check=2).stderr


def test_an_evaluation_takes_a_reference(
    model: tuple[object, ...], clean_tree: Path, yardstick: Path, tmp_path: Path
) -> None:
    arguments = (
        "eval", *model, "--data", clean_tree, "--corruptions", "contrast", "--workers", "0",
        "--limit", "4", "--db", tmp_path / "store.sqlite",
    )  # fmt: skip
    missing = gnlbench(*arguments, "--reference", tmp_path / "none.csv", check=3)
    assert "none.csv" in missing.stderr
    assert not (tmp_path / "store.sqlite").exists()
    done = gnlbench(*arguments, "--reference", yardstick, "--format", "json")
    document = json.loads(done.stdout)
    assert "yardstick" in document["reference"]["name"]
    (row,) = (
        row for row in csv.DictReader(io.StringIO(yardstick.read_text()))
        if row["corruption"] == "contrast"
    )  # fmt: skip
    divisor = sum(float(row[f"severity_{severity}"]) for severity in range(1, 6))
    found = document["corruptions"]["contrast"]
    assert found["ce"] == pytest.approx(100 * sum(found["severities"]) / divisor)
    as_csv = gnlbench(*arguments, "--reference", yardstick, "--format", "csv").stdout
    assert {row["reference"] for row in csv.DictReader(io.StringIO(as_csv))} == {"yardstick"}
