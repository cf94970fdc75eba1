"""The formulas, against AlexNet itself, published tables and numbers worked by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import corruptions
from robustbench_gnl.metrics import summarize, summary_of
from robustbench_gnl.metrics.expressions import CorruptionError, RelativeCorruptionError
from robustbench_gnl.metrics.reference import (
    Published,
    Reference,
    default_reference,
    load_published,
)
from robustbench_gnl.records import CLEAN, Cell, Condition, conditions_of
from robustbench_gnl.store import open_store
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES, Suite
from tests.store.samples import fill

COMMON = corruptions.names("common")
FOG = conditions_of(("fog",), corruptions.SEVERITIES)
counts = st.lists(st.integers(1, 1000), min_size=5, max_size=5)


def corruption_error(errors: Sequence[float], reference_sum: float) -> float | None:
    return CorruptionError(FOG, reference_sum).value(dict(zip(FOG, errors, strict=True)))


def relative_corruption_error(
    errors: Sequence[float], clean: float, reference_sum: float, reference_clean: float
) -> float | None:
    expression = RelativeCorruptionError(FOG, reference_sum, reference_clean)
    return expression.value({CLEAN: clean, **dict(zip(FOG, errors, strict=True))})


def cell(error: float, n_images: int = 50_000) -> Cell:
    return Cell(n_images, round((1 - error) * n_images), 0, 0.0)


def cells_of(errors: Mapping[str, tuple[float, ...]], clean: float | None) -> dict[Condition, Cell]:
    cells = {
        Condition(name, severity): cell(error)
        for name, five in errors.items()
        for severity, error in enumerate(five, start=1)
    }
    return cells if clean is None else {**cells, CLEAN: cell(clean)}


def alexnet_cells() -> dict[Condition, Cell]:
    alexnet = default_reference()
    return cells_of(alexnet.errors, alexnet.clean_error)


def test_alexnet_against_itself_is_exactly_100() -> None:
    summary = summarize(alexnet_cells(), default_reference())

    assert summary.mce == 100.0
    assert summary.relative_mce == 100.0
    assert set(summary.groups.values()) == {100.0}
    assert {one.ce for one in summary.corruptions.values()} == {100.0}
    assert {one.relative_ce for one in summary.corruptions.values()} == {100.0}
    assert summary.is_complete


def test_a_worked_example() -> None:
    reference = Reference("half", "by hand", 0.2, dict.fromkeys(COMMON, (0.3, 0.4, 0.5, 0.6, 0.7)))
    five = (0.2, 0.2, 0.3, 0.4, 0.4)
    summary = summarize(cells_of(dict.fromkeys(COMMON, five), 0.1), reference)
    fog = summary.corruptions["fog"]

    assert fog.severities == five
    assert fog.error == pytest.approx(0.3)
    # Sums 1.5 and 2.5: the ratio of sums is 60; the mean of the five ratios would be 60.10.
    assert fog.ce == pytest.approx(60.0)
    # Lost over clean: 1.5 - 5 * 0.1 = 1.0, against 2.5 - 5 * 0.2 = 1.5.
    assert fog.relative_ce == pytest.approx(100 / 1.5)
    assert summary.clean_error == pytest.approx(0.1)
    assert summary.mean_corruption_error == pytest.approx(0.3)
    assert summary.mce == pytest.approx(60.0)


def test_the_first_resnet50_of_torchvision() -> None:
    """mCE 76.70 as published; relative mCE 104.95 follows from it (the paper prints 105.0)."""
    alexnet = default_reference()
    golden = next(one for one in load_published() if "golden" in one.notes)
    errors = {
        name: (golden.ce[name] / 100 * math.fsum(alexnet.errors[name]) / 5,) * 5 for name in COMMON
    }
    summary = summarize(cells_of(errors, golden.clean_error), alexnet)

    assert summary.mce == pytest.approx(76.70, abs=0.01)
    assert summary.relative_mce == pytest.approx(104.95, abs=0.01)
    assert summary.mean_corruption_error == pytest.approx(1 - 0.3917, abs=1e-4)
    for name in COMMON:
        assert summary.corruptions[name].ce == pytest.approx(golden.ce[name], abs=0.01), name


@pytest.mark.parametrize(
    "published",
    [one for one in load_published() if len(one.ce) == 15 and one.mce is not None],
    ids=lambda one: one.method[:20],
)
def test_published_ces_average_to_the_published_mce(published: Published) -> None:
    alexnet = default_reference()
    errors = {
        name: (min(1.0, published.ce[name] / 100 * math.fsum(alexnet.errors[name]) / 5),) * 5
        for name in COMMON
    }
    summary = summarize(cells_of(errors, None), alexnet)

    assert summary.mce == pytest.approx(published.mce, abs=0.02)


def test_extra_corruptions_change_the_mean_over_19_and_nothing_else() -> None:
    alone = summarize(alexnet_cells(), default_reference())
    extra = cells_of(dict.fromkeys(corruptions.names("extra"), (0.0,) * 5), None)
    both = summarize(alexnet_cells() | extra, default_reference())

    assert (both.mce, both.relative_mce) == (alone.mce, alone.relative_mce)
    assert both.mean_corruption_error == alone.mean_corruption_error
    assert alone.mean_error_19 is None
    assert alone.mean_corruption_error is not None
    assert both.mean_error_19 == pytest.approx(alone.mean_corruption_error * 15 / 19)
    assert set(both.corruptions) - set(alone.corruptions) == set(corruptions.names("extra"))


def test_a_missing_clean_cell_costs_the_relative_numbers_only() -> None:
    cells = alexnet_cells()
    del cells[CLEAN]
    summary = summarize(cells, default_reference())

    assert summary.mce == 100.0
    assert summary.clean_error is None
    assert summary.relative_mce is None
    assert summary.reasons["clean_error"] == "clean was not evaluated"
    assert summary.reasons["relative_mce"] == "clean was not evaluated"
    assert "mce" not in summary.reasons


def test_missing_severities_are_named() -> None:
    cells = alexnet_cells()
    del cells[Condition("fog", 2)], cells[Condition("fog", 4)]
    summary = summarize(cells, default_reference())
    fog = summary.corruptions["fog"]

    assert fog.severities == (0.67474, None, 0.84378, None, 0.945)
    assert fog.error == pytest.approx((0.67474 + 0.84378 + 0.945) / 3)
    assert fog.ce is None
    assert summary.mce is None
    assert summary.mean_corruption_error is None
    assert summary.groups["weather"] is None
    assert summary.groups["noise"] == 100.0
    reason = "severities 2, 4 of fog are missing"
    for field in ("mce", "mean_corruption_error", "groups.weather", "corruptions.fog.ce"):
        assert summary.reasons[field] == reason, field
    assert summary.n_main_cells == 73
    assert not summary.is_complete


def test_missing_corruptions_are_named_or_counted() -> None:
    cells = alexnet_cells()
    no_fog = {key: value for key, value in cells.items() if key.corruption != "fog"}
    only_fog = {key: value for key, value in cells.items() if key.corruption == "fog"}

    assert summarize(no_fog, default_reference()).reasons["mce"] == "fog was not evaluated"
    assert (
        summarize(only_fog, default_reference()).reasons["mce"]
        == "14 of 15 corruptions were not evaluated"
    )
    assert summarize(only_fog, default_reference()).corruptions["fog"].ce == 100.0


def test_no_cells_give_no_number_and_a_reason_for_each() -> None:
    summary = summarize({}, default_reference())

    for field in ("clean_error", "mean_corruption_error", "mce", "relative_mce", "mean_error_19"):
        assert getattr(summary, field) is None, field
        assert summary.reasons[field], field
    assert set(summary.corruptions) == set(COMMON)
    assert summary.n_main_cells == 0


def test_every_none_has_a_reason_and_every_reason_a_none() -> None:
    cells = alexnet_cells()
    del cells[Condition("snow", 1)], cells[CLEAN]
    summary = summarize(cells, default_reference())
    undefined = {path for path, value in summary.values.items() if value is None}

    assert undefined == set(summary.reasons)
    assert {"clean_error", "mce", "relative_mce", "groups.weather", "robustness_gap"} <= undefined
    assert summary.corruptions["snow"].ce is None
    assert summary.reasons["corruptions.snow.ce"] == "severity 1 of snow is missing"


def test_a_reference_without_a_corruption_says_so() -> None:
    reference = Reference("half", "by hand", 0.5, {})
    summary = summarize(alexnet_cells(), reference)

    assert summary.mce is None
    assert summary.corruptions["fog"].error is not None
    assert summary.reasons["corruptions.fog.ce"] == "half has no errors for fog"


def test_a_reference_that_loses_nothing_cannot_be_divided_by() -> None:
    reference = Reference("perfect", "by hand", 0.0, dict.fromkeys(COMMON, (0.0,) * 5))
    summary = summarize(alexnet_cells(), reference)

    assert summary.mce is None
    assert "the error of perfect does not increase there" in summary.reasons["mce"]


@given(errors=counts, reference=counts)
def test_ce_is_a_ratio_of_sums(errors: list[int], reference: list[int]) -> None:
    value = corruption_error([n / 1000 for n in errors], math.fsum(n / 1000 for n in reference))

    assert value == pytest.approx(100 * sum(errors) / sum(reference))


@given(errors=counts, factor=st.floats(0.1, 1.0))
def test_ce_scales_with_the_errors(errors: list[int], factor: float) -> None:
    whole = corruption_error([n / 1000 for n in errors], 3.0)
    part = corruption_error([factor * n / 1000 for n in errors], 3.0)

    assert whole is not None
    assert part == pytest.approx(factor * whole)


@given(errors=counts, order=st.permutations(range(5)))
def test_the_order_of_severities_does_not_move_a_bit(errors: list[int], order: list[int]) -> None:
    values = [n / 1000 for n in errors]

    assert corruption_error(values, 3.3) == corruption_error([values[i] for i in order], 3.3)


@given(errors=counts, shift=st.floats(0.0, 0.5))
def test_relative_ce_does_not_see_a_shift_of_clean_and_corrupted(
    errors: list[int], shift: float
) -> None:
    values = [n / 1000 for n in errors]
    before = relative_corruption_error(values, 0.1, 4.0, 0.4)
    after = relative_corruption_error([v + shift for v in values], 0.1 + shift, 4.0, 0.4)

    assert after == pytest.approx(before, abs=1e-9)


@given(st.permutations(sorted(DEFAULT_SUITE.main_conditions)))
def test_the_order_of_the_cells_does_not_move_a_bit(order: list[Condition]) -> None:
    alexnet = default_reference()
    cells = {
        condition: cell(0.7 * alexnet.errors[condition.corruption][condition.severity - 1])
        for condition in DEFAULT_SUITE.main_conditions
    }
    shuffled = {condition: cells[condition] for condition in order}

    assert summarize(shuffled, alexnet) == summarize(cells, alexnet)


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_a_run_of_any_suite_is_summarized_by_its_own_reference(suite: Suite) -> None:
    with open_store("sqlite://", write=True) as store:
        run = store.run(fill(store, suite.conditions, suite=suite.name))
    summary = summary_of(run)
    assert summary.suite is suite
    assert summary.values == summarize(run.cells, default_reference(suite)).values
    assert summary.is_complete
