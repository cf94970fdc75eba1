"""Checks of a few image headers: whether the images are already corrupted, or too small."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from PIL import Image, JpegImagePlugin

from robustbench_gnl.data.pixels import RELEASE_JPEG_QUALITY, formats_here, open_regular
from robustbench_gnl.errors import DataError
from robustbench_gnl.suites import DEFAULT_SUITE

SAMPLED_HEADERS = 32
CROP = DEFAULT_SUITE.input.crop


@dataclass(frozen=True)
class Header:
    """Properties of an image that are known without decoding it."""

    size: tuple[int, int]
    is_release_jpeg: bool
    """A JPEG of the quality and the colour resolution (4:2:0) of the release."""


def read_header(path: Path) -> Header | None:
    """The header of an image file; None if it cannot be read. The error is reported when the image
    is read."""
    try:
        with (
            open_regular(path) as file,
            warnings.catch_warnings(action="ignore"),
            Image.open(file, formats=formats_here()) as image,
        ):
            return Header(image.size, _is_release_jpeg(image))
    except Exception:  # a damaged file can raise anything in Pillow's decoders
        return None


def _is_release_jpeg(image: Image.Image) -> bool:
    return (
        isinstance(image, JpegImagePlugin.JpegImageFile)
        and image.quantization == _release_tables()
        and JpegImagePlugin.get_sampling(image) == 2  # 4:2:0
    )


@cache
def _release_tables() -> dict[int, list[int]]:
    """The quantisation tables that libjpeg writes at the quality of the release."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "JPEG", quality=RELEASE_JPEG_QUALITY or 0)
    with Image.open(content) as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        return image.quantization


def notes_on_clean_images(
    root: Path, paths: Sequence[Path], *, explicit: bool, hint: str
) -> tuple[str, ...]:
    """Check whether the images of class folders are already corrupted, or too small.

    The median of a sample decides. About 7 % of ImageNet's validation images are smaller than the
    crop, and the release enlarged them; in data sets of small images, all are.

    Args:
        explicit: The user stated that these are clean images.
        hint: How to state it, as the end of an error message.

    Raises:
        DataError: They are no clean images of a usable size, and the user did not state that they
        are.
    """
    headers = [header for header in map(read_header, _spread(paths)) if header is not None]
    if not headers:
        return ()
    if not explicit and all(
        header.size == (CROP, CROP) and header.is_release_jpeg for header in headers
    ):
        raise DataError(
            f"{root} holds images that are corrupted already, or were cropped beforehand: all are "
            f"JPEGs of {CROP} x {CROP} and quality {RELEASE_JPEG_QUALITY}, as those of ImageNet-C, "
            "and clean images were expected; give the root of the tree, the folder that has "
            f"folders such as fog/3{hint}",
            path=root,
        )
    sides = [min(header.size) for header in headers]
    n_small = sum(side < CROP for side in sides)
    if not explicit and median(sides) < CROP:
        width, height = headers[len(headers) // 2].size
        raise DataError(
            f"{root} holds small images (such as {width} x {height}): {n_small} of {len(sides)} "
            f"have a side below {CROP} pixels and would be enlarged, and photographs as those of "
            f"ImageNet were expected; give larger images{hint}",
            path=root,
        )
    # Far above the 7 % of ImageNet, below the half that is refused.
    if n_small > len(sides) / 4:
        return (
            f"{n_small} of {len(sides)} images of {root} that were looked at have a side below "
            f"{CROP} pixels; they are enlarged",
        )
    return ()


def refuse_small_made_images(root: Path, paths: Sequence[Path]) -> None:
    """Raises DataError where the images of a tree are those of a smaller data set."""
    headers = [header for header in map(read_header, _spread(paths)) if header is not None]
    sides = [min(header.size) for header in headers]
    if not sides or median(sides) >= CROP:
        return
    width, height = headers[len(headers) // 2].size
    kind = "Tiny-ImageNet-C" if (width, height) == (64, 64) else "no tree of ImageNet's size"
    raise DataError(
        f"{root} is {kind}: its images have {width} x {height} pixels, and {CROP} x {CROP} are "
        "expected; images are never enlarged here. Give the root of ImageNet-C, or clean images, "
        "from which gnlbench makes corrupted ones",
        path=root,
    )


def _spread(paths: Sequence[Path]) -> list[Path]:
    """A few of the files, from the first class to the last."""
    n = min(SAMPLED_HEADERS, len(paths))
    return [paths[index * (len(paths) - 1) // max(1, n - 1)] for index in range(n)]
