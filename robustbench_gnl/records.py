"""Plain records of the benchmark: condition, image set, protocol, model, piece, cell and run.

Records contain only stored values; metrics are computed from them. No numerical library is imported
here, so that reading commands start fast.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache, reduce
from operator import add, attrgetter
from typing import TYPE_CHECKING, Any

from robustbench_gnl.errors import UsageError
from robustbench_gnl.fingerprints import added_later, fingerprint_of, stated_fields

if TYPE_CHECKING:
    import pandas

N_CALIBRATION_BINS = 15
BLOCK_SIZE = 512
"""Images per block, unless a run says otherwise."""
CLOCK_WHEN_BEGUN = "clock_when_begun"
"""Of a run's environment: what the clock said, where the newest run before it was begun later."""
IMAGENET = "imagenet-1k"
"""The label set of ImageNet's classes; with a suffix, a mapping of own folders onto them."""
DEFAULT_SUITE_NAME = "imagenet-c"
"""The suite of every record that names none."""
SCHEMA_VERSION = 1
"""Version of the JSON that commands print and exchange."""


@dataclass(frozen=True, order=True, slots=True)
class Condition:
    """One corruption at one severity, or a condition without severities (severity 0) such as
    `clean`."""

    corruption: str
    severity: int

    def __str__(self) -> str:
        return f"{self.corruption}/{self.severity}" if self.severity else self.corruption

    @property
    def is_clean(self) -> bool:
        return self.corruption == "clean"


@lru_cache(maxsize=4096, typed=True)
def condition_of(corruption: str, severity: int) -> Condition:
    """The condition, the same object each time: dictionaries find identical keys without comparing
    them, which a leaderboard does a hundred thousand times."""
    return Condition(corruption, severity)


CLEAN = condition_of("clean", 0)


def conditions_of(names: tuple[str, ...], severities: tuple[int, ...]) -> tuple[Condition, ...]:
    """Every severity of every corruption, corruption by corruption."""
    return tuple(condition_of(name, severity) for name in names for severity in severities)


def image_key(class_folder: str, file_name: str) -> str:
    """`<class folder>/<file name without suffix>`, in Unicode NFC."""
    stem = file_name.rsplit(".", 1)[0] if "." in file_name[1:] else file_name
    return unicodedata.normalize("NFC", f"{class_folder}/{stem}")


@dataclass(frozen=True)
class ImageSet:
    """The sorted (key, label) pairs that a model is evaluated on.

    Labels are class indices of the label set, which also says how they were found
    (`data.labels.Labels` lists the kinds).
    """

    name: str
    label_set: str
    keys: tuple[str, ...]
    labels: tuple[int, ...]

    @property
    def n_images(self) -> int:
        return len(self.keys)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the sorted list, one `key TAB label` per line."""
        lines = (f"{key}\t{label}\n" for key, label in zip(self.keys, self.labels, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Protocol:
    """Everything besides the model that can change a number.

    Two runs are comparable when their protocols have the same fingerprint. The name is
    for people and is not part of it.
    """

    name: str
    source: str
    """`released`, `released-layout` (unverified), `generated` or `sample`."""
    image_set: str
    n_images: int
    label_set: str
    crop: str
    resampling: str
    jpeg_quality: int | None
    """Of the JPEG step after a generated corruption; None where there is none."""
    engine: str | None
    engine_version: str | None
    seed: int | None
    precision: str
    jpeg_decoder: str
    skipped_images: int = 0
    """Number of images skipped because they could not be read; above 0 the protocol is partial."""
    suite: str = added_later(DEFAULT_SUITE_NAME)
    """The benchmark, as `robustbench_gnl.suites` names it."""

    def fields(self) -> dict[str, Any]:
        """All that the fingerprint is made of."""
        return {name: value for name, value in stated_fields(self).items() if name != "name"}

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("gnlbench-protocol-1", self.fields())

    @property
    def is_demonstration(self) -> bool:
        """Whether the images are the built-in sample: too few for an evaluation."""
        return self.source == "sample"

    @property
    def has_imagenet_classes(self) -> bool:
        """Whether the labels are those of ImageNet's classes, or of some of them."""
        return self.label_set == IMAGENET or self.label_set.startswith(f"{IMAGENET}-")

    @property
    def is_unverified(self) -> bool:
        """Whether the images have the layout of the release but are others, of unknown origin."""
        return self.source == "released-layout"

    def differences(self, other: Protocol) -> dict[str, tuple[Any, Any]]:
        """The fields that differ, each with both values."""
        pairs = {
            one.name: (getattr(self, one.name), getattr(other, one.name))
            for one in fields(self)
            if one.name != "name"
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Model:
    """What is evaluated: an architecture, its weights, and how its input is normalised."""

    name: str
    checkpoint_sha256: str
    weights: str
    """The entry of the file that was used (`state_dict`, `state_dict_ema`), or its origin."""
    n_params: int
    n_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @cached_property
    def fingerprint(self) -> str:
        """A stored run is found by this fingerprint and that of its protocol."""
        return fingerprint_of("gnlbench-model-1", stated_fields(self))


@dataclass(frozen=True)
class Calibration:
    """Counts by confidence: bin b has the images whose top probability is in (b/15, (b+1)/15], as
    in Guo et al., "On Calibration of Modern Neural Networks", 2017."""

    n_images: tuple[int, ...]
    n_top1: tuple[int, ...]
    confidence_sum: tuple[float, ...]

    def __add__(self, other: Calibration) -> Calibration:
        return Calibration(
            *(
                tuple(map(add, getattr(self, one.name), getattr(other, one.name)))
                for one in fields(self)
            )
        )

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1], equation 3 of the paper."""
        pairs = zip(self.n_top1, self.confidence_sum, strict=True)
        return sum(abs(n_right - confidence) for n_right, confidence in pairs) / sum(self.n_images)


@dataclass(frozen=True)
class Piece:
    """The facts of one block of images under one condition."""

    block: int
    condition: Condition
    n_images: int
    n_top1: int
    n_top5: int
    negative_log_likelihood_sum: float
    calibration: Calibration
    correct: bytes
    """One bit per image in key order, most significant first, zero-padded: 1 is correct."""
    digest: str
    """sha256 over the sha256 of each file read, in key order."""
    seconds: float
    made_from: str | None = added_later(None)
    """sha256 over the sha256 of each clean file, in key order, where a tree was read whose
    manifest states them; None where the files that were read are the images' own, or where
    nothing is stated."""


@dataclass(frozen=True)
class Cell:
    """The facts of one condition over all its blocks."""

    n_images: int
    n_top1: int
    n_top5: int
    negative_log_likelihood_sum: float
    digest: str = ""
    """sha256 over the digests of its pieces, in the order of the blocks; empty where unknown."""
    made_from: str | None = None
    """The same of what the pieces were made from, as `Piece.made_from`."""

    @property
    def error(self) -> float:
        """Top-1 error in [0, 1]."""
        return (self.n_images - self.n_top1) / self.n_images


@dataclass(frozen=True)
class Run:
    """One model under one protocol."""

    id: str
    model: Model
    protocol: Protocol
    block_size: int
    created_at: str
    """UTC, ISO 8601, to the second."""
    cells: Mapping[Condition, Cell]
    """Complete cells only."""
    n_unfinished_cells: int = 0
    finished_at: str | None = None
    tags: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Versions, device, command, git commit, host-independent facts."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Image key and the reason it was left out."""
    seconds: float = 0.0
    pieces: tuple[Piece, ...] = field(default=(), repr=False, compare=False)
    """The results of every block, if they were requested; the frames per image need them."""
    image_set: ImageSet | None = field(default=None, repr=False, compare=False)
    """The images of the run, where its pieces were asked for."""

    def to_frame(self) -> pandas.DataFrame:
        """The complete cells as a pandas frame.

        A row per condition, with the columns `corruption`, `severity`, `n_images`, `top1_error`,
        `top5_error`, `negative_log_likelihood` (mean per image, in nats), and, where the run has
        its pieces, `calibration_error`. Errors are fractions in [0, 1].
        """
        import pandas

        frame = pandas.DataFrame.from_records(
            [
                {
                    "corruption": condition.corruption,
                    "severity": condition.severity,
                    "n_images": cell.n_images,
                    "top1_error": cell.error,
                    "top5_error": (cell.n_images - cell.n_top5) / cell.n_images,
                    "negative_log_likelihood": cell.negative_log_likelihood_sum / cell.n_images,
                }
                for condition, cell in self.cells.items()
            ],
            columns=[
                "corruption", "severity", "n_images", "top1_error", "top5_error",
                "negative_log_likelihood",
            ],
        )  # fmt: skip
        if self.pieces:
            pieces = self._pieces_of_cells()
            frame["calibration_error"] = [
                reduce(add, (piece.calibration for piece in pieces[condition])).error
                for condition in self.cells
            ]
        return frame

    def outcomes(self) -> pandas.DataFrame:
        """Which images were classified correctly under which condition, as a pandas frame.

        A row per image key and a column per complete condition (`clean`, `fog/3`); True where the
        top-1 prediction is correct.

        Raises:
            UsageError: The run was loaded without its pieces.
        """
        import numpy
        import pandas

        if self.image_set is None or (self.cells and not self.pieces):
            raise UsageError(
                "this run holds sums only, and no outcome of an image; get it from evaluate(), or "
                "by store.run(run_id, with_pieces=True)"
            )
        columns = {
            str(condition): numpy.concatenate(
                [
                    numpy.unpackbits(
                        numpy.frombuffer(piece.correct, numpy.uint8), count=piece.n_images
                    ).astype(bool)
                    for piece in pieces
                ]
            )
            for condition, pieces in self._pieces_of_cells().items()
        }
        return pandas.DataFrame(columns, index=pandas.Index(self.image_set.keys, name="image_key"))

    def class_errors(self) -> pandas.DataFrame:
        """The errors of each class as a pandas frame.

        A row per class folder; `n_images` is the images of the class, every other column the
        top-1 error in [0, 1] under one complete condition.

        Raises:
            UsageError: The run was loaded without its pieces.
        """
        outcomes = self.outcomes()
        folders = outcomes.index.str.split("/", n=1).str[0].rename("class_folder")
        by_class = (~outcomes).groupby(folders)
        errors = by_class.mean()
        errors.insert(0, "n_images", by_class.size())
        return errors

    def _pieces_of_cells(self) -> dict[Condition, list[Piece]]:
        """The pieces of each complete cell, in the order of the blocks."""
        found: dict[Condition, list[Piece]] = {condition: [] for condition in self.cells}
        for piece in sorted(self.pieces, key=attrgetter("block")):
            if piece.condition in found:
                found[piece.condition].append(piece)
        return found
