"""The statistics of runs: confidence intervals, and tests of whether two runs differ.

    outcomes = outcomes_of(store.pieces(run.id), run.protocol.n_images)
    fields = linear_metrics(outcomes.conditions, reference)   # {"mce": LinearMetric, ...}
    replicates = bootstrap(outcomes)                         # 1,000 resamples of the images
    replicates.interval(fields["mce"])                       # Interval(low, high, 0.95, ...)

    numbers = run_numbers(outcomes, reference)               # all of them, also by block
    numbers.values["mce"], numbers.intervals["mce"], numbers.reasons

Two runs, narrowed to the cells that both have:

    cells = common_cells(baseline, candidate)
    baseline, candidate = baseline.only(cells), candidate.only(cells)
    fields = linear_metrics(cells, reference)
    differences(baseline, candidate, fields)                 # {"mce": Difference, ...}
    cell_tests(baseline, candidate)                          # McNemar with Holm, cell by cell
    test = paired_test(paired_differences(baseline, candidate, fields["mce"]))
    test.p_value, test.lower_bound(alpha=0.05)

    change = block_values(candidate, CALIBRATION_ERROR).minus(
        block_values(baseline, CALIBRATION_ERROR)
    ).mean(cells)                                            # Jackknife, of ECE in this case
    change.value, change.interval(), change.lower_bound(alpha=0.05), change.p_value()

One run, and a limit:

    value = BoundedMean(fields["mce"].scores(run), low=0, high=130)
    value.p_value(limit=70), value.lower_bound(alpha=0.05)

Many tests at once: `holm(p_values)` gives the p to compare with alpha. What images detect:

    sd = paired_sd(baseline, candidate, field)               # or assumed_sd(outcomes, field)
    detectable_change(sd, n_images), images_needed(change, sd), power_of(change, sd, n_images)

Ranks of a board, from replicates of one seed: `rank_ranges(values, replicates)`. Replicates
are kept between commands as bytes: `to_bytes`, `from_bytes`, and the store's `replicates` and
`keep_replicates`, which `cli._replicates` joins.

Numbers are fractions where they are errors and percents where they are CEs, as in `metrics`;
a difference is candidate minus baseline, so above 0 is worse. Nothing here knows a database:
runs come in as their pieces. SciPy is loaded only by what tests or has a t in it.
"""

from robustbench_gnl.statistics.bootstrap import (
    DRAWS,
    N_RESAMPLES,
    SEED,
    Replicates,
    bootstrap,
    percentile_interval,
)
from robustbench_gnl.statistics.bounded_means import BoundedMean, bounded_change
from robustbench_gnl.statistics.calibration import calibration_error
from robustbench_gnl.statistics.comparison import (
    Comparison,
    check_comparable,
    check_protocols,
    compare,
)
from robustbench_gnl.statistics.differences import (
    CellTest,
    Difference,
    cell_tests,
    differences,
    mark_of,
    paired_bootstrap,
)
from robustbench_gnl.statistics.gate import Verdict, verdicts_of
from robustbench_gnl.statistics.intervals import (
    Numbers,
    block_numbers,
    error_numbers,
    metric_intervals,
    run_numbers,
)
from robustbench_gnl.statistics.jackknife import (
    FEWEST_BLOCKS,
    BlockValues,
    Jackknife,
    block_values,
    jackknife,
)
from robustbench_gnl.statistics.linear_metrics import (
    LinearMetric,
    linear_metrics,
    mean_error_metric,
)
from robustbench_gnl.statistics.outcomes import Outcomes, common_cells, outcomes_of
from robustbench_gnl.statistics.paired_tests import (
    PairedTest,
    holm,
    mcnemar_exact,
    paired_differences,
    paired_test,
)
from robustbench_gnl.statistics.planning import (
    PlannedChange,
    PlannedNumber,
    images_in_time,
    planned_change,
    planned_numbers,
    spread_of,
)
from robustbench_gnl.statistics.power import (
    assumed_sd,
    detectable_change,
    images_needed,
    paired_sd,
    power_of,
)
from robustbench_gnl.statistics.proportions import wilson
from robustbench_gnl.statistics.ranks import RankRange, rank_ranges
from robustbench_gnl.statistics.rule_grammar import parse_rule, parse_rules
from robustbench_gnl.statistics.rules import Rule, cells_of
from robustbench_gnl.statistics.run_statistics import RunStatistics, WorstClass, run_statistics
from robustbench_gnl.statistics.serialization import from_bytes, to_bytes
from robustbench_gnl.statistics.trend import Trend, published_trend

__all__ = [
    "DRAWS",
    "FEWEST_BLOCKS",
    "N_RESAMPLES",
    "SEED",
    "BlockValues",
    "BoundedMean",
    "CellTest",
    "Comparison",
    "Difference",
    "Jackknife",
    "LinearMetric",
    "Numbers",
    "Outcomes",
    "PairedTest",
    "PlannedChange",
    "PlannedNumber",
    "RankRange",
    "Replicates",
    "Rule",
    "RunStatistics",
    "Trend",
    "Verdict",
    "WorstClass",
    "assumed_sd",
    "block_numbers",
    "block_values",
    "bootstrap",
    "bounded_change",
    "calibration_error",
    "cell_tests",
    "cells_of",
    "check_comparable",
    "check_protocols",
    "common_cells",
    "compare",
    "detectable_change",
    "differences",
    "error_numbers",
    "from_bytes",
    "holm",
    "images_in_time",
    "images_needed",
    "jackknife",
    "linear_metrics",
    "mark_of",
    "mcnemar_exact",
    "mean_error_metric",
    "metric_intervals",
    "outcomes_of",
    "paired_bootstrap",
    "paired_differences",
    "paired_sd",
    "paired_test",
    "parse_rule",
    "parse_rules",
    "percentile_interval",
    "planned_change",
    "planned_numbers",
    "power_of",
    "published_trend",
    "rank_ranges",
    "run_numbers",
    "run_statistics",
    "spread_of",
    "to_bytes",
    "verdicts_of",
    "wilson",
]
