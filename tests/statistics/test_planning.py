"""What a plan promises is seen: statsmodels, its own inverse, and simulated releases."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, conditions_of
from robustbench_gnl.statistics import (
    Outcomes,
    linear_metrics,
    parse_rule,
    planned_change,
    planned_numbers,
    spread_of,
    verdicts_of,
)
from tests.statistics.samples import ALL_CELLS, chances, draw, harder, outcomes_from, shift_for

ALEXNET = default_reference()
FOG = conditions_of(("fog",), (1, 2, 3, 4, 5))
CELLS = (CLEAN, *FOG)
SIZES = (100, 500, 5000)


def two_runs(
    seed: int, n_images: int, cells=ALL_CELLS, shift: float = 0.0
) -> tuple[Outcomes, Outcomes]:
    rng = np.random.default_rng(seed)
    chance = chances(rng, n_images, cells)
    before = outcomes_from(draw(rng, chance), cells, block_size=n_images)
    return before, outcomes_from(draw(rng, harder(chance, shift)), cells, block_size=n_images)


def scores_by_hand(run: Outcomes, name: str) -> np.ndarray:
    """(n_images,): what each image adds to a number, from the definitions of the paper."""
    wrong = dict(zip(run.conditions, run.wrong.astype(float), strict=True))
    if name == "clean_error":
        return wrong[CLEAN]
    if name == "error":
        return np.mean([bits for cell, bits in wrong.items() if cell != CLEAN], axis=0)
    clean, clean_reference = wrong[CLEAN], ALEXNET.clean_error
    if name == "mce":
        clean, clean_reference = 0.0, 0.0
    ces = [
        sum(wrong[cell] - clean for cell in conditions_of((corruption,), (1, 2, 3, 4, 5)))
        / (sum(five) - 5 * clean_reference)
        for corruption, five in ALEXNET.errors.items()
    ]
    return 100 * np.mean(ces, axis=0)


def test_numbers_are_planned_as_statsmodels_does():
    a, b = two_runs(0, 300)
    spread = spread_of(a, b)
    found = {one.name: one for one in planned_numbers(spread, ALEXNET, SIZES, power=0.9)}

    assert [(one.name, one.unit, one.n_cells) for one in found.values()] == [
        ("mce", "percent", 75),
        ("relative_mce", "percent", 76),
        ("error", "fraction", 75),
        ("clean_error", "fraction", 1),
    ]
    for name, one in found.items():
        sd = (scores_by_hand(b, name) - scores_by_hand(a, name)).std(ddof=1)
        assert one.sd == pytest.approx(sd), name
        assert tuple(one.detectable) == SIZES
        for n_images, change in one.detectable.items():
            effect = TTestPower().solve_power(None, n_images, 0.05, 0.9, alternative="larger")
            # The exact test of a single cell asks for one image's change more.
            step = 1 / n_images if name == "clean_error" else 0.0
            assert change == pytest.approx(effect * sd + step, rel=0.01), name


def test_one_run_stands_for_a_pair_that_has_nothing_in_common():
    run, _ = two_runs(1, 300)
    for correlation, factor in ((0.0, math.sqrt(2)), (0.5, 1.0), (-1.0, 2.0)):
        for one in planned_numbers(spread_of(run, correlation=correlation), ALEXNET, SIZES):
            sd = scores_by_hand(run, one.name).std(ddof=1)
            assert one.sd == pytest.approx(factor * sd), one.name


def test_more_images_and_less_certainty_show_smaller_rises():
    spread = spread_of(*two_runs(2, 200))
    sizes = (10, 50, 100, 1000, 50_000)
    for one in planned_numbers(spread, ALEXNET, sizes):
        shown = list(one.detectable.values())
        assert shown == sorted(shown, reverse=True)
        assert len(set(shown)) == len(sizes)

    def mce(**options: float) -> float:
        return planned_numbers(spread, ALEXNET, [500], **options)[0].detectable[500]

    assert mce(alpha=0.2) < mce(alpha=0.05) < mce(alpha=0.01)
    assert mce(power=0.5) < mce(power=0.8) < mce(power=0.99)


@pytest.mark.parametrize(
    ("name", "rule", "in_its_unit"),
    [
        ("mce", "mCE:+{:.15f}", 1),
        ("relative_mce", "relative_mCE:+{:.15f}", 1),
        ("error", "error:+{:.15f}pp", 100),
        ("clean_error", "clean_error:+{:.15f}pp", 100),
    ],
)
@pytest.mark.parametrize("options", [{}, {"alpha": 0.01, "power": 0.95}])
def test_the_images_of_a_change_are_those_that_show_it(name, rule, in_its_unit, options):
    spread = spread_of(*two_runs(3, 200))
    planned = {one.name: one for one in planned_numbers(spread, ALEXNET, SIZES, **options)}[name]
    for n_images, change in planned.detectable.items():
        for nudge, expected in ((1 + 1e-9, n_images), (1 - 1e-9, n_images + 1)):
            asked = parse_rule(rule.format(in_its_unit * change * nudge))
            found = planned_change(spread, ALEXNET, asked, **options)
            assert (found.rule, found.sd, found.n_images) == (asked, planned.sd, expected)


def test_a_change_in_percent_is_of_the_value_of_the_run():
    run, _ = two_runs(4, 200, CELLS)
    tenth = 10 * run.errors[1:].mean()
    spread = spread_of(run)
    expected = planned_change(spread, ALEXNET, parse_rule(f"error:+{tenth:.15f}pp"))

    found = planned_change(spread, ALEXNET, parse_rule("error:+10%"))
    assert (found.n_images, found.sd) == (expected.n_images, expected.sd)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CE[fog]:+3", "corruptions.fog.ce"),
        ("error:+4pp", "corruptions.fog.error"),
        ("error[fog,5]:+3pp", "corruptions.fog.severities.5"),
        ("clean_error:+3pp", "clean_error"),
    ],
)
def test_the_planned_images_show_the_change_4_times_in_5(text: str, name: str):
    rule = parse_rule(text)
    change = rule.threshold / (100 if rule.unit == "pp" else 1)
    shift = shift_for(linear_metrics(CELLS, ALEXNET)[name], change)
    n_images = planned_change(spread_of(*two_runs(5, 20_000, CELLS, shift)), ALEXNET, rule).n_images
    at_all = parse_rule(re.sub(r"\+\d", "+0", text))
    n_seen = 0
    for seed in range(800):
        (verdict,) = verdicts_of([at_all], *two_runs(1000 + seed, n_images, CELLS, shift), ALEXNET)
        n_seen += not verdict.passed

    assert 200 < n_images < 3000
    assert n_seen / 800 == pytest.approx(0.8, abs=0.05)


def test_planning_from_one_run_is_cautious():
    run, other = two_runs(6, 2000, CELLS)
    rule = parse_rule("CE[fog]:+3")
    alone, pair = (planned_change(spread, ALEXNET, rule).n_images
                   for spread in (spread_of(run), spread_of(run, other)))  # fmt: skip

    assert alone > 1.2 * pair


def test_a_plan_stands_on_the_cells_that_both_runs_have():
    a, b = two_runs(7, 100)
    spread = spread_of(a.only((CLEAN, *FOG)), b.only((*FOG[2:], *conditions_of(("snow",), (1,)))))
    (error,) = planned_numbers(spread, ALEXNET, SIZES)
    change = b.only(FOG[2:]).wrong.mean(axis=0) - a.only(FOG[2:]).wrong.mean(axis=0)

    assert (error.name, error.n_cells) == ("error", 3)
    assert error.sd == pytest.approx(change.std(ddof=1))


def test_a_number_in_which_two_runs_are_alike_is_left_out():
    run, other = two_runs(10, 80, CELLS)
    other.wrong[CELLS.index(CLEAN)] = run.wrong[CELLS.index(CLEAN)]
    names = [one.name for one in planned_numbers(spread_of(run, other), ALEXNET, SIZES)]

    assert names == ["error"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nll:+0.1nats", r"got nll:\+0\.1nats: what is not kept by image cannot be planned"),
        (
            "ece:+1pp",
            "expected a change of mCE, relative_mCE, CE, error or clean_error, got ece",
        ),
        ("top5_error:+1pp", "what is not kept by image cannot be planned"),
        ("mCE:+1", "needs cells that are not there, such as gaussian_noise/1"),
        ("error[snow]:+1pp", "needs cells that are not there, such as snow/1"),
        ("CE[fog]:+0", "expected a change above 0, got 0"),
    ],
)
def test_a_change_that_cannot_be_planned_is_refused(text: str, why: str):
    run, _ = two_runs(8, 50, CELLS)
    with pytest.raises(UsageError, match=why):
        planned_change(spread_of(run), ALEXNET, parse_rule(text))


def test_runs_that_say_nothing_of_others_are_refused():
    run, _ = two_runs(9, 50, CELLS)
    alike = (
        "differ on no image, or on all by as much in .*, so the variance of their differences "
        "cannot be estimated"
    )
    with pytest.raises(UsageError, match=alike):
        planned_numbers(spread_of(run, run), ALEXNET, SIZES)
    with pytest.raises(UsageError, match=alike):
        planned_change(spread_of(run, run), ALEXNET, parse_rule("error:+1pp"))
    same, _ = two_runs(9, 50, ALL_CELLS)
    with pytest.raises(
        UsageError, match="in mCE, relative_mCE, error, clean_error, so the variance"
    ):
        planned_numbers(spread_of(same, same), ALEXNET, SIZES)
    perfect = outcomes_from(np.zeros((6, 50), bool), CELLS)
    with pytest.raises(UsageError, match="every image scores the same in clean_error"):
        planned_numbers(spread_of(perfect.only([CLEAN])), ALEXNET, SIZES)
    with pytest.raises(UsageError, match="there is no complete cell to plan from; evaluate more"):
        spread_of(run.only([CLEAN]), run.only(FOG))
    with pytest.raises(UsageError, match=r"expected a run of at least 2 images .*, got one of 1"):
        spread_of(outcomes_from(np.zeros((6, 1), bool), CELLS))
