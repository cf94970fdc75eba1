"""Checks of a run and its pieces before they are written."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

from robustbench_gnl.errors import StoreError
from robustbench_gnl.fingerprints import SHA256
from robustbench_gnl.records import (
    N_CALIBRATION_BINS,
    Condition,
    ImageSet,
    Model,
    Piece,
    Protocol,
)
from robustbench_gnl.store.bounds import (
    LEAST_STD,
    MOST_CLASSES,
    MOST_IMAGES,
    MOST_LOSS,
    MOST_MEAN,
    MOST_PARAMS,
    MOST_SECONDS,
    MOST_STD,
    MOST_TAG,
    check_range,
    check_text,
)
from robustbench_gnl.suites import Suite, suite_of
from robustbench_gnl.text import quoted

RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
_ROUNDING = 1e-5
"""What a confidence may lie outside its bin: some versions added them up in float32."""


def n_blocks_of(n_images: int, block_size: int) -> int:
    """How many blocks a run has."""
    return -(-n_images // block_size)


def check_run(protocol: Protocol, image_set: ImageSet, block_size: int) -> None:
    """Refuse a run whose suite is unknown, or whose protocol and images do not belong together."""
    suite = suite_of(protocol)
    if block_size < 1:
        raise StoreError(f"expected a block size of at least 1, got {block_size}")
    check_range(block_size, "a block size", 1, MOST_IMAGES)
    check_range(image_set.n_images, "a number of images", 0, MOST_IMAGES)
    check_range(protocol.skipped_images, "a number of skipped images", 0, MOST_IMAGES)
    if protocol.jpeg_quality is not None:
        check_range(protocol.jpeg_quality, "a JPEG quality", 1, 100)
    if image_set.n_images < 1 or len(image_set.labels) != image_set.n_images:
        raise StoreError(
            f"expected an image set with one label an image, got {image_set.n_images} keys "
            f"and {len(image_set.labels)} labels"
        )
    # A run is a file that anybody may have written: what is stated twice must agree.
    if protocol.n_images != image_set.n_images:
        raise StoreError(
            f"the protocol {protocol.name!r} is over {protocol.n_images} images, "
            f"the image set {image_set.name!r} has {image_set.n_images}: expected the same"
        )
    for before, after in zip(image_set.keys, image_set.keys[1:], strict=False):
        if before >= after:  # The bits of a piece follow the keys.
            what = "holds a key twice" if before == after else "is not sorted"
            raise StoreError(
                f"the image set {image_set.name!r} {what}: {after!r} follows {before!r}"
            )
    if protocol.image_set != image_set.fingerprint:
        raise StoreError(
            f"the protocol {protocol.name!r} is over the image set {protocol.image_set!r}, "
            f"the fingerprint of {image_set.name!r} is {image_set.fingerprint}: expected the same"
        )
    subset = suite.labels.subset
    if subset is not None and not set(image_set.labels) <= set(subset):
        raise StoreError(
            f"the image set {image_set.name!r} has labels that are no classes of {suite.title}: "
            f"expected some of its {len(subset)} class indices"
        )
    if protocol.label_set != image_set.label_set:
        raise StoreError(
            f"the protocol {protocol.name!r} has the label set {protocol.label_set!r}, "
            f"the image set {image_set.name!r} {image_set.label_set!r}: expected the same"
        )


def check_model(model: Model, image_set: ImageSet) -> None:
    """Refuse a model with impossible values, or with fewer classes than the labels need."""
    if not SHA256.fullmatch(model.checkpoint_sha256):
        raise StoreError(
            "expected the sha256 of the checkpoint as 64 hexadecimal digits, "
            f"got {quoted(model.checkpoint_sha256)}"
        )
    for name in ("mean", "std"):
        values = getattr(model, name)
        if len(values) != 3 or not all(math.isfinite(value) for value in values):
            raise StoreError(f"expected three finite numbers as {name}, got {values}")
    if min(model.std) <= 0:
        raise StoreError(f"expected numbers above 0 as std, got {model.std}")
    for mean, std in zip(model.mean, model.std, strict=True):
        check_range(mean, "a mean", -MOST_MEAN, MOST_MEAN)
        check_range(std, "a std", LEAST_STD, MOST_STD)
    if model.n_params < 0 or model.n_classes < 1:
        raise StoreError(
            f"expected at least 0 parameters and 1 class, got {model.n_params} "
            f"and {model.n_classes}"
        )
    check_range(model.n_params, "a number of parameters", 0, MOST_PARAMS)
    check_range(model.n_classes, "a number of classes", 1, MOST_CLASSES)
    worst = next((n for n in image_set.labels if not 0 <= n < model.n_classes), None)
    if worst is not None:
        raise StoreError(
            f"expected labels from 0 to {model.n_classes - 1}, as the model has "
            f"{model.n_classes} classes; got {worst}"
        )


def check_time(value: str | None, name: str) -> None:
    """Refuse what is no UTC time in ISO 8601."""
    if value is None and name == "finished_at":
        return
    try:
        parsed = datetime.fromisoformat(value or "")
    except ValueError:
        parsed = None
    # Written in one way only: the order of runs is that of these texts.
    if (
        parsed is None
        or parsed.utcoffset() != timedelta(0)
        or value != parsed.isoformat(timespec="seconds")
    ):
        raise StoreError(
            f"expected {name} as a UTC time such as 2026-11-23T14:25:30+00:00, got {quoted(value)}"
        )


def tag_problem(tag: str) -> str | None:
    """Why a tag is invalid, as a phrase; None if it is valid."""
    if RUN_ID.fullmatch(tag):
        return f"expected a tag that does not look like a run id, got {tag!r}"
    try:
        check_text(tag, "a tag", MOST_TAG, may_be_empty=False)
    except StoreError as error:
        return str(error)
    return None


def check_tag(tag: str) -> None:
    """Refuse a tag that would never be found, or that not every database can hold."""
    problem = tag_problem(tag)
    if problem is not None:
        raise StoreError(problem)


def check_condition(condition: Condition, suite: Suite) -> None:
    """Refuse a condition that is not one of the suite."""
    if suite.has(condition):
        return
    names, severities = ", ".join(suite.all_corruptions), suite.severities
    expected = f"one of {names}" if len(suite.all_corruptions) > 1 else names
    expected += f" at severity {severities[0]}"
    if len(severities) > 1:
        expected += f" to {severities[-1]}"
    clean = "`clean` at severity 0, or " if suite.has_clean else ""
    raise StoreError(
        f"expected {clean}{expected}, got {quoted(condition.corruption)} at severity "
        f"{condition.severity}"
    )


def check_piece(piece: Piece, protocol: Protocol, block_size: int) -> None:
    """Refuse a piece whose numbers contradict each other or the run it belongs to."""
    check_condition(piece.condition, suite_of(protocol))
    n_blocks = n_blocks_of(protocol.n_images, block_size)
    if not 0 <= piece.block < n_blocks:
        raise _refusal(piece, f"expected a block from 0 to {n_blocks - 1}")
    expected = min(block_size, protocol.n_images - piece.block * block_size)
    if piece.n_images != expected:
        raise _refusal(piece, f"expected {expected} images, got {piece.n_images}")
    if not 0 <= piece.n_top1 <= piece.n_top5 <= piece.n_images:
        raise _refusal(
            piece,
            f"expected 0 <= top-1 <= top-5 <= images, got {piece.n_top1}, {piece.n_top5} "
            f"and {piece.n_images}",
        )
    for name in ("negative_log_likelihood_sum", "seconds"):
        value = getattr(piece, name)
        if not (math.isfinite(value) and value >= 0):
            raise _refusal(piece, f"expected a finite {name} of at least 0, got {value}")
    most = {
        "negative_log_likelihood_sum": MOST_LOSS * piece.n_images,
        "seconds": MOST_SECONDS,
    }
    for name, limit in most.items():
        if getattr(piece, name) > limit:
            raise _refusal(
                piece, f"expected a {name} of at most {limit:g}, got {getattr(piece, name):g}"
            )
    if not SHA256.fullmatch(piece.digest):
        raise _refusal(
            piece,
            f"expected a sha256 digest of 64 hexadecimal digits, got {quoted(piece.digest)}",
        )
    if piece.made_from is not None and not SHA256.fullmatch(piece.made_from):
        raise _refusal(piece, f"expected a sha256 digest as made_from, got {piece.made_from!r}")
    _check_bits(piece)
    _check_calibration(piece)


def _check_bits(piece: Piece) -> None:
    n_bytes = -(-piece.n_images // 8)
    if len(piece.correct) != n_bytes:
        raise _refusal(
            piece,
            f"expected {n_bytes} bytes for the bits of {piece.n_images} images, "
            f"got {len(piece.correct)}",
        )
    bits = int.from_bytes(piece.correct, "big")
    # Packed bits fill whole bytes: the rest of the last one must not count as images.
    if bits & ((1 << (8 * n_bytes - piece.n_images)) - 1):
        raise _refusal(piece, "expected zeros after the last image's bit, found a one")
    if bits.bit_count() != piece.n_top1:
        raise _refusal(
            piece, f"{piece.n_top1} images are counted right, {bits.bit_count()} bits say so"
        )


def _check_calibration(piece: Piece) -> None:
    bins = piece.calibration
    lengths = {len(bins.n_images), len(bins.n_top1), len(bins.confidence_sum)}
    if lengths != {N_CALIBRATION_BINS}:
        raise _refusal(piece, f"expected {N_CALIBRATION_BINS} calibration bins, got {lengths}")
    if any(not 0 <= right <= n for right, n in zip(bins.n_top1, bins.n_images, strict=True)):
        raise _refusal(piece, "a calibration bin holds more right images than images")
    if (sum(bins.n_images), sum(bins.n_top1)) != (piece.n_images, piece.n_top1):
        raise _refusal(
            piece,
            f"the calibration bins add up to {sum(bins.n_images)} images and "
            f"{sum(bins.n_top1)} right, expected {piece.n_images} and {piece.n_top1}",
        )
    if any(not (math.isfinite(value) and value >= 0) for value in bins.confidence_sum):
        raise _refusal(piece, "expected finite confidence sums of at least 0")


def check_confidences(piece: Piece) -> None:
    """Refuse a piece from elsewhere whose confidences do not lie in their bins."""
    bins = piece.calibration
    for b, (n, total) in enumerate(zip(bins.n_images, bins.confidence_sum, strict=True)):
        low, high = n * b / N_CALIBRATION_BINS, n * (b + 1) / N_CALIBRATION_BINS
        if not low - n * _ROUNDING <= total <= high + n * _ROUNDING:
            raise _refusal(
                piece,
                f"expected a confidence sum from {low:g} to {high:g} in calibration bin {b} "
                f"with {n} images, got {total:g}",
            )


def _refusal(piece: Piece, reason: str) -> StoreError:
    return StoreError(
        f"the piece {piece.condition}, block {piece.block}, is refused: {reason}",
        condition=piece.condition,
        block=piece.block,
    )
