"""The reference data: the errors that CE divides by, published results, known image sets.

The files that ship lie in `results/`; its README.md gives the source and unit of every column.
They are read with the standard library, so that reading commands start at once.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from robustbench_gnl.errors import DataError, did_you_mean
from robustbench_gnl.files import open_to_read, read_bounded
from robustbench_gnl.records import CLEAN, Condition, Protocol
from robustbench_gnl.resources import data_folder
from robustbench_gnl.suites import DEFAULT_SUITE, Suite, suite_of

NO_REFERENCE = "none, these are not ImageNet's classes"
"""Name of the reference of images whose classes are not those of the suite's reference."""
NOT_DEFINED = "none"
"""Name of the reference of a suite that has none."""
PUBLISHED_SUITE = DEFAULT_SUITE
"""The suite that the published results which ship are about."""
MOST_BYTES = 64 * 2**20
"""Of a table of reference data; the largest that ships has a few thousand."""


@dataclass(frozen=True)
class Reference:
    """The network whose errors the metrics of a suite divide by. Errors are fractions in [0, 1].

    A suite without one, or images of other classes, have a reference that is not defined.
    """

    name: str
    protocol: str
    """How its errors were measured, as one sentence."""
    clean_error: float | None
    """None if it is unknown; relative mCE is then undefined."""
    errors: Mapping[str, tuple[float, ...]]
    """The errors of a corruption, by severity."""
    mean_errors: Mapping[str, float] = field(default_factory=dict)
    """The mean over severities, where they are not known one by one."""
    n_classes: int | None = None
    """How many classes its errors were measured on; None for a user's own reference, which is used
    for any classes."""
    suite: Suite = DEFAULT_SUITE
    """The suite whose metrics divide by it."""

    def __hash__(self) -> int:
        # The errors are a mapping, which has no hash; equality looks at them too.
        return hash((self.name, self.protocol, self.clean_error))

    @property
    def is_defined(self) -> bool:
        """Whether there are errors to divide by."""
        return bool(self.errors or self.mean_errors) or self.clean_error is not None

    def for_protocol(self, protocol: Protocol) -> Reference:
        """The reference that CE divides by under a protocol.

        For images of other classes, and for a suite without a reference, it is one that is not
        defined, whose `protocol` gives the reason.
        """
        if protocol.suite != self.suite.name:
            return undefined_reference(suite_of(protocol))
        if not self.is_defined or self.n_classes is None or protocol.has_imagenet_classes:
            return self
        return Reference(
            name=NO_REFERENCE,
            protocol=f"CE and mCE divide by {self.name}'s errors on ImageNet's {self.n_classes:,} "
            "classes, and these images have other classes; give the errors of a network of your "
            "own with --reference",
            clean_error=None,
            errors={},
            suite=self.suite,
        )

    @cached_property
    def cell_errors(self) -> Mapping[Condition, float]:
        """The error of each cell, clean included; the mean over severities for each of them, if
        only that is known."""
        found = {
            condition: error
            for name, errors in self.errors.items()
            for condition, error in zip(self.suite.conditions_of(name), errors, strict=True)
        }
        for name, error in self.mean_errors.items():
            found |= dict.fromkeys(self.suite.conditions_of(name), error)
        return found if self.clean_error is None else {CLEAN: self.clean_error, **found}

    def error_sum(self, corruption: str) -> float | None:
        """The sum over the severities; None if the corruption is unknown."""
        # CE is a ratio of sums, so the mean of a corruption is as good as its severities.
        if corruption in self.errors:
            return math.fsum(self.errors[corruption])
        if corruption in self.mean_errors:
            return len(self.suite.severities) * self.mean_errors[corruption]
        return None


@dataclass(frozen=True)
class Published:
    """A result that others reported. Fractions and percents as in `metrics.Summary`.

    An empty string, or None, means that the source does not state it.
    """

    method: str
    architecture: str
    clean_error: float | None
    mce: float | None
    ce: Mapping[str, float]
    mean_corruption_error: float | None
    n_images: int | None
    """Images a cell."""
    preprocessing: str
    """What is done to the released images, in the source's words."""
    resampling: str
    """The same as a term of the protocol: `none`, `resized`, or empty."""
    test_time_adaptation: str
    kind: str
    ce_columns: str
    venue: str
    source_url: str
    source_commit: str
    notes: str


@dataclass(frozen=True)
class KnownImageSet:
    """A set of validation images that has a name, and the fingerprint it must have."""

    name: str
    n_images: int
    fingerprint: str
    source: str


@cache
def default_reference(suite: Suite = DEFAULT_SUITE) -> Reference:
    """The reference that the suite declares."""
    declared = suite.reference
    if declared is None:
        return undefined_reference(suite)
    errors: dict[str, tuple[float, ...]] = {}
    mean_errors: dict[str, float] = {}
    for row in _rows(data_folder() / declared.file):
        by_severity = [row[f"severity_{severity}"] for severity in suite.severities]
        if all(by_severity):
            errors[row["corruption"]] = tuple(float(error) for error in by_severity)
        else:
            mean_errors[row["corruption"]] = float(row["mean_error"])
    return Reference(
        name=declared.name,
        protocol=declared.protocol,
        clean_error=mean_errors.pop(CLEAN.corruption),
        errors=errors,
        mean_errors=mean_errors,
        n_classes=suite.labels.n_classes,
        suite=suite,
    )


def undefined_reference(suite: Suite) -> Reference:
    """The reference of a suite that declares none."""
    return Reference(
        name=NOT_DEFINED,
        protocol=f"CE and mCE are not defined for {suite.title}",
        clean_error=None,
        errors={},
        suite=suite,
    )


def load_reference(path: Path) -> Reference:
    """A user's own reference, instead of the suite's, for other data or other models.

    The file is a CSV with the columns `corruption` and `severity_1`, `severity_2` and so on, with
    fractions in [0, 1]. The clean error is in the row `clean`, in the column `error` or
    `mean_error`. `gnlbench runs show RUN --format csv` writes such a file; its columns `model` and
    `protocol` name the reference.

    Raises:
        DataError: The file has another format, or errors outside [0, 1].
    """
    suite = DEFAULT_SUITE  # the only one with CE
    rows = _rows(path, what=f"a reference in {path}", next_step="check the path")
    columns = ["corruption", *(f"severity_{severity}" for severity in suite.severities)]
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing:
        raise DataError(
            f"expected a CSV with the columns {', '.join(columns)} in {path}, got none called "
            f"{', '.join(missing)}; `gnlbench runs show RUN --format csv` writes such a file of a "
            f"run of {suite.title}",
            path=path,
        )
    clean_error: float | None = None
    errors: dict[str, tuple[float, ...]] = {}
    for row in rows:
        name = row["corruption"] or ""
        if name == "mean":  # the last row of a run's file; means are computed here
            continue
        if name in errors or (name == "clean" and clean_error is not None):
            raise DataError(f"{path} has the row {name} twice; leave one", path=path)
        if name == "clean":
            text = row.get("error") or row.get("mean_error") or ""
            clean_error = _fraction(text, name, path) if text else None
            continue
        if name not in suite.all_corruptions:
            raise DataError(
                f"expected names of corruptions in {path}, got {name!r}"
                f"{did_you_mean(name, suite.all_corruptions)}",
                path=path,
            )
        by_severity = [row[column] or "" for column in columns[1:]]
        if all(by_severity):
            errors[name] = tuple(_fraction(text, name, path) for text in by_severity)
        elif any(by_severity):
            raise DataError(
                f"{path} lacks severities of {name}: CE needs all {len(suite.severities)}",
                path=path,
            )
    if not errors:
        raise DataError(
            f"expected the {len(suite.severities)} errors of a corruption in {path}, got none",
            path=path,
        )
    return Reference(
        name=rows[0].get("model") or path.stem,
        protocol=rows[0].get("protocol") or f"as stated in {path.name}",
        clean_error=clean_error,
        errors=errors,
        suite=suite,
    )


def _fraction(text: str, name: str, path: Path) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise DataError(
            f"expected errors as fractions in [0, 1] in {path}, got {text!r} for {name}; "
            "divide percents by 100",
            path=path,
        )
    return value


@cache
def load_published() -> tuple[Published, ...]:
    """Every published result that ships, in the order of the file."""
    return tuple(_published(row) for row in _rows(data_folder() / "published.csv"))


@cache
def load_bibliography() -> dict[str, str]:
    """The BibTeX entries that ship, by their keys."""
    path = data_folder() / "references.bib"
    entries = path.read_text(encoding="utf-8").strip().split("\n\n")
    return {entry.split("{", 1)[1].split(",", 1)[0]: entry for entry in entries}


@cache
def known_image_sets() -> tuple[KnownImageSet, ...]:
    """The image sets that are known by name."""
    return tuple(
        KnownImageSet(row["name"], int(row["n_images"]), row["fingerprint"], row["source"])
        for row in _rows(data_folder() / "image_sets.csv")
    )


def _rows(
    path: Path, *, what: str = "", next_step: str = "install gnlbench again"
) -> list[dict[str, str]]:
    try:
        with open_to_read(path) as file:
            text = read_bounded(file, MOST_BYTES).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"expected {what or f'reference data in {path}'}, cannot read it: "
            f"{getattr(error, 'strerror', None) or error}; {next_step}",
            path=path,
        ) from error


def _published(row: Mapping[str, str]) -> Published:
    clean, accuracy = _number(row["clean_err"]), _number(row["mean_corruption_acc"])
    ce = {name: _number(row[f"CE_{name}"]) for name in DEFAULT_SUITE.corruptions}
    return Published(
        method=row["method"],
        architecture=row["architecture"],
        clean_error=None if clean is None else clean / 100,
        mce=_number(row["mCE"]),
        ce={name: value for name, value in ce.items() if value is not None},
        mean_corruption_error=None if accuracy is None else 1 - accuracy / 100,
        n_images=int(row["images_per_cell"]) if row["images_per_cell"] else None,
        preprocessing=row["in_c_preprocessing"],
        resampling=row["resampling"],
        test_time_adaptation=row["test_time_adaptation"],
        kind=row["kind"],
        ce_columns=row["ce_columns"],
        venue=row["venue"],
        source_url=row["source_url"],
        source_commit=row["source_commit"],
        notes=row["notes"],
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
