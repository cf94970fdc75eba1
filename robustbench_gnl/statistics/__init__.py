"""How sure the numbers of a run are, and whether two runs differ.

    evidence = evidence_of(store.pieces(run.id), run.protocol.n_images)
    fields = linear_fields(evidence.conditions, reference)   # {"mce": LinearField, ...}
    replicates = bootstrap(evidence)                         # 1,000 resamples of the images
    replicates.interval(fields["mce"])                       # Interval(low, high, 0.95, ...)

Two runs, narrowed to the cells that both have:

    cells = common_cells(baseline, candidate)
    baseline, candidate = baseline.only(cells), candidate.only(cells)
    fields = linear_fields(cells, reference)
    differences(baseline, candidate, fields)                 # {"mce": Difference, ...}
    cell_tests(baseline, candidate)                          # McNemar with Holm, cell by cell
    test = one_sided(paired_differences(baseline, candidate, fields["mce"]))
    test.p_value, test.lower_bound(alpha=0.05)

Numbers are fractions where they are errors and percents where they are CEs, as in `metrics`;
a difference is candidate less baseline, so above 0 is worse. Nothing here knows a database:
runs come in as their pieces. SciPy is loaded only by what tests or has a t in it.
"""

from robustbench_gnl.statistics.bootstrap import (
    LEVEL,
    N_RESAMPLES,
    SEED,
    Replicates,
    bootstrap,
    percentile_interval,
)
from robustbench_gnl.statistics.evidence import Evidence, common_cells, evidence_of
from robustbench_gnl.statistics.linear import LinearField, linear_fields, mean_error_field
from robustbench_gnl.statistics.onesided import OneSided, one_sided, paired_differences
from robustbench_gnl.statistics.paired import (
    CellTest,
    Difference,
    cell_tests,
    differences,
    mark_of,
    paired_bootstrap,
)
from robustbench_gnl.statistics.significance import holm, mcnemar_exact

__all__ = [
    "LEVEL",
    "N_RESAMPLES",
    "SEED",
    "CellTest",
    "Difference",
    "Evidence",
    "LinearField",
    "OneSided",
    "Replicates",
    "bootstrap",
    "cell_tests",
    "common_cells",
    "differences",
    "evidence_of",
    "holm",
    "linear_fields",
    "mark_of",
    "mcnemar_exact",
    "mean_error_field",
    "one_sided",
    "paired_bootstrap",
    "paired_differences",
    "percentile_interval",
]
