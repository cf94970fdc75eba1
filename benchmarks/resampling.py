"""Measures the time of intervals: 1,000 resamples of 50,000 images under 76 conditions.

python benchmarks/resampling.py [--images 50000]

The baseline draws indices and averages the outcomes of these images, for fewer resamples, and is
extrapolated.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import CLEAN
from robustbench_gnl.statistics import Outcomes, bootstrap, linear_metrics
from robustbench_gnl.suites import DEFAULT_SUITE

CELLS = (CLEAN, *DEFAULT_SUITE.main_conditions)
PLAIN_RESAMPLES = 10
SEED = 0


def outcomes(n_images: int) -> Outcomes:
    """Bits at random, of images that are hard or easy in all cells."""
    rng = np.random.default_rng(SEED)
    wrong = rng.random((len(CELLS), n_images)) < rng.beta(0.6, 0.9, n_images)
    none = np.zeros((len(CELLS), 1))
    counts = none.astype(np.int64)
    return Outcomes(
        CELLS, wrong, np.array([n_images]), counts, counts, none, np.zeros((len(CELLS), 1, 3, 15))
    )


def plain_errors(wrong: np.ndarray, n_resamples: int) -> np.ndarray:
    """(n_resamples, n_cells): errors in image sets drawn one after the other."""
    rng = np.random.default_rng(SEED)
    n_images = wrong.shape[1]
    return np.array(
        [wrong[:, rng.integers(0, n_images, n_images)].mean(axis=1) for _ in range(n_resamples)]
    )


def peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50_000)
    run = outcomes(parser.parse_args().images)

    start = time.perf_counter()
    replicates = bootstrap(run)
    intervals = {
        name: replicates.interval(field)
        for name, field in linear_metrics(CELLS, default_reference()).items()
    }
    ours = time.perf_counter() - start
    memory = peak_mebibytes()

    start = time.perf_counter()
    plain = plain_errors(run.wrong, PLAIN_RESAMPLES)
    theirs = (time.perf_counter() - start) * replicates.n_resamples / PLAIN_RESAMPLES

    print(f"{run.n_images:,} images x {len(CELLS)} cells x {replicates.n_resamples:,} resamples")
    print(f"  ours       {ours:6.1f} s with {len(intervals)} intervals, {memory:,.0f} MiB at most")
    print(f"  plain way  {theirs:6.1f} s ({PLAIN_RESAMPLES} resamples, multiplied up)")
    print(f"  ratio      {theirs / ours:6.1f}")
    spread = (replicates.counts / run.n_images).std(axis=0).mean() / plain.std(axis=0).mean()
    print(
        f"  standard errors of the two agree to {abs(spread - 1):.0%} (of {PLAIN_RESAMPLES} draws)"
    )


if __name__ == "__main__":
    main()
