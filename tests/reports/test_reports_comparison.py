"""Two runs side by side: the same numbers in every format, and marks that follow from them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

import corruptions
from robustbench_gnl.metrics import BLOCK_QUANTITIES, METRICS, Interval, Scope, metric_id
from robustbench_gnl.metrics.catalogue import MEAN_ERROR
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Condition, conditions_of
from robustbench_gnl.reports.comparison import (
    CELLS_TITLE,
    INTERVAL,
    NUMBER_COLUMNS,
    Compared,
    ComparisonReport,
    cell_columns,
    comparison_document,
    comparison_notes,
    number_rows,
)
from robustbench_gnl.reports.comparison_answer import answer
from robustbench_gnl.reports.document import Paragraph, Table
from robustbench_gnl.reports.render import render
from robustbench_gnl.reports.render.terminal import fit
from robustbench_gnl.statistics import Comparison, Difference, compare
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.reports.reading import (
    READERS,
    captions,
    markdown_headings,
    markdown_items,
    read_csv,
)
from tests.reports.samples import ALL, HOSTILE, N_IMAGES, Judged, judged

FOG, SNOW = Condition("fog", 5), Condition("snow", 5)
N_FIXED, N_BROKEN = 30, 40
"""Images that the candidate has right under FOG where the baseline errs, and wrong under SNOW."""


KINDS = [one.key for one in BLOCK_QUANTITIES]
SHARED = MEAN_ERROR.key
NUMBERS = [
    one.key
    for one in METRICS
    if one.scope is Scope.OVERALL
    and one.is_compared
    and (one is MEAN_ERROR or one.key in DEFAULT_SUITE.metrics)
]
"""The numbers of a whole run that may be compared."""


def title_of(path: str) -> str:
    return metric_id(path, DEFAULT_SUITE).metric.title


def render_comparison(report: ComparisonReport, format: str, *, intervals: bool = True) -> str:
    return render(comparison_document(report, intervals=intervals), format)


def terminal(report: ComparisonReport, width: int = 200) -> str:
    return render(comparison_document(report), "table", width=width)


def report_of(baseline: Judged, *others: Judged, level: float = 0.95) -> ComparisonReport:
    alexnet = default_reference()
    candidates = [
        Compared(
            one.run.model.name,
            one.run,
            compare(baseline.outcomes, one.outcomes, alexnet, level=level),
        )
        for one in others
    ]
    name = baseline.run.model.name
    return ComparisonReport(name, baseline.run, tuple(candidates), alexnet.name)


@pytest.fixture(scope="module")
def baseline() -> Judged:
    return judged("resnet50", conditions=ALL)


@pytest.fixture(scope="module")
def candidate(baseline: Judged) -> Judged:
    """Better under fog, worse under snow, the same everywhere else."""
    fixed = np.flatnonzero(baseline.answers[FOG].wrong)[:N_FIXED]
    broken = np.flatnonzero(~baseline.answers[SNOW].wrong)[:N_BROKEN]
    return judged(HOSTILE, conditions=ALL, changed={FOG: fixed, SNOW: broken})


@pytest.fixture(scope="module")
def report(baseline: Judged, candidate: Judged) -> ComparisonReport:
    return report_of(baseline, candidate)


@pytest.fixture(scope="module")
def compared(report: ComparisonReport) -> dict[str, Any]:
    """The one comparison of the JSON document."""
    (one,) = json.loads(render_comparison(report, "json"))["comparisons"]
    return one


def _answer(report: ComparisonReport) -> str:
    """The paragraph of a comparison of two runs."""
    (said,) = (b.text for b in comparison_document(report).blocks if isinstance(b, Paragraph))
    return said


def ce_by_hand(run: Judged, name: str) -> float:
    errors = [run.answers[Condition(name, s)].wrong.mean() for s in corruptions.SEVERITIES]
    return 100 * np.sum(errors) / np.sum(default_reference().errors[name])


def mce_by_hand(run: Judged) -> float:
    return float(np.mean([ce_by_hand(run, name) for name in corruptions.names("common")]))


def same(value: Any) -> Any:
    """Text as it is; numbers to the last digits, which readers of CSV do not all keep."""
    return value if isinstance(value, str) else pytest.approx(value, rel=1e-12)


def test_json_says_who_is_compared_and_on_what(
    report: ComparisonReport, baseline: Judged, candidate: Judged
) -> None:
    document = json.loads(render_comparison(report, "json"))
    (one,) = document["comparisons"]

    assert document["schema_version"] == 1
    assert document["protocol"]["fingerprint"] == baseline.run.protocol.fingerprint
    assert (document["n_images"], document["reference"]) == (N_IMAGES, "AlexNet")
    assert document["baseline"]["run_id"] == baseline.run.id
    assert one["candidate"]["name"] == one["candidate"]["model"] == HOSTILE
    assert one["candidate"]["run_id"] == candidate.run.id
    assert one["candidate"]["checkpoint_sha256"] == candidate.run.model.checkpoint_sha256
    assert (one["level"], one["n_cells"], one["cells_left_out"]) == (0.95, len(ALL), [])


def test_json_carries_all_that_was_compared(
    compared: dict[str, Any], report: ComparisonReport
) -> None:
    differences = report.candidates[0].comparison.differences

    assert compared["numbers"] == {
        name: dataclasses.asdict(found) for name, found in differences.items()
    }
    named = {*NUMBERS, "groups.blur", "corruptions.fog.error", "mean_top5_error"}
    assert named - {SHARED} < set(differences)


def test_the_numbers_and_their_differences_are_those_of_the_images(
    compared: dict[str, Any], baseline: Judged, candidate: Judged
) -> None:
    numbers = compared["numbers"]
    before, after = mce_by_hand(baseline), mce_by_hand(candidate)

    assert numbers["mce"]["baseline"] == pytest.approx(before)
    assert numbers["mce"]["candidate"] == pytest.approx(after)
    assert numbers["mce"]["difference"] == pytest.approx(after - before)
    assert numbers["corruptions.fog.error"]["difference"] == pytest.approx(-N_FIXED / N_IMAGES / 5)
    assert numbers["mean_corruption_error"]["difference"] == pytest.approx(
        (N_BROKEN - N_FIXED) / N_IMAGES / 75
    )
    assert numbers["clean_error"]["difference"] == 0


def test_the_marks_say_what_was_made_better_and_worse(compared: dict[str, Any]) -> None:
    marks = {
        key: one["mark"]
        for key, one in compared["numbers"].items()
        if key.startswith("corruptions.") and one["mark"] != "~"
    }

    assert marks == {
        "corruptions.fog.ce": "better",
        "corruptions.fog.error": "better",
        "corruptions.snow.ce": "worse",
        "corruptions.snow.error": "worse",
    }


def test_each_cell_has_mcnemars_exact_test_and_holms_correction(compared: dict[str, Any]) -> None:
    cells = {(cell["corruption"], cell["severity"]): cell for cell in compared["cells"]}
    fog, snow = cells.pop(("fog", 5)), cells.pop(("snow", 5))

    assert len(cells) + 2 == len(ALL)
    assert (fog["only_baseline_wrong"], fog["only_candidate_wrong"]) == (N_FIXED, 0)
    assert (snow["only_baseline_wrong"], snow["only_candidate_wrong"]) == (0, N_BROKEN)
    assert fog["difference"] == pytest.approx(-N_FIXED / N_IMAGES)
    for cell, n in ((fog, N_FIXED), (snow, N_BROKEN)):
        assert cell["p_value"] == pytest.approx(stats.binomtest(0, n).pvalue)
    # The smallest p counts as often as there are cells, the next one time less.
    assert snow["p_holm"] == pytest.approx(len(ALL) * snow["p_value"])
    assert fog["p_holm"] == pytest.approx((len(ALL) - 1) * fog["p_value"])
    assert (fog["mark"], snow["mark"]) == ("better", "worse")
    assert {(cell["p_holm"], cell["mark"]) for cell in cells.values()} == {(1.0, "~")}


def test_csv_gives_the_numbers_of_the_json_back(
    report: ComparisonReport, compared: dict[str, Any]
) -> None:
    table = read_csv(render_comparison(report, "csv"))
    numbers = table[table["kind"] == "number"].set_index("key")
    cells = table[table["kind"] == "cell"].set_index("key")

    assert set(numbers.index) == {
        key for key in compared["numbers"] if not key.startswith("corruptions.") or ".ce" in key
    }
    for key, row in numbers.iterrows():
        found = compared["numbers"][key]
        for column in ("baseline", "candidate", "difference", "mark"):
            assert row[column] == same(found[column])
        ends = found["interval"]["low"], found["interval"]["high"]
        assert (row["low"], row["high"]) == same(ends)
        assert row["n_differing"] == found["n_differing"] or found["n_differing"] is None
    assert len(cells) == len(compared["cells"])
    for cell in compared["cells"]:
        row = cells.loc[str(Condition(cell["corruption"], cell["severity"]))]
        for column in set(cell) - {"corruption", "severity"}:
            assert row[column] == same(cell[column])


def test_csv_tells_several_candidates_apart(baseline: Judged, candidate: Judged) -> None:
    both = report_of(baseline, candidate, judged("vit", conditions=ALL, harder=0.5))
    table = read_csv(render_comparison(both, "csv")).set_index(["candidate_run", "key"])

    assert set(table["baseline_run"]) == {baseline.run.id}
    assert table.index.is_unique
    assert set(table["reference"]) == {"AlexNet"}
    assert table.loc[("run-vit", "mce"), "mark"] == "worse"
    assert table.loc[(candidate.run.id, "corruptions.fog.ce"), "mark"] == "better"


@pytest.mark.parametrize("format", READERS)
def test_papers_show_rounded_numbers_with_the_better_one_in_bold(
    report: ComparisonReport, compared: dict[str, Any], format: str
) -> None:
    numbers, _ = READERS[format](render_comparison(report, format))
    rows = {row[0]: row[1:] for row in numbers[1:]}
    fog, snow = (compared["numbers"][f"corruptions.{name}.ce"] for name in ("fog", "snow"))

    assert numbers[0] == ["", "baseline", "candidate", "difference", "interval"]
    plain, _ = READERS[format](render_comparison(report, format, intervals=False))
    assert plain == [row[:-1] for row in numbers]
    assert rows["fog CE"] == [
        f"{fog['baseline']:.2f}",
        f"**{fog['candidate']:.2f}**",
        f"{fog['difference']:.2f} better",
        f"[{fog['interval']['low']:.2f}, {fog['interval']['high']:.2f}]",
    ]
    assert rows["snow CE"] == [
        f"**{snow['baseline']:.2f}**",
        f"{snow['candidate']:.2f}",
        f"+{snow['difference']:.2f} worse",
        f"[+{snow['interval']['low']:.2f}, +{snow['interval']['high']:.2f}]",
    ]
    # All that differs by no more than noise stands plain.
    for texts in rows.values():
        assert any(text.startswith("**") for text in texts) == (not texts[2].endswith("~"))


@pytest.mark.parametrize("format", READERS)
def test_every_number_is_in_its_own_unit(
    report: ComparisonReport, compared: dict[str, Any], format: str
) -> None:
    numbers, _ = READERS[format](render_comparison(report, format))
    shown = {row[0]: row[1].strip("*") for row in numbers}

    for label, key, text in (
        ("clean error, %", "clean_error", lambda value: f"{100 * value:.2f}"),
        ("mCE", "mce", "{:.2f}".format),
        ("relative mCE", "relative_mce", "{:.2f}".format),
        ("blur CE", "groups.blur", "{:.2f}".format),
        ("robustness gap, %", "robustness_gap", lambda value: f"{100 * value:.2f}"),
        ("mean negative log likelihood, nats", "mean_negative_log_likelihood", "{:.3f}".format),
        ("mean top-5 error, %", "mean_top5_error", lambda value: f"{100 * value:.2f}"),
    ):
        assert shown[label] == text(compared["numbers"][key]["baseline"])


@pytest.mark.parametrize("format", READERS)
def test_a_row_for_each_corruption_has_its_cells_by_severity(
    report: ComparisonReport, format: str
) -> None:
    _, cells = READERS[format](render_comparison(report, format))
    rows = {row[0]: row[1:] for row in cells[1:]}

    assert cells[0] == ["corruption", "1", "2", "3", "4", "5", "smallest p (Holm)"]
    assert tuple(rows) == corruptions.names("all")
    assert rows["fog"] == [*["0.00 ~"] * 4, "-12.50 better", "<0.001"]
    assert rows["snow"] == [*["0.00 ~"] * 4, "+16.67 worse", "<0.001"]
    assert rows["frost"] == [*["0.00 ~"] * 5, "1.000"]


def test_a_name_full_of_special_characters_is_printed_as_it_is(report: ComparisonReport) -> None:
    title = f"{HOSTILE} compared with resnet50"
    latex = render_comparison(report, "latex")

    assert title in markdown_headings(render_comparison(report, "markdown"))
    assert captions(latex)[0].startswith(f"{title}, released-240: {HOSTILE} and resnet50 do not")
    assert captions(latex)[0].endswith("CE divides by the errors of AlexNet.")
    assert captions(latex)[1] == CELLS_TITLE
    assert title in terminal(report, 200)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_shows_every_number_and_mark_uncut(report: ComparisonReport, width: int) -> None:
    text = terminal(report, width)

    assert max(len(line) for line in text.splitlines()) <= width
    groups = (f"{group} CE" for group in DEFAULT_SUITE.groups)
    whole = (
        metric_id(path, DEFAULT_SUITE).metric.title for path in NUMBERS if path != SHARED
    )  # mCE stands in its place
    labels = (*whole, *groups, "fog CE", "spatter CE")
    cells = ("-12.50 better", "+16.67 worse")  # both may fold
    for word in " ".join([*labels, *cells]).split():
        assert word in text
    for phrase in ("protocol released-240 [", CELLS_TITLE):
        assert phrase in " ".join(text.split())
    assert "…" not in text


def test_runs_that_answer_alike_are_not_told_apart_and_nothing_is_bold(baseline: Judged) -> None:
    alike = report_of(baseline, judged("twin", conditions=ALL))
    text = render_comparison(alike, "markdown")

    assert "twin and resnet50 do not differ significantly: mCE" in text
    assert "**" not in text
    assert {row["mark"] for row in number_rows(alike.candidates[0].comparison)} == {"~"}


def test_each_candidate_has_its_own_tables(baseline: Judged, candidate: Judged) -> None:
    both = report_of(baseline, candidate, judged("vit", conditions=ALL, harder=0.5))
    text = terminal(both, 120)

    assert len(READERS["markdown"](render_comparison(both, "markdown"))) == 4
    assert text.index(f"{HOSTILE} compared with resnet50") < text.index(
        "vit compared with resnet50"
    )
    assert "vit is significantly worse than resnet50: mCE" in text


def test_of_a_part_of_the_cells_a_corruption_shows_its_error_and_no_mean() -> None:
    some = (CLEAN, *conditions_of(("fog", "spatter"), (1, 3)))
    pair = judged(conditions=some), judged("vit", conditions=some, harder=0.5)
    partly = report_of(*pair)
    (one,) = partly.candidates
    rows = {row["number"]: row for row in number_rows(one.comparison)}
    _, cells = READERS["markdown"](render_comparison(partly, "markdown"))

    assert set(rows) == {
        "clean error, %", "mean error of shared cells, %", "fog error, %", "spatter error, %",
        "clean top-5 error, %", "clean negative log likelihood, nats",
        "clean expected calibration error, %",
    }  # fmt: skip
    assert rows["fog error, %"]["section"] == "corruptions"
    assert [cell for row in cells[1:] for cell in row if cell == "-"] == ["-"] * 6
    shared = one.comparison.differences[SHARED]
    cells_of = [[run.answers[cell].wrong.mean() for cell in some[1:]] for run in pair]
    assert [shared.baseline, shared.candidate] == pytest.approx([np.mean(c) for c in cells_of])
    assert _answer(partly).startswith(
        "vit is significantly worse than resnet50: mean error of shared cells "
    )


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        (
            {"mce": (70.0, 72.5, Interval(1.5, 3.5), "worse")},
            "new is significantly worse than old: "
            "mCE 72.50 compared with 70.00, +2.50 [+1.50, +3.50].",
        ),
        (
            {"mce": (70.0, 68.0, Interval(-3.0, -1.0), "better")},
            "new is significantly better than old: "
            "mCE 68.00 compared with 70.00, -2.00 [-3.00, -1.00].",
        ),
        (
            {"mce": (70.0, 70.5, Interval(-0.5, 1.5), "~")},
            "new and old do not differ significantly: "
            "mCE 70.50 compared with 70.00, +0.50 [-0.50, +1.50].",
        ),
        (
            {"mean_corruption_error": (0.5, 0.52, None, "~")},
            "new and old do not differ significantly: "
            "mean corruption error 52.00 compared with 50.00, +2.00.",
        ),
        (
            {
                "mean_corruption_error": (0.5, 0.4, Interval(-0.2, -0.1), "better"),
                "mce": (70.0, 72.5, Interval(1.5, 3.5), "worse"),
            },
            "new is significantly worse than old: "
            "mCE 72.50 compared with 70.00, +2.50 [+1.50, +3.50].",
        ),
        (
            {"error": (0.5, 0.55, Interval(0.02, 0.08), "worse")},
            "new is significantly worse than old: "
            "mean error of shared cells 55.00 compared with 50.00, "
            "+5.00 [+2.00, +8.00].",
        ),
        (
            {"clean_error": (0.5, 0.55, Interval(-0.02, 0.08), "~")},
            "new and old do not differ significantly: "
            "clean error 55.00 compared with 50.00, +5.00 "
            "[-2.00, +8.00].",
        ),
    ],
)
def test_the_answer_is_by_mce_before_the_mean_error(
    differences: dict[str, Any], expected: str
) -> None:
    found = {
        key: Difference(key, before, after, after - before, interval, 100, mark)
        for key, (before, after, interval, mark) in differences.items()
    }

    assert answer("new", "old", Comparison((), (), found, (), 0.95)) == expected


@pytest.mark.parametrize(
    ("better", "worse", "expected"),
    [
        ([], [], ""),
        (["fog"], [], " Better: fog."),
        ([], ["clean", "snow"], " Worse: clean error and snow."),
        (
            ["fog"],
            ["snow", "frost", "contrast", "pixelate", "spatter"],
            " Better: fog; worse: snow, frost, contrast and 2 more.",
        ),
    ],
)
def test_inside_the_noise_the_answer_names_what_surely_changed(
    better: list[str], worse: list[str], expected: str
) -> None:
    """And what changed the other way, where it is sure."""

    def found(key: str, mark: str) -> Difference:
        return Difference(key, 50.0, 50.5, 0.5, None, 100, mark)

    marks = dict.fromkeys(better, "better") | dict.fromkeys(worse, "worse")
    keys = {name: "clean_error" if name == "clean" else f"corruptions.{name}.ce" for name in marks}
    changed = {keys[name]: found(keys[name], mark) for name, mark in marks.items()}
    noise, sure = ({"mce": found("mce", mark), **changed} for mark in ("~", "better"))

    assert answer("new", "old", Comparison((), (), noise, (), 0.95)) == (
        f"new and old do not differ significantly: mCE 50.50 compared with 50.00, +0.50.{expected}"
    )
    other_way = f" W{expected.split('orse', 1)[1].join(['orse', ''])}" if worse else ""
    assert answer("new", "old", Comparison((), (), sure, (), 0.95)) == (
        f"new is significantly better than old: mCE 50.50 compared with 50.00, +0.50.{other_way}"
    )


@pytest.mark.parametrize(("p_value", "said"), [(0.02, ""), (0.003, " Better: fog.")])
def test_one_of_many_that_chance_alone_would_mark_is_not_named(p_value: float, said: str) -> None:
    """Of 15 corruptions and the clean images: 16 x 0.003 is below 0.05, 16 x 0.02 is not."""
    names = ("clean_error", *(f"corruptions.{name}.ce" for name in corruptions.names("common")))
    found = {key: Difference(key, 0.5, 0.4, -0.1, None, 9, "~", p_value=0.6) for key in names}
    fog = found["corruptions.fog.ce"]
    found["corruptions.fog.ce"] = dataclasses.replace(fog, mark="better", p_value=p_value)
    found["mce"] = Difference("mce", 70.0, 70.0, 0.0, None, 9, "~")

    assert answer("new", "old", Comparison((), (), found, (), 0.95)).split("0.00.")[-1] == said


def test_what_surely_changed_stands_in_every_format(
    report: ComparisonReport, compared: dict[str, Any]
) -> None:
    assert (compared["better"], compared["worse"]) == (["fog"], ["snow"])
    for format in READERS:
        assert "Better: fog; worse: snow." in render_comparison(report, format)
    assert "Better: fog; worse: snow." in terminal(report, 300)


@pytest.mark.parametrize("mark", ["~", "better", "worse"])
def test_both_tables_fit_80_columns_whatever_the_marks(mark: str) -> None:
    """The widest texts: three digits before the point at all ends, and a mark in every cell."""
    ends = "[-150.00, -120.00]"
    numbers = [{"number": label, "baseline": "147.03", "candidate": "147.03", "interval": ends,
                "difference": f"-133.33 {mark}"} for label in map(title_of, NUMBERS)
               ]  # fmt: skip
    cells = [{"corruption": name, "p_holm": 1e-9,
              **{f"severity_{s}": f"+16.67 {mark}" for s in corruptions.SEVERITIES}}
             for name in corruptions.names("all")]  # fmt: skip

    of_cells = cell_columns(DEFAULT_SUITE)
    for rows, columns in ((numbers, (*NUMBER_COLUMNS, INTERVAL)), (cells, of_cells)):
        assert fit(Table(columns, tuple(rows)), 80)[1] == [list(columns)]


def test_the_notes_say_what_the_tables_stand_on(report: ComparisonReport) -> None:
    assert comparison_notes(report, report.candidates[0]) == [
        "240 images, 96 cells; difference is candidate minus baseline, with its paired "
        "95 % interval",
        "metrics: better or worse if the interval excludes 0 and at least 6 images changed "
        "(top-5, likelihood and calibration: the interval alone); ~: not significant",
        "these marks are not corrected for multiple testing: by chance alone, 5 % of the metrics "
        "that did not change are marked; other changes named in the conclusion are corrected "
        "(paired tests, Holm)",
        "cells: better or worse by McNemar's exact test at 5 %, with Holm's correction for 96 "
        "cells; ~: not significant",
        "CE divides by the errors of AlexNet",
        "p of the clean cell (Holm): 1.000",
    ]


def test_the_notes_say_what_is_missing() -> None:
    whole, part = judged(n_blocks=1), judged("part", conditions=(FOG, SNOW), n_blocks=1)
    report = report_of(whole, part, judged("twin", n_blocks=1), level=0.9)
    one, twin = report.candidates

    assert "74 cells that only one of the runs has are left out" in comparison_notes(report, one)
    assert "240 images, 2 cells;" in comparison_notes(report, one)[0]
    assert "paired 90 % interval" in comparison_notes(report, one)[0]
    assert "at least 5 images changed" in comparison_notes(report, one)[1]
    assert "10 % of the metrics that did not change" in comparison_notes(report, one)[2]
    assert "at 10 %, with Holm's correction for 2 cells" in comparison_notes(report, one)[3]
    assert not any("clean cell" in note for note in comparison_notes(report, one))
    assert comparison_notes(report, twin)[-1] == (
        "?: not tested, because there is no interval: 1 whole block of images, and the jackknife "
        "needs 4: evaluate more images"
    )


@pytest.fixture(scope="module")
def untested() -> ComparisonReport:
    """Two runs far apart on images of one block, which is too few for the jackknife."""
    return report_of(judged(n_blocks=1), judged("vit", n_blocks=1, harder=2.0))


UNTESTED = {f"{which}_{kind}" for kind in KINDS for which in ("clean", "mean")}


@pytest.mark.parametrize("format", READERS)
def test_what_was_not_tested_has_its_own_mark_and_is_not_bold(
    untested: ComparisonReport, format: str
) -> None:
    text = render_comparison(untested, format)
    table, _ = READERS[format](text)
    rows = {row[0]: row[1:] for row in table[1:]}

    for key in UNTESTED:
        before, after, difference, interval = rows[title_of(key)]
        assert difference.endswith(" ?")
        assert not before.startswith("**")
        assert not after.startswith("**")
        assert interval == "-"
    assert rows["mCE"][2].endswith(" worse")
    assert "?: not tested" in text


def test_machines_read_that_it_was_not_tested(untested: ComparisonReport) -> None:
    (one,) = json.loads(render_comparison(untested, "json"))["comparisons"]
    table = read_csv(render_comparison(untested, "csv"))

    assert {key for key, found in one["numbers"].items() if found["mark"] == "untested"} == UNTESTED
    assert set(table[table["mark"] == "untested"]["key"]) == UNTESTED
    assert terminal(untested, 120).count(" ?") == len(UNTESTED)


def test_each_run_is_named_by_id_file_date_and_tags(report: ComparisonReport) -> None:
    run = dataclasses.replace(report.baseline, tags=("release", "v1"))
    tagged = dataclasses.replace(report, baseline=run)
    lines = (
        f"baseline: run run-resnet50, checkpoint {run.model.checkpoint_sha256[:8]}, "
        "begun 2026-01-02, tags release, v1",
        f"candidate: run run-{HOSTILE}, checkpoint "
        f"{report.candidates[0].run.model.checkpoint_sha256[:8]}, begun 2026-01-02",
    )

    assert {*lines} <= {*markdown_items(render_comparison(tagged, "markdown"))}
    for line in lines:
        assert f"% {line}" in render_comparison(tagged, "latex").splitlines()
        assert line in terminal(tagged, 200)
    document = json.loads(render_comparison(tagged, "json"))
    assert document["baseline"]["created_at"] == run.created_at


@pytest.mark.parametrize(
    ("weights", "entries"),
    [("state_dict_ema", ""), ("state_dict", ", entries state_dict_ema and state_dict")],
)
def test_two_runs_of_one_file_say_so(baseline: Judged, weights: str, entries: str) -> None:
    model = dataclasses.replace(baseline.run.model, name="again", weights=weights)
    again = dataclasses.replace(baseline, run=dataclasses.replace(baseline.run, model=model))
    both = report_of(baseline, again, judged("other", conditions=ALL))
    sha = baseline.run.model.checkpoint_sha256[:8]
    sentence = f"Both runs are of the same checkpoint file, {sha}{entries}."

    for format in READERS:
        assert render_comparison(both, format).count(sentence) == 1
    assert terminal(both, 200).count(sentence) == 1
    document = json.loads(render_comparison(both, "json"))
    assert [one["same_checkpoint"] for one in document["comparisons"]] == [True, False]


NO_GAIN = (
    "Relative mCE and the robustness gap fall when the clean error rises: here that is no gain."
)


@pytest.mark.parametrize(
    ("marks", "is_said"),
    [
        ({"clean_error": "worse", "mce": "worse", "relative_mce": "better"}, True),
        ({"clean_error": "worse", "mce": "~", "robustness_gap": "better"}, True),
        ({"clean_error": "worse", "mce": "worse", "relative_mce": "~"}, False),
        ({"clean_error": "~", "mce": "worse", "relative_mce": "better"}, False),
        ({"clean_error": "worse", "mce": "better", "relative_mce": "better"}, False),
    ],
)
def test_what_falls_because_the_clean_error_rises_is_no_gain(
    marks: dict[str, Any], is_said: bool
) -> None:
    found = {key: Difference(key, 0.5, 0.6, 0.1, None, 100, mark) for key, mark in marks.items()}

    assert (NO_GAIN in answer("new", "old", Comparison((), (), found, (), 0.95))) == is_said


def test_no_gain_is_not_bold(baseline: Judged) -> None:
    """A network that broke on clean images and little elsewhere."""
    right = np.flatnonzero(~baseline.answers[CLEAN].wrong)
    broken = report_of(baseline, judged("broken", conditions=ALL, changed={CLEAN: right}))

    for format in READERS:
        text = render_comparison(broken, format)
        table, _ = READERS[format](text)
        row = next(row for row in table if row[0] == "relative mCE")
        assert row[3].endswith(" better")
        assert not row[2].startswith("**")
        assert NO_GAIN in text


@pytest.mark.parametrize(
    ("source", "warning"), [("sample", "are a demonstration"), ("released-layout", "is unverified")]
)
def test_a_warning_of_the_protocol_stands_in_every_view(source: str, warning: str) -> None:
    one, other = (judged(name, conditions=(FOG,), source=source) for name in ("a", "b"))
    report = report_of(one, other)

    for format in READERS:
        assert warning in render_comparison(report, format)
    assert warning in terminal(report, 200)


def test_a_network_that_guesses_is_named_in_every_view(baseline: Judged) -> None:
    right = np.flatnonzero(~baseline.answers[CLEAN].wrong)
    broken = report_of(baseline, judged("broken", conditions=ALL, changed={CLEAN: right}))
    sentence = "broken is right on 0.00 % of the clean images, which is near chance (0.10 %)."

    for format in READERS:
        assert sentence in render_comparison(broken, format)
    assert sentence in terminal(broken, 500)
    document = json.loads(render_comparison(broken, "json"))
    assert document["baseline"]["near_chance"] is False
    assert document["comparisons"][0]["candidate"]["near_chance"] is True
