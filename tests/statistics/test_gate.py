"""Gates: by hand, against statsmodels, and by simulation of releases that are no worse or worse."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from robustbench_gnl.errors import UsageError
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Condition, conditions_of
from robustbench_gnl.statistics import (
    Outcomes,
    Verdict,
    linear_metrics,
    paired_sd,
    parse_rules,
    verdicts_of,
)
from robustbench_gnl.statistics.linear_metrics import mean_error_metric
from tests.statistics.samples import ALL_CELLS, chances, draw, harder, outcomes_from, shift_for

ALEXNET = default_reference()
FOG = conditions_of(("fog",), (1, 2, 3, 4, 5))
SNOW = conditions_of(("snow",), (1, 2, 3, 4, 5))
CELLS = (CLEAN, *FOG)


def gate(rules: str, baseline: Outcomes, candidate: Outcomes, **options) -> tuple[Verdict, ...]:
    return verdicts_of(parse_rules(rules.split()), baseline, candidate, ALEXNET, **options)


def two_runs(
    seed: int, n_images: int, shift: float = 0.0, cells=CELLS, block_size: int = 64
) -> tuple[Outcomes, Outcomes]:
    rng = np.random.default_rng(seed)
    chance = chances(rng, n_images, cells)
    before = outcomes_from(draw(rng, chance), cells, block_size=block_size)
    return before, outcomes_from(draw(rng, harder(chance, shift)), cells, block_size=block_size)


def newly_wrong(*counts: int, n_images: int = 200) -> tuple[Outcomes, Outcomes]:
    """Runs of fog whose candidate gets that many more images wrong, cell by cell."""
    before = np.zeros((len(counts), n_images), bool)
    before[:, :20] = True
    after = before.copy()
    for row, count in zip(after, counts, strict=True):
        row[20 : 20 + count] = True
    cells = FOG[: len(counts)]
    return outcomes_from(before, cells), outcomes_from(after, cells)


def test_a_worked_example():
    """Six images of 200 went wrong and none the other way: as likely as six heads of a coin."""
    (verdict,) = gate("error[fog,1]:+2pp", *newly_wrong(6))

    assert (verdict.baseline, verdict.candidate) == (0.1, 0.13)
    assert verdict.difference == pytest.approx(0.03)
    assert verdict.allowed == pytest.approx(0.02)
    assert verdict.p_value == verdict.p_holm == pytest.approx(1 / 64)
    # Clopper & Pearson 1934: of six that all went one way at least 0.05**(1/6) do in truth.
    assert verdict.lower_bound == pytest.approx((2 * 0.05 ** (1 / 6) - 1) * 6 / 200)
    assert (verdict.method, verdict.n_differing, verdict.n_cells) == ("binomial", 6, 1)
    assert not verdict.passed


@pytest.mark.parametrize(
    ("rule", "n_worse", "options", "passed"),
    [
        ("error[fog,1]:+2pp", 6, {}, False),
        ("error[fog,1]:+4pp", 6, {}, True),  # sure, but allowed
        ("error[fog,1]:+1pp", 4, {}, True),  # over, but four heads of a coin are no wonder
        ("error[fog,1]:+1pp", 4, {"alpha": 0.1}, False),
        ("error[fog,1]:+1pp", 4, {"strict": True}, False),
        ("error[fog,1]:+4pp", 6, {"strict": True}, True),
        ("error[fog,1]:+4pp", 8, {}, True),  # a rise of just what is allowed is allowed
        ("error[fog,1]:+4pp", 8, {"strict": True}, True),
        ("error[fog,1]:+29%", 6, {}, False),  # 0.1 + 29 % of it is 0.129
        ("error[fog,1]:+31%", 6, {}, True),
    ],
)
def test_a_rule_fails_when_the_rise_is_over_and_sure(rule, n_worse, options, passed: bool):
    (verdict,) = gate(rule, *newly_wrong(n_worse), **options)
    assert verdict.passed is passed


def test_a_p_of_just_alpha_is_sure():
    runs = newly_wrong(6)
    alpha = gate("error[fog,1]:+1pp", *runs)[0].p_value

    assert alpha == pytest.approx(1 / 64)
    for level, passed in ((alpha, False), (np.nextafter(alpha, 0), True)):
        (verdict,) = gate("error[fog,1]:+1pp", *runs, alpha=float(level))
        assert verdict.passed is passed
        assert (verdict.lower_bound <= 0) is passed


def test_a_run_that_is_better_passes_even_strictly():
    worse, better = newly_wrong(50)
    (verdict,) = gate("error[fog,1]:+0pp", better, worse, strict=True)

    assert verdict.difference == pytest.approx(-0.25)
    assert verdict.passed


def test_a_run_against_itself_passes_every_rule():
    run, _ = two_runs(0, 300)
    for verdict in gate("error:+0pp CE[fog]:+0 clean_error:+0pp nll:+0nats ece:+0pp", run, run):
        assert (verdict.difference, verdict.p_value, verdict.passed) == (0.0, 1.0, True)
        assert verdict.detectable is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("n_images", "rules"), [(4, "error:+0pp"), (5, "error:+0pp error[fog,1]:+0pp")]
)
def test_so_few_images_that_nothing_could_fail_are_refused(n_images: int, rules: str):
    """Even if all are right in the one and wrong in the other: p is 1/16, or 1/32 of two."""
    right, wrong = (outcomes_from(np.full((5, n_images), w), FOG) for w in (False, True))
    with pytest.raises(
        UsageError, match=f"{n_images} images cannot detect any increase .* evaluate"
    ):
        gate(rules, right, wrong)
    (verdict, *_) = gate(rules, right, wrong, strict=True)
    assert not verdict.passed
    (verdict,) = gate("error:+0pp", right, wrong, alpha=2.0**-n_images)
    assert (verdict.passed, verdict.p_value) == (False, 2.0**-n_images)


@pytest.mark.parametrize("rule", ["error:+60pp", "error:+150%", "error[fog,1]:+99pp"])
def test_a_rule_that_nothing_could_break_is_refused(rule: str):
    wrong = np.zeros((5, 40), bool)
    wrong[:, ::2] = True
    half = outcomes_from(wrong, FOG)
    with pytest.raises(
        UsageError, match=re.escape(f"the rule {rule} can never fail: from the bas")
    ):
        gate(rule, half, half)
    assert gate("error:+49.9pp", half, half)[0].passed


def test_a_rise_beyond_all_images_is_not_offered():
    wrong = np.zeros((5, 12), bool)
    wrong[:, :10] = True
    before = outcomes_from(wrong, FOG)
    after = outcomes_from(np.roll(wrong, 3, axis=1), FOG)
    (verdict,) = gate("error:+0pp", before, after)
    assert verdict.detectable is None
    assert paired_sd(before, after, mean_error_metric("error", FOG, FOG)) > 0


def test_images_that_all_change_alike_say_nothing_of_the_spread():
    right, wrong = (outcomes_from(np.full((5, 20), w), FOG) for w in (False, True))
    field = linear_metrics(FOG, default_reference())["corruptions.fog.ce"]
    assert paired_sd(right, wrong, field) == 0
    assert gate("CE[fog]:+1", right, wrong)[0].detectable is None


RULES_OF_CELLS = " ".join(f"error[fog,{severity}]:+0pp" for severity in (1, 2, 3, 4, 5))


def test_holms_correction_by_hand_and_by_statsmodels():
    """p of 1/32, 1/64, 1/128, 1 and 1/8: the smallest times 5, the next times 4, and so on."""
    verdicts = gate(RULES_OF_CELLS, *newly_wrong(5, 6, 7, 0, 3))
    p_values = [verdict.p_value for verdict in verdicts]
    _, expected, _, _ = multipletests(p_values, 0.05, method="holm")

    assert p_values == pytest.approx([1 / 32, 1 / 64, 1 / 128, 1, 1 / 8])
    by_hand = [3 / 32, 4 / 64, 5 / 128, 1, 2 / 8]
    assert [verdict.p_holm for verdict in verdicts] == pytest.approx(by_hand)
    assert by_hand == pytest.approx(expected)
    assert [verdict.passed for verdict in verdicts] == [True, True, False, True, True]


@pytest.mark.parametrize("alpha", [0.001, 0.05, 5 / 128, 0.3])
def test_the_bound_is_above_0_exactly_when_the_corrected_p_is_at_most_alpha(alpha: float):
    rules = f"{RULES_OF_CELLS} error:+0pp CE[fog]:+0 nll:+0nats top5_error:+0pp ece:+0pp"
    pairs = [two_runs(seed, 120, shift, FOG, 16) for seed, shift in enumerate((0, 0.3, 0.6) * 6)]
    verdicts = [verdict for pair in pairs for verdict in gate(rules, *pair, alpha=alpha)]
    verdicts += gate(RULES_OF_CELLS, *newly_wrong(5, 6, 7, 0, 3), alpha=alpha)
    sure = [verdict.p_holm <= alpha for verdict in verdicts]

    assert [verdict.lower_bound > 0 for verdict in verdicts] == sure
    assert {verdict.method for verdict in verdicts} >= {"binomial", "t", "jackknife"}
    assert 0 < sum(sure) < len(sure)


def test_the_null_of_a_gain_is_the_gain_and_of_a_rise_it_is_0():
    """Twenty images of 200 turned from wrong to right, in one cell: a gain of 10 pp."""
    better, worse = newly_wrong(20)[::-1], newly_wrong(20)
    for text, pair, passed, significant in (
        ("error[fog,1]:-9pp", better, True, False),
        ("error[fog,1]:-10pp", better, True, False),  # just the gain that is required
        ("error[fog,1]:-11pp", better, True, False),  # missing, but not significantly
        ("error[fog,1]:-19pp", better, False, True),
        ("error[fog,1]:-1pp", worse, False, True),
    ):
        (verdict,) = gate(text, *pair)
        assert (verdict.passed, verdict.p_holm <= 0.05) == (passed, significant), text
        assert (verdict.lower_bound > verdict.allowed) is significant
        (strict,) = gate(text, *pair, strict=True)
        assert strict.passed is (strict.difference <= strict.allowed + 1e-9), text
    (open_,) = gate("error[fog,1]:-11pp", *better)
    assert open_.status == "inconclusive"


def test_a_limit_of_one_cell_is_tested_exactly():
    """26 of 200 images are wrong; scipy has the exact test of a proportion."""
    _, run = newly_wrong(6)
    for percent in (2, 9, 12.5, 13, 14, 40):
        (verdict,) = verdicts_of(parse_rules([f"error[fog,1]<={percent}%"]), None, run, ALEXNET)
        test = stats.binomtest(26, 200, percent / 100, alternative="greater")
        interval = test.proportion_ci(0.95, method="exact")

        assert verdict.p_value == pytest.approx(test.pvalue)
        assert verdict.lower_bound == pytest.approx(interval.low)
        assert verdict.limit == pytest.approx(percent / 100)
        assert verdict.passed == (percent >= 13 or test.pvalue > 0.05)
        assert (verdict.baseline, verdict.difference, verdict.allowed) == (None, None, None)
        assert (verdict.candidate, verdict.method, verdict.n_cells) == (0.13, "binomial", 1)
        expected = {2: "failed", 9: "inconclusive", 12.5: "inconclusive", 13: "inconclusive",
                    14: "inconclusive", 40: "passed"}  # fmt: skip
        expected[9] = "failed" if test.pvalue <= 0.05 and percent == 9 else expected[9]
        assert verdict.status == expected[percent], percent
        (strict,) = verdicts_of(
            parse_rules([f"error[fog,1]<={percent}%"]), None, run, ALEXNET, strict=True
        )
        assert (strict.status, strict.p_value) == ("failed" if percent < 13 else "passed", None)


def test_a_limit_on_top5_errors_of_one_cell_needs_no_blocks():
    _, run = newly_wrong(6)
    (verdict,) = verdicts_of(parse_rules(["top5_error[fog,1]<=3%"]), None, run, ALEXNET)
    n_wrong = 200 - int(run.n_top5.sum())

    assert verdict.candidate == n_wrong / 200
    assert verdict.p_value == pytest.approx(
        stats.binomtest(n_wrong, 200, 0.03, alternative="greater").pvalue
    )


def test_limits_and_changes_share_one_level():
    before, after = newly_wrong(6)
    rules = "error[fog,1]:+2pp error[fog,1]<=8% error[fog,1]:-1pp"
    verdicts = gate(rules, before, after)
    alone = [gate(rule, before, after)[0].p_value for rule in rules.split()]
    _, adjusted, _, _ = multipletests(alone, 0.05, method="holm")

    assert [verdict.p_value for verdict in verdicts] == alone
    assert [verdict.p_holm for verdict in verdicts] == pytest.approx(adjusted)


LIMIT_RULES = [
    ("mCE<={:.12f}", ALL_CELLS, 200, "mce", 1),
    ("relative_mCE<={:.12f}", ALL_CELLS, 200, "relative_mce", 1),
    ("CE[fog]<={:.12f}", CELLS, 60, "corruptions.fog.ce", 1),
    ("error<={:.12f}%", CELLS, 400, "corruptions.fog.error", 100),
    ("clean_error<={:.12f}%", CELLS, 600, "clean_error", 100),
    ("nll<={:.12f}nats", CELLS, 400, "corruptions.fog.error", None),
]


@pytest.mark.parametrize(("rule", "cells", "n_images", "name", "unit"), LIMIT_RULES[2:])
def test_a_run_at_its_limit_fails_about_alpha_of_the_time(rule, cells, n_images, name, unit):
    """And one that is `detectable` above it with 80 % power."""
    check_limit(rule, cells, n_images, name, unit, n_runs=150)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "cells", "n_images", "name", "unit"), LIMIT_RULES)
def test_a_run_at_its_limit_fails_alpha_of_the_time(rule, cells, n_images, name, unit):
    check_limit(rule, cells, n_images, name, unit, n_runs=3000)


def check_limit(rule, cells, n_images, name, unit, n_runs: int) -> None:
    field = linear_metrics(cells, ALEXNET)[name]
    truth = float(field.value(chances(np.random.default_rng(1), 40_000, cells).mean(axis=1)))
    # Only the likelihood looks at blocks, and making them takes most of the time.
    block_size = n_images // 20 if unit is None else n_images

    def typed(value: float) -> list:
        # In these runs the likelihood is 0.1 nats of a right answer and 2.5 of a wrong one.
        return parse_rules([rule.format(0.1 + 2.4 * value if unit is None else unit * value)])

    def failed(limit: float, seed: int) -> tuple[float, float]:
        rng, found = np.random.default_rng(seed), []
        for _ in range(n_runs):
            wrong = draw(rng, chances(rng, n_images, cells))
            run = outcomes_from(wrong, cells, block_size=block_size)
            found += verdicts_of(typed(limit), None, run, ALEXNET)
        detectable = [one.detectable for one in found if one.detectable is not None]
        return float(np.mean([not one.passed for one in found])), float(np.mean(detectable))

    rate, detectable = failed(truth, seed=5)
    assert stats.binom.ppf(0.001, n_runs, 0.025) <= rate * n_runs
    assert rate * n_runs <= stats.binom.ppf(0.999, n_runs, 0.05)
    excess = (detectable - 0.1) / 2.4 - truth if unit is None else detectable - truth
    power, _ = failed(truth - excess, seed=6)
    assert power == pytest.approx(0.8, abs=0.11 if n_runs < 1000 else 0.06)


@pytest.mark.parametrize("kind", ["every image", "few images"])
@pytest.mark.parametrize("n_images", [60, 400])
def test_a_run_with_just_the_gain_required_fails_at_most_alpha_of_the_time(kind, n_images):
    """A gain on every image, and one that a few images make: Student's t takes the few that
    were not drawn for a proof that there is no gain, one time in four."""
    field = linear_metrics(CELLS, ALEXNET)["corruptions.fog.ce"]
    population = chances(np.random.default_rng(1), 40_000, CELLS).mean(axis=1)
    gain, rng, n_failed = 2.0, np.random.default_rng(8), 0
    shift = shift_for(field, -gain)
    for _ in range(200):
        chance = chances(rng, n_images, CELLS)
        before = draw(rng, chance)
        if kind == "every image":
            after = draw(rng, harder(chance, shift))
        else:
            mended = rng.random(n_images) < gain / float(field.value(population))
            after = before & ~mended
        pair = (outcomes_from(bits, CELLS) for bits in (before, after))
        n_failed += not gate("CE[fog]:-2", *pair)[0].passed
    assert n_failed <= stats.binom.ppf(0.999, 200, 0.05)


def test_a_gain_that_is_missing_is_found_with_the_power_that_is_told():
    runs = list(pairs_of_runs(1, 60, 400, 0.0, 400))
    needed = float(np.mean([gate("CE[fog]:-6", *pair)[0].detectable for pair in runs]))
    shift = shift_for(FIELDS["corruptions.fog.ce"], needed)
    worse = pairs_of_runs(2, 600, 400, shift, 400)
    failed = np.mean([not gate("CE[fog]:-6", *pair)[0].passed for pair in worse])

    assert failed == pytest.approx(0.8, abs=0.06)


def test_a_calibration_error_is_tested_less_its_bias():
    """Few images make calibration errors too high: here twice as high, and 18 % would alarm."""
    rng, n_alarms, n = np.random.default_rng(2), 0, 2048
    for _ in range(200):
        wrong = rng.random((1, n)) < 0.5
        run = calibrated(rng, wrong, gap=0.03)
        (verdict,) = verdicts_of(parse_rules(["ece[fog,1]<=3%"]), None, run, ALEXNET)
        n_alarms += not verdict.passed
    assert n_alarms <= stats.binom.ppf(0.999, 200, 0.07)


def calibrated(rng: np.random.Generator, wrong: np.ndarray, gap: float) -> Outcomes:
    """A run of one cell, four blocks, whose confidences are too high by the gap."""
    n = wrong.shape[1]
    confidence = rng.beta(1.5, 0.8, n)
    right = rng.random(n) < np.clip(confidence - gap, 0, 1)
    run = outcomes_from(~right[None], FOG[:1], block_size=n // 4)
    bins = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    for block, images in enumerate(np.array_split(np.arange(n), 4)):
        for row, weights in enumerate((None, right[images], confidence[images])):
            run.calibration[0, block, row] = np.bincount(bins[images], weights, 15)
    return run


def test_few_images_and_absurd_limits_are_refused():
    right = outcomes_from(np.zeros((5, 20), bool), FOG)
    with pytest.raises(UsageError, match=r"20 images cannot detect any value above 90% .* 29 or"):
        verdicts_of(parse_rules(["error[fog]<=90%"]), None, right, ALEXNET)
    assert verdicts_of(parse_rules(["error[fog]<=80%"]), None, right, ALEXNET)[0].status == "passed"
    with pytest.raises(UsageError, match=r"CE\[fog\]<=200 can never fail: its number is at most"):
        verdicts_of(parse_rules(["CE[fog]<=200"]), None, right, ALEXNET)
    before, after = newly_wrong(3)
    with pytest.raises(
        UsageError, match=r"-20pp can never be satisfied: the baseline's value is 10"
    ):
        gate("error:-20pp", before, after)
    with pytest.raises(UsageError, match=r"no baseline was given, and the rule error:\+1pp needs"):
        verdicts_of(parse_rules(["mCE<=70", "error:+1pp"]), None, after, ALEXNET)
    with pytest.raises(UsageError, match=r"needs 1 cell that the run lacks \(clean\); evaluate it"):
        verdicts_of(parse_rules(["clean_error<=25%"]), None, after, ALEXNET)
    with pytest.raises(UsageError, match=r"error<=25% finds no cell that the run has"):
        verdicts_of(
            parse_rules(["error<=25%"]), None, outcomes_from(right.wrong[:1], [CLEAN]), ALEXNET
        )


def test_a_limit_looks_at_the_cells_of_the_run_alone():
    both, _ = two_runs(7, 100, cells=(CLEAN, *FOG, *SNOW))
    baseline, candidate = both.only((CLEAN, *FOG)), both.only((*FOG, *SNOW))
    (limit, change) = gate("error<=90% error[fog]:+1pp", baseline, candidate, common_cells=True)

    assert (limit.n_cells, change.n_cells) == (10, 5)
    assert limit.candidate == pytest.approx(candidate.errors.mean())


@pytest.mark.parametrize(
    ("rule", "n_worse", "n_images", "status"),
    [
        ("error[fog,1]:+1pp", 6, 200, "failed"),
        ("error[fog,1]:+1pp", 4, 200, "inconclusive"),  # exceeded, but not significantly
        ("error[fog,1]:+1pp", 1, 200, "passed"),
        ("error[fog,1]:+0pp", 0, 200, "passed"),
        ("error[fog,1]:+1pp", 0, 200, "passed"),  # the same errors on every image
        ("error[fog,1]:+3pp", 1, 30, "inconclusive"),
    ],
)
def test_a_rule_that_the_images_cannot_decide_is_inconclusive(rule, n_worse, n_images, status):
    (verdict,) = gate(rule, *newly_wrong(n_worse, n_images=n_images))
    assert verdict.status == status
    assert (verdict.passed, verdict.is_inconclusive) == (
        status != "failed", status == "inconclusive",
    )  # fmt: skip
    assert verdict.lower_bound <= verdict.difference <= verdict.upper_bound


def test_too_few_images_are_inconclusive_where_the_bound_is_beyond_the_rule():
    """Of releases that are no worse and a rule as fine as one image in a hundred."""
    few = [gate("error:+1pp", *two_runs(seed, 100))[0] for seed in range(20)]
    many = [gate("error:+5pp", *two_runs(seed, 4000))[0] for seed in range(3)]
    better = gate("error:+1pp", *two_runs(0, 100, -1.5))[0]

    assert {one.status for one in few} >= {"inconclusive"}
    assert all(one.upper_bound <= 0.01 for one in few if one.status == "passed")
    assert sum(one.status == "passed" for one in few) <= 4
    assert [verdict.status for verdict in many] == ["passed"] * 3
    assert better.detectable > 0.02  # too few to see a rise of 1 pp, but this is none
    assert better.status == "passed"


NO_WORSE = "mCE:+0 relative_mCE:+0 clean_error:+0pp error[noise]:+0pp error[blur,5]:+0pp nll:+0nats"


@pytest.mark.parametrize(
    ("rules", "cells", "n_images"),
    [(RULES_OF_CELLS, FOG, 500), (NO_WORSE, ALL_CELLS, 500), ("CE[fog]:+0", FOG, 500)],
    ids=["independent rules", "rules that overlap", "one rule"],
)
def test_releases_that_are_no_worse_fail_any_rule_at_most_alpha_of_the_time(
    rules: str, cells: tuple[Condition, ...], n_images: int
):
    rng = np.random.default_rng(11)
    n_alarms = 0
    for _ in range(200):
        chance = chances(rng, n_images, cells)
        runs = (outcomes_from(draw(rng, chance), cells, block_size=125) for _ in range(2))
        n_alarms += not all(verdict.passed for verdict in gate(rules, *runs))

    # What 200 experiments show of a rate of 5 %, but for one time in 1,000; and no dead bell.
    assert 1 <= n_alarms <= stats.binom.ppf(0.999, 200, 0.05)


FIELDS = linear_metrics(CELLS, ALEXNET)


def pairs_of_runs(seed: int, n: int, n_images: int, shift: float, block_size: int):
    """Runs whose errors on fog differ by that shift, and whose clean errors do not."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        chance = chances(rng, n_images, CELLS)
        moved = np.vstack([chance[:1], harder(chance[1:], shift)])
        bits = (draw(rng, one) for one in (chance, moved))
        yield tuple(outcomes_from(one, CELLS, block_size=block_size) for one in bits)


@pytest.mark.parametrize(
    ("rules", "name", "n_images", "options"),
    [
        ("CE[fog]:+0", "ce", 400, {}),
        ("CE[fog]:+0 clean_error:+0pp clean_error:+1pp", "ce", 400, {}),
        ("CE[fog]:+5", "ce", 400, {}),
        ("error:+0pp", "error", 400, {"alpha": 0.2}),
        ("error[fog,3]:+0pp", "severities.3", 1500, {}),
        ("nll:+0nats", "error", 600, {}),
    ],
)
def test_the_detectable_increase_fails_with_80_percent_power(
    rules: str, name: str, n_images: int, options: dict
):
    block_size = 50 if rules.startswith("nll") else n_images
    alike = pairs_of_runs(1, 40, n_images, 0.0, block_size)
    change = float(np.mean([gate(rules, *pair, **options)[0].detectable for pair in alike]))
    if rules.startswith("nll"):
        change /= 2.4  # What a wrong answer adds to the likelihood in these runs.
    shift = shift_for(FIELDS[f"corruptions.fog.{name}"], change)
    worse = pairs_of_runs(2, 800, n_images, shift, block_size)
    failed = np.mean([not gate(rules, *pair, **options)[0].passed for pair in worse])

    assert failed == pytest.approx(0.8, abs=0.05)


def test_what_is_kept_by_block_is_tested_by_the_paired_t_test_over_blocks():
    """Blocks of one size: the jackknife of a mean is the mean's own standard error."""
    before, after = two_runs(3, 480, 0.5, block_size=48)
    wrong = [run.wrong[1:].reshape(5, 10, 48) for run in (before, after)]
    right = [48 - bits.sum(axis=2) for bits in wrong]  # (cells, blocks)
    by_block = {
        "nll:+0.1nats": [(2.5 * (48 - n) + 0.1 * n) / 48 for n in right],
        "top5_error:+1pp": [(48 - (48 + n) // 2) / 48 for n in right],
    }
    for text, values in by_block.items():
        (verdict,) = gate(text, before, after)
        one, other = (value.mean(axis=0) for value in values)
        test = stats.ttest_rel(other, one, alternative="greater")

        assert verdict.baseline == pytest.approx(one.mean())
        assert verdict.difference == pytest.approx((other - one).mean())
        assert verdict.p_value == pytest.approx(test.pvalue)
        assert verdict.lower_bound == pytest.approx(test.confidence_interval(0.95).low)
        assert (verdict.method, verdict.n_differing, verdict.n_cells) == ("jackknife", None, 5)
        assert verdict.passed == (test.pvalue > 0.05)


def test_the_calibration_error_of_a_rule_by_hand():
    """All confidences are 0.97 in these runs: ECE is how far a cell's accuracy is from that."""
    before, after = two_runs(4, 400, 0.5)
    (verdict,) = gate("ece[fog,5]:+5%", before, after)
    one, other = (abs((~run.wrong[5]).mean() - 0.97) for run in (before, after))

    assert (verdict.baseline, verdict.candidate) == pytest.approx((one, other))
    assert verdict.allowed == pytest.approx(one / 20)
    assert not verdict.passed


def test_few_blocks_cannot_be_told_from_noise_unless_strict():
    runs = two_runs(5, 192, 0.8)
    with pytest.raises(
        UsageError, match=r"nll:\+0\.1nats cannot be tested here: 3 whole blocks .*strict=True"
    ):
        gate("nll:+0.1nats", *runs)
    with pytest.raises(UsageError, match=r"more images \(4 x 64 = 256 are enough\); or leave"):
        gate("nll:+0.1nats", *runs, block_size=64)
    verdict, other = gate("nll:+0.1nats error:+1pp", *runs, strict=True)

    assert verdict.difference > 0.1
    assert not verdict.passed
    assert (verdict.p_value, verdict.lower_bound, verdict.detectable) == (None, None, None)
    # By the estimate alone nothing is tested, not even what could be.
    assert not other.passed
    assert (other.p_value, other.p_holm, other.lower_bound, other.method) == (None,) * 4
    assert gate("error:+1pp", *runs)[0].p_value is not None


@pytest.mark.parametrize("sizes", [(300, 50), (50, 300), (50, 100), (149, 148)])
@pytest.mark.parametrize("strict", [True, False])
def test_runs_in_other_blocks_are_refused_and_never_pass(sizes: tuple[int, int], strict: bool):
    before, after = two_runs(6, 300, 1.0)
    runs = (
        outcomes_from(run.wrong, CELLS, block_size=size)
        for run, size in zip((before, after), sizes, strict=True)
    )
    with pytest.raises(UsageError, match="worked in the same blocks of images, got blocks of"):
        gate("nll:+0.1nats", *runs, strict=strict)


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        ("mCE:+1", Condition("fog", 3)),
        ("relative_mCE:+1", CLEAN),
        ("CE[fog]:+1", Condition("fog", 5)),
        ("CE[weather]:+1", Condition("snow", 1)),
        ("clean_error:+1pp", CLEAN),
        ("error:+1pp", Condition("fog", 3)),
        ("error[fog]:+1pp", Condition("fog", 3)),
        ("error[fog,3]:+1pp", Condition("fog", 3)),
        ("nll:+1nats", Condition("fog", 3)),
        ("ece[fog]:+1pp", Condition("fog", 3)),
    ],
)
@pytest.mark.parametrize("who", ["the baseline", "the run"])
@pytest.mark.parametrize("strict", [True, False])
def test_a_missing_cell_is_refused_and_never_passes(
    rule: str, missing: Condition, who: str, strict: bool
):
    whole = outcomes_from(np.zeros((76, 8), bool), ALL_CELLS, block_size=2)
    part = whole.only(cell for cell in ALL_CELLS if cell != missing)
    pair = (part, whole) if who == "the baseline" else (whole, part)
    with pytest.raises(UsageError) as caught:
        gate(rule, *pair, strict=strict)

    said = f"the rule {rule} needs 1 cell that {who} lacks ({missing}); evaluate it, or "
    assert str(caught.value).startswith(said)
    assert caught.value.missing == (str(missing),)


def test_what_is_missing_is_listed_but_not_at_length():
    whole = outcomes_from(np.zeros((76, 8), bool), ALL_CELLS)
    with pytest.raises(
        UsageError,
        match=r"needs 4 cells that the run lacks \(fog/2, fog/3, fog/4 "
        r"and 1 more\); evaluate them, or look only .* with common_cells=True",
    ):
        gate("error[fog]:+1pp", whole, whole.only([CLEAN, FOG[0]]))  # fmt: skip


def test_common_cells_narrow_to_what_both_have():
    both, _ = two_runs(7, 100, cells=(CLEAN, *FOG, *SNOW))
    baseline, candidate = both.only((CLEAN, *FOG, *SNOW[:2])), both.only((*SNOW, *FOG[1:]))
    shared = (*FOG[1:], *SNOW[:2])
    error = dict(zip(both.conditions, both.errors, strict=True))

    for rule, cells in (
        ("error:+1pp", shared),
        ("error[fog]:+1pp", FOG[1:]),
        ("error[weather,2]:+1pp", (FOG[1], SNOW[1])),
    ):
        (verdict,) = gate(rule, baseline, candidate, common_cells=True)
        assert verdict.n_cells == len(cells)
        assert verdict.baseline == pytest.approx(np.mean([error[cell] for cell in cells]))


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("mCE:+1", "needs 72 cells that the baseline lacks"),
        ("CE[fog]:+1", "needs 2 cells that the baseline lacks .*, or leave the rule out"),
        ("clean_error:+1pp", "needs 1 cell that the baseline lacks .clean.; evaluate it, or leave"),
        ("error[snow]:+1pp", "finds no cell that both runs have; evaluate some"),
    ],
)
def test_common_cells_do_not_do_without_what_a_number_needs(rule: str, why: str):
    whole = outcomes_from(np.zeros((76, 8), bool), ALL_CELLS)
    with pytest.raises(UsageError, match=why):
        gate(rule, whole.only(FOG[:3]), whole, common_cells=True)


def test_an_error_over_no_corruption_is_refused():
    clean = outcomes_from(np.zeros((1, 8), bool), [CLEAN])
    with pytest.raises(UsageError, match=r"error:\+1pp finds no cell that both runs have"):
        gate("error:+1pp", clean, clean)


def test_runs_of_other_images_are_refused():
    with pytest.raises(UsageError, match="expected two runs of the same images, got 100 and 90"):
        gate("error:+1pp", two_runs(8, 100)[0], two_runs(8, 90)[0])


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 5.0, math.nan])
def test_what_is_no_alpha_is_refused(alpha: float):
    with pytest.raises(
        UsageError, match=r"expected an alpha above 0 and at most 0\.5, such as 0\.05, got"
    ):
        gate("error:+1pp", *newly_wrong(3), alpha=alpha)
