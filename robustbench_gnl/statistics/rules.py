"""Gate rules: an upper bound for a metric or its change, and the cells of the metric.

`rule_grammar` reads them from text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from robustbench_gnl.errors import UsageError, option
from robustbench_gnl.metrics.catalogue import CE, GROUP_CE, METRICS
from robustbench_gnl.metrics.metric import Metric, MetricId, Scope
from robustbench_gnl.metrics.quantities import ERROR, QUANTITIES, Quantity
from robustbench_gnl.metrics.reference import Reference, undefined_reference
from robustbench_gnl.metrics.unit import PERCENT, Unit
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics.linear_metrics import (
    LinearMetric,
    linear_metrics,
    mean_error_metric,
)
from robustbench_gnl.suites import DEFAULT_SUITE, Suite
from robustbench_gnl.text import counted, some_of

RuleUnit = Literal["points", "pp", "nats", "%"]
CHANGE, LIMIT = ":", "<="
"""The operators of a rule: for a change, and for a limit."""


@dataclass(frozen=True)
class Subject:
    """The metric or quantity of a rule. Exactly one of `metric` and `quantity` is set."""

    name: str
    """As rules write it: `mCE`, `CE`, `error`, `nll`."""
    unit: Unit
    metric: Metric | None = None
    """A metric of the whole run, or the CE of a corruption or group."""
    quantity: Quantity | None = None
    """Of the mean of a quantity over cells: all corruption cells, or selected ones."""

    @property
    def is_ratio(self) -> bool:
        """Whether it is divided by the reference's errors."""
        return self.unit is PERCENT

    @property
    def needs_selection(self) -> bool:
        """Whether it is of a corruption or a group: `CE[fog]`."""
        return self.metric is not None and self.metric.scope is not Scope.OVERALL

    @property
    def takes_selection(self) -> bool:
        return self.quantity is not None or self.needs_selection

    def is_defined_for(self, suite: Suite) -> bool:
        """Whether a suite has it; means over cells and the CE of a corruption need no more than
        cells."""
        return self.metric is None or self.needs_selection or self.metric.key in suite.metrics

    @property
    def is_kept_by_image(self) -> bool:
        """Whether it is made of the outcomes of images, and not of sums of blocks."""
        return self.quantity is None or self.quantity.is_kept_by_image


def subjects() -> dict[str, Subject]:
    """What rules may be about, by name in lower case: ratios, other metrics, quantities."""
    metrics = [one for one in METRICS if one.rule and one.scope is not Scope.GROUP]
    found = [Subject(one.rule, one.unit, metric=one) for one in metrics]
    found += [Subject(one.rule, one.unit, quantity=one) for one in QUANTITIES]
    # The most common subjects first: ratios, then those that the default suite defines.
    found.sort(key=lambda one: (not one.is_defined_for(DEFAULT_SUITE), not one.is_ratio))
    return {one.name.lower(): one for one in found}


@dataclass(frozen=True)
class Rule:
    """How far one number may rise, how far it must fall, or how high it may be."""

    text: str
    """As it was typed."""
    subject: Subject
    threshold: float
    """In points, percentage points, nats or percent; below 0 where a gain is required."""
    unit: RuleUnit
    name: str | None = None
    """The corruption or group in brackets."""
    severity: int | None = None
    """The severity in brackets."""
    is_limit: bool = False
    """Whether the threshold is of the number itself, and not of its change."""

    @property
    def is_gain(self) -> bool:
        """Whether the number must fall."""
        return not self.is_limit and self.threshold < 0

    @property
    def subject_text(self) -> str:
        """`error[fog]`: the text before the threshold, as it was typed."""
        return self.text.split(LIMIT if self.is_limit else CHANGE, 1)[0].strip()

    @property
    def limit(self) -> float:
        """How high the number may be, in its own unit; of a rule that `is_limit`."""
        return self.threshold / 100 if self.unit == "%" else self.threshold

    @property
    def can_be_narrowed(self) -> bool:
        """Whether it may look at fewer cells than it selects: those that both runs have."""
        return self.subject.quantity is not None and not self.is_limit

    def threshold_from(self, baseline: float) -> float:
        """The allowed increase of the baseline's value, in the unit of the value."""
        if self.unit == "%":
            return abs(baseline) * self.threshold / 100
        return self.threshold / 100 if self.unit == "pp" else self.threshold

    def selection(self, suite: Suite) -> tuple[Condition, ...] | None:
        """The cells that it looks at; None: all corruption cells that were run.

        Raises:
            UsageError: The suite does not define the metric, or has no such corruption.
        """
        if self.name is not None:
            return self._selected(suite)
        if self.subject.metric is None:
            return None
        is_defined = self.subject.is_defined_for(suite)
        expression = MetricId(self.subject.metric).expression(suite, undefined_reference(suite))
        if expression is None or not is_defined:
            raise UsageError(
                f"the rule {self.text} names {self.subject.name}, which is not defined for "
                f"{suite.title}; name another metric",
                rule=self.text,
            )
        return expression.needs

    def _selected(self, suite: Suite) -> tuple[Condition, ...]:
        known = {**suite.selections, **{name: (name,) for name in suite.all_corruptions}}
        if self.name not in known:
            raise UsageError(
                f"the rule {self.text} names {self.name}, which {suite.title} does not have; "
                f"it has {', '.join(known)}",
                rule=self.text,
            )
        cells = suite.conditions_of(*known[self.name])
        return tuple(c for c in cells if self.severity in (None, c.severity))


def cells_of(
    rule: Rule,
    suite: Suite,
    baseline: Sequence[Condition] | None,
    candidate: Sequence[Condition],
    common_cells: bool = False,
) -> tuple[Condition, ...]:
    """The cells that a rule looks at, and that the runs it looks at must have: both, or of a
    limit the candidate alone.

    Args:
        baseline: The cells of the baseline; None where there is none.
        common_cells: Of the change of a mean over cells, only those that both have.

    Raises:
        UsageError: A run lacks a cell, a baseline is needed and there is none, or the suite does
            not define what the rule is about.
    """
    if rule.is_limit:
        runs, who_has = [("the run", candidate)], "the run has"
    else:
        if baseline is None:
            raise no_baseline([rule])
        runs, who_has = [("the baseline", baseline), ("the run", candidate)], "both runs have"
    selected = rule.selection(suite)
    if selected is None:
        every = (cell for _, has in runs for cell in has)
        wanted = tuple(dict.fromkeys(cell for cell in every if not cell.is_clean))
    else:
        wanted = selected
    if common_cells and rule.can_be_narrowed:
        wanted = tuple(cell for cell in wanted if all(cell in has for _, has in runs))
    if not wanted:
        raise UsageError(
            f"the rule {rule.text} finds no cell that {who_has}; evaluate some, or leave the "
            "rule out",
            rule=rule.text,
            missing=(),
        )
    for who, has in runs:
        missing = [str(cell) for cell in wanted if cell not in has]
        if missing:
            raise _lacks_cells(rule, who, missing)
    return wanted


def _lacks_cells(rule: Rule, who: str, missing: Sequence[str]) -> UsageError:
    way = (
        f"look only at the cells that both have with {option('common_cells')}"
        if rule.can_be_narrowed
        else "leave the rule out"
    )
    return UsageError(
        f"the rule {rule.text} needs {counted(len(missing), 'cell')} that {who} lacks "
        f"({some_of(missing)}); evaluate {'it' if len(missing) == 1 else 'them'}, or {way}",
        rule=rule.text,
        missing=tuple(missing),
    )


def no_baseline(rules: Sequence[Rule]) -> UsageError:
    """The error if a rule needs a baseline and none was given."""
    compares = f"the {'rule' if len(rules) == 1 else 'rules'} "
    compares += ", ".join(rule.text for rule in rules)
    return UsageError(
        f"no baseline was given, and {compares} {'needs' if len(rules) == 1 else 'need'} one; name "
        "a stored run or a file of `gnlbench runs export` with --baseline (a limit such as mCE<=70 "
        "needs none)"
    )


def metric_of(rule: Rule, cells: Sequence[Condition], reference: Reference) -> LinearMetric:
    """The number of a rule on top-1 errors; a mean over cells without a selection is that of all
    the corruption cells there are.

    Raises:
        UsageError: The cells, or the reference, do not allow it.
    """
    suite = reference.suite
    selected = rule.selection(suite)
    field = None
    if rule.subject.quantity is ERROR:
        chosen = selected or [cell for cell in cells if not cell.is_clean]
        if chosen and set(chosen) <= set(cells):
            field = mean_error_metric(rule.text, cells, chosen)
    else:
        field = linear_metrics(cells, reference).get(_path_of(rule, suite))
    if field is not None:
        return field
    missing = [str(cell) for cell in selected or () if cell not in cells]
    if missing:
        needs = f"cells that are not there, such as {missing[0]}; evaluate them"
    elif rule.subject.is_ratio and not reference.is_defined:
        needs = f"a reference ({reference.protocol})"
    elif selected is None:
        needs = "a corruption, and none was evaluated; evaluate some"
    else:
        needs = f"errors that {reference.name} does not have; name another {option('reference')}"
    raise UsageError(f"the rule {rule.text} needs {needs}, or leave the rule out", rule=rule.text)


def _path_of(rule: Rule, suite: Suite) -> str:
    """The JSON path of the metric of a rule."""
    metric = rule.subject.metric
    assert metric is not None
    if rule.name is None:
        return MetricId(metric).path
    return MetricId(GROUP_CE if rule.name in suite.groups else CE, rule.name).path
