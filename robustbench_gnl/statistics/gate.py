"""A gate: each rule is held against two runs, and all of them share one level.

A rule fails when its number rose by more than the rule allows, and the rise is no accident:
the one-sided paired lower bound of the difference is above 0. With several rules Holm's
correction keeps the chance that a release which is no worse fails any of them at most alpha.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from robustbench_gnl.errors import UsageError
from robustbench_gnl.records import Condition
from robustbench_gnl.reference import Reference
from robustbench_gnl.statistics.evidence import Evidence
from robustbench_gnl.statistics.jackknife import FEWEST_BLOCKS, Jackknife, Kind, block_values
from robustbench_gnl.statistics.linear import mean_error_field
from robustbench_gnl.statistics.onesided import OneSided, one_sided, paired_differences
from robustbench_gnl.statistics.power import ALPHA, POWER, detectable_change
from robustbench_gnl.statistics.rules import KINDS, Rule, cells_of, field_of
from robustbench_gnl.statistics.significance import holm

_ROUNDING = 1e-12
"""A rise this near the threshold is at it: sums of fractions differ in their last bits."""


@dataclass(frozen=True)
class Verdict:
    """One rule held against two runs. Numbers are in their own unit: fractions for errors and
    calibration errors, percents for CEs, nats for likelihoods."""

    rule: Rule
    baseline: float
    candidate: float
    difference: float
    """Candidate less baseline."""
    allowed: float
    """How far the rule lets it rise."""
    lower_bound: float | None
    """What the true rise is at least, at the level that Holm's correction leaves this rule."""
    p_value: float | None
    """One-sided, of no rise at all; None where it cannot be tested."""
    p_holm: float | None
    detectable: float | None
    """The true rise that would have failed 4 times in 5; None where the runs answer alike, or
    where an error would have to be above 1."""
    passed: bool
    n_cells: int
    method: str
    """`binomial`, `signs` or `t` (over images), or `jackknife` (over blocks)."""
    n_differing: int | None
    """Images whose score is not the same in both."""

    @property
    def is_over(self) -> bool:
        """Whether it rose by more than the rule allows."""
        return _is_over(self.difference, self.allowed)


@dataclass(frozen=True)
class _Measured:
    """A rule's number in both runs, and the test of their difference."""

    rule: Rule
    baseline: float
    candidate: float
    test: OneSided | Jackknife
    step: float
    """The size of the differences, where they have one."""
    n_units: int
    """Images, or blocks."""
    n_cells: int

    @property
    def sd(self) -> float:
        """The standard deviation of the differences, by image or by block; 0 where it is not
        known."""
        return (self.test.standard_error or 0.0) * math.sqrt(self.n_units)

    @property
    def is_share(self) -> bool:
        """Whether the number cannot be above 1."""
        return self.rule.field in ("error", "clean_error", "top5_error", "ece")


def judge(
    rules: Sequence[Rule],
    baseline: Evidence,
    candidate: Evidence,
    reference: Reference,
    *,
    alpha: float = ALPHA,
    strict: bool = False,
    common_cells: bool = False,
    block_size: int | None = None,
) -> tuple[Verdict, ...]:
    """Hold every rule against the two runs.

    Args:
        alpha: The chance of any false alarm, over all rules.
        strict: Fail on the estimate alone, noise or not.
        common_cells: Look only at the cells that both runs have.
        block_size: Images of a whole block, to say how many images make enough blocks.

    Raises:
        UsageError: A cell is missing, a number is not defined or cannot be tested, or alpha is
            no level.
    """
    if not 0 < alpha <= 0.5:
        raise UsageError(f"expected an alpha above 0 and at most 0.5, such as 0.05, got {alpha:g}")
    measured = [_measure(rule, baseline, candidate, reference, common_cells) for rule in rules]
    for one in measured:
        _check_can_fail(one)
    p_values = [_p_value(one, strict, block_size) for one in measured]
    if not strict:
        _check_enough_images(baseline.n_images, alpha / len(rules))
    tested = [p for p in p_values if p is not None]
    adjusted = iter(holm(np.array(tested, np.float64)))
    return tuple(
        _verdict(
            one,
            p,
            None if p is None else float(next(adjusted)),
            alpha=alpha,
            n_rules=len(rules),
            strict=strict,
        )
        for one, p in zip(measured, p_values, strict=True)
    )


def _check_can_fail(one: _Measured) -> None:
    """Refuse a rule that allows more than an error can rise, unless it is 100 % already.

    Raises:
        UsageError: It does.
    """
    allowed = one.rule.threshold_from(one.baseline)
    if one.is_share and one.baseline < 1 <= one.baseline + allowed:
        raise UsageError(
            f"the rule {one.rule.text} can never fail: from the baseline's "
            f"{100 * one.baseline:.2f} % there are {100 * (1 - one.baseline):.2f} pp to 100 %; "
            "allow less",
            rule=one.rule.text,
        )


def _check_enough_images(n_images: int, alpha: float) -> None:
    """Refuse a gate that no run could fail: even if every image changed for the worse, a coin
    would do so once in 2**n_images.

    Raises:
        UsageError: There are too few images.
    """
    fewest = math.ceil(-math.log2(alpha) - 1e-9)
    if n_images < fewest:
        raise UsageError(
            f"{n_images} {'image' if n_images == 1 else 'images'} cannot tell any rise from noise "
            f"at level {alpha:.3g} a rule, however large; evaluate {fewest} or more, or judge by "
            "the estimate alone with --strict",
            n_images=n_images,
        )


def _verdict(
    one: _Measured,
    p_value: float | None,
    p_holm: float | None,
    *,
    alpha: float,
    n_rules: int,
    strict: bool,
) -> Verdict:
    difference = one.candidate - one.baseline
    allowed = one.rule.threshold_from(one.baseline)
    is_over = _is_over(difference, allowed)
    is_sure = p_holm is not None and p_holm <= alpha
    bound = None
    if p_value is not None and p_holm is not None:
        # The level at which the bound is above 0 exactly when the corrected p is at most alpha.
        share = p_value / p_holm if p_holm else 1 / n_rules
        bound = one.test.lower_bound(alpha * share)
    return Verdict(
        rule=one.rule,
        baseline=one.baseline,
        candidate=one.candidate,
        difference=difference,
        allowed=allowed,
        lower_bound=bound,
        p_value=p_value,
        p_holm=p_holm,
        detectable=_detectable(one, allowed, None if strict else alpha / n_rules),
        passed=not (is_over and (strict or is_sure)),
        n_cells=one.n_cells,
        method=one.test.method if isinstance(one.test, OneSided) else "jackknife",
        n_differing=one.test.n_differing if isinstance(one.test, OneSided) else None,
    )


def _is_over(difference: float, allowed: float) -> bool:
    return difference > allowed + _ROUNDING * (1 + abs(allowed))


def _detectable(one: _Measured, allowed: float, alpha: float | None) -> float | None:
    """`alpha` None: no test, only an estimate above the threshold."""
    if one.n_units < 2 or not one.sd > 0:
        return None
    test = {"alpha": 0.5} if alpha is None else {"alpha": alpha, "step": one.step}
    rise = detectable_change(one.sd, one.n_units, power=POWER, threshold=allowed, **test)
    return None if one.is_share and one.baseline + rise > 1 else rise


def _p_value(one: _Measured, strict: bool, block_size: int | None) -> float | None:
    if isinstance(one.test, OneSided):
        return one.test.p_value
    p_value = one.test.p_value()
    if p_value is None and not strict:
        enough = ""
        if block_size is not None:
            n_images = FEWEST_BLOCKS * block_size
            enough = f" ({FEWEST_BLOCKS} x {block_size:,} = {n_images:,} are enough)"
        raise UsageError(
            f"the rule {one.rule.text} cannot tell a rise from noise here: {one.test.reason}"
            f"{enough}; or leave the rule out, or judge by the estimate alone with --strict",
            rule=one.rule.text,
        )
    return p_value


def _measure(
    rule: Rule,
    baseline: Evidence,
    candidate: Evidence,
    reference: Reference,
    common_cells: bool,
) -> _Measured:
    cells = cells_of(rule, baseline.conditions, candidate.conditions, common_cells)
    baseline, candidate = baseline.only(cells), candidate.only(cells)
    if rule.field in KINDS and rule.field != "error":
        return _measure_blocks(rule, cells, baseline, candidate)
    if rule.field == "error":  # over the cells that were found, fewer perhaps than it selects
        field = mean_error_field(rule.text, cells, cells)
    else:
        field = field_of(rule, cells, reference)
    return _Measured(
        rule,
        float(field.value(baseline.errors)),
        float(field.value(candidate.errors)),
        one_sided(paired_differences(baseline, candidate, field)),
        field.step,
        baseline.n_images,
        len(cells),
    )


def _measure_blocks(
    rule: Rule, cells: tuple[Condition, ...], baseline: Evidence, candidate: Evidence
) -> _Measured:
    kind = KINDS[rule.field]
    assert kind in get_args(Kind)
    before, after = block_values(baseline, kind), block_values(candidate, kind)  # type: ignore[arg-type]
    change = after.less(before).mean(cells)
    return _Measured(
        rule,
        before.mean(cells).value,
        after.mean(cells).value,
        change,
        0.0,
        round(change.n_whole_blocks),
        len(cells),
    )
