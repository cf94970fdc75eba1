"""Every metric has a label and a unit, wherever it is of."""

from __future__ import annotations

import pytest

from robustbench_gnl.metrics import UNITS, ids_by_path, metric_id
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES, Suite


@pytest.mark.parametrize(
    ("path", "title", "label"),
    [
        ("clean_error", "clean error, %", "clean error"),
        ("mce", "mCE", "mCE"),
        ("groups.noise", "noise CE", "CE of noise"),
        ("corruptions.glass_blur.relative_ce", "glass blur relative CE",
         "relative CE of glass_blur"),
        ("corruptions.fog.severities.3", "fog error, %", "error of fog/3"),
        ("mean_top5_error", "mean top-5 error, %", "mean top-5 error"),
        ("effective_robustness", "effective robustness, points of mCE", "effective robustness"),
    ],
)  # fmt: skip
def test_a_path_has_its_label_and_unit(path: str, title: str, label: str) -> None:
    one = metric_id(path, DEFAULT_SUITE)
    assert (one.column_title, one.label) == (title, label)


@pytest.mark.parametrize(
    ("path", "raw", "number", "value", "change"),
    [
        ("clean_error", 0.125, "12.50", "12.50 %", "+12.50 pp"),
        ("mce", 64.61, "64.61", "64.61", "+64.61"),
        ("groups.blur", -0.001, "0.00", "0.00", "0.00"),
        ("clean_negative_log_likelihood", -0.5, "-0.500", "-0.500 nats", "-0.500 nats"),
    ],
)
def test_a_value_and_a_change_are_in_the_unit(
    path: str, raw: float, number: str, value: str, change: str
) -> None:
    unit = metric_id(path, DEFAULT_SUITE).metric.unit
    assert (unit.number(raw), unit.value(raw), unit.change(raw)) == (number, value, change)


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_every_metric_of_a_suite_has_a_label_of_its_own(suite: Suite) -> None:
    ids = ids_by_path(suite).values()
    assert len({one.label for one in ids}) == len(ids)
    assert {one.metric.unit for one in ids} <= set(UNITS.values())


def test_a_narrow_column_has_its_words_one_below_the_other() -> None:
    assert metric_id("corruptions.glass_blur.ce", DEFAULT_SUITE).narrow_title == "glass\nblur\nCE"
    assert metric_id("mce", DEFAULT_SUITE).narrow_title == ""
