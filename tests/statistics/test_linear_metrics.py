"""Weighted sums of cells are what `metrics.summarize` computes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corruptions
from robustbench_gnl.metrics import Summary, summarize
from robustbench_gnl.metrics.reference import Reference, default_reference
from robustbench_gnl.metrics.unit import PERCENT
from robustbench_gnl.records import CLEAN, Cell, Condition, conditions_of
from robustbench_gnl.statistics import (
    bootstrap,
    linear_metrics,
    mean_error_metric,
    paired_differences,
)
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.statistics.samples import outcomes_from

EVERY_CELL = (CLEAN, *conditions_of(corruptions.names("all"), corruptions.SEVERITIES))
NO_LOSS = Reference("even", "by hand", 0.4, dict.fromkeys(corruptions.names("all"), (0.4,) * 5))
PARTIAL = Reference("partial", "by hand", 0.3, {"fog": (0.5, 0.6, 0.7, 0.8, 0.9)})


def numbers_of(summary: Summary) -> dict[str, float]:
    """Every number of a summary that is not None, by its path in the JSON."""
    values: dict[str, float | None] = {
        name: getattr(summary, name)
        for name in ("clean_error", "mean_corruption_error", "mce", "relative_mce", "mean_error_19")
    }
    if summary.clean_error is not None and summary.mean_corruption_error is not None:
        values["robustness_gap"] = summary.mean_corruption_error - summary.clean_error
    values |= {f"groups.{group}": value for group, value in summary.groups.items()}
    for name, one in summary.corruptions.items():
        for key in ("error", "ce", "relative_ce"):
            values[f"corruptions.{name}.{key}"] = getattr(one, key)
        for severity, error in enumerate(one.severities, start=1):
            values[f"corruptions.{name}.severities.{severity}"] = error
    return {name: value for name, value in values.items() if value is not None}


def cells_of(conditions: tuple[Condition, ...], errors: Mapping[Condition, int]):
    return {condition: Cell(1000, 1000 - errors[condition], 1000, 0.0) for condition in conditions}


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    present=st.one_of(
        st.just(EVERY_CELL),
        st.just((CLEAN, *DEFAULT_SUITE.main_conditions)),
        st.just(DEFAULT_SUITE.main_conditions),
        st.lists(st.sampled_from(EVERY_CELL), unique=True).map(tuple),
    ),
    reference=st.sampled_from([default_reference(), NO_LOSS, PARTIAL]),
)
def test_every_number_of_a_summary_is_there_and_the_same(
    seed: int, present: tuple[Condition, ...], reference: Reference
):
    rng = np.random.default_rng(seed)
    counts = {condition: int(rng.integers(0, 1001)) for condition in present}
    expected = numbers_of(summarize(cells_of(present, counts), reference))
    errors = np.array([counts[condition] / 1000 for condition in present])
    fields = linear_metrics(present, reference)

    assert set(fields) == set(expected)
    for name, field in fields.items():
        assert field.value(errors) == pytest.approx(expected[name], rel=1e-12, abs=1e-12), name
        assert field.name == name


def test_a_number_is_the_mean_of_its_scores():
    wrong = np.random.default_rng(0).random((len(EVERY_CELL), 90)) < 0.5
    outcomes = outcomes_from(wrong, EVERY_CELL)
    for name, field in linear_metrics(outcomes.conditions, default_reference()).items():
        scores = field.scores(outcomes)
        assert scores.shape == (90,)
        assert scores.mean() == pytest.approx(float(field.value(outcomes.errors))), name


def test_percents_are_told_from_fractions():
    fields = linear_metrics(EVERY_CELL, default_reference())
    percent = {name for name, field in fields.items() if field.unit is PERCENT}

    assert {"mce", "relative_mce", "groups.blur", "corruptions.fog.ce"} <= percent
    assert not {"clean_error", "robustness_gap", "mean_error_19", "corruptions.fog.error"} & percent


def test_the_mean_of_chosen_cells():
    conditions = (CLEAN, Condition("fog", 1), Condition("fog", 2))
    field = mean_error_metric("error[fog]", conditions, conditions[1:])

    np.testing.assert_allclose(field.weights, [0.0, 0.5, 0.5])
    assert field.value(np.array([0.1, 0.2, 0.6])) == pytest.approx(0.4)


def test_cells_in_another_order_are_refused():
    """Their weights would give a wrong number unseen."""
    outcomes = outcomes_from(np.zeros((2, 9), np.bool_), (CLEAN, Condition("fog", 1)))
    field = linear_metrics(outcomes.conditions[::-1], default_reference())["clean_error"]
    with pytest.raises(ValueError, match="expected the 2 cells that the field 'clean_error' was"):
        field.scores(outcomes)
    with pytest.raises(ValueError, match="in their order, got 2 others; make it with linear_metri"):
        bootstrap(outcomes).interval(field)
    with pytest.raises(ValueError, match="expected the 2 cells"):
        paired_differences(outcomes, outcomes, field)
