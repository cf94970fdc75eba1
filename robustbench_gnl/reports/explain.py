"""Each number of a run: its formula, the same with the run's numbers, its interval, its source."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import corruptions
from robustbench_gnl.metrics import GROUPS, Interval, Summary, summarize, worst_corruption
from robustbench_gnl.records import CLEAN, SCHEMA_VERSION, Cell, Condition, Run
from robustbench_gnl.reference import Reference
from robustbench_gnl.reports.formats import (
    as_count,
    as_fraction_percent,
    as_interval,
    as_number,
    as_percent,
    as_share,
)
from robustbench_gnl.reports.run_parts import head_lines
from robustbench_gnl.reports.tables import Column, render

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robustbench_gnl.statistics import Details

HENDRYCKS = "Hendrycks & Dietterich 2019, section 4"
GUO = "Guo et al. 2017, equation 3"
TAORI = "Taori et al. 2020, section 2"
METHODS = {
    "bootstrap": "percentiles of 1,000 resamples of the images (Efron & Tibshirani 1993)",
    "wilson": "Wilson 1927",
    "jackknife": "leaving out blocks of images (Busing et al. 1999), Student's t",
}


@dataclass(frozen=True)
class Explanation:
    """One number of a run."""

    number: str
    value: float | str | None
    shown: str
    """The value as people see it."""
    meaning: str
    formula: str
    worked: str
    """The formula with the run's numbers."""
    source: str
    interval: Interval | None = None
    interval_shown: str | None = None
    reason: str | None = None
    """Why there is no value, or no interval."""


def explanations(run: Run, reference: Reference, details: Details) -> list[Explanation]:
    """Every number, from one cell up to mCE."""
    return list(_Explainer(run, reference, details).all())


class _Explainer:
    """What all explanations of a run look up."""

    def __init__(self, run: Run, reference: Reference, details: Details) -> None:
        self.run = run
        self.reference = reference
        self.details = details
        self.summary: Summary = summarize(run.cells, reference)

    def all(self) -> Iterator[Explanation]:
        example = worst_corruption(self.summary)
        yield from self._cells(example)
        if example is not None:
            yield from self._corruption(example)
        yield from self._means()
        yield from self._other_kinds(example)
        yield from self._relations()

    def _one(
        self,
        number: str,
        path: str,
        value: float | None,
        format: Any,
        meaning: str,
        formula: str,
        worked: str,
        source: str,
    ) -> Explanation:
        """An explanation with the interval, and the reason, that stand under `path`."""
        numbers = self.details.numbers
        interval = numbers.intervals.get(path) if value is not None else None
        reasons: Mapping[str, str] = {**self.summary.reasons, **self.details.reasons}
        return Explanation(
            number,
            value,
            "-" if value is None else format(value),
            meaning,
            formula,
            worked if value is not None else "-",
            source,
            interval,
            None
            if interval is None
            else f"{as_interval(format)(interval)}, {as_share(interval.level)}: "
            f"{METHODS[interval.method]}",
            reasons.get(path) if value is None else numbers.reasons.get(path),
        )

    def _cells(self, example: str | None) -> Iterator[Explanation]:
        cells: list[tuple[str, Condition]] = [("clean_error", CLEAN)]
        if example is not None:
            severity = next(
                s for s in corruptions.SEVERITIES if Condition(example, s) in self.run.cells
            )
            path = f"corruptions.{example}.severities.{severity}"
            cells.append((path, Condition(example, severity)))
        for path, condition in cells:
            cell = self.run.cells.get(condition)
            yield self._one(
                "clean error, %" if condition.is_clean else f"error of {condition}, %",
                path,
                None if cell is None else cell.error,
                as_fraction_percent,
                "share of the images whose first answer is wrong",
                "wrong / images",
                _ratio(cell),
                HENDRYCKS,
            )

    def _corruption(self, name: str) -> Iterator[Explanation]:
        one = self.summary.corruptions[name]
        errors = [as_fraction_percent(error) for error in one.severities if error is not None]
        yield self._one(
            f"error of {name}, %", f"corruptions.{name}.error", one.error, as_fraction_percent,
            "mean over its severities", "mean of the errors by severity",
            f"({' + '.join(errors)}) / {len(errors)}", HENDRYCKS,
        )  # fmt: skip
        of_reference = self._reference_errors(name)
        yield self._one(
            f"CE of {name}", f"corruptions.{name}.ce", one.ce, as_percent,
            f"its errors as a share of those of {self.reference.name}",
            "100 x sum of the errors / sum of the reference's errors",
            f"100 x ({' + '.join(errors)}) / ({of_reference})", HENDRYCKS,
        )  # fmt: skip
        clean, clean_of_reference = self.summary.clean_error, self.reference.clean_error
        yield self._one(
            f"relative CE of {name}", f"corruptions.{name}.relative_ce", one.relative_ce,
            as_percent, "the same of what corruption adds to the clean error",
            "100 x sum of (error - clean error) / the same sum of the reference",
            f"100 x ({' + '.join(errors)} - 5 x {_percent(clean)}) / "
            f"({of_reference} - 5 x {_percent(clean_of_reference)})", HENDRYCKS,
        )  # fmt: skip

    def _reference_errors(self, name: str) -> str:
        if name in self.reference.errors:
            return " + ".join(as_fraction_percent(one) for one in self.reference.errors[name])
        total = self.reference.error_sum(name)
        return "-" if total is None else as_fraction_percent(total)

    def _means(self) -> Iterator[Explanation]:
        summary = self.summary
        common = [summary.corruptions[name] for name in corruptions.names("common")]
        yield self._one(
            "mean corruption error, %", "mean_corruption_error", summary.mean_corruption_error,
            as_fraction_percent, "plain mean over the 15 corruptions; not mCE",
            "mean of the 15 errors", _sum(common, "error", as_fraction_percent), HENDRYCKS,
        )  # fmt: skip
        yield self._one(
            "mCE", "mce", summary.mce, as_percent, f"{self.reference.name} is 100",
            "mean of the 15 CEs", _sum(common, "ce", as_percent), HENDRYCKS,
        )  # fmt: skip
        yield self._one(
            "relative mCE", "relative_mce", summary.relative_mce, as_percent,
            "what corruption itself costs, against the reference", "mean of the 15 relative CEs",
            _sum(common, "relative_ce", as_percent), HENDRYCKS,
        )  # fmt: skip
        for group in GROUPS:
            members = [summary.corruptions[name] for name in corruptions.names(group)]
            yield self._one(
                f"CE of {group}", f"groups.{group}", summary.groups[group], as_percent,
                "a group of the paper", f"mean of its {len(members)} CEs",
                _sum(members, "ce", as_percent), HENDRYCKS,
            )  # fmt: skip
        if summary.mean_error_19 is not None:
            everything = [summary.corruptions[name] for name in corruptions.names("all")]
            yield self._one(
                "mean error over 19, %", "mean_error_19", summary.mean_error_19,
                as_fraction_percent,
                "what the GroupNL authors' script prints as mCE (unnormalized)",
                "mean of the 19 errors", _sum(everything, "error", as_fraction_percent),
                "val_imagenet_c.py of GroupNL",
            )  # fmt: skip

    def _other_kinds(self, example: str | None) -> Iterator[Explanation]:
        values = self.details.numbers.values
        texts: Sequence[tuple[str, str, str, str, Any, str]] = (
            ("top5_error", "top-5 error, %", "the label is not among the first five answers",
             "images without / images", as_fraction_percent, "Russakovsky et al. 2015, section 4"),
            ("negative_log_likelihood", "negative log likelihood, nats",
             "how surprised the network is by the label",
             "mean of -log p(label)", as_number, "Guo et al. 2017, section 2"),
            ("calibration_error", "expected calibration error, %",
             "how far confidence is from accuracy, over 15 bins of confidence",
             "sum over bins of |right - sum of confidences| / images", as_fraction_percent, GUO),
        )  # fmt: skip
        for kind, label, meaning, formula, format, source in texts:
            worked = {"clean": self._worked(kind), "mean": self._mean_worked(kind, format)}
            for which in ("clean", "mean"):
                yield self._one(
                    f"{which} {label}", f"{which}_{kind}", values.get(f"{which}_{kind}"), format,
                    meaning if which == "clean" else f"{meaning}; mean over the 75 cells",
                    formula if which == "clean" else f"mean over the 75 cells of {formula}",
                    worked[which],
                    source,
                )  # fmt: skip

    def _mean_worked(self, kind: str, format: Any) -> str:
        """By corruption: each has five cells, so the mean of the 15 is that of the 75."""
        values = self.details.numbers.values
        names = corruptions.names("common")
        texts = [format(values.get(f"corruptions.{name}.{kind}", math.nan)) for name in names]
        return f"({' + '.join(texts)}) / {len(texts)}"

    def _worked(self, kind: str) -> str:
        cell = self.run.cells.get(CLEAN)
        if cell is None:
            return "-"
        if kind == "top5_error":
            return f"{as_count(cell.n_images - cell.n_top5)} / {as_count(cell.n_images)}"
        if kind == "negative_log_likelihood":
            return f"{cell.negative_log_likelihood_sum:.3f} / {as_count(cell.n_images)}"
        return "over the 15 bins that the store keeps of each block"

    def _relations(self) -> Iterator[Explanation]:
        summary, values = self.summary, self.details.numbers.values
        yield self._one(
            "robustness gap, %", "robustness_gap", values.get("robustness_gap"),
            as_fraction_percent, "what corruption adds to the error",
            "mean corruption error - clean error",
            f"{_percent(summary.mean_corruption_error)} - {_percent(summary.clean_error)}",
            "RobustBench, Croce et al. 2021",
        )  # fmt: skip
        trend, mce = self.details.trend, summary.mce
        worked = "-"
        if trend is not None and summary.clean_error is not None and mce is not None:
            worked = (
                f"{trend.intercept:.2f} + {trend.slope:.3f} x {_percent(summary.clean_error)} "
                f"- {as_percent(mce)}"
            )
        yield self._one(
            "effective robustness, points of mCE", "effective_robustness",
            values.get("effective_robustness"), as_percent,
            "how far mCE lies below what the clean error foretells; above 0 is better",
            f"expected mCE - mCE, where {trend}" if trend else "expected mCE - mCE", worked, TAORI,
        )  # fmt: skip
        worst = worst_corruption(summary)
        if worst is not None:
            one = summary.corruptions[worst]
            yield Explanation(
                "worst corruption", worst, worst, "the highest CE of the 15, or error without CEs",
                "argmax", f"CE {_or_dash(one.ce)}, error {_percent(one.error)} %", "",
            )  # fmt: skip
        one_class = self.details.worst_class
        yield Explanation(
            "worst class", one_class.name if one_class else None,
            one_class.name if one_class else "-",
            "the class with the highest mean error over the corruption cells", "argmax",
            f"{as_fraction_percent(one_class.error)} % of {as_count(one_class.n_images)} images"
            if one_class else "-",
            "", reason=self.details.reasons.get("worst_class"),
        )  # fmt: skip


def _ratio(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return f"{as_count(cell.n_images - cell.n_top1)} / {as_count(cell.n_images)}"


def _percent(value: float | None) -> str:
    return "-" if value is None else as_fraction_percent(value)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else as_percent(value)


def _sum(members: Sequence[Any], key: str, format: Any) -> str:
    values = [getattr(one, key) for one in members]
    texts = ["-" if value is None else format(value) for value in values]
    return f"({' + '.join(texts)}) / {len(texts)}"


def explain_document(run: Run, reference: Reference, details: Details) -> dict[str, Any]:
    """All explanations as JSON: raw values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.id,
        "model": run.model.name,
        "protocol": {"name": run.protocol.name, "fingerprint": run.protocol.fingerprint},
        "reference": reference.name,
        "numbers": [asdict(one) for one in explanations(run, reference, details)],
    }


def render_explanations(run: Run, format: str, reference: Reference, details: Details) -> str:
    """All explanations as json, csv, markdown or latex, without a final line break."""
    if format == "json":
        return json.dumps(explain_document(run, reference, details), indent=2)
    found = explanations(run, reference, details)
    if format == "markdown":
        blocks = [f"### {run.model.name}\n\n" + "\n".join(f"- {line}" for line in head_lines(run))]
        for one in found:
            lines = "\n".join(f"- {label}: {text}" for label, text in _lines(one))
            blocks.append(f"#### {one.number}: {one.shown}\n{lines}")
        return "\n\n".join(blocks)
    rows = [asdict(one) for one in found]
    if format == "csv":
        return render(rows, CSV_COLUMNS, "csv")
    return render(rows, LATEX_COLUMNS, format, title=f"The numbers of {run.model.name}")


def explain_parts(run: Run, reference: Reference, details: Details) -> list[RenderableType]:
    """All explanations for a terminal."""
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = [Text(line) for line in head_lines(run)]
    for one in explanations(run, reference, details):
        parts += [Text(), Text(f"{one.number}: {one.shown}", style="bold")]
        parts += [
            Padding(Text(f"{label}: {text}"), (0, 0, 0, 2), expand=False)
            for label, text in _lines(one)
        ]
    return parts


def _lines(one: Explanation) -> list[tuple[str, str]]:
    lines = [("what", one.meaning), ("formula", one.formula), ("here", one.worked)]
    if one.interval_shown:
        lines.append(("interval", one.interval_shown))
    if one.reason:
        lines.append(("no interval" if one.value is not None else "none", one.reason))
    return [*lines, *([("source", one.source)] if one.source else [])]


LATEX_COLUMNS = tuple(
    Column(key, key, "left") for key in ("number", "shown", "formula", "worked", "source")
)
CSV_COLUMNS = tuple(
    Column(key, key)
    for key in (
        "number", "value", "meaning", "formula", "worked", "interval_shown", "reason", "source",
    )
)  # fmt: skip
