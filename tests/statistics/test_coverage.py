"""Whole benchmarks simulated: intervals of 95 % hold the truth 95 times in 100.

An experiment draws 500 images anew, each with a difficulty of its own that all 76 cells share
(Beta-distributed; see `samples.chances`), and one network's answers to them. The truth is the
number over all images that could have been drawn.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.statistics import bootstrap, differences, linear_metrics, metric_intervals
from tests.statistics.samples import ALL_CELLS, chances, draw, outcomes_from

N_IMAGES = 500
NAMES = (
    "clean_error",
    "corruptions.fog.severities.5",
    "corruptions.fog.error",
    "corruptions.fog.ce",
    "corruptions.fog.relative_ce",
    "groups.noise",
    "mean_corruption_error",
    "robustness_gap",
    "mce",
    "relative_mce",
)
SHIFT = 0.1
"""By how much the odds of the second network are worse."""


def worse(chance: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.log(chance / (1 - chance)) + SHIFT)))


@cache
def true_errors() -> tuple[np.ndarray, np.ndarray]:
    """(n_cells,) of each network, over 400,000 images."""
    rng = np.random.default_rng(99)
    sums = np.zeros((2, len(ALL_CELLS)))
    for _ in range(40):
        chance = chances(rng, 10_000)
        sums += chance.mean(axis=1), worse(chance).mean(axis=1)
    return sums[0] / 40, sums[1] / 40


def coverage(n_experiments: int) -> dict[str, float]:
    """How often the interval of each number held its truth."""
    rng = np.random.default_rng(5)
    held = dict.fromkeys(NAMES, 0)
    for _ in range(n_experiments):
        outcomes = outcomes_from(draw(rng, chances(rng, N_IMAGES)), ALL_CELLS, block_size=512)
        fields = linear_metrics(outcomes.conditions, default_reference())
        replicates = bootstrap(outcomes)
        for name in NAMES:
            (interval,) = metric_intervals(replicates, [fields[name]])
            assert interval is not None
            held[name] += interval.low <= fields[name].value(true_errors()[0]) <= interval.high
    return {name: count / n_experiments for name, count in held.items()}


def coverage_of_differences(n_experiments: int) -> dict[str, float]:
    rng = np.random.default_rng(6)
    held = dict.fromkeys(NAMES, 0)
    before, after = true_errors()
    for _ in range(n_experiments):
        chance = chances(rng, N_IMAGES)
        a = outcomes_from(draw(rng, chance), ALL_CELLS, block_size=512)
        b = outcomes_from(draw(rng, worse(chance)), ALL_CELLS, block_size=512)
        fields = linear_metrics(a.conditions, default_reference())
        found = differences(a, b, {name: fields[name] for name in NAMES})
        for name in NAMES:
            interval = found[name].interval
            held[name] += interval.low <= fields[name].value(after - before) <= interval.high
    return {name: count / n_experiments for name, count in held.items()}


@pytest.mark.parametrize("simulate", [coverage, coverage_of_differences])
def test_intervals_hold_the_truth(simulate):
    # What 200 experiments show of a coverage of 93 to 97 %, but for one time in 10,000.
    least, most = stats.binom.ppf(1e-4, 200, 0.93), stats.binom.ppf(1 - 1e-4, 200, 0.97)
    for name, held in simulate(200).items():
        assert least / 200 <= held <= most / 200, name


@pytest.mark.slow
@pytest.mark.parametrize("simulate", [coverage, coverage_of_differences])
def test_intervals_hold_the_truth_over_1000_experiments(simulate):
    for name, held in simulate(1000).items():
        assert 0.93 <= held <= 0.97, name
