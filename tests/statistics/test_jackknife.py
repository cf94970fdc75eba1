"""The jackknife over blocks: closed forms, and coverage with whole networks simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from robustbench_gnl.metrics.quantities import (
    BLOCK_QUANTITIES,
    CALIBRATION_ERROR,
    NEGATIVE_LOG_LIKELIHOOD,
)
from robustbench_gnl.records import CLEAN, Calibration, Condition, Piece, conditions_of
from robustbench_gnl.statistics import (
    FEWEST_BLOCKS,
    Outcomes,
    block_values,
    calibration_error,
    jackknife,
    outcomes_of,
)
from tests.statistics.samples import outcomes_from

FOG = conditions_of(("fog",), (1, 2, 3, 4, 5))


def made_up(n_images: int, block_size: int = 16) -> Outcomes:
    rng = np.random.default_rng(0)
    return outcomes_from(rng.random((6, n_images)) < 0.4, (CLEAN, *FOG), block_size=block_size)


def test_equal_blocks_give_the_standard_error_of_their_mean():
    means = np.random.default_rng(1).normal(size=12)
    without = (means.sum() - means) / 11
    found = jackknife(float(means.mean()), without, np.full(12, 64))

    assert found.standard_error == pytest.approx(stats.sem(means))
    interval = found.interval(0.9)
    assert interval is not None
    expected = stats.t.interval(0.9, 11, means.mean(), stats.sem(means))
    assert (interval.low, interval.high) == pytest.approx(expected)
    assert (interval.level, interval.method) == (0.9, "jackknife")
    test = stats.ttest_1samp(means, 0, alternative="greater")
    assert found.p_value() == pytest.approx(test.pvalue)
    assert found.lower_bound(0.01) == pytest.approx(test.confidence_interval(0.99).low)


def test_unequal_blocks_by_the_formula_of_the_paper():
    """Busing, Meijer & van der Leeden 1999, equations 8 to 10, as they are written."""
    sizes, sums = np.array([10, 10, 10, 10, 3]), np.array([4.0, 7.0, 1.0, 3.0, 2.0])
    n, g = sizes.sum(), len(sizes)
    theta = sums.sum() / n
    without = (sums.sum() - sums) / (n - sizes)
    theta_j = g * theta - ((1 - sizes / n) * without).sum()
    h = n / sizes
    variance = ((h * theta - (h - 1) * without - theta_j) ** 2 / (h - 1)).sum() / g

    assert jackknife(theta, without, sizes).standard_error == pytest.approx(math.sqrt(variance))


@pytest.mark.parametrize("kind", BLOCK_QUANTITIES, ids=lambda kind: kind.key)
@pytest.mark.parametrize("n_images", [64, 70])
def test_leaving_a_block_out_is_evaluating_the_others(kind, n_images: int):
    outcomes = made_up(n_images)
    found = block_values(outcomes, kind)
    sizes = outcomes.n_images_by_block
    for block in range(outcomes.n_blocks):
        kept = np.arange(outcomes.n_blocks) != block
        sums = {
            "top5_error": (sizes - outcomes.n_top5)[:, kept].sum(axis=1) / sizes[kept].sum(),
            "negative_log_likelihood": outcomes.negative_log_likelihood[:, kept].sum(axis=1)
            / sizes[kept].sum(),
            "calibration_error": calibration_error(outcomes.calibration[:, kept].sum(axis=1)),
        }
        np.testing.assert_allclose(found.without[block], sums[kind.key])
    if kind is NEGATIVE_LOG_LIKELIHOOD:
        np.testing.assert_allclose(
            found.values, outcomes.negative_log_likelihood.sum(axis=1) / n_images
        )


def test_a_mean_over_cells_keeps_their_images_together():
    found = block_values(made_up(100), NEGATIVE_LOG_LIKELIHOOD)
    mean = found.mean(FOG)
    by_hand = jackknife(
        float(found.values[1:].mean()), found.without[:, 1:].mean(axis=1), found.n_images_by_block
    )

    assert mean == by_hand


@pytest.mark.parametrize(("n_last", "n_whole"), [(1, 4.0311), (16, 4.4462), (63, 4.9998), (64, 5)])
def test_a_last_block_of_few_images_hardly_counts(n_last: int, n_whole: float):
    """Kish's effective number, by hand; Student's t with one degree of freedom less."""
    sizes = np.array([64] * 4 + [n_last])
    found = jackknife(1.0, np.linspace(0.9, 1.1, 5), sizes)

    assert found.n_whole_blocks == pytest.approx(n_whole, abs=1e-4)
    t = (1.0 - found.lower_bound(0.05)) / found.standard_error
    assert t == pytest.approx(stats.t.ppf(0.95, n_whole - 1), rel=1e-4)
    assert found.p_value() == pytest.approx(
        stats.t.sf(1 / found.standard_error, n_whole - 1), rel=1e-4
    )


def test_a_run_less_itself_is_surely_0():
    found = block_values(made_up(100), CALIBRATION_ERROR)
    change = found.minus(found).mean(FOG)

    assert (change.value, change.standard_error, change.p_value()) == (0.0, 0.0, 1.0)
    assert change.lower_bound() == 0.0


@pytest.mark.parametrize(
    ("n_images", "said"), [(10, "1 whole block"), (48, "3 whole blocks"), (51, "3 whole blocks")]
)
def test_too_few_blocks_give_no_interval_and_a_reason(n_images: int, said: str):
    found = block_values(made_up(n_images), CALIBRATION_ERROR).mean(FOG)

    assert found.value == pytest.approx(
        block_values(made_up(n_images), CALIBRATION_ERROR).values[1:].mean()
    )
    assert (found.interval(), found.lower_bound(), found.p_value()) == (None, None, None)
    assert found.reason == (
        f"{said} of images, and the jackknife needs {FEWEST_BLOCKS}: evaluate more images"
    )
    assert block_values(made_up(64), CALIBRATION_ERROR).mean(FOG).reason is None


def simulated(rng: np.random.Generator, n_images: int, block_size: int) -> list[Piece]:
    """Five cells of a network that is surer than it is right; images share their difficulty."""
    difficulty = rng.normal(0.0, 1.5, n_images)
    pieces = []
    for condition in FOG:
        own = difficulty - 0.5 * condition.severity + 1 + rng.normal(0, 0.7, n_images)
        confidence = (1 / (1 + np.exp(-own))).clip(0.05, 0.9995)
        odds = np.log(confidence / (1 - confidence))
        right = rng.random(n_images) < 1 / (1 + np.exp(-odds / 2.5))
        loss = np.where(right, -np.log(confidence), 1 - np.log1p(-confidence))
        for block, start in enumerate(range(0, n_images, block_size)):
            part = slice(start, start + block_size)
            pieces.append(_piece(block, condition, confidence[part], right[part], loss[part]))
    return pieces


def _piece(block: int, condition: Condition, confidence, right, loss) -> Piece:
    index = np.ceil(confidence * 15).astype(int) - 1
    bins = [np.bincount(index, weights, 15) for weights in (None, right, confidence)]
    return Piece(
        block=block,
        condition=condition,
        n_images=len(right),
        n_top1=int(right.sum()),
        n_top5=int(right.sum()),
        negative_log_likelihood_sum=float(loss.sum()),
        calibration=Calibration(*(tuple(row) for row in bins)),
        correct=np.packbits(right).tobytes(),
        digest="0" * 64,
        seconds=0.0,
    )


def coverage(n_experiments: int, n_images: int, block_size: int) -> dict[str, float]:
    """How often the interval of the mean over cells holds its expectation."""
    rng = np.random.default_rng(8)
    found: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in BLOCK_QUANTITIES}
    for _ in range(n_experiments):
        outcomes = outcomes_of(simulated(rng, n_images, block_size), n_images)
        for kind in BLOCK_QUANTITIES:
            mean = block_values(outcomes, kind).mean(FOG)
            interval = mean.interval()
            assert interval is not None
            found[kind].append((mean.value, interval.low, interval.high))
    held = {}
    for kind, rows in found.items():
        values, low, high = np.array(rows).T
        # Of as many images: few of them give a larger calibration error than many.
        truth = values.mean()
        held[kind] = float(((low <= truth) & (truth <= high)).mean())
    return held


@pytest.mark.parametrize(("n_images", "block_size"), [(1000, 128), (900, 256)])
def test_intervals_hold_the_truth(n_images: int, block_size: int):
    least, most = (stats.binom.ppf(q, 200, p) / 200 for q, p in ((1e-4, 0.93), (1 - 1e-4, 0.97)))
    for kind, held in coverage(200, n_images, block_size).items():
        assert least <= held <= most, kind


@pytest.mark.slow
@pytest.mark.parametrize(("n_images", "block_size"), [(5000, 512), (2000, 512), (1800, 512)])
def test_intervals_hold_the_truth_over_many_experiments(n_images: int, block_size: int):
    for kind, held in coverage(1000, n_images, block_size).items():
        assert 0.93 <= held <= 0.97, kind
