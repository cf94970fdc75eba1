"""What images can show, before anyone waits for them: the same plan in every format."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from robustbench_gnl.metrics import metric_id
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN
from robustbench_gnl.reports.plan import (
    PlanReport,
    change_lines,
    notes_of,
    plan_document,
)
from robustbench_gnl.reports.render import render
from robustbench_gnl.statistics import (
    PlannedChange,
    PlannedNumber,
    parse_rule,
    planned_numbers,
    spread_of,
)
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.reports.reading import READERS, captions, read_csv
from tests.reports.samples import HOSTILE, N_IMAGES, judged

SIZES = (100, 1000, 50_000)


def plan(**changes: Any) -> PlanReport:
    fields: dict[str, Any] = {
        "run_id": "run-1",
        "model": "new",
        "n_images": 240,
        "against": "old",
        "correlation": 0.0,
        "alpha": 0.05,
        "power": 0.8,
        "sizes": SIZES,
        "numbers": (
            PlannedNumber("mce", "percent", 75, 12.5, {100: 3.0, 1000: 0.944, 50_000: 0.13}),
            PlannedNumber("error", "fraction", 75, 0.09, {100: 0.0227, 1000: 0.0071, 50_000: 1e-3}),
        ),
        "changes": (PlannedChange(parse_rule("mCE:+0.5"), 12.5, 3568),),
        "n_cells": 76,
        "seconds": {100: 48.0, 1000: 660.0, 50_000: 32_400.0},
        "reference": "AlexNet",
    }
    return PlanReport(**{**fields, **changes})


def render_plan(report: PlanReport, format: str) -> str:
    return render(plan_document(report), format)


ROWS = [
    ["images", "100", "1,000", "50,000"],
    ["mCE", "3.00", "0.94", "0.13"],
    ["mean error, pp", "2.27", "0.71", "0.10"],
    ["time", "48 s", "11 min", "9.0 h"],
]
DETECTED = (
    "detected: significantly above 0, as by a rule that allows no increase (mCE:+0); the rule "
    "mCE:+0.5 fails for such an increase in at most half of the cases"
)
TITLE = "Minimum detectable increase with 80 % power, by the number of images"


@pytest.mark.parametrize("format", READERS)
def test_documents_have_a_row_a_number_and_a_column_a_size(format: str) -> None:
    text = render_plan(plan(), format)

    assert READERS[format](text) == [ROWS]
    assert "an increase of 0.5 in mCE is detected with 80 % power by 3,568 images" in text
    for note in notes_of(plan()):
        assert note in text


def test_the_title_says_what_the_numbers_are() -> None:
    assert render_plan(plan(), "markdown").startswith(f"### {TITLE}\n")
    assert captions(render_plan(plan(), "latex")) == [TITLE]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_terminal_shows_the_same_uncut(width: int) -> None:
    text = render(plan_document(plan()), "table", width=width)
    flat = " ".join(text.split())

    assert max(len(line) for line in text.splitlines()) <= width
    assert TITLE in flat
    for cell in (cell for row in ROWS for cell in row):
        assert cell in text
    for line in (*change_lines(plan()), *notes_of(plan())):
        assert line in flat


def test_json_carries_the_raw_plan() -> None:
    document = json.loads(render_plan(plan(), "json"))

    assert document["schema_version"] == 1
    assert (document["run_id"], document["model"], document["against"]) == ("run-1", "new", "old")
    assert (document["alpha"], document["power"], document["n_cells"]) == (0.05, 0.8, 76)
    assert document["numbers"][0] == {
        "number": "mce", "unit": "percent", "n_cells": 75, "sd": 12.5,
        "detectable": [
            {"n_images": 100, "change": 3.0},
            {"n_images": 1000, "change": 0.944},
            {"n_images": 50_000, "change": 0.13},
        ],
    }  # fmt: skip
    assert document["seconds"][1] == {"n_images": 1000, "seconds": 660.0}
    assert document["changes"] == [{"change": "mCE:+0.5", "sd": 12.5, "n_images": 3568}]


def test_csv_gives_the_numbers_of_the_json_back() -> None:
    document = json.loads(render_plan(plan(), "json"))
    table = read_csv(render_plan(plan(), "csv")).set_index(["number", "n_images"])

    assert len(table) == 6
    for number in document["numbers"]:
        for one, time in zip(number["detectable"], document["seconds"], strict=True):
            row = table.loc[(number["number"], one["n_images"])]
            assert (row["detectable"], row["sd"], row["unit"], row["seconds"]) == (
                one["change"], number["sd"], number["unit"], time["seconds"],
            )  # fmt: skip
            assert row["reference"] == document["reference"] == "AlexNet"


def test_the_correlation_is_told_only_where_it_was_assumed() -> None:
    assert json.loads(render_plan(plan(correlation=0.4), "json"))["correlation"] is None
    alone = plan(against=None, correlation=0.4)
    assert json.loads(render_plan(alone, "json"))["correlation"] == 0.4


@pytest.mark.parametrize(
    ("against", "correlation", "expected"),
    [
        ("old", 0.0, "from the differences of new and old, image by image"),
        (
            None,
            0.4,
            "from new alone, assuming that its errors and those of the other run have a "
            "correlation of 0.4",
        ),
        (
            None,
            0.0,
            "from new alone, assuming that its errors and those of the other run have a "
            "correlation of 0; conservative: real pairs need fewer images",
        ),
    ],
)
def test_the_notes_say_what_the_plan_stands_on(
    against: str | None, correlation: float, expected: str
) -> None:
    assert notes_of(plan(against=against, correlation=correlation)) == [
        DETECTED,
        expected,
        "one-sided paired test at level 0.05; 76 cells per image; time at the speed of new; CE "
        "divides by the errors of AlexNet",
    ]


def test_detected_is_not_failed_by_a_rule_that_allows_as_much() -> None:
    rules = ("mCE:+0.5", "error:+1pp")
    changes = tuple(PlannedChange(parse_rule(rule), 12.5, 3568) for rule in rules)

    assert notes_of(plan(changes=()))[0] == DETECTED.split(";")[0]
    assert notes_of(plan(changes=changes))[0].endswith(
        "; the rules mCE:+0.5, error:+1pp fail for such an increase in at most half of the cases"
    )


@pytest.mark.parametrize(("n_images", "told"), [(99, True), (100, False)])
def test_few_images_are_said_to_be_few(n_images: int, told: bool) -> None:
    report = plan(n_images=n_images)
    note = f"planned from {n_images} images only, too few for a reliable estimate"

    assert any(line.startswith(note) for line in notes_of(report)) == told
    assert json.loads(render_plan(report, "json"))["planned_from_n_images"] == n_images


def test_another_power_is_told_in_percent() -> None:
    ninety = plan(power=0.9)

    assert f"### {TITLE.replace('80 %', '90 %')}\n" in render_plan(ninety, "markdown")
    assert change_lines(ninety) == [
        "an increase of 0.5 in mCE is detected with 90 % power by 3,568 images"
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.4, "0 s"),
        (59.0, "59 s"),
        (60.0, "1 min"),
        (119 * 60.0, "119 min"),
        (120 * 60.0, "2.0 h"),
        (9 * 3600.0, "9.0 h"),
    ],
)
def test_time_is_told_in_the_unit_that_fits(seconds: float, expected: str) -> None:
    (table,) = READERS["markdown"](
        render_plan(plan(seconds=dict.fromkeys(SIZES, seconds)), "markdown")
    )

    assert table[-1] == ["time", *[expected] * 3]


def test_a_hostile_name_leaves_the_documents_whole() -> None:
    report = plan(against=None, model=HOSTILE)

    for format, read in READERS.items():
        assert read(render_plan(report, format)) == [ROWS]
    assert HOSTILE in render(plan_document(report), "table", width=300)


def test_the_plan_of_a_real_run_is_that_of_its_clean_answers() -> None:
    """Two runs of one accuracy whose answers have nothing to do with each other: their
    difference on an image has twice the variance of one of them."""
    run = judged()
    numbers = planned_numbers(spread_of(run.outcomes), default_reference(), (1000,))
    (table,) = READERS["markdown"](
        render_plan(plan(numbers=tuple(numbers), sizes=(1000,), seconds={1000: 60.0}), "markdown")
    )
    wrong = run.answers[CLEAN].wrong
    error = np.sqrt(2 * wrong.mean() * (1 - wrong.mean()) * N_IMAGES / (N_IMAGES - 1) / 1000)
    # The exact test of a single cell asks for one image more.
    expected = (stats.t.ppf(0.95, 999) + stats.norm.ppf(0.8)) * error + 1 / 1000

    assert [row[0] for row in table] == [
        "images",
        *(metric_id(one.name, DEFAULT_SUITE).metric.change_title for one in numbers),
        "time",
    ]
    assert table[-2] == ["clean error, pp", f"{100 * expected:.2f}"]


def test_the_images_of_a_time_are_told_before_the_changes() -> None:
    timed = plan(minutes=5.0, n_images_in_time=467)
    document = json.loads(render_plan(timed, "json"))

    assert change_lines(timed)[0] == "467 images are evaluated in 5 minutes at the speed of new"
    assert "in 1 minute at" in change_lines(plan(minutes=1.0, n_images_in_time=93))[0]
    assert (document["minutes"], document["n_images_in_minutes"]) == (5, 467)
    assert json.loads(render_plan(plan(), "json"))["minutes"] is None


def test_a_run_without_times_gives_none() -> None:
    untimed = plan(seconds=dict.fromkeys(SIZES))
    (table,) = READERS["markdown"](render_plan(untimed, "markdown"))

    assert table[-1] == ["time", "-", "-", "-"]
    assert "new does not say how long it took, so no time is given" in notes_of(untimed)[2]
    assert {one["seconds"] for one in json.loads(render_plan(untimed, "json"))["seconds"]} == {None}
    assert read_csv(render_plan(untimed, "csv"))["seconds"].isna().all()
