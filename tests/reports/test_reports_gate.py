"""The result of a gate in every format: the verdict, its numbers, and what would be detected."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.reports.gate import (
    GateReport,
    failure_document,
    gate_document,
    headline,
    notes_of,
)
from robustbench_gnl.reports.render import render
from robustbench_gnl.statistics import Verdict, parse_rule, parse_rules, verdicts_of
from robustbench_gnl.text import printable
from tests.reports.reading import READERS, captions, read_csv
from tests.reports.samples import HOSTILE, N_IMAGES, Judged, judged
from tests.store.samples import make_model

SNOW = Condition("snow", 5)
N_BROKEN = 40


def verdict_of(rule: str = "mCE:+0.5", passed: bool = True, **changes: Any) -> Verdict:
    """A rule that a rise of 0.2 kept, or as `changes` say."""
    fields: dict[str, Any] = {
        "baseline": 70.0,
        "candidate": 70.2,
        "difference": 0.2,
        "allowed": 0.5,
        "lower_bound": -0.1,
        "p_value": 0.1,
        "p_holm": 0.2,
        "detectable": 0.9,
        "n_cells": 75,
        "is_narrowed": False,
        "method": "t",
        "n_differing": 30,
    }
    return Verdict(rule=parse_rule(rule), passed=passed, **{**fields, **changes})


KEPT = verdict_of()
BROKEN = verdict_of(
    "clean_error:+1pp", passed=False, baseline=0.12, candidate=0.15, difference=0.03, allowed=0.01,
    lower_bound=0.004, p_value=0.0004, p_holm=0.0008, detectable=0.025, n_cells=1,
)  # fmt: skip
NOISY = verdict_of(
    "nll:+5%", baseline=2.0, candidate=2.15, difference=0.15, allowed=0.1, lower_bound=-0.05,
    p_holm=0.3, detectable=0.21, method="jackknife", n_differing=None,
)  # fmt: skip


@pytest.fixture(scope="module")
def run() -> Judged:
    return judged(conditions=(CLEAN,))


def render_gate(report: GateReport, format: str) -> str:
    return render(gate_document(report), format)


def junit_xml(report: GateReport) -> str:
    return render_gate(report, "junit")


def annotation_lines(report: GateReport) -> list[str]:
    """As GitHub's runner reads them: only a line feed ends a line that is printed."""
    return list(filter(None, render_gate(report, "github").split("\n")))


def report_of(run: Judged, *verdicts: Verdict, **changes: Any) -> GateReport:
    finished = replace(run.run, finished_at="2026-11-23T14:27:00+00:00")
    fields: dict[str, Any] = {
        "name": "new",
        "run": replace(finished, id="run-new", model=make_model("new", "new")),
        "baseline_name": "old",
        "baseline": finished,
        "alpha": 0.05,
        "strict": False,
        "reference": "AlexNet",
        "has_same_errors": False,
        "plan_words": ("gnlbench", "plan", "new", "--against", "old"),
    }
    return GateReport(verdicts=verdicts, **{**fields, **changes})


@pytest.fixture
def report(run: Judged) -> GateReport:
    return report_of(run, KEPT, BROKEN, NOISY)


WHY_NOISY = "inconclusive: the estimate exceeds what is allowed, but not significantly"
LIMIT = verdict_of(
    "error[fog]<=60%", passed=False, baseline=None, candidate=0.66, difference=None, allowed=None,
    limit=0.6, lower_bound=0.61, upper_bound=0.7, detectable=0.65, n_cells=5, method="bootstrap",
    n_differing=None,
)  # fmt: skip
OPEN_LIMIT = verdict_of(
    "mCE<=70", baseline=None, candidate=69.5, difference=None, allowed=None, limit=70.0,
    lower_bound=67.0, upper_bound=71.0, detectable=73.0, method="bootstrap", n_differing=None,
)  # fmt: skip
HEAD = ["rule", "baseline", "run", "difference", "allowed", "lower bound", "p (Holm)", "verdict"]
HEAD_OF_ONE = ["p" if title == "p (Holm)" else title for title in HEAD]
"""A single rule's p needs no correction."""
ROWS = [
    ["mCE:+0.5", "70.00", "70.20", "+0.20", "+0.50", "-0.10", "0.200", "pass"],
    ["clean_error:+1pp", "12.00", "15.00", "+3.00 pp", "+1.00 pp", "+0.40 pp", "<0.001", "FAIL"],
    ["nll:+5%", "2.000", "2.150", "+0.150 nats", "+0.100 nats", "-0.050 nats", "0.300",
     "inconclusive"],
]  # fmt: skip


@pytest.mark.parametrize("format", READERS)
def test_documents_show_each_rule_in_its_own_unit(report: GateReport, format: str) -> None:
    (table,) = READERS[format](render_gate(report, format))

    assert table == [HEAD, *ROWS]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_shows_the_same_uncut(report: GateReport, width: int) -> None:
    text = render(gate_document(report), "table", width=width)

    assert max(len(line) for line in text.splitlines()) <= width
    assert text.startswith("FAILED: new compared with old violates 1 of 3 rules\n")
    for row in ROWS:
        for cell in [*row[:6], row[7]]:
            assert cell in text
    for note in notes_of(report):
        assert note in " ".join(text.split())


def test_json_carries_the_raw_numbers(report: GateReport) -> None:
    document = json.loads(render_gate(report, "json"))
    kept, broken, noisy = document["rules"]

    assert (document["schema_version"], document["passed"]) == (1, False)
    assert (document["alpha"], document["strict"]) == (0.05, False)
    assert (document["n_images"], document["reference"]) == (N_IMAGES, "AlexNet")
    assert document["run"] == {"name": "new", "run_id": "run-new"}
    assert document["baseline"] == {"name": "old", "run_id": report.baseline.id}
    assert document["protocol"]["fingerprint"] == report.protocol.fingerprint
    assert document["notes"] == notes_of(report)
    assert broken == {
        "rule": "clean_error:+1pp", "passed": False, "inside_noise": False, "baseline": 0.12,
        "run": 0.15, "difference": 0.03, "allowed": 0.01, "lower_bound": 0.004,
        "p_value": 0.0004, "p_holm": 0.0008, "detectable": 0.025, "n_cells": 1,
        "n_images_differing": 30, "method": "t", "verdict": "failed", "upper_bound": None,
        "limit": None,
    }  # fmt: skip
    assert (kept["passed"], kept["inside_noise"]) == (True, False)
    assert (noisy["passed"], noisy["inside_noise"]) == (True, True)
    assert [rule["verdict"] for rule in document["rules"]] == ["passed", "failed", "inconclusive"]
    assert (document["verdict"], document["fail_inconclusive"]) == ("failed", False)
    assert noisy["n_images_differing"] is None


def test_csv_gives_the_numbers_of_the_json_back(report: GateReport) -> None:
    rules = json.loads(render_gate(report, "json"))["rules"]
    table = read_csv(render_gate(report, "csv"))

    added_later = ["verdict", "upper_bound", "limit"]
    first = [key for key in rules[0] if key not in added_later]
    assert list(table.columns) == [*first, "reference", "same_checkpoint", *added_later]
    assert set(table["reference"]) == {"AlexNet"}
    assert set(table["same_checkpoint"]) == {False}
    for (_, row), rule in zip(table.iterrows(), rules, strict=True):
        for key, value in rule.items():
            assert np.isnan(row[key]) if value is None else row[key] == value


OPEN = "inconclusive with these 240 images"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([KEPT], "PASSED: new compared with old satisfies its rule"),
        ([KEPT, KEPT], "PASSED: new compared with old satisfies both rules"),
        ([KEPT] * 3, "PASSED: new compared with old satisfies all 3 rules"),
        ([NOISY], f"PASSED: new compared with old: its rule is {OPEN}"),
        ([KEPT, NOISY], f"PASSED: new compared with old: 1 of 2 rules is {OPEN}"),
        ([NOISY] * 3, f"PASSED: new compared with old: 3 of 3 rules are {OPEN}"),
        ([NOISY, BROKEN], "FAILED: new compared with old violates 1 of 2 rules"),
        ([BROKEN], "FAILED: new compared with old violates its rule"),
        ([KEPT, BROKEN], "FAILED: new compared with old violates 1 of 2 rules"),
    ],
)
def test_the_answer_stands_first(run: Judged, verdicts: list[Verdict], expected: str) -> None:
    report = report_of(run, *verdicts)

    assert headline(report) == expected
    assert render_gate(report, "markdown").startswith(f"### {expected}\n")
    (caption,) = captions(render_gate(report, "latex"))
    assert caption.removesuffix(". CE divides by the errors of AlexNet") == expected
    assert report.passed == expected.startswith("PASSED")


def test_junit_has_a_case_a_rule_and_counts_the_failures(report: GateReport) -> None:
    root = ElementTree.fromstring(junit_xml(report))
    (suite,) = root
    cases = suite.findall("testcase")
    failures = {case.get("name"): case.find("failure") for case in cases}

    for element in (root, suite):
        assert (element.get("tests"), element.get("failures"), element.get("errors")) == (
            "3", "1", "0",
        )  # fmt: skip
    assert suite.get("name") == "new compared with old"
    assert (suite.get("skipped"), root.get("skipped")) == ("1", None)
    assert list(failures) == ["mCE:+0.5", "clean_error:+1pp", "nll:+5%"]
    assert {case.get("classname") for case in cases} == {"gnlbench.check"}
    assert [name for name, failure in failures.items() if failure is not None] == [
        "clean_error:+1pp"
    ]
    assert failures["clean_error:+1pp"].get("message") == (
        "clean_error:+1pp: 15.00 compared with 12.00, +3.00 pp where +1.00 pp is allowed; "
        "lower bound of the change +0.40 pp"
    )
    assert cases[0].findtext("system-out") == (
        "mCE:+0.5: 70.20 compared with 70.00, +0.20 where +0.50 is allowed; lower bound of the "
        "change -0.10; an increase of 0.90 in mCE is detected with 80 % power"
    )
    out = cases[2].findtext("system-out")
    assert out.endswith("; an increase of 0.210 nats in nll is detected with 80 % power")
    assert [case.find("skipped") is not None for case in cases] == [False, False, True]
    assert cases[2].find("skipped").get("message") == WHY_NOISY
    told = [headline(report), *notes_of(report)]
    assert suite.findtext("system-out").splitlines() == told


@pytest.mark.parametrize(("rule", "name"), [("mCE:+1", "mCE:+1"), (None, "gnlbench check")])
def test_junit_says_why_nothing_could_be_judged(rule: str | None, name: str) -> None:
    root = ElementTree.fromstring(
        render(failure_document("UsageError", "the <run> lacks \x1b cells", rule), "junit")
    )
    (suite,) = root
    (case,) = suite

    for element in (root, suite):
        assert [element.get(key) for key in ("tests", "failures", "errors")] == ["1", "0", "1"]
    assert (case.get("classname"), case.get("name")) == ("gnlbench.check", name)
    assert case.find("error").attrib == {
        "type": "UsageError", "message": "the <run> lacks \\x1b cells",
    }  # fmt: skip


@pytest.mark.parametrize("name", [HOSTILE, '<&"', "]]>", "ключ 模型", "a\tb\nc"])
def test_junit_is_well_formed_whatever_the_models_are_called(run: Judged, name: str) -> None:
    root = ElementTree.fromstring(junit_xml(report_of(run, KEPT, name=name)))

    assert root[0].get("name") == f"{printable(name)} compared with old"


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x08", "\ud800", "\uffff"])
def test_junit_escapes_what_xml_cannot_hold(run: Judged, character: str) -> None:
    text = junit_xml(report_of(run, KEPT, name=f"a{character}b"))

    assert (
        ElementTree.fromstring(text)[0].get("name")
        == f"a{ascii(character)[1:-1]}b compared with old"
    )


def test_a_hostile_name_leaves_the_documents_whole(run: Judged) -> None:
    report = report_of(run, KEPT, name=HOSTILE)

    (caption,) = captions(render_gate(report, "latex"))
    assert caption == f"{headline(report)}. CE divides by the errors of AlexNet"
    for format, read in READERS.items():
        assert read(render_gate(report, format)) == [[HEAD_OF_ONE, ROWS[0]]]
    assert headline(report) in render(gate_document(report), "table", width=200)


def test_the_notes_say_how_it_was_decided_and_what_would_have_been_seen(
    report: GateReport,
) -> None:
    assert notes_of(report) == [
        "A rule fails when the estimate is above what it allows and the increase is statistically "
        "significant: its lower bound is above 0, at level 0.05 for all rules together. p is of an "
        "increase above 0, not above what is allowed.",
        "Inconclusive: nll:+5% (the estimate exceeds what is allowed, but not significantly). With "
        "--fail-inconclusive the exit code is 2.",
        "With these 240 images an increase of 0.90 in mCE is detected with 80 % power.",
        "With these 240 images an increase of 2.50 pp in clean_error is detected with 80 % power.",
        "With these 240 images an increase of 0.210 nats in nll is detected with 80 % power; too "
        "few images for nll:+5%.",
        "CE divides by the errors of AlexNet.",
        "More images are needed to decide.",
    ]


def test_a_single_rule_has_the_level_for_itself(run: Judged) -> None:
    assert notes_of(report_of(run, KEPT))[0].startswith(
        "A rule fails when the estimate is above what it allows and the increase is statistically "
        "significant: its lower bound is above 0, at level 0.05. p is"
    )


@pytest.mark.parametrize(
    ("rule", "changes", "words"),
    [
        ("mCE:+0.1", {}, "--change mCE:+0.1"),
        ("mCE:+0", {}, "--change mCE:+0.2"),
        ("error[fog]:+0pp", {"difference": 0.0123, "n_cells": 5}, "--change 'error[fog]:+1.23pp'"),
        ("clean_error:+0%", {"difference": 1e-9, "n_cells": 1}, "--change clean_error:+0.01pp"),
        ("mCE:-0.5", {"allowed": -0.5}, "--change mCE:+0.5"),
    ],
)
def test_who_wants_to_know_is_told_how_to_ask_for_more_images(
    run: Judged, rule: str, changes: dict[str, Any], words: str
) -> None:
    """A change of 0 cannot be planned: the rise that was found stands for it."""
    noisy = verdict_of(rule, **{"allowed": 0.0, **changes})

    command = f"gnlbench plan new --against old {words}"
    assert notes_of(report_of(run, KEPT, noisy))[-1] == (
        f"More images are needed to decide: `{command}` says how many."
    )
    change = shlex.split(words)[1]
    assert parse_rule(change).threshold > 0


@pytest.mark.parametrize("rule", ["ece:+0pp", "top5_error:+0pp", "error[fog]:+0pp"])
def test_what_cannot_be_planned_is_not_offered(run: Judged, rule: str) -> None:
    noisy = verdict_of(rule, allowed=0.0, n_cells=3, is_narrowed=True)

    assert notes_of(report_of(run, noisy))[-1] == "More images are needed to decide."


@pytest.mark.parametrize(
    ("allowed", "detectable", "told"),
    [(0.5, 1.01, True), (0.5, 1.0, False), (0.0, 5.0, False)],
)
def test_images_that_see_but_twice_what_is_allowed_are_too_few(
    run: Judged, allowed: float, detectable: float, told: bool
) -> None:
    verdict = verdict_of(f"mCE:+{allowed:g}", allowed=allowed, difference=-0.1,
                         detectable=detectable, upper_bound=2.0)  # fmt: skip
    note = next(note for note in notes_of(report_of(run, verdict)) if note.startswith("With these"))

    assert note.endswith("; too few images for mCE:+0.5.") == told
    assert (verdict.status == "inconclusive") == told
    # Images that are too few for the rule are enough where the change is far below it.
    assert replace(verdict, upper_bound=0.4).status == "passed"


def test_two_runs_of_one_checkpoint_are_told_in_every_format(run: Judged) -> None:
    report = report_of(run, KEPT)
    report = replace(report, run=replace(report.run, model=report.baseline.model))
    note = f"Both runs are of the same checkpoint, {run.run.model.checkpoint_sha256[:8]}."

    assert json.loads(render_gate(report, "json"))["same_checkpoint"]
    assert set(read_csv(render_gate(report, "csv"))["same_checkpoint"]) == {True}
    for text in (
        *(render_gate(report, format) for format in ("json", "markdown", "latex")),
        junit_xml(report),
        render(gate_document(report), "table", width=200),
    ):
        assert note in text


def test_a_run_that_is_the_baseline_says_that_nothing_was_compared(run: Judged) -> None:
    report = report_of(run, KEPT, has_same_errors=True)
    itself = replace(report, run=report.baseline)
    notes = notes_of(itself)

    assert headline(itself) == "PASSED: new is the baseline itself, so nothing was compared"
    assert not any("checkpoint" in note or "same errors" in note for note in notes)


def test_an_unfinished_run_is_named(run: Judged) -> None:
    report = report_of(run, KEPT)
    unfinished = "{} is unfinished: not all the cells that it was begun for are there."

    assert not any("unfinished" in note for note in notes_of(report))
    for name, side in (("new", "run"), ("old", "baseline")):
        changed = replace(report, **{side: replace(getattr(report, side), finished_at=None)})
        assert [note for note in notes_of(changed) if "unfinished" in note] == [
            unfinished.format(name)
        ]


def test_a_strict_gate_says_so_and_shows_no_bound(run: Judged) -> None:
    untested = dict.fromkeys(("lower_bound", "p_value", "p_holm", "detectable", "method"))
    report = report_of(run, replace(KEPT, **untested), replace(BROKEN, **untested), strict=True)
    failure = ElementTree.fromstring(junit_xml(report)).find(".//failure")

    assert notes_of(report)[0] == (
        "A rule fails when the estimate is above what it allows, significant or not (--strict)."
    )
    assert failure.get("message").endswith("where +1.00 pp is allowed")
    for format, read in READERS.items():
        (table,) = read(render_gate(report, format))
        assert table[0] == ["rule", "baseline", "run", "difference", "allowed", "verdict"]
    for text in (
        *(render_gate(report, format) for format in ("json", "markdown", "latex")),
        junit_xml(report),
        render(gate_document(report), "table", width=200),
    ):
        assert "power" not in text
        assert "bound" not in text.replace('_bound": null', "")
    for rule in json.loads(render_gate(report, "json"))["rules"]:
        assert {rule[key] for key in untested} == {None}


def test_the_reference_is_named_only_beside_numbers_that_divide_by_it(run: Judged) -> None:
    def names_it(rule: str) -> bool:
        return "CE divides by the errors of AlexNet." in notes_of(report_of(run, verdict_of(rule)))

    assert all(map(names_it, ["mCE:+1", "relative_mCE:+1", "CE[fog]:+1"]))
    assert not any(map(names_it, ["error:+1pp", "clean_error:+1pp", "nll:+1%", "ece:+1pp"]))


def test_what_cannot_be_said_is_said_to_be_so(run: Judged) -> None:
    unknown = verdict_of("error[fog]:+1pp", detectable=None)
    untold = "These images do not show what would be detected in error[fog]."

    assert untold in notes_of(report_of(run, KEPT, unknown))
    alike = notes_of(report_of(run, unknown, has_same_errors=True))
    assert "Both runs have the same errors on every image." in alike
    assert untold not in alike


@pytest.mark.parametrize(
    ("rules", "where"),
    [
        ({"error:+1pp": 3}, " on the 3 cells that both have"),
        ({"error:+1pp": 1}, " on the one cell that both have"),
        ({"error:+1pp": 3, "clean_error:+1pp": 1}, " on the 3 cells that both have"),
        ({"error:+1pp": 3, "error[fog]:+1pp": 2}, " on the cells that both have"),
        ({"error[fog]:+1pp": 5}, ""),
        ({"mCE:+0.5": 75}, ""),
    ],
)
def test_rules_on_fewer_cells_say_so_in_the_answer(
    run: Judged, rules: dict[str, int], where: str
) -> None:
    verdicts = [
        verdict_of(rule, difference=0.0, n_cells=n_cells, is_narrowed=n_cells < 5)
        for rule, n_cells in rules.items()
    ]
    report = report_of(run, *verdicts, left_out=("snow/1",))

    assert headline(report).endswith(f"{'rule' if len(rules) == 1 else 'both rules'}{where}")
    assert "both have" not in headline(report_of(run, *verdicts))


def test_cells_left_out_are_counted(run: Judged) -> None:
    report = report_of(run, KEPT, left_out=("fog/1", "snow/2"))

    assert "Left out, because not both runs have them: 2 cells." in notes_of(report)
    assert json.loads(render_gate(report, "json"))["cells_left_out"] == ["fog/1", "snow/2"]


def test_a_demonstration_is_no_gate_and_says_so() -> None:
    sample = judged(conditions=(CLEAN,), source="sample")

    assert "are a demonstration" in notes_of(report_of(sample, KEPT))[-1]


@pytest.mark.parametrize(
    ("difference", "is_over"), [(0.13 - 0.12, False), (0.0100001, True), (0.0099, False)]
)
def test_a_rise_of_just_what_is_allowed_is_not_over_it(
    run: Judged, difference: float, is_over: bool
) -> None:
    """In floating point 0.13 - 0.12 is more than 0.01."""
    verdict = verdict_of("clean_error:+1pp", difference=difference, allowed=0.01)
    (rule,) = json.loads(render_gate(report_of(run, verdict), "json"))["rules"]

    assert rule["inside_noise"] == is_over


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("CE[fog]:+1", ["70.00", "70.20", "+0.20", "+0.50", "-0.10"]),
        ("relative_mCE:+1", ["70.00", "70.20", "+0.20", "+0.50", "-0.10"]),
        ("error[fog,5]:+1pp", ["7000.00", "7020.00", "+20.00 pp", "+50.00 pp", "-10.00 pp"]),
        ("ece:+10%", ["7000.00", "7020.00", "+20.00 pp", "+50.00 pp", "-10.00 pp"]),
        ("top5_error:+1pp", ["7000.00", "7020.00", "+20.00 pp", "+50.00 pp", "-10.00 pp"]),
        ("nll:+1nats", ["70.000", "70.200", "+0.200 nats", "+0.500 nats", "-0.100 nats"]),
    ],
)
def test_fractions_are_shown_as_percentage_points_and_ces_as_they_are(
    run: Judged, rule: str, expected: list[str]
) -> None:
    (table,) = READERS["markdown"](render_gate(report_of(run, verdict_of(rule)), "markdown"))

    assert table[1][1:6] == expected


def test_the_report_of_a_real_pair_says_what_its_images_detect() -> None:
    """The increase detected with 80 % power, by hand: t and z standard errors above what is
    allowed, or above 0 if that is more, at the level that two rules share; of a single cell an
    image more."""
    baseline = judged()
    broken = np.flatnonzero(~baseline.answers[SNOW].wrong)[:N_BROKEN]
    candidate = judged("new", changed={SNOW: broken})
    rules = parse_rules(["error[snow,5]:+1pp", "mCE:+5"])
    alexnet = default_reference()
    verdicts = verdicts_of(rules, baseline.outcomes, candidate.outcomes, alexnet)
    report = report_of(baseline, *verdicts)

    change = np.zeros(N_IMAGES)
    change[broken] = 1
    to_mce = 100 / sum(alexnet.errors["snow"]) / 15
    for rule, scale, allowed, step, unit in (
        ("error[snow,5]", 100, 1.0, 100, " pp"), ("mCE", to_mce, 5.0, 0, ""),
    ):  # fmt: skip
        error = scale * change.std(ddof=1) / np.sqrt(N_IMAGES)
        noise = stats.t.ppf(1 - 0.05 / 2, N_IMAGES - 1) * error + step / N_IMAGES
        needed = max(allowed, noise)
        detectable = needed + stats.norm.ppf(0.8) * error
        assert (
            f"With these 240 images an increase of {detectable:.2f}{unit} in {rule} is detected "
            "with 80 % power"
        ) in [note.split(";")[0].rstrip(".") for note in notes_of(report)]
    assert headline(report) == "FAILED: new compared with old violates 1 of 2 rules"
    (table,) = READERS["markdown"](render_gate(report, "markdown"))
    assert table[1][3] == f"+{100 * N_BROKEN / N_IMAGES:.2f} pp"
    assert table[2][3] == f"+{to_mce * N_BROKEN / N_IMAGES:.2f}"
    assert [row[-1] for row in table[1:]] == ["FAIL", "pass"]


@pytest.mark.parametrize("format", READERS)
def test_limits_alone_need_no_column_of_a_baseline(run: Judged, format: str) -> None:
    report = report_of(run, LIMIT, OPEN_LIMIT, baseline=None, baseline_name=None)
    (table,) = READERS[format](render_gate(report, format))

    assert table == [
        ["rule", "run", "allowed", "lower bound", "p (Holm)", "verdict"],
        ["error[fog]<=60%", "66.00", "<=60.00", "61.00", "0.200", "FAIL"],
        ["mCE<=70", "69.50", "<=70.00", "67.00", "0.200", "inconclusive"],
    ]
    assert headline(report) == "FAILED: new violates 1 of 2 rules"
    assert notes_of(report)[:2] == [
        "A limit fails when the value is significantly above it: its lower bound is above the "
        "limit, at level 0.05 for all rules together.",
        "Inconclusive: mCE<=70 (the confidence interval contains the limit). With "
        "--fail-inconclusive the exit code is 2.",
    ]
    assert (
        "With these 240 images a value of 65.00 % or more in error[fog] is detected with 80 %"
        in (" ".join(notes_of(report)))
    )
    document = json.loads(render_gate(report, "json"))
    assert document["baseline"] is None
    assert [rule["limit"] for rule in document["rules"]] == [0.6, 70.0]


def test_limits_and_changes_share_one_table(run: Judged) -> None:
    (table,) = READERS["markdown"](render_gate(report_of(run, KEPT, OPEN_LIMIT), "markdown"))

    assert table[0] == HEAD
    assert table[2] == ["mCE<=70", "-", "69.50", "-", "<=70.00", "67.00", "0.200", "inconclusive"]


def test_a_gain_that_is_missing_is_said_to_be_required(run: Judged) -> None:
    gain = verdict_of("mCE:-0.5", passed=False, allowed=-0.5, detectable=0.3)
    failure = ElementTree.fromstring(junit_xml(report_of(run, gain))).find(".//failure")

    assert "+0.20 where -0.50 is required; lower bound of the change -0.10" in failure.get(
        "message"
    )
    notes = " ".join(notes_of(report_of(run, gain)))
    assert "A required gain fails when the change is significantly above it" in notes
    assert "a change of +0.30 or more in mCE is detected with 80 % power" in notes


@pytest.mark.parametrize(
    ("verdicts", "status", "passed"),
    [
        ([KEPT], "passed", True),
        ([KEPT, NOISY], "inconclusive", False),
        ([NOISY, BROKEN], "failed", False),
    ],
)
def test_an_inconclusive_rule_is_no_pass_where_it_was_asked_for(
    run: Judged, verdicts: list[Verdict], status: str, passed: bool
) -> None:
    report = report_of(run, *verdicts, fail_inconclusive=True)
    document = json.loads(render_gate(report, "json"))
    suite = ElementTree.fromstring(junit_xml(report))[0]

    assert (report.status, report.passed) == (status, passed)
    assert (document["verdict"], document["passed"]) == (status, passed)
    assert document["fail_inconclusive"]
    assert headline(report).startswith(f"{status.upper()}: ")
    assert not any("--fail-inconclusive" in note for note in notes_of(report))
    errors = suite.findall("testcase/error")
    assert (suite.get("errors"), suite.get("skipped")) == (str(len(errors)), "0")
    assert [error.attrib for error in errors] == (
        [{"type": "inconclusive", "message": WHY_NOISY}] if NOISY in verdicts else []
    )


def test_annotations_are_an_error_a_failure_and_a_warning_an_open_rule(run: Judged) -> None:
    assert annotation_lines(report_of(run, KEPT)) == []
    assert annotation_lines(report_of(run, KEPT, BROKEN, NOISY)) == [
        "::error title=gnlbench check%3A clean_error%3A+1pp failed::new compared with old: "
        "clean_error:+1pp: 15.00 compared with 12.00, +3.00 pp where +1.00 pp is allowed; lower "
        "bound of the change +0.40 pp",
        "::warning title=gnlbench check%3A nll%3A+5%25 is inconclusive::new compared with old: "
        "nll:+5%25: 2.150 compared with 2.000, +0.150 nats where +0.100 nats is allowed; lower "
        f"bound of the change -0.050 nats; {WHY_NOISY}",
    ]


@pytest.mark.parametrize("inner", ["\n", "\r", "\r\n", "%0A", "\x0b", "\u2028"])
def test_nothing_in_an_annotation_begins_another_command(run: Judged, inner: str) -> None:
    """As GitHub's runner reads them: by line, and what follows `%` decoded."""
    name = f"net{inner}::stop-commands::x{inner}::set-output name=a::b"
    rule = replace(BROKEN.rule, text=f"error[a,b]:{inner}::error::c")
    lines = annotation_lines(report_of(run, replace(BROKEN, rule=rule), name=name))
    lines.append(render(failure_document("UsageError", name), "github"))

    for line in lines:
        assert re.split(r"\r\n|\r|\n", line) == [line]
        command, properties, data = re.fullmatch(
            r"::(\w+) (title=[^:]*)::(.*)", line, re.S
        ).groups()
        assert command == "error"
        assert "," not in properties
        assert unescaped(data).startswith(name)


def unescaped(data: str) -> str:
    """The runner's own way back, in its order."""
    return data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
