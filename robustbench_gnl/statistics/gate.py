"""The tests of gate rules on a run and its baseline, with one significance level for all rules.

A rule fails when the estimate is above what it allows and

- for `mCE:+0.5`, the lower bound of the change is above 0 (tested by `paired_tests`);
- for `mCE:-0.5`, the lower bound of the change is above -0.5 (`bounded_means`);
- for `mCE<=70`, the lower bound of the value is above 70 (`bounded_means`).

Quantities that are stored by block (`nll`, `ece`, `top5_error`) are tested by the jackknife
instead. With several rules Holm's correction keeps the probability of a false positive (a run that
truly satisfies all of them fails any) at most alpha.

A rule that does not fail is inconclusive if the images are too few to decide it; see
`Verdict.is_inconclusive`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robustbench_gnl.errors import UsageError, option
from robustbench_gnl.levels import ALPHA, POWER
from robustbench_gnl.metrics.catalogue import RELATIVE_MCE
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.statistics.bounded_means import BoundedMean
from robustbench_gnl.statistics.jackknife import FEWEST_BLOCKS, Jackknife
from robustbench_gnl.statistics.measurements import Measurement, measure_change, measure_value
from robustbench_gnl.statistics.outcomes import Outcomes
from robustbench_gnl.statistics.paired_tests import holm
from robustbench_gnl.statistics.power import detectable_change
from robustbench_gnl.statistics.rules import Rule, no_baseline
from robustbench_gnl.text import counted

_ROUNDING = 1e-12
"""Tolerance of comparisons with the threshold, because sums of fractions differ in their last
bits."""

Status = Literal["passed", "inconclusive", "failed"]


@dataclass(frozen=True)
class Verdict:
    """One rule tested. Numbers are in their own unit: fractions for errors and calibration
    errors, percents for CEs, nats for likelihoods."""

    rule: Rule
    baseline: float | None
    """None for a limit, as are the difference and what is allowed."""
    candidate: float
    difference: float | None
    """Candidate minus baseline."""
    allowed: float | None
    """The largest increase that the rule allows; below 0 if it requires a gain."""
    lower_bound: float | None
    """The lower confidence bound of the true change, or of the true value for a limit, at the level
    that Holm's correction leaves this rule. None if nothing was tested, as are the p-values."""
    p_value: float | None
    """One-sided. The null hypothesis is no increase, the required gain, or a value at the limit."""
    p_holm: float | None
    detectable: float | None
    """The true change, or the true value for a limit, that fails with 80 % power. None if the runs
    have the same errors, if an error would have to be above 1, or if nothing is tested."""
    passed: bool
    """Whether the rule did not fail."""
    n_cells: int
    is_narrowed: bool
    """Whether it was tested on fewer cells than it selects, since not both runs have the others."""
    method: str | None
    """`binomial`, `signs`, `t` or `bootstrap` (over images), or `jackknife` (over blocks)."""
    n_differing: int | None
    """Images whose score is not the same in both runs."""
    limit: float | None = None
    """The highest value that the rule allows; None for a change."""
    upper_bound: float | None = None
    """The upper confidence bound, at the level of the lower bound."""

    @property
    def estimate(self) -> float:
        """What the rule is about: the change, or the value of a limit."""
        return self.candidate if self.difference is None else self.difference

    @property
    def bound(self) -> float:
        """The upper bound that the rule sets."""
        bound = self.limit if self.allowed is None else self.allowed
        assert bound is not None
        return bound

    @property
    def is_over(self) -> bool:
        """Whether the estimate is above what the rule allows."""
        return _is_over(self.estimate, self.bound)

    @property
    def is_inconclusive(self) -> bool:
        """Whether the images cannot decide the rule: it did not fail, but

        - the estimate is above what it allows, though not significantly; or
        - its upper bound is above that, and the images are too few for the rule.
        """
        if not self.passed or self.is_over:
            return self.passed
        is_within = self.upper_bound is None or self.upper_bound <= self.bound
        return not is_within and self.has_too_few_images

    @property
    def has_too_few_images(self) -> bool:
        """Whether the power is too low for the rule: an increase of twice what it allows, or no
        gain at all, would be detected with less than 80 % power. For a limit there is no such
        effect size: the images are too few if the confidence interval contains it."""
        if self.limit is not None:
            return True
        if self.rule.threshold == 0 or self.n_differing == 0:
            return False
        needed = 0.0 if self.rule.is_gain else 2 * self.bound
        return self.detectable is None or self.detectable > needed

    @property
    def status(self) -> Status:
        if not self.passed:
            return "failed"
        return "inconclusive" if self.is_inconclusive else "passed"


def verdicts_of(
    rules: Sequence[Rule],
    baseline: Outcomes | None,
    candidate: Outcomes,
    reference: Reference,
    *,
    alpha: float = ALPHA,
    strict: bool = False,
    common_cells: bool = False,
    block_size: int | None = None,
) -> tuple[Verdict, ...]:
    """Test every rule.

    Args:
        baseline: None if all rules are limits.
        alpha: The probability of any false positive, over all rules.
        strict: Fail on the estimate alone, significant or not; nothing is tested.
        common_cells: Compute changes from the cells that both runs have.
        block_size: Images in a whole block, for a message on how many images make enough blocks.

    Raises:
        UsageError: A cell or the baseline is missing, a number is not defined or cannot be
            tested, or alpha is no level.
    """
    if not 0 < alpha <= 0.5:
        raise UsageError(f"expected an alpha above 0 and at most 0.5, such as 0.05, got {alpha:g}")
    changes = [rule for rule in rules if not rule.is_limit]
    if changes and baseline is None:
        raise no_baseline(changes)
    measured = [
        measure_value(rule, candidate, reference)
        if rule.is_limit or baseline is None
        else measure_change(rule, baseline, candidate, reference, common_cells)
        for rule in rules
    ]
    for one in measured:
        # Before any test: such a rule is a mistake of its author, whatever the images say.
        _check_can_fail_and_pass(one)
    if strict:
        return tuple(map(_verdict_by_estimate, measured))
    p_values = [_p_value(one, block_size) for one in measured]
    for one in measured:
        # Holm compares the smallest p-value with alpha / n_rules, the strictest level of all.
        _check_enough_images(one, candidate.n_images, alpha / len(rules))
    adjusted = holm(np.array(p_values, np.float64))
    return tuple(
        _verdict(one, p, float(p_holm), alpha=alpha, n_rules=len(rules))
        for one, p, p_holm in zip(measured, p_values, adjusted, strict=True)
    )


def _check_can_fail_and_pass(one: Measurement) -> None:
    """Raise UsageError for a rule that allows more than the largest possible value (unless the run
    already has that value), or that requires a gain larger than the baseline's value.

    Raises:
        UsageError: The rule cannot fail, or cannot be satisfied.
    """
    text, baseline = one.rule.text, one.baseline
    if baseline is None:
        if one.bound >= one.highest:
            unit = 100 if one.is_share else 1
            raise UsageError(
                f"the rule {text} can never fail: its number is at most "
                f"{unit * one.highest:.2f}; allow less",
                rule=text,
            )
        return
    if one.is_share and baseline < 1 <= baseline + one.bound:
        raise UsageError(
            f"the rule {text} can never fail: from the baseline's "
            f"{100 * baseline:.2f} % there are {100 * (1 - baseline):.2f} pp to 100 %; "
            "allow less",
            rule=text,
        )
    if (
        one.rule.is_gain
        and one.rule.subject.metric is not RELATIVE_MCE
        and baseline + one.bound < 0
    ):
        unit, name = (100, " %") if one.is_share else (1, "")
        raise UsageError(
            f"the rule {text} can never be satisfied: the baseline's value is "
            f"{unit * baseline:.2f}{name}, and it cannot fall below 0; require less",
            rule=text,
        )


def _check_enough_images(one: Measurement, n_images: int, alpha: float) -> None:
    """Raise UsageError for a rule that no run could violate significantly with so few images. The
    smallest p-value of a change is 2**-n_images, if every image got worse. For a limit, it is that
    of a run with only wrong predictions.

    Raises:
        UsageError: There are too few images.
    """
    if isinstance(one.spread, BoundedMean) and one.rule.is_limit:
        chance = (one.bound - one.spread.low) / (one.spread.high - one.spread.low)
        what, at_all = "any value", f" above {one.rule.text.split('<=')[1].strip()}"
    else:
        chance, what, at_all = 0.5, "any increase", ""
    # The smallest n with chance**n <= alpha; 1e-9 keeps rounding from adding one image.
    fewest = 1 if chance <= 0 else math.ceil(math.log(alpha) / math.log(chance) - 1e-9)
    if n_images < fewest:
        raise UsageError(
            f"{counted(n_images, 'image')} cannot detect {what}{at_all} "
            f"at level {alpha:.3g} per rule, however large; evaluate {fewest:,} or more, or decide "
            f"by the estimate alone with {option('strict')}",
            n_images=n_images,
        )


def _verdict_by_estimate(one: Measurement) -> Verdict:
    return _with(one, passed=not _is_over(one.estimate, one.bound))


def _verdict(
    one: Measurement, p_value: float, p_holm: float, *, alpha: float, n_rules: int
) -> Verdict:
    # The level at which the bound is above the null exactly when the corrected p is at most alpha.
    level = alpha * (p_value / p_holm if p_holm else 1 / n_rules)
    return _with(
        one,
        passed=not (_is_over(one.estimate, one.bound) and p_holm <= alpha),
        lower_bound=one.lower_bound(level),
        upper_bound=one.spread.upper_bound(level),
        p_value=p_value,
        p_holm=p_holm,
        detectable=_detectable(one, alpha / n_rules),
        method=one.method,
    )


def _with(
    one: Measurement,
    *,
    passed: bool,
    lower_bound: float | None = None,
    upper_bound: float | None = None,
    p_value: float | None = None,
    p_holm: float | None = None,
    detectable: float | None = None,
    method: str | None = None,
) -> Verdict:
    """The verdict with what was measured."""
    is_limit = one.rule.is_limit
    return Verdict(
        rule=one.rule,
        baseline=one.baseline,
        candidate=one.candidate,
        difference=None if is_limit else one.estimate,
        allowed=None if is_limit else one.bound,
        lower_bound=lower_bound,
        p_value=p_value,
        p_holm=p_holm,
        detectable=detectable,
        passed=passed,
        n_cells=one.n_cells,
        is_narrowed=one.is_narrowed,
        method=method,
        n_differing=one.n_differing,
        limit=one.bound if is_limit else None,
        upper_bound=upper_bound,
    )


def _is_over(estimate: float, bound: float) -> bool:
    # Relative for large bounds, such as CEs in percent, and absolute near 0.
    return estimate > bound + _ROUNDING * (1 + abs(bound))


def _detectable(one: Measurement, alpha: float) -> float | None:
    if one.n_units < 2 or not one.sd > 0:
        return None
    excess = detectable_change(
        one.sd, one.n_units, alpha=alpha, threshold=one.bound - one.null, power=POWER, step=one.step
    )
    found = one.null + excess
    return None if one.is_share and (one.baseline or 0.0) + found > 1 else found


def _p_value(one: Measurement, block_size: int | None) -> float:
    p_value = one.p_value()
    if p_value is None:
        assert isinstance(one.spread, Jackknife)
        enough = ""
        if block_size is not None:
            n_images = FEWEST_BLOCKS * block_size
            enough = f" ({FEWEST_BLOCKS} x {block_size:,} = {n_images:,} are enough)"
        raise UsageError(
            f"the rule {one.rule.text} cannot be tested here: {one.spread.reason}"
            f"{enough}; or leave the rule out, or decide by the estimate alone with "
            f"{option('strict')}",
            rule=one.rule.text,
        )
    return p_value
