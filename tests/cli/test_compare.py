"""`gnlbench compare` on a real SQLite store: whom a word means, what is said, and in which form."""

from __future__ import annotations

import csv
import io
import json
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from robustbench_gnl.metrics.reference import default_reference
from tests.cli.conftest import Done, gnlbench, gnlbench_json
from tests.cli.stored import N_IMAGES, Stored
from tests.statistics.samples import ALL_CELLS


def compare(stored: Stored, *runs: object, **options: int) -> Done:
    return gnlbench("compare", *runs, "--db", stored.db, **options)


def test_numbers_are_those_of_the_stored_bits(stored: Stored) -> None:
    document = gnlbench_json("compare", "base_net", "worse_net", "--db", stored.db)
    (found,) = document["comparisons"]
    base, worse = stored.wrong["base_net"], stored.wrong["worse_net"]
    assert (document["n_images"], found["n_cells"], found["level"]) == (N_IMAGES, 76, 0.95)
    mean = found["numbers"]["mean_corruption_error"]
    assert mean["baseline"] == pytest.approx(base[1:].mean())
    assert mean["candidate"] == pytest.approx(worse[1:].mean())
    assert mean["difference"] == pytest.approx(worse[1:].mean() - base[1:].mean())
    assert mean["interval"]["low"] < mean["difference"] < mean["interval"]["high"]
    errors = default_reference().errors
    ces = [
        100 * sum(worse[ALL_CELLS.index(cell)].mean() for cell in cells) / sum(errors[name])
        for name, cells in groupby(ALL_CELLS[1:], lambda cell: cell.corruption)
    ]
    assert found["numbers"]["mce"]["candidate"] == pytest.approx(np.mean(ces))
    assert found["numbers"]["mce"]["mark"] == "worse"


def test_each_cell_has_mcnemars_exact_test(stored: Stored) -> None:
    document = gnlbench_json("compare", "base_net", "near_net", "--db", stored.db)
    cells = document["comparisons"][0]["cells"]
    base, near = stored.wrong["base_net"], stored.wrong["near_net"]
    by_name = {(cell["corruption"], cell["severity"]): cell for cell in cells}
    assert len(by_name) == 76
    for index, condition in enumerate(ALL_CELLS):
        cell = by_name[condition.corruption, condition.severity]
        only = int((base[index] & ~near[index]).sum()), int((~base[index] & near[index]).sum())
        assert (cell["only_baseline_wrong"], cell["only_candidate_wrong"]) == only
        expected = binomtest(only[0], sum(only)).pvalue if sum(only) else 1.0
        assert cell["p_value"] == pytest.approx(expected)
        assert cell["mark"] == "~"


def test_the_sentence_says_who_is_worse_and_what_is_noise(stored: Stored) -> None:
    worse = compare(stored, "base_net", "worse_net").stdout
    better = compare(stored, "worse_net", "base_net").stdout
    noise = compare(stored, "base_net", "near_net").stdout
    assert "worse_net is significantly worse than base_net: mCE" in worse
    assert "base_net is significantly better than worse_net: mCE" in better
    assert "near_net and base_net do not differ significantly: mCE" in noise


def test_several_runs_are_each_held_against_the_first(stored: Stored) -> None:
    document = gnlbench_json("compare", "base_net", "near_net", "twin_net", "--db", stored.db)
    assert document["baseline"]["run_id"] == stored.ids["base_net"]
    names = [one["candidate"]["name"] for one in document["comparisons"]]
    assert names == ["near_net", "twin_net"]
    twin = document["comparisons"][1]["numbers"]
    assert {number["difference"] for number in twin.values()} == {0}
    assert {number["mark"] for number in twin.values()} == {"~"}


def test_cells_that_only_one_has_are_left_out_and_counted(stored: Stored) -> None:
    (found,) = gnlbench_json("compare", "base_net", "part_net", "--db", stored.db)["comparisons"]
    assert (found["n_cells"], len(found["cells_left_out"])) == (16, 60)
    assert "mce" not in found["numbers"]
    table = compare(stored, "base_net", "part_net").stdout
    assert "60 cells that only one of the runs has are left out" in table
    assert "mean error of shared cells" in table


@pytest.mark.parametrize(
    "word",
    [
        lambda stored: stored.ids["worse_net"],
        lambda stored: stored.ids["worse_net"][:17],
        lambda stored: "release",
        lambda stored: "worse_net",
    ],
    ids=["id", "start", "tag", "model"],
)
def test_a_run_is_named_in_any_way(stored: Stored, word) -> None:
    document = gnlbench_json("compare", "v1", word(stored), "--db", stored.db)
    (found,) = document["comparisons"]
    assert document["baseline"]["run_id"] == stored.ids["base_net"]
    assert found["candidate"]["run_id"] == stored.ids["worse_net"]


def test_a_model_means_its_newest_run_and_repeated_models_are_told_apart(stored: Stored) -> None:
    document = gnlbench_json("compare", "v0", "base_net", "--db", stored.db)
    (found,) = document["comparisons"]
    newest = stored.ids["base_net"]
    assert found["candidate"].pop("created_at") == "2026-11-23T14:25:01+00:00"
    assert found["candidate"] == {
        "name": f"base_net [{newest}]",
        "run_id": newest,
        "model": "base_net",
        "checkpoint_sha256": found["candidate"]["checkpoint_sha256"],
        "tags": ["release", "v1"],
        "near_chance": False,
    }
    assert document["baseline"]["name"] == f"base_net [{document['baseline']['run_id']}]"
    assert document["baseline"]["run_id"] != newest


def test_an_exported_file_stands_for_its_run(stored: Stored, tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    gnlbench("runs", "export", "base_net", "-o", path, "--db", stored.db)
    from_file = compare(stored, path, "worse_net", "--format", "json")
    assert from_file.stdout == compare(stored, "base_net", "worse_net", "-f", "json").stdout


def test_two_files_need_no_store(stored: Stored, tmp_path: Path) -> None:
    for name in ("base_net", "worse_net"):
        gnlbench("runs", "export", name, "-o", tmp_path / f"{name}.json", "--db", stored.db)
    db = tmp_path / "none.sqlite"
    files = [tmp_path / "base_net.json", tmp_path / "worse_net.json"]
    assert (
        "worse_net is significantly worse than base_net"
        in gnlbench("compare", *files, "--db", db).stdout
    )
    assert not db.exists()


@pytest.mark.parametrize(("format", "starts"), [
    ("table", "near_net compared with base_net\n"),
    ("markdown", "### near_net compared with base_net\n"),
    ("latex", "% near_net compared with base_net\n"),
    ("html", "<!DOCTYPE html>\n"),
])  # fmt: skip
def test_stdout_is_the_document_alone(stored: Stored, format: str, starts: str) -> None:
    done = compare(stored, "v1", "near_net", "--format", format)
    assert done.stdout.startswith(starts)
    assert done.stderr == ""


def test_csv_has_a_row_for_each_number_and_cell(stored: Stored) -> None:
    done = compare(stored, "base_net", "near_net", "twin_net", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    cells = [row for row in rows if row["kind"] == "cell"]
    assert len(cells) == 2 * 76
    assert {row["candidate_run"] for row in rows} == {
        stored.ids["near_net"], stored.ids["twin_net"],
    }  # fmt: skip
    document = json.loads(compare(stored, "base_net", "near_net", "-f", "json").stdout)
    mce = document["comparisons"][0]["numbers"]["mce"]
    (row,) = (
        row for row in rows
        if row["key"] == "mce" and row["candidate_run"] == stored.ids["near_net"]
    )  # fmt: skip
    assert float(row["difference"]) == pytest.approx(mce["difference"])
    assert float(row["low"]) == pytest.approx(mce["interval"]["low"])


def test_a_lower_level_has_narrower_intervals(stored: Stored) -> None:
    def width(level: str) -> float:
        arguments = ("compare", "base_net", "worse_net", "--level", level, "--db", stored.db)
        interval = gnlbench_json(*arguments)["comparisons"][0]["numbers"]["mce"]["interval"]
        assert interval["level"] == float(level)
        return interval["high"] - interval["low"]

    assert width("0.5") < width("0.95")


def test_other_protocols_are_refused_with_what_differs(stored: Stored) -> None:
    done = compare(stored, "base_net", "near_net", "other_net", check=2)
    assert done.stdout == ""
    assert "base_net and other_net were evaluated under different protocols" in done.stderr
    assert "crop: centre 224 and centre 224 of 256" in done.stderr


def test_one_run_alone_is_nothing_to_compare(stored: Stored) -> None:
    assert "at least one run to compare" in compare(stored, "base_net", check=2).stderr


@pytest.mark.parametrize(
    "runs",
    [("worse_net", "worse_net"), ("near_net", "worse_net", "release")],
    ids=["baseline", "candidate"],
)
def test_a_run_is_not_held_against_itself(stored: Stored, runs: tuple[str, ...]) -> None:
    done = compare(stored, *runs, check=2)
    assert done.stdout == ""
    assert f"run {stored.ids['worse_net']} is given more than once" in done.stderr


def test_the_head_tells_runs_of_one_model_apart(stored: Stored) -> None:
    lines = compare(stored, "v0", "v1", "--format", "markdown").stdout
    assert "- baseline: run 20261123-142500-000000, checkpoint " in lines
    assert ", begun 2026-11-23, tags release, v1" in lines
    assert "are of the same checkpoint" not in lines
