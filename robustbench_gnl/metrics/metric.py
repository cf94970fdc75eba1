"""The classes `Metric` and `MetricId`: a metric, and a metric of one corruption, group or run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Literal

from robustbench_gnl.metrics.expressions import CellError, Expression
from robustbench_gnl.metrics.quantities import Quantity
from robustbench_gnl.metrics.reference import Reference
from robustbench_gnl.metrics.unit import PERCENT, Unit
from robustbench_gnl.records import Condition
from robustbench_gnl.suites import Suite

Method = Literal["wilson", "bootstrap", "jackknife"]
"""How an interval is computed: Wilson's of one proportion, by resampling images, or by leaving out
one block of images at a time."""


class Scope(Enum):
    """What a metric describes: a run, a group of corruptions or a corruption."""

    OVERALL = "overall"
    GROUP = "group"
    CORRUPTION = "corruption"
    """A corruption, or one of its severities."""


Definition = Callable[[Suite, Reference, str], Expression | None]
"""The expression of a linear metric. The text is the group or the corruption, and empty for a
metric of the whole run. None if the suite lacks the cells."""
CellSelection = Callable[[Suite, str], Sequence[Condition]]
"""The cells that the mean of a quantity is over."""


@dataclass(frozen=True, eq=False)  # each is declared once, so it is compared by identity
class Metric:
    """A named number of a run.

    It has a `definition` or a `quantity`; metrics that have neither are computed where they are
    used: the mean over shared cells in comparisons, and effective robustness from a fitted line.
    """

    key: str
    """The path in JSON of a metric of the whole run; the last part of the path of others."""
    label: str
    """Without its unit, and without the name of the corruption or group."""
    unit: Unit
    meaning: str
    """One phrase. The placeholders, also of `formula`, are `{reference}`, `{n}` (the number of
    corruptions that the mean is over), `{n_all}` (with the extra ones) and `{n_cells}`."""
    formula: str
    source: str
    scope: Scope = Scope.OVERALL
    definition: Definition | None = None
    """The expression of a linear metric, which is a weighted sum of cell errors."""
    quantity: Quantity | None = None
    """The quantity whose mean over cells it is, if it is stored by block."""
    cells: CellSelection | None = None
    """The cells of that mean."""
    of_cell: Quantity | None = None
    """What it is at a single severity; None if it is defined only for whole corruptions."""
    lower_is_better: bool = True
    """False only for metrics that are merely shown."""
    qualifier: str = ""
    """An addition to the label where there is space, such as `not normalised`."""
    rule: str = ""
    """The name in gate rules; empty if no rule may name it."""
    is_column: bool = False
    """Whether a leaderboard shows it and may be sorted by it."""
    narrow_title: str = ""
    """The title of a narrow column, on several lines; empty: the title is short enough."""
    is_compared: bool = True
    """Whether `compare` shows it."""
    is_planned: bool = False
    """Whether `plan` computes its minimum detectable increase."""
    is_headline: bool = True
    """Whether it is one of the few numbers that stand first, computed from counts alone."""
    is_optional: bool = False
    """Whether reports leave it out where it is undefined."""

    def __post_init__(self) -> None:
        is_used = self.is_column or self.rule or self.is_compared or self.is_planned
        if is_used and not self.lower_is_better:
            raise ValueError(
                f"ranks, rules and comparisons take lower as better: declare {self.key} as an "
                "error, or leave it out of them"
            )

    @property
    def title(self) -> str:
        """The label with the unit of its values: `clean error, %`."""
        return with_unit(self.label, self.unit.symbol)

    @property
    def full_label(self) -> str:
        """The label with what a reader must know where it stands by itself."""
        return f"{self.label} ({self.qualifier})" if self.qualifier else self.label

    @property
    def full_title(self) -> str:
        """The same with its unit."""
        return with_unit(self.full_label, self.unit.symbol)

    @property
    def change_title(self) -> str:
        """The label with the unit of its changes: `clean error, pp`."""
        return with_unit(self.label, self.unit.change_symbol)

    @property
    def is_ratio(self) -> bool:
        """Whether it is divided by the reference's errors."""
        return self.unit is PERCENT

    def method(self, n_cells: int) -> Method:
        """How its interval is computed, over that many cells."""
        # Only errors are kept by image; what is stored by block cannot be resampled.
        if self.quantity is not None:
            return "wilson" if self.quantity.is_count and n_cells == 1 else "jackknife"
        return "wilson" if n_cells == 1 and self.unit.is_share else "bootstrap"


def with_unit(label: str, symbol: str) -> str:
    """`clean error, %`."""
    return f"{label}, {symbol}" if symbol else label


@dataclass(frozen=True)
class MetricId:
    """A metric of a whole run, of a group, of a corruption, or of one of its severities."""

    metric: Metric
    of: str = ""
    """The group or the corruption; empty overall."""
    severity: int | None = None

    @cached_property
    def path(self) -> str:
        """The path in the JSON of a run: `mce`, `groups.noise`, `corruptions.fog.ce`,
        `corruptions.fog.severities.3`, `corruptions.fog.severities.3.top5_error`."""
        if self.metric.scope is Scope.OVERALL:
            return self.metric.key
        if self.metric.scope is Scope.GROUP:
            return f"groups.{self.of}"
        if self.severity is None:
            return f"corruptions.{self.of}.{self.metric.key}"
        cell = f"corruptions.{self.of}.severities.{self.severity}"
        # JSON of the first version had only the error at this path, so other quantities are below
        # it.
        return cell if self.metric.quantity is None else f"{cell}.{self.metric.key}"

    @property
    def label(self) -> str:
        """`mCE`, `CE of noise`, `error of fog/3`."""
        if not self.of:
            return self.metric.label
        place = self.of if not self.severity else f"{self.of}/{self.severity}"
        return f"{self.metric.label} of {place}"

    @property
    def column_label(self) -> str:
        """`noise CE`: the label in a column, where the place comes first."""
        return f"{self.of.replace('_', ' ')} {self.metric.label}" if self.of else self.metric.label

    @property
    def column_title(self) -> str:
        """The same with its unit."""
        return with_unit(self.column_label, self.metric.unit.symbol)

    @property
    def narrow_title(self) -> str:
        """The same on lines of its own, for a narrow column; empty where it is short enough."""
        # A column is as wide as its longest word, and terminals show fifteen of them.
        if self.of:
            return "\n".join((*self.of.split("_"), self.metric.label))
        return self.metric.narrow_title

    @cached_property
    def column_key(self) -> str:
        """`ce_fog`: its name where a path cannot be one, such as a column of a table."""
        return f"{self.metric.key}_{self.of}" if self.of else self.metric.key

    def expression(self, suite: Suite, reference: Reference) -> Expression | None:
        """The expression of a linear metric; None for other metrics, and if the suite lacks the
        cells."""
        if self.metric.definition is None:
            return None
        if self.severity is not None:
            return CellError(Condition(self.of, self.severity))
        return self.metric.definition(suite, reference, self.of)

    def cells(self, suite: Suite) -> tuple[Condition, ...]:
        """The cells that the mean of a quantity is over; none of other metrics."""
        if self.metric.cells is None:
            return ()
        if self.severity is not None:
            return (Condition(self.of, self.severity),)
        return tuple(self.metric.cells(suite, self.of))

    def meaning(self, suite: Suite, reference: Reference) -> str:
        """What it says, in one phrase."""
        at_severity = self.severity is not None and self.metric.of_cell
        text = at_severity.meaning if at_severity else self.metric.meaning
        return self._filled(text, suite, reference)

    def formula(self, suite: Suite, reference: Reference) -> str:
        """How it is computed."""
        at_severity = self.severity is not None and self.metric.of_cell
        text = at_severity.formula if at_severity else self.metric.formula
        return self._filled(text, suite, reference)

    def _filled(self, text: str, suite: Suite, reference: Reference) -> str:
        """The text with what its placeholders stand for."""
        members = suite.groups.get(self.of, suite.corruptions)
        return text.format(
            reference=reference.name,
            n=len(members),
            n_all=len(suite.all_corruptions),
            n_cells=len(suite.main_conditions),
        )
