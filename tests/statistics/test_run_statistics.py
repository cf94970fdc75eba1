"""All that a report shows of one run: by hand, from facts that were made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import corruptions
from robustbench_gnl.metrics import cells_of, summarize, worst_corruption
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN, Calibration, Piece, conditions_of
from robustbench_gnl.statistics import (
    Outcomes,
    bootstrap,
    outcomes_of,
    published_trend,
    run_statistics,
)
from robustbench_gnl.statistics.run_statistics import worst_class
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.statistics.samples import ALL_CELLS, outcomes_from, pieces_of

ALEXNET = default_reference()
N_BLOCKS, SIZE = 6, 40
N_IMAGES = N_BLOCKS * SIZE
KEYS = [f"n{i // 30:08}/photo_{i:04}" for i in range(N_IMAGES)]
FOG = conditions_of(("fog",), (1, 2, 3, 4, 5))


def made_up_pieces(conditions=ALL_CELLS) -> list[Piece]:
    """Facts that keep to nothing but their ranges: likelihoods, top 5 and bins are free."""
    rng = np.random.default_rng(3)
    wrong = rng.random((len(conditions), N_IMAGES)) < rng.uniform(0.2, 0.8, (len(conditions), 1))
    pieces = []
    for piece in pieces_of(wrong, conditions, block_size=SIZE):
        n_images = rng.multinomial(SIZE, np.full(15, 1 / 15))
        n_top1 = rng.multivariate_hypergeometric(n_images, piece.n_top1)
        confidence = n_images * rng.uniform(np.arange(15), np.arange(1, 16)) / 15
        pieces.append(
            replace(
                piece,
                n_top5=int(rng.integers(piece.n_top1, SIZE + 1)),
                negative_log_likelihood_sum=float(rng.gamma(40.0, 2.0)),
                calibration=Calibration(tuple(n_images), tuple(n_top1), tuple(confidence)),
            )
        )
    return pieces


PIECES = made_up_pieces()
EVIDENCE = outcomes_of(PIECES, N_IMAGES)
DETAILS = run_statistics(EVIDENCE, KEYS, ALEXNET)


def by_hand(kind: str, conditions, blocks) -> float:
    """The mean over cells of a number on these blocks."""
    values = []
    for condition in conditions:
        facts = [one for one in PIECES if one.condition == condition and one.block in blocks]
        n = sum(one.n_images for one in facts)
        if kind == "top5_error":
            values.append(1 - sum(one.n_top5 for one in facts) / n)
        elif kind == "negative_log_likelihood":
            values.append(sum(one.negative_log_likelihood_sum for one in facts) / n)
        else:
            bins = [[sum(column) for column in zip(*rows, strict=True)] for rows in (
                [one.calibration.n_images for one in facts],
                [one.calibration.n_top1 for one in facts],
                [one.calibration.confidence_sum for one in facts],
            )]  # fmt: skip
            # Guo et al. 2017, equation 3, as it is written.
            values.append(
                sum(m / n * abs(right / m - sure / m)
                    for m, right, sure in zip(*bins, strict=True) if m)
            )  # fmt: skip
    return float(np.mean(values))


@pytest.mark.parametrize("kind", ["top5_error", "negative_log_likelihood", "calibration_error"])
@pytest.mark.parametrize(
    ("name", "conditions"),
    [
        ("clean_{}", [CLEAN]),
        ("mean_{}", DEFAULT_SUITE.main_conditions),
        ("corruptions.fog.{}", FOG),
        ("corruptions.fog.severities.2.{}", FOG[1:2]),
    ],
)
def test_numbers_kept_by_block_and_their_jackknife_by_hand(kind: str, name: str, conditions):
    name, blocks = name.format(kind), range(N_BLOCKS)
    value = by_hand(kind, conditions, blocks)
    interval = DETAILS.numbers.intervals[name]

    assert DETAILS.numbers.values[name] == pytest.approx(value)
    if interval.method == "wilson":
        assert (kind, len(conditions)) == ("top5_error", 1)
        expected = stats.binomtest(round(value * N_IMAGES), N_IMAGES).proportion_ci(method="wilson")
    else:
        left = [by_hand(kind, conditions, [b for b in blocks if b != out]) for out in blocks]
        pseudo = [N_BLOCKS * value - (N_BLOCKS - 1) * one for one in left]
        # With blocks of one size: the t interval of the pseudo-values, around the value itself.
        half = stats.t.ppf(0.975, N_BLOCKS - 1) * stats.sem(pseudo)
        expected = value - half, value + half
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))


def test_effective_robustness_and_its_interval_by_hand():
    line = published_trend()
    replicates = bootstrap(EVIDENCE).counts / N_IMAGES

    def robustness(errors: np.ndarray) -> np.ndarray:
        ces = [errors[..., 1 + 5 * i : 6 + 5 * i].sum(axis=-1) / sum(five)
               for i, five in enumerate(ALEXNET.errors.values())]  # fmt: skip
        return line.intercept + line.slope * 100 * errors[..., 0] - 100 * np.mean(ces, axis=0)

    interval = DETAILS.numbers.intervals["effective_robustness"]
    expected = np.quantile(robustness(replicates), [0.025, 0.975], method="weibull")

    assert DETAILS.trend == line
    assert DETAILS.numbers.values["effective_robustness"] == pytest.approx(
        robustness(EVIDENCE.wrong.mean(axis=1))
    )
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))
    assert not DETAILS.reasons


def test_the_level_is_that_of_every_interval():
    details = run_statistics(EVIDENCE, KEYS, ALEXNET, level=0.8)

    assert details.level == 0.8
    assert {interval.level for interval in details.numbers.intervals.values()} == {0.8}
    assert details.numbers.values == DETAILS.numbers.values


def test_replicates_at_hand_are_used():
    few = bootstrap(EVIDENCE, n_resamples=100, seed=5)
    details = run_statistics(EVIDENCE, KEYS, ALEXNET, replicates=few)

    for name in ("effective_robustness", "mce"):
        assert details.numbers.intervals[name] != DETAILS.numbers.intervals[name]
    low, high = np.quantile(few.counts[:, 1:].mean(axis=1) / N_IMAGES, [0.025, 0.975],
                            method="weibull")  # fmt: skip
    interval = details.numbers.intervals["mean_corruption_error"]
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_against_another_reference_there_is_no_effective_robustness():
    details = run_statistics(EVIDENCE, KEYS, replace(ALEXNET, name="ResNet-50"))

    assert details.trend is None
    assert "effective_robustness" not in details.numbers.values
    assert details.reasons == {
        "effective_robustness": "published mCEs are against AlexNet, not ResNet-50"
    }


def with_clean_right(n_right: int) -> Outcomes:
    """The same run, right on so many clean images."""
    wrong = EVIDENCE.wrong.copy()
    wrong[0] = np.arange(N_IMAGES) >= n_right
    return outcomes_from(wrong, ALL_CELLS, block_size=SIZE)


def test_effective_robustness_off_the_line_says_what_the_line_was_fitted_on():
    low, high = published_trend().clean_errors
    inside, outside = (
        run_statistics(with_clean_right(n_right), KEYS, ALEXNET, n_classes=1000)
        for n_right in (180, 96)
    )

    assert inside.remarks == {}
    assert outside.remarks == {
        "effective_robustness": "extrapolated: the line was fitted on clean errors of "
        f"{low:.2f} to {high:.2f} %, not 60.00 %"
    }
    assert "effective_robustness" in outside.numbers.intervals


@pytest.mark.parametrize(("n_right", "n_classes", "is_chance"), [
    (12, 1000, True), (13, 1000, False), (0, 1000, True),
    # One of two classes: half of 240, and three standard errors of 7.7 more.
    (143, 2, True), (144, 2, False),
    (0, None, False),
])  # fmt: skip
def test_near_chance_there_is_no_effective_robustness(
    n_right: int, n_classes: int | None, is_chance: bool
):
    details = run_statistics(with_clean_right(n_right), KEYS, ALEXNET, n_classes=n_classes)

    assert ("effective_robustness" in details.numbers.values) != is_chance
    assert (details.trend is None) == is_chance
    if is_chance:
        assert details.remarks == {}
        assert details.reasons["effective_robustness"] == (
            "the model is near chance on clean images, so its clean error has no predictive value"
        )


def test_without_all_cells_there_is_no_effective_robustness():
    details = run_statistics(EVIDENCE.only(DEFAULT_SUITE.main_conditions), KEYS, ALEXNET)

    assert details.trend is None
    assert details.reasons == {"effective_robustness": "it needs mCE and the clean error"}
    assert details.worst_class is not None


def test_a_run_without_a_complete_cell_has_nothing_but_reasons():
    details = run_statistics(outcomes_of([], N_IMAGES), KEYS, ALEXNET, level=0.9)

    assert details.numbers.values == {}
    assert (details.level, details.trend, details.worst_class) == (0.9, None, None)
    assert details.reasons == dict.fromkeys(
        ("effective_robustness", "worst_class"), "no cell is complete"
    )


def answers_by_class(**n_wrong: tuple[int, int]) -> tuple[Outcomes, list[str]]:
    """Classes of 10 images, that many wrong in fog/1 and fog/2; clean, all cats are."""
    keys = [f"{name}/{i}" for name in n_wrong for i in range(10)]
    clean = [key.startswith("cat") for key in keys]
    fog = [[i < counts[row] for counts in n_wrong.values() for i in range(10)] for row in (0, 1)]
    return outcomes_from(np.array([clean, *fog]), (CLEAN, *FOG[:2])), keys


def test_the_worst_class_by_hand():
    """Dogs fail 9 times of 20, cats 8 times; on clean images the cats fail, which is no matter."""
    outcomes, keys = answers_by_class(ape=(0, 0), cat=(8, 0), dog=(3, 6))
    worst, reason = worst_class(outcomes, keys)

    assert reason is None
    assert worst is not None
    assert (worst.name, worst.n_images) == ("dog", 10)
    assert worst.error == pytest.approx(9 / 20)


def test_the_worst_class_is_found_where_classes_are_not_side_by_side():
    outcomes, keys = answers_by_class(ape=(0, 0), cat=(8, 0), dog=(3, 6))
    order = np.random.default_rng(0).permutation(30)
    mixed = outcomes_from(outcomes.wrong[:, order], outcomes.conditions)

    assert worst_class(mixed, [keys[i] for i in order]) == worst_class(outcomes, keys)


def test_the_unluckiest_class_is_not_called_the_worst():
    outcomes, keys = answers_by_class(ape=(0, 0), cat=(8, 0), dog=(3, 6))
    keys[-1] = "cat/other"
    assert worst_class(outcomes, keys) == (
        None,
        "it takes 10 images of every class, and one has 9, so the maximum would mostly "
        "reflect chance",
    )
    assert worst_class(outcomes.only([CLEAN]), keys) == (None, "no corruption was evaluated")


def worst_of(wrong_shares: dict[str, float]) -> str | None:
    names = tuple(wrong_shares)
    cells = conditions_of(names, corruptions.SEVERITIES)
    wrong = np.array(
        [[i < 40 * wrong_shares[cell.corruption] for i in range(40)] for cell in cells]
    )
    return worst_corruption(summarize(cells_of(pieces_of(wrong, cells), 40), ALEXNET))


def test_the_worst_corruption_is_by_ce_and_else_by_error():
    """AlexNet fails least in brightness, 0.564 of the time: 0.5 is a CE of 89 there, and 0.6 is
    one of 73 in glass blur."""
    common = dict.fromkeys(corruptions.names("common"), 0.5)

    assert worst_of({**common, "glass_blur": 0.6}) == "brightness"
    assert worst_of({"brightness": 0.5, "glass_blur": 0.6}) == "glass_blur"
    assert worst_of({**common, "spatter": 1.0}) == "brightness"
    assert worst_of({"spatter": 1.0}) is None
