"""`gnlbench plan`: from stored runs to numbers of images."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

from robustbench_gnl.records import Condition
from tests.cli.conftest import gnlbench, gnlbench_json
from tests.cli.stored import Stored
from tests.statistics.samples import ALL_CELLS


def plan(stored: Stored, *arguments: object) -> dict:
    return gnlbench_json("plan", *arguments, "--db", stored.db)


def numbers(document: dict) -> dict[str, dict]:
    return {one["number"]: one for one in document["numbers"]}


def test_the_spread_of_two_runs_is_that_of_their_bits(stored: Stored) -> None:
    found = numbers(plan(stored, "base_net", "--against", "worse_net"))
    rise = stored.wrong["worse_net"].astype(float) - stored.wrong["base_net"]
    assert found["clean_error"]["sd"] == pytest.approx(rise[0].std(ddof=1))
    assert found["error"]["sd"] == pytest.approx(rise[1:].mean(axis=0).std(ddof=1))
    assert (found["mce"]["n_cells"], found["relative_mce"]["n_cells"]) == (75, 76)


def test_one_run_stands_for_two_that_go_with_each_other(stored: Stored) -> None:
    clean = stored.wrong["base_net"][0].astype(float)
    for correlation in (0.0, 0.5):
        document = plan(stored, "base_net", "--correlation", correlation)
        expected = clean.std(ddof=1) * math.sqrt(2 * (1 - correlation))
        assert numbers(document)["clean_error"]["sd"] == pytest.approx(expected)
        assert document["correlation"] == correlation


def test_a_change_is_seen_with_its_number_of_images(stored: Stored) -> None:
    change = ("base_net", "--against", "worse_net", "--change", "mCE:+4")
    (asked,) = plan(stored, *change)["changes"]
    sizes = ("--images", asked["n_images"], "--images", asked["n_images"] - 1)
    document = plan(stored, *change, *sizes)
    fewer, enough = numbers(document)["mce"]["detectable"]
    assert [fewer["n_images"], enough["n_images"]] == [asked["n_images"] - 1, asked["n_images"]]
    assert enough["change"] <= 4 < fewer["change"]


@pytest.mark.parametrize(
    "option", [("--alpha", "0.2"), ("--power", "0.5"), ("--correlation", "0.9")]
)
def test_what_asks_for_less_needs_fewer_images(stored: Stored, option: tuple[str, str]) -> None:
    def needed(*options: str) -> int:
        return plan(stored, "base_net", "--change", "mCE:+1", *options)["changes"][0]["n_images"]

    assert needed(*option) < needed()


def test_a_smoke_tier_is_planned_with_its_cells_alone(stored: Stored) -> None:
    document = plan(stored, "base_net", "--severities", "3", "--corruptions", "fog,snow")
    found = numbers(document)
    assert set(found) == {"error", "clean_error"}
    assert (document["n_cells"], found["error"]["n_cells"]) == (3, 2)
    rows = [ALL_CELLS.index(Condition(name, 3)) for name in ("fog", "snow")]
    mean = stored.wrong["base_net"][rows].mean(axis=0)
    assert found["error"]["sd"] == pytest.approx(mean.std(ddof=1) * math.sqrt(2))


def test_without_a_run_the_newest_is_planned_from(stored: Stored) -> None:
    assert plan(stored)["run_id"] == stored.ids["other_net"]


def test_time_is_by_the_pace_of_the_run(stored: Stored, tmp_path: Path) -> None:
    exported = json.loads(gnlbench("runs", "export", "base_net", "--db", stored.db).stdout)
    for piece in exported["pieces"]:
        piece["seconds"] = 0.01 * piece["n_images"]
    exported["run"]["finished_at"] = None
    path = tmp_path / "run.json"
    path.write_text(json.dumps(exported))
    document = plan(stored, path, "--images", "100", "--images", "500", "--severities", "3")
    # 100 images in 16 cells (15 corruptions and clean), at a hundredth of a second each
    seconds = {one["n_images"]: one["seconds"] for one in document["seconds"]}
    assert seconds == pytest.approx({100: 16, 500: 80})


def timed(stored: Stored, path: Path, seconds: float) -> Path:
    """`base_net` as a file, with that time an image and cell."""
    exported = json.loads(gnlbench("runs", "export", "base_net", "--db", stored.db).stdout)
    for piece in exported["pieces"]:
        piece["seconds"] = seconds * piece["n_images"]
    exported["run"]["finished_at"] = None
    path.write_text(json.dumps(exported))
    return path


def test_minutes_are_as_many_images_as_fit_into_them(stored: Stored, tmp_path: Path) -> None:
    path = timed(stored, tmp_path / "run.json", 0.01)
    document = plan(stored, path, "--minutes", "5")
    # 300 s at 0.76 s an image in 76 cells
    assert (document["minutes"], document["n_images_in_minutes"]) == (5, 394)
    assert [one["n_images"] for one in document["seconds"]] == [394]
    assert document["seconds"][0]["seconds"] == pytest.approx(394 * 0.76)
    (same,) = numbers(plan(stored, path, "--images", "394"))["mce"]["detectable"]
    assert numbers(document)["mce"]["detectable"] == [same]
    smoke = plan(stored, path, "--minutes", "5", "--severities", "3", "--images", "100")
    assert [one["n_images"] for one in smoke["seconds"]] == [100, 1875]
    done = gnlbench("plan", path, "--minutes", "0.5", "--db", stored.db)
    assert "39 images are evaluated in 0.5 minutes at the speed of base_net" in done.stdout


def test_a_time_without_a_pace_is_refused(stored: Stored, tmp_path: Path) -> None:
    done = gnlbench("plan", "base_net", "--minutes", "5", "--db", stored.db, check=2)
    assert "the run does not say how long it took" in done.stderr
    assert {one["seconds"] for one in plan(stored, "base_net")["seconds"]} == {None}
    slow = timed(stored, tmp_path / "slow.json", 2.0)
    done = gnlbench("plan", slow, "--minutes", "5", "--db", stored.db, check=2)
    assert (
        "expected time for 2 images or more, got 300 s where one image takes 152 s" in done.stderr
    )


def test_the_help_says_what_detected_means() -> None:
    text = " ".join(gnlbench("plan", "--help").stdout.split())
    assert "of exactly 0.5 fails the rule `mCE:+0.5` in at most half of the cases" in text


def test_every_format_is_the_document_alone(stored: Stored) -> None:
    arguments = ("plan", "v1", "--change", "mCE:+1", "--images", "100", "--db", stored.db)
    for format in ("table", "markdown", "latex"):
        done = gnlbench(*arguments, "--format", format)
        text = done.stdout.replace("\\", "")
        assert "an increase of 1 in mCE is detected with 80 % power by" in text
        assert "the rule mCE:+1 fails for such an increase in at most half of the cases" in text
        assert "_net does not say how long it took, so no time is given" in text
        assert done.stderr == ""
    rows = list(csv.DictReader(io.StringIO(gnlbench(*arguments, "-f", "csv").stdout)))
    assert [(row["number"], row["n_images"]) for row in rows] == [
        ("mce", "100"), ("relative_mce", "100"), ("error", "100"), ("clean_error", "100"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--against", "other_net"), "different protocols"),
        (("--against", "twin_net"), "the two runs differ on no image"),
        (("--against", "nobody"), "no run 'nobody'"),
        (("--images", "1"), "--images"),
        (("--images", "many"), "--images"),
        (("--alpha", "nan"), "--alpha above 0 and at most 0.5"),
        (("--alpha", "0"), "--alpha above 0 and at most 0.5"),
        (("--power", "1"), "--power above 0 and at most 0.999"),
        (("--power", "nan"), "--power above 0 and at most 0.999"),
        (("--correlation", "nan"), "correlation of at least -1 and below 1"),
        (("--correlation", "1"), "correlation of at least -1 and below 1"),
        (("--change", "mCE:+0"), "a change above 0"),
        (("--change", "ece:+1pp"), "cannot be planned"),
        (("--change", "mCE:-0.5"), "as hard to detect as an increase; write mCE:+0.5"),
        (("--change", "mCE<=70"), "mCE<=70 is a limit; write how far the number may be above it"),
        (("--minutes", "0"), "--minutes above 0 and at most 1,000,000, got 0"),
        (("--minutes", "-1"), "--minutes above 0"),
        (("--minutes", "nan"), "--minutes above 0"),
        (("--minutes", "inf"), "--minutes above 0"),
        (("--minutes", "soon"), "--minutes"),
        (("--change", "mCE"), "such as mCE:+0.5"),
        (("--change", "mCE:+1", "--severities", "1"), "needs cells that are not there"),
        (("--corruptions", "foog"), "did you mean 'fog'"),
        (("--severities", "6"), "severities are 1 to 5"),
        (("--corruptions", "spatter"), "base_net lacks cells to plan with (spatter/1, spatter/2, "),
        (("--against", "part_net", "--corruptions", "common"), "part_net lacks cells to plan with"),
    ],
)
def test_wrong_usage(stored: Stored, arguments: tuple[str, ...], words: str) -> None:
    done = gnlbench("plan", "base_net", *arguments, "--db", stored.db, check=2)
    assert words in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_an_empty_store_says_how_to_begin(tmp_path: Path) -> None:
    db = tmp_path / "none.sqlite"
    assert "gnlbench demo" in gnlbench("plan", "--db", db, check=2).stderr
    assert not db.exists()


def test_an_empty_word_for_the_other_run_is_not_overlooked(stored: Stored) -> None:
    done = gnlbench("plan", "base_net", "--against", "", "--db", stored.db, check=2)
    assert "no run ''" in done.stderr
