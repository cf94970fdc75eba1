"""The grammar of rules: what they mean, and what is said of those that cannot be read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import corruptions
from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics.reference import Reference, default_reference
from robustbench_gnl.records import CLEAN, Condition, conditions_of
from robustbench_gnl.statistics import parse_rule, parse_rules
from robustbench_gnl.statistics.rule_grammar import MOST
from robustbench_gnl.statistics.rules import cells_of, metric_of
from robustbench_gnl.suites import DEFAULT_SUITE, get_suite
from tests.statistics.samples import ALL_CELLS, chances, draw, outcomes_from

COMMON_CONDITIONS = DEFAULT_SUITE.main_conditions

CHECKOUT = Path(__file__).parents[2]
BLUR = ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur")
FOG = tuple(Condition("fog", severity) for severity in (1, 2, 3, 4, 5))
GOOD = [
    ("mCE:+0.5", "mce", COMMON_CONDITIONS, 0.5, "points", None),
    ("mce:+0.5", "mce", COMMON_CONDITIONS, 0.5, "points", None),
    ("mCE:+2%", "mce", COMMON_CONDITIONS, 2, "%", None),
    ("relative_mCE:+1", "relative_mce", (CLEAN, *COMMON_CONDITIONS), 1, "points", None),
    ("CE[fog]:+2", "ce", FOG, 2, "points", "fog"),
    ("CE[blur]:+1%", "ce", conditions_of(BLUR, (1, 2, 3, 4, 5)), 1, "%", "blur"),
    ("CE[spatter]:+1", "ce", conditions_of(("spatter",), (1, 2, 3, 4, 5)), 1, "points", "spatter"),
    ("clean_error:+0.5pp", "clean_error", (CLEAN,), 0.5, "pp", None),
    ("clean_error:+10%", "clean_error", (CLEAN,), 10, "%", None),
    ("error:+2pp", "error", None, 2, "pp", None),
    ("error:+0pp", "error", None, 0, "pp", None),
    ("error[fog]:+1pp", "error", FOG, 1, "pp", "fog"),
    ("error[fog,3]:+1pp", "error", (Condition("fog", 3),), 1, "pp", "fog"),
    ("error[blur,5]:+2pp", "error", conditions_of(BLUR, (5,)), 2, "pp", "blur"),
    ("error[common]:+1pp", "error", COMMON_CONDITIONS, 1, "pp", "common"),
    ("  error[ fog , 3 ]: +.25 pp ", "error", (Condition("fog", 3),), 0.25, "pp", "fog"),
    ("top5_error:+1pp", "top5_error", None, 1, "pp", None),
    ("ece:+10%", "ece", None, 10, "%", None),
    ("ece[fog]:+1pp", "ece", FOG, 1, "pp", "fog"),
    ("nll:+5%", "nll", None, 5, "%", None),
    ("nll[fog,3]:+0.1nats", "nll", (Condition("fog", 3),), 0.1, "nats", "fog"),
    ("nll: +0.1 nats", "nll", None, 0.1, "nats", None),
    ("mCE : +0.5", "mce", COMMON_CONDITIONS, 0.5, "points", None),
    ("error [fog] : +1 pp", "error", FOG, 1, "pp", "fog"),
    ("error:+99.9pp", "error", None, 99.9, "pp", None),
    ("mCE:-0.5", "mce", COMMON_CONDITIONS, -0.5, "points", None),
    ("relative_mCE : -200%", "relative_mce", (CLEAN, *COMMON_CONDITIONS), -200, "%", None),
    ("error[fog,3]:-1pp", "error", (Condition("fog", 3),), -1, "pp", "fog"),
    ("nll:-.1nats", "nll", None, -0.1, "nats", None),
    ("ece:-10%", "ece", None, -10, "%", None),
]  # fmt: skip
LIMITS = [
    ("mCE<=70", "mce", COMMON_CONDITIONS, 70, "points", None, 70.0),
    ("relative_mCE <= 90.5", "relative_mce", (CLEAN, *COMMON_CONDITIONS), 90.5, "points", None,
     90.5),
    ("CE[fog]<=80", "ce", FOG, 80, "points", "fog", 80.0),
    ("CE[blur]<=80", "ce", conditions_of(BLUR, (1, 2, 3, 4, 5)), 80, "points", "blur", 80.0),
    ("clean_error<=25%", "clean_error", (CLEAN,), 25, "%", None, 0.25),
    ("clean_error<=0.25", "clean_error", (CLEAN,), 25, "%", None, 0.25),
    ("clean_error<=.07", "clean_error", (CLEAN,), 7, "%", None, 0.07),
    ("clean_error<=0%", "clean_error", (CLEAN,), 0, "%", None, 0.0),
    ("error<=60 %", "error", None, 60, "%", None, 0.6),
    ("error[fog]<=60%", "error", FOG, 60, "%", "fog", 0.6),
    ("error[blur,5] <= 99.9%", "error", conditions_of(BLUR, (5,)), 99.9, "%", "blur", 0.999),
    ("top5_error<=10%", "top5_error", None, 10, "%", None, 0.1),
    ("ece<=0.05", "ece", None, 5, "%", None, 0.05),
    ("ece[fog]<=5%", "ece", FOG, 5, "%", "fog", 0.05),
    ("nll<=2.5nats", "nll", None, 2.5, "nats", None, 2.5),
    ("nll[fog,3] <= 2.5 nats", "nll", (Condition("fog", 3),), 2.5, "nats", "fog", 2.5),
]  # fmt: skip
KNOWN = "the fields are mCE, relative_mCE, CE[NAME], clean_error, error, top5_error, nll, ece"
BAD = [
    ("", "a rule is FIELD:+NUMBER with a unit, such as mCE:+0.5"),
    ("mCE", "a rule is FIELD:+NUMBER"),
    ("mCE+0.5", "a rule is FIELD:+NUMBER"),
    ("mCE:+0.5points", "a rule is FIELD:+NUMBER"),
    ("error:+100pp", "a share of images rises by less than 100 pp, so it could never fail"),
    ("mCE:+1e3", "a rule is FIELD:+NUMBER"),
    ("mCE:+inf", "a rule is FIELD:+NUMBER"),
    ("error[fog:+1pp", "a rule is FIELD:+NUMBER"),
    ("error[fog]]:+1pp", "a rule is FIELD:+NUMBER"),
    ("mCE:0.5", "expected a sign and a unit, such as mCE:+0.5 for what may rise"),
    ("mCE:- 0.5", "or mCE:-0.5 for what must fall by it, got '- 0.5'"),
    ("mCE:-0", "a gain of 0 is none; write +0"),
    ("error:-100pp", "falls by less than 100 pp, so it would always fail"),
    ("mCE:-100%", "falls by less than 100 % of itself, so it would always fail"),
    ("mCE:+1000000", "no number is that high; expected less than 1,000,000, got +1000000"),
    ("mCE<=1000000", "no number is that high"),
    ("mCE:-1000000", "no number is that high"),
    ("mCE:+nan", "a rule is FIELD:+NUMBER"),
    ("mCE<=nan", "a rule is FIELD:+NUMBER"),
    ("mCE<=inf", "a rule is FIELD:+NUMBER"),
    ("mCE<=1e2", "a rule is FIELD:+NUMBER"),
    ("mCE<70", "expected ':' before a change or '<=' before a limit, got '<'; write mCE<=70"),
    ("mCE =< 70", "got '=<'; write mCE<=70"),
    ("mCE\u226470", "write mCE<=70"),
    ("mCE:<=70", "got ':<='; write mCE<=70"),
    ("mCE:=3", "got ':='; write mCE:+3 or mCE<=3"),
    ("mCE=3", "got '='; write mCE:+3 or mCE<=3"),
    ("clean_error==25%", "write clean_error:+25% or clean_error<=25%"),
    (
        "mCE>=50",
        "lower is better, so a rule says how high a number may be; write mCE<=50, got '>='",
    ),
    ("error[fog]>5%", "write error[fog]<=5%, got '>'"),
    ("mCE<=", "expected a limit of 0 or more, such as mCE<=70, got ''"),
    ("mCE<=-3", "such as mCE<=70, got '-3'"),
    ("mCE<=+3", "such as mCE<=70, got '+3'"),
    ("CE[fog]<=-3", "such as CE[fog]<=70"),
    ("mCE<=70%", "mCE is in points: no unit, such as mCE<=70, got '%'"),
    ("mCE<=70pp", "mCE is in points: no unit"),
    ("nll<=2", "nll needs its unit, nats, such as nll<=2.5nats, got ''"),
    ("nll<=20%", "nll needs its unit, nats"),
    (
        "clean_error<=25",
        "clean_error needs a unit: % such as clean_error<=25%, or a fraction below",
    ),
    ("error<=1", "error needs a unit: % such as error<=25%"),
    ("clean_error<=25pp", "in % of the images, such as clean_error<=25%, got 'pp'"),
    ("ece<=5nats", "in % of the images, such as ece<=5%, got 'nats'"),
    ("error<=100%", "a share of images is never above 100 %, so it could never fail"),
    ("CE<=70", "CE is of a corruption or a group"),
    ("mCE[fog]<=70", "mCE takes no selection"),
    ("accuracy<=70%", f"unknown field 'accuracy'; {KNOWN}"),
    ("top_1<=30%", "unknown field 'top_1'"),
    ("mCE:+-0.5", "got '+-0.5'"),
    ("mCE:+", "got '+'"),
    ("mCE:", "got ''"),
    ("mCE:+1,5", "got '+1,5'"),
    ("mCE:+1.2.3", "got '+1.2.3'"),
    ("mce_:+1", "unknown field 'mce_'; did you mean 'mCE'"),
    ("mce_:+1", f"? {KNOWN}"),
    ("relativ_mce:+1", "did you mean 'relative_mCE'"),
    ("accuracy:+1pp", f"unknown field 'accuracy'; {KNOWN}"),
    ("top1:+1pp", f"unknown field 'top1'; {KNOWN}"),
    ("acc:+1", KNOWN),
    ("mCE:+1pp", "mCE is in points, AlexNet = 100: leave out pp, or write %"),
    ("relative_mCE:+1nats", "relative_mCE is in points, AlexNet = 100: leave out nats"),
    ("CE[fog]:+1pp", "CE is in points, AlexNet = 100"),
    ("nll:+5", "nll needs a unit: nats, such as nll:+0.1nats, or % of the baseline's"),
    ("nll[fog]:+1pp", "nll needs a unit: nats"),
    ("error:+1nats", "error needs a unit: pp"),
    ("error:+2", "error needs a unit: pp for percentage points, such as error:+2pp, or %"),
    ("clean_error:+0.5", "clean_error needs a unit"),
    ("ece:+1", "ece needs a unit"),
    ("top5_error[fog]:+1", "top5_error needs a unit"),
    ("CE:+1", "CE is of a corruption or a group, such as CE[fog]:+1"),
    ("CE[fog,5]:+1", "CE is over all severities of a corruption or a group: CE[fog]"),
    ("CE[common]:+1", "CE is over all severities"),
    ("mCE[fog]:+1", "mCE takes no selection; write error[fog]"),
    ("clean_error[fog]:+1pp", "clean_error takes no selection"),
    ("error[fogg]:+1pp", "unknown corruption or group 'fogg'; did you mean 'fog'"),
    ("error[]:+1pp", "unknown corruption or group ''"),
    ("error[clean]:+1pp", "unknown corruption or group 'clean'"),
    ("error[fog,6]:+1pp", "a severity is 1 to 5, such as error[fog,5]"),
    ("error[fog,0]:+1pp", "a severity is 1 to 5"),
    ("error[fog,]:+1pp", "a severity is 1 to 5"),
    ("error[fog,1,2]:+1pp", "a severity is 1 to 5"),
]


@pytest.mark.parametrize(("text", "field", "cells", "threshold", "unit", "name"), GOOD)
def test_a_rule_is_read(text, field, cells, threshold, unit, name):
    rule = parse_rule(text)
    assert (rule.text, rule.subject.name.lower()) == (text.strip(), field)
    assert (rule.threshold, rule.unit, rule.name) == (threshold, unit, name)
    assert rule.selection(DEFAULT_SUITE) == cells
    assert not rule.is_limit


@pytest.mark.parametrize(("text", "field", "cells", "threshold", "unit", "name", "limit"), LIMITS)
def test_a_limit_is_read(text, field, cells, threshold, unit, name, limit):
    rule = parse_rule(text)
    assert (rule.text, rule.subject.name.lower()) == (text.strip(), field)
    assert (rule.threshold, rule.unit, rule.name) == (threshold, unit, name)
    assert rule.selection(DEFAULT_SUITE) == cells
    assert rule.is_limit
    assert rule.limit == pytest.approx(limit)
    assert not rule.is_gain


@pytest.mark.parametrize(
    ("text", "is_gain", "subject_text"),
    [
        ("mCE:-0.5", True, "mCE"),
        ("mCE:+0.5", False, "mCE"),
        (" error[ fog , 3 ] : +1pp", False, "error[ fog , 3 ]"),
        ("ece <= 0.05", False, "ece"),
    ],
)
def test_a_rule_knows_what_it_asks_for(text: str, is_gain: bool, subject_text: str):
    rule = parse_rule(text)
    assert (rule.is_gain, rule.subject_text) == (is_gain, subject_text)


@pytest.mark.parametrize(("text", "why"), BAD)
def test_what_is_no_rule_is_refused_and_says_what_one_looks_like(text: str, why: str):
    with pytest.raises(UsageError, match=re.escape(why)) as caught:
        parse_rule(text)

    assert str(caught.value).startswith(f"the rule {text!r} cannot be read: ")
    assert caught.value.rule == text


@pytest.mark.parametrize("page", ["README.md", "docs/ci.md"])
def test_the_rules_in_the_docs_can_be_read(page: str):
    numbers = r"(?::[+-]|<=)[\d.]*\d(?:pp|nats|%)?"
    found = re.findall(rf"[\w\[\],]+{numbers}", (CHECKOUT / page).read_text())

    assert len(found) >= 2
    parse_rules(sorted(set(found)))


SELECTIONS = st.sampled_from([*corruptions.names("all"), "noise", "blur", "common", "extra"])


@st.composite
def written_rules(draw: st.DrawFn) -> tuple[str, float]:
    field = draw(st.sampled_from(["mCE", "relative_mCE", "clean_error", "error", "ece", "nll"]))
    number = draw(st.from_regex(r"(\d{1,4}(\.\d{1,6})?|\.\d{1,6})", fullmatch=True))
    if field in ("error", "ece", "nll") and draw(st.booleans()):
        severity = draw(st.sampled_from(["", ",1", ",5"]))
        selection = f"[{draw(SELECTIONS)}{severity}]"
    else:
        selection = ""
    own = {"mCE": "", "relative_mCE": "", "nll": "nats"}.get(field, "pp")
    value = float(number)
    if draw(st.booleans()):
        unit = "%" if own == "pp" else own
        assume(unit != "%" or value < 100)
        return f"{field}{selection}<={number}{unit}", value
    sign, unit = draw(st.sampled_from("+-")), draw(st.sampled_from(["%", own]))
    if sign == "-":
        assume(0 < value < 100)
    assume(unit != "pp" or value < 100)
    return f"{field}{selection}:{sign}{number}{unit}", -value if sign == "-" else value


@given(written_rules())
def test_a_rule_is_printed_as_it_was_typed_and_reads_the_same_again(written: tuple[str, float]):
    text, number = written
    rule = parse_rule(text)

    assert rule.text == text
    assert rule.threshold == number
    assert parse_rule(rule.text) == rule


@given(st.one_of(
    st.text(),
    st.from_regex(
        r"(mCE|CE|error|nll|\w+)(\[[^\]]*\])?(:[+-]?|<=|[<>=:]+)[^a-z]*(pp|nats|%)?",
        fullmatch=True,
    ),
))  # fmt: skip
def test_junk_is_read_or_refused_and_never_crashes(text: str):
    try:
        rule = parse_rule(text)
    except UsageError:
        return
    assert abs(rule.threshold) < MOST
    assert rule.threshold >= 0 or rule.is_gain
    assert parse_rule(rule.text) == rule


def test_several_rules_keep_their_order():
    rules = parse_rules(["nll:+1%", "mCE:+1"])
    assert [rule.subject.name.lower() for rule in rules] == ["nll", "mce"]


def test_one_rule_in_two_spellings_is_given_twice():
    with pytest.raises(UsageError, match=r"mce:\+1\.0 was given twice, as mCE:\+1 too; once"):
        parse_rules(["mCE:+1", "mCE:+2", "mce:+1.0"])
    with pytest.raises(UsageError, match=r"ece<=0\.07 was given twice, as ece<=7% too; once"):
        parse_rules(["ece<=7%", "ece:+7%", "ece<=0.07"])


def test_a_rise_beyond_all_numbers_is_refused():
    with pytest.raises(UsageError, match="no number is that high"):
        parse_rule("mCE:+" + 400 * "9")


def test_no_rule_and_a_rule_given_twice_are_refused():
    with pytest.raises(UsageError, match="expected at least one --fail-on RULE: a rule is FIELD"):
        parse_rules([])
    with pytest.raises(UsageError, match=r"the rule mCE:\+1 was given twice; once is enough"):
        parse_rules(["mCE:+1", "error:+1pp", " mCE:+1"])


@pytest.mark.parametrize(
    ("text", "baseline", "allowed"),
    [
        ("mCE:+0.5", 70.0, 0.5),
        ("mCE:+2%", 70.0, 1.4),
        ("mCE:-2%", 70.0, -1.4),
        ("error:-2pp", 0.4, -0.02),
        ("error:+2pp", 0.4, 0.02),
        ("error:+10%", 0.4, 0.04),
        ("nll:+0.1nats", 2.0, 0.1),
        ("nll:+5%", 2.0, 0.1),
        # A relative mCE may be below 0; a rise of it is a rise all the same.
        ("relative_mCE:+10%", -50.0, 5.0),
    ],
)
def test_what_a_rule_allows_is_in_the_unit_of_the_number(
    text: str, baseline: float, allowed: float
):
    assert parse_rule(text).threshold_from(baseline) == pytest.approx(allowed)


def test_the_number_of_a_rule_by_hand():
    """On random answers, from their definitions in Hendrycks & Dietterich 2019, section 4."""
    cells = (*ALL_CELLS, *conditions_of(("spatter",), (1, 2, 3, 4, 5)))
    rng = np.random.default_rng(0)
    run = outcomes_from(draw(rng, chances(rng, 200, cells)), cells)
    error = dict(zip(cells, run.wrong.mean(axis=1), strict=True))
    alexnet = default_reference()

    def sums(name: str) -> tuple[float, float]:
        return sum(error[Condition(name, s)] for s in range(1, 6)), sum(alexnet.errors[name])

    common = corruptions.names("common")
    ce = {name: 100 * sums(name)[0] / sums(name)[1] for name in common}
    relative = [
        100 * (sums(name)[0] - 5 * error[CLEAN]) / (sums(name)[1] - 5 * alexnet.clean_error)
        for name in common
    ]
    expected = {
        "mCE:+1": np.mean(list(ce.values())),
        "relative_mCE:+1": np.mean(relative),
        "CE[fog]:+1": ce["fog"],
        "CE[blur]:+1": np.mean([ce[name] for name in BLUR]),
        "clean_error:+1pp": error[CLEAN],
        "error:+1pp": np.mean([error[cell] for cell in cells[1:]]),
        "error[common]:+1pp": np.mean([error[cell] for cell in COMMON_CONDITIONS]),
        "error[fog]:+1pp": np.mean([error[cell] for cell in FOG]),
        "error[blur,5]:+1pp": np.mean([error[Condition(name, 5)] for name in BLUR]),
    }
    for text, value in expected.items():
        field = metric_of(parse_rule(text), cells, alexnet)
        assert field.value(run.errors) == pytest.approx(value), text


FOG_ONLY = Reference("own", "made up", None, {"fog": (0.5,) * 5})


@pytest.mark.parametrize(
    ("text", "cells", "reference", "who"),
    [
        ("mCE:+1", ALL_CELLS, FOG_ONLY, "own"),
        ("relative_mCE:+1", ALL_CELLS, FOG_ONLY, "own"),
        ("CE[blur]:+1", ALL_CELLS, FOG_ONLY, "own"),
        (
            "mCE:+1",
            ALL_CELLS[:-1],
            default_reference(),
            "cells that are not there, such as jpeg_compression/5",
        ),
        ("CE[fog]:+1", FOG[:4], default_reference(), "cells that are not there, such as fog/5"),
        (
            "error[fog]:+1pp",
            FOG[:4],
            default_reference(),
            "cells that are not there, such as fog/5",
        ),
        ("error:+1pp", (CLEAN,), default_reference(), "a corruption, and none was evaluated"),
        ("clean_error:+1pp", FOG, default_reference(), "cells that are not there, such as clean"),
    ],
)
def test_a_number_that_is_not_defined_is_refused(text, cells, reference, who: str):
    lacks = {"own": "errors that own does not have; name another reference"}
    why = lacks.get(who, f"{who}; evaluate")
    with pytest.raises(UsageError, match=why) as caught:
        metric_of(parse_rule(text), cells, reference)
    assert caught.value.rule == text


@pytest.mark.parametrize("text", ["mCE:+1", "clean_error:+1pp", "CE[fog]:+1", "error[fog]:+1pp"])
def test_a_rule_names_what_another_suite_has(text: str):
    suite = get_suite("imagenet-r")
    with pytest.raises(UsageError, match=r"not defined for ImageNet-R|ImageNet-R does not have"):
        parse_rule(text).selection(suite)


def test_rules_of_a_suite_of_one_condition():
    suite = get_suite("imagenet-r")
    images = (Condition("imagenet-r", 0),)
    assert parse_rule("top1_error:+1pp").selection(suite) == images
    assert parse_rule("error[imagenet-r]:+1pp").selection(suite) == images
    assert cells_of(parse_rule("error:+1pp"), suite, images, images) == images
    with pytest.raises(UsageError, match="top1_error, which is not defined for ImageNet-C"):
        parse_rule("top1_error:+1pp").selection(DEFAULT_SUITE)
