"""What a run shows beyond its cells: intervals, other kinds of numbers, the worst sides."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest

import corruptions
from robustbench_gnl.metrics import BLOCK_QUANTITIES, overall_metrics, summarize
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Condition, Run, conditions_of
from robustbench_gnl.reports.render import render
from robustbench_gnl.reports.run import run_document
from robustbench_gnl.reports.run_summary import (
    further_numbers,
    headline,
    interval_notes,
    worst_sides,
)
from robustbench_gnl.statistics import RunStatistics
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.reports.reading import READERS, captions, latex_tables, read_csv
from tests.reports.samples import Judged, judged

KINDS = [one.key for one in BLOCK_QUANTITIES]
FURTHER = [one.key for one in overall_metrics(DEFAULT_SUITE) if not one.is_headline]


@pytest.fixture(scope="module")
def one() -> Judged:
    return judged()


@pytest.fixture(scope="module")
def details(one: Judged) -> RunStatistics:
    return one.details


@pytest.fixture(scope="module")
def document(one: Judged, details: RunStatistics) -> dict[str, Any]:
    return json.loads(render_run(one.run, "json", details=details))


def ends(interval: dict[str, Any], scale: float = 1.0) -> str:
    return f"[{scale * interval['low']:.2f}, {scale * interval['high']:.2f}]"


def render_run(
    run: Run, format: str, *, details: RunStatistics | None = None, intervals: bool = True
) -> str:
    return render(run_document(run, details=details, intervals=intervals), format)


def terminal(run: Run, details: RunStatistics) -> str:
    return render(run_document(run, details=details), "table", width=200)


def test_json_has_every_interval_and_further_number(
    document: dict[str, Any], details: RunStatistics
) -> None:
    numbers = details.numbers

    assert document["intervals"] == {
        name: dataclasses.asdict(interval) for name, interval in numbers.intervals.items()
    }
    assert {"mce", "clean_error", "groups.blur", "corruptions.fog.ce"} < set(document["intervals"])
    for name in FURTHER:
        assert document[name] == numbers.values[name]
    assert document["effective_robustness_line"] == str(details.trend)
    assert document["worst_class"] == dataclasses.asdict(details.worst_class)
    assert document["interval_reasons"] == {}


def test_json_without_details_has_no_word_of_them(one: Judged) -> None:
    document = run_document(one.run).data

    assert not {"intervals", "worst_class", *FURTHER} & set(document)
    assert not set(KINDS) & set(document["corruptions"]["fog"])


def test_the_further_numbers_of_a_corruption_are_those_of_the_images(
    one: Judged, details: RunStatistics
) -> None:
    found = run_document(one.run, details=details).data["corruptions"]["fog"]
    cells = [one.answers[Condition("fog", s)] for s in corruptions.SEVERITIES]
    top5 = [cell.wrong_top5.mean() for cell in cells]
    likelihood = [cell.negative_log_likelihood.mean() for cell in cells]

    assert found["top5_error_severities"] == pytest.approx(top5)
    assert found["top5_error"] == pytest.approx(np.mean(top5))
    assert found["negative_log_likelihood_severities"] == pytest.approx(likelihood)
    assert found["negative_log_likelihood"] == pytest.approx(np.mean(likelihood))
    assert set(found) - {"error", "ce", "relative_ce", "severities"} == {
        *KINDS,
        *(f"{kind}_severities" for kind in KINDS),
    }


def test_a_severity_that_was_not_run_is_null() -> None:
    part = judged(conditions=(CLEAN, *conditions_of(("fog",), (1, 3))))
    document = run_document(part.run, details=part.details).data
    five = document["corruptions"]["fog"]["top5_error_severities"]

    assert [value is None for value in five] == [False, True, False, True, True]
    assert document["mean_top5_error"] is None
    assert document["effective_robustness"] is None
    assert document["reasons"]["effective_robustness"] == "it needs mCE and the clean error"


def test_csv_has_the_ends_of_the_intervals_and_the_other_kinds(
    one: Judged, details: RunStatistics, document: dict[str, Any]
) -> None:
    table = read_csv(render_run(one.run, "csv", details=details)).set_index("corruption")
    intervals = document["intervals"]

    for row, key, name in (
        ("fog", "ce", "corruptions.fog.ce"),
        ("fog", "error", "corruptions.fog.error"),
        ("fog", "severity_3", "corruptions.fog.severities.3"),
        ("clean", "error", "clean_error"),
        ("mean", "error", "mean_corruption_error"),
        ("mean", "ce", "mce"),
    ):
        found = table.loc[row, [f"{key}_low", f"{key}_high"]].tolist()
        assert found == pytest.approx([intervals[name]["low"], intervals[name]["high"]], rel=1e-12)
    for kind in KINDS:
        assert table.loc["fog", kind] == pytest.approx(document["corruptions"]["fog"][kind])
        assert table.loc["clean", kind] == pytest.approx(document[f"clean_{kind}"])
        assert table.loc["mean", kind] == pytest.approx(document[f"mean_{kind}"])


@pytest.mark.parametrize("format", READERS)
def test_the_table_has_a_column_of_intervals_of_ce(
    one: Judged, details: RunStatistics, document: dict[str, Any], format: str
) -> None:
    table, *_ = READERS[format](render_run(one.run, format, details=details))
    rows = {row[0]: row for row in table}

    assert table[0][-2:] == ["CE", "interval"]
    assert rows["fog"][-1] == ends(document["intervals"]["corruptions.fog.ce"])
    plain = render_run(one.run, format, details=details, intervals=False)
    without, *_ = READERS[format](plain)
    assert without[0][-1] == "CE"
    if format == "latex":
        (caption,), (short,) = (
            captions(text)[:1] for text in (render_run(one.run, format, details=details), plain)
        )
        assert caption.endswith("In brackets: 95 % intervals")
        assert re.sub(r" \[[\d., ]+\]|\. In brackets.*", "", caption) == short


@pytest.mark.parametrize("view", ["terminal", "markdown", "latex"])
def test_every_number_stands_with_its_interval_below_the_table(
    one: Judged, details: RunStatistics, document: dict[str, Any], view: str
) -> None:
    text = (
        terminal(one.run, details)
        if view == "terminal"
        else render_run(one.run, view, details=details)
    )
    intervals = document["intervals"]

    mce, clean = document["mce"], document["clean_error"]
    assert f"mCE, AlexNet = 100: {mce:.2f} {ends(intervals['mce'])}" in text
    clean_ends = ends(intervals["clean_error"], 100)
    assert f"clean error, %: {100 * clean:.2f} {clean_ends}" in text
    for line in (*further_numbers(details, summarize(one.run.cells, default_reference())),
                 *interval_notes(details, DEFAULT_SUITE)):  # fmt: skip
        assert line in " ".join(text.split())


def test_the_further_lines_are_in_their_own_units(
    one: Judged, details: RunStatistics, document: dict[str, Any]
) -> None:
    lines = further_numbers(details, summarize(one.run.cells, default_reference()))
    gap, top5 = document["robustness_gap"], document["clean_top5_error"]
    worst = max(document["corruptions"].items(), key=lambda item: item[1]["ce"])[0]
    worst_class = document["worst_class"]
    intervals = document["intervals"]

    assert lines[6] == (
        f"robustness gap (mean corruption error minus clean error), %: {100 * gap:.2f} "
        f"{ends(intervals['robustness_gap'], 100)}"
    )
    assert lines[0] == (
        f"clean top-5 error, %: {100 * top5:.2f} {ends(intervals['clean_top5_error'], 100)}"
    )
    assert lines[2].startswith(
        "clean negative log likelihood, nats: "
        f"{one.answers[CLEAN].negative_log_likelihood.mean():.3f} ["
    )
    assert lines[7].startswith(
        "effective robustness (expected mCE minus mCE), points of mCE: "
        f"{document['effective_robustness']:.2f} ["
    )
    assert worst_sides(details, summarize(one.run.cells, default_reference())) == [
        f"worst corruption: {worst}",
        f"worst class: {worst_class['name']}, mean error {100 * worst_class['error']:.2f} % of "
        "20 images",
    ]


def test_effective_robustness_off_its_line_has_a_remark(
    one: Judged, details: RunStatistics, document: dict[str, Any]
) -> None:
    remark = details.remarks["effective_robustness"]
    assert remark.startswith("extrapolated: the line was fitted on clean errors of 18.62 to ")
    assert document["remarks"] == {"effective_robustness": remark}
    (line,) = (
        line
        for line in further_numbers(details, summarize(one.run.cells, default_reference()))
        if line.startswith("effective robustness")
    )
    assert line.endswith(f"]; {remark}")


def test_near_chance_effective_robustness_is_left_out_with_the_reason(one: Judged) -> None:
    right = np.flatnonzero(~one.answers[CLEAN].wrong)
    broken = judged("broken", changed={CLEAN: right})
    document = run_document(broken.run, details=broken.details).data
    reason = "the model is near chance on clean images, so its clean error has no predictive value"

    assert document["effective_robustness"] is None
    assert document["reasons"]["effective_robustness"] == reason
    assert f"no effective robustness: {reason}" in interval_notes(broken.details, DEFAULT_SUITE)


def test_what_the_intervals_are_is_said_once(details: RunStatistics) -> None:
    first, of_cells, *others = interval_notes(
        dataclasses.replace(details, level=0.9), DEFAULT_SUITE
    )

    assert first == (
        "90 % intervals in brackets: Wilson's for clean error and clean top-5 error; by leaving "
        "out blocks of images for mean top-5 error, clean negative log likelihood, mean negative "
        "log likelihood, clean expected calibration error and mean expected calibration error; by "
        "resampling the images for all others"
    )
    by_method: dict[str, set[str]] = {}
    for name, interval in details.numbers.intervals.items():
        if "." not in name:
            by_method.setdefault(interval.method, set()).add(name)
    assert by_method["wilson"] == {"clean_error", "clean_top5_error"}
    assert by_method["jackknife"] == {
        "mean_top5_error",
        *(f"{w}_{kind}" for w in ("clean", "mean") for kind in KINDS if kind != "top5_error"),
    }
    cells = {n: i for n, i in details.numbers.intervals.items() if re.search(r"severities\.\d$", n)}
    reaches = [
        max(details.numbers.values[name] - one.low, one.high - details.numbers.values[name])
        for name, one in cells.items()
    ]
    assert of_cells == (
        "the error of a single cell has a 90 % interval (Wilson's) that reaches "
        f"{100 * max(reaches):.2f} points to a side at most; csv and json have each"
    )
    assert others == [f"the line of effective robustness: {details.trend}"]


def test_every_number_of_the_whole_run_that_has_an_interval_shows_it(
    one: Judged, details: RunStatistics
) -> None:
    summary, known = summarize(one.run.cells, default_reference()), details.numbers.intervals
    lines = [*headline(summary, default_reference(), details), *further_numbers(details, summary)]
    found = re.findall(r"-?\d+\.\d+ \[-?\d+\.\d+, -?\d+\.\d+\]", "\n".join(lines))

    assert len(found) == sum("." not in path for path in known)


def test_no_corruption_is_the_worst_while_some_are_missing() -> None:
    whole, part = judged(), judged(conditions=[CLEAN, *conditions_of(("fog", "snow"), range(1, 6))])
    for run, is_named in ((whole, True), (part, False)):
        document = run_document(run.run, details=run.details).data
        text = terminal(run.run, run.details)
        assert ("worst corruption" in text) == is_named
        assert (document["worst_corruption"] is not None) == is_named
        assert ("worst_corruption" in document["reasons"]) != is_named
    assert document["reasons"]["worst_corruption"] == "13 of 15 corruptions were not evaluated"


def test_numbers_without_an_interval_are_named_with_the_reason_they_share() -> None:
    few = judged(n_blocks=1)
    reasons = [
        line
        for line in interval_notes(few.details, DEFAULT_SUITE)
        if line.startswith("no interval of ")
    ]

    assert reasons == [
        "no interval of mean top-5 error, clean negative log likelihood, mean negative log "
        "likelihood, clean expected calibration error, mean expected calibration error: 1 whole "
        "block of images, and the jackknife needs 4: evaluate more images"
    ]
    document = run_document(few.run, details=few.details).data
    assert document["interval_reasons"]["mean_top5_error"].startswith("1 whole block of images")
    assert "mean_top5_error" not in document["intervals"]


def test_an_empty_run_shows_nothing_further() -> None:
    empty = judged(conditions=())
    details = empty.details

    assert further_numbers(details, summarize({}, default_reference())) == []
    assert interval_notes(details, DEFAULT_SUITE) == []
    assert latex_tables(render_run(empty.run, "latex", details=details)) == []
