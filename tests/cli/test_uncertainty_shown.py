"""Intervals where people look: `leaderboard --ci` and `runs show`."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from robustbench_gnl.records import CLEAN
from robustbench_gnl.store import Store, open_store
from tests.cli.conftest import gnlbench, gnlbench_json
from tests.cli.stored import N_IMAGES, Stored
from tests.store.samples import fill


def board(stored: Stored, *options: object) -> dict:
    """The board of the protocol that all but one run share."""
    boards = gnlbench_json("leaderboard", *options, "--db", stored.db)["boards"]
    (found,) = (board for board in boards if board["protocol"]["name"] != "resized-128")
    return found


def rows(stored: Stored, *options: object) -> dict[str, dict]:
    """By model; of `base_net` the newer of two runs."""
    found = board(stored, *options)["rows"]
    return {row["model"]: row for row in found if "v0" not in (row["tags"] or ())}


def test_ranks_are_ranges_over_what_cannot_be_told_apart(stored: Stored) -> None:
    found = rows(stored, "--ci")
    ranges = {name: (row.get("rank_first"), row.get("rank_last")) for name, row in found.items()}
    assert ranges["base_net"] == ranges["twin_net"] == ranges["near_net"] == (1, 4)
    assert ranges["worse_net"] == (5, 5)
    assert ranges["part_net"] == ranges["AlexNet (reference)"] == (None, None)


def test_ranges_count_the_rows_that_a_limit_hides(stored: Stored) -> None:
    found = board(stored, "--ci", "--limit", "2")["rows"]
    ranges = {(row["rank_first"], row["rank_last"]) for row in found if row["rank"] is not None}
    assert len(found) == 3  # and the reference
    assert ranges == {(1, 4)}


def test_intervals_hold_their_numbers_and_are_those_of_runs_show(stored: Stored) -> None:
    row = rows(stored, "--ci")["base_net"]
    shown = gnlbench_json("runs", "show", "base_net", "--db", stored.db)["intervals"]
    for key in ("clean_error", "mce", "relative_mce", "mean_corruption_error"):
        assert row["intervals"][key] == shown[key]
        assert shown[key]["low"] < row[key] < shown[key]["high"]


def test_without_ci_there_are_no_intervals(stored: Stored) -> None:
    assert not any(row.get("intervals") for row in rows(stored).values())
    done = gnlbench("leaderboard", "--db", stored.db)
    assert "interval" not in done.stdout


def test_the_level_is_the_intervals(stored: Stored) -> None:
    narrow, wide = board(stored, "--ci", "--level", "0.5"), board(stored, "--ci")
    assert (narrow["level"], wide["level"]) == (0.5, 0.95)
    for less, more in zip(narrow["rows"], wide["rows"], strict=True):
        if "mce" in (less.get("intervals") or ()):
            assert more["intervals"]["mce"]["low"] < less["intervals"]["mce"]["low"]
            assert less["intervals"]["mce"]["high"] < more["intervals"]["mce"]["high"]


@pytest.mark.parametrize("format", ["table", "markdown", "latex"])
def test_the_way_of_the_intervals_is_said(stored: Stored, format: str) -> None:
    arguments = ("leaderboard", "--ci", "--level", "0.9", "--format", format, "--db", stored.db)
    done = gnlbench(*arguments)
    assert (
        "with 90 % intervals: Wilson's for clean error; by resampling the images for" in done.stdout
    )
    assert "1-4" in done.stdout
    assert done.stderr == ""


def test_csv_has_both_ends_of_each_interval(stored: Stored) -> None:
    text = gnlbench("leaderboard", "--ci", "--format", "csv", "--db", stored.db).stdout
    found = {row["model"]: row for row in csv.DictReader(io.StringIO(text))}
    expected = rows(stored, "--ci")["near_net"]
    assert (found["near_net"]["rank_first"], found["near_net"]["rank_last"]) == ("1", "4")
    assert float(found["near_net"]["mce_low"]) == expected["intervals"]["mce"]["low"]
    assert float(found["near_net"]["mce_high"]) == expected["intervals"]["mce"]["high"]


def test_the_errors_of_cells_have_wilsons_interval(stored: Stored) -> None:
    shown = gnlbench_json("runs", "show", "base_net", "--level", "0.9", "--db", stored.db)
    n_wrong = int(stored.wrong["base_net"][0].sum())
    low, high = proportion_confint(n_wrong, N_IMAGES, alpha=0.1, method="wilson")
    found = shown["intervals"]["clean_error"]
    assert (found["low"], found["high"]) == pytest.approx((low, high))
    assert (found["level"], found["method"]) == (0.9, "wilson")


def test_the_interval_of_a_mean_is_that_of_resampled_images(stored: Stored) -> None:
    shown = gnlbench_json("runs", "show", "base_net", "--db", stored.db)
    by_image = stored.wrong["base_net"][1:].mean(axis=0)
    rng = np.random.default_rng(0)
    means = by_image[rng.integers(0, N_IMAGES, (20_000, N_IMAGES))].mean(axis=1)
    found = shown["intervals"]["mean_corruption_error"]
    # 1,000 resamples of ours: an end is known to about a tenth of the width.
    tolerance = 0.1 * (found["high"] - found["low"])
    expected = np.quantile(means, [0.025, 0.975]).tolist()
    assert [found["low"], found["high"]] == pytest.approx(expected, abs=tolerance)


def test_what_has_no_interval_says_why(stored: Stored) -> None:
    shown = gnlbench_json("runs", "show", "part_net", "--db", stored.db)
    assert "mce" not in shown["intervals"]
    assert shown["reasons"]["mce"]
    assert "clean_error" in shown["intervals"]


@pytest.mark.parametrize("format", ["markdown", "latex"])
def test_intervals_can_be_left_out_of_a_paper(stored: Stored, format: str) -> None:
    arguments = ("runs", "show", "base_net", "--format", format, "--db", stored.db)
    with_intervals, without = gnlbench(*arguments).stdout, gnlbench(*arguments, "--no-ci").stdout
    assert gnlbench(*arguments, "--ci").stdout == with_intervals
    column = re.compile(r"CE +[|&] +interval")
    assert column.search(with_intervals)
    assert not column.search(without)


def test_a_second_look_reads_what_the_first_one_computed(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = gnlbench("leaderboard", "--ci", "--db", stored.db).stdout
    monkeypatch.setattr(
        "robustbench_gnl.statistics.bootstrap", lambda *_, **__: pytest.fail("again")
    )
    assert gnlbench("leaderboard", "--ci", "--db", stored.db).stdout == first


@pytest.mark.parametrize("is_first", [True, False])
def test_pieces_are_read_once(
    tmp_path: Path, is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = tmp_path / "store.sqlite"
    with open_store(str(db), write=True) as store:
        fill(store, (CLEAN,))
    if not is_first:
        gnlbench("runs", "show", "resnet50", "--db", db)
    asked, pieces = [], Store.pieces
    monkeypatch.setattr(Store, "pieces", lambda *given: asked.append(given) or pieces(*given))
    gnlbench("runs", "show", "resnet50", "--db", db)
    assert len(asked) == 1
