"""The reference data that ships: AlexNet's errors, published results, known image sets.

The files lie in `results/`; its README.md gives the source and unit of every column. They
are read with the standard library, so that reading commands start at once.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import corruptions
from robustbench_gnl.errors import DataError

PACKAGE = Path(__file__).resolve().parent


def data_folder() -> Path:
    """`results/` inside an installed package, else beside the package in a checkout."""
    candidates = (PACKAGE / "results", PACKAGE.parent / "results")
    for folder in candidates:
        if (folder / "alexnet_errors.csv").is_file():
            return folder
    raise DataError(
        "expected the reference data (alexnet_errors.csv) in "
        + " or ".join(str(folder) for folder in candidates)
        + ", found neither; install gnlbench again",
        folders=candidates,
    )


@dataclass(frozen=True)
class Reference:
    """The network that CE divides by. Errors are fractions in [0, 1]."""

    name: str
    protocol: str
    """How its errors were measured, as one sentence."""
    clean_error: float
    errors: Mapping[str, tuple[float, ...]]
    """The five errors of a corruption, by severity."""
    mean_errors: Mapping[str, float] = field(default_factory=dict)
    """The mean over severities, where the five are not known one by one."""

    def error_sum(self, corruption: str) -> float | None:
        """The sum over the five severities; None for a corruption that is not known."""
        if corruption in self.errors:
            return math.fsum(self.errors[corruption])
        if corruption in self.mean_errors:
            return len(corruptions.SEVERITIES) * self.mean_errors[corruption]
        return None


@dataclass(frozen=True)
class Published:
    """A result that others reported. Fractions and percents as in `metrics.Summary`.

    An empty string, or None, stands for what the source does not state.
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
    """`none`, `resized`, or empty: the same, as a word of the protocol."""
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
def load_alexnet() -> Reference:
    """AlexNet, the reference of Hendrycks & Dietterich 2019."""
    errors: dict[str, tuple[float, ...]] = {}
    mean_errors: dict[str, float] = {}
    for row in _rows(data_folder() / "alexnet_errors.csv"):
        five = [row[f"severity_{severity}"] for severity in corruptions.SEVERITIES]
        if all(five):
            errors[row["corruption"]] = tuple(float(error) for error in five)
        else:
            mean_errors[row["corruption"]] = float(row["mean_error"])
    return Reference(
        name="AlexNet",
        protocol="50,000 released images, no resampling",
        clean_error=mean_errors.pop("clean"),
        errors=errors,
        mean_errors=mean_errors,
    )


@cache
def load_published() -> tuple[Published, ...]:
    """Every published result that ships, in the order of the file."""
    return tuple(_published(row) for row in _rows(data_folder() / "published.csv"))


@cache
def known_image_sets() -> tuple[KnownImageSet, ...]:
    """The image sets that are known by name."""
    return tuple(
        KnownImageSet(row["name"], int(row["n_images"]), row["fingerprint"], row["source"])
        for row in _rows(data_folder() / "image_sets.csv")
    )


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise DataError(
            f"expected reference data in {path}, cannot read it: {error.strerror}; "
            "install gnlbench again",
            path=path,
        ) from error


def _published(row: Mapping[str, str]) -> Published:
    clean, accuracy = _number(row["clean_err"]), _number(row["mean_corruption_acc"])
    ce = {name: _number(row[f"CE_{name}"]) for name in corruptions.names("common")}
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
