"""Every number of a run has a label and a unit, found by its path in the JSON of a run."""

from __future__ import annotations

import pytest

from robustbench_gnl.reports.metric_labels import (
    UNITS,
    format_change,
    format_value,
    full_label,
    metric_title,
    named_label,
    narrow_title,
    unit_of,
)
from tests.reports.samples import ALL, judged


@pytest.mark.parametrize(
    ("path", "title", "named"),
    [
        ("clean_error", "clean error, %", "clean error"),
        ("mce", "mCE", "mCE"),
        ("groups.noise", "noise CE", "CE of noise"),
        ("corruptions.glass_blur.relative_ce", "glass blur relative CE",
         "relative CE of glass_blur"),
        ("corruptions.fog.severities.3", "fog/3 error, %", "error of fog/3"),
        ("corruptions.fog.severities.3.negative_log_likelihood",
         "fog/3 negative log likelihood, nats", "negative log likelihood of fog/3"),
        ("mean_top5_error", "mean top-5 error, %", "mean top-5 error"),
        ("effective_robustness", "effective robustness, points of mCE", "effective robustness"),
    ],
)  # fmt: skip
def test_a_path_has_its_label_and_unit(path: str, title: str, named: str) -> None:
    assert (metric_title(path), named_label(path)) == (title, named)


@pytest.mark.parametrize(
    ("path", "value", "shown", "change"),
    [
        ("clean_error", 0.125, "12.50", "+12.50"),
        ("mce", 64.61, "64.61", "+64.61"),
        ("groups.blur", -0.001, "0.00", "0.00"),
        ("clean_negative_log_likelihood", -0.5, "-0.500", "-0.500"),
    ],
)
def test_a_value_and_a_change_are_in_the_unit(
    path: str, value: float, shown: str, change: str
) -> None:
    assert (format_value(path, value), format_change(path, value)) == (shown, change)


def test_every_number_that_is_computed_has_a_label_of_its_own() -> None:
    paths = judged(conditions=ALL).details.numbers.values
    titles = [metric_title(path) for path in paths]

    assert len(set(titles)) == len(paths)
    assert len({full_label(path) for path in paths}) == len(paths)
    assert all(unit_of(path) in UNITS.values() for path in paths)


def test_a_narrow_column_has_its_words_one_below_the_other() -> None:
    assert narrow_title("corruptions.glass_blur.ce") == "glass\nblur\nCE"
    assert narrow_title("mce") == ""
