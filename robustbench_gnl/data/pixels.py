"""From the bytes of a file to the pixels a network sees: decode, crop, corrupt, JPEG.

These functions run in worker processes and import no torch. They follow the recipe of the
release (Hendrycks & Dietterich 2019, `create_c/make_imagenet_c.py`): shorter side to 256
(bilinear), centre crop 224, corruption, truncation to uint8, JPEG of quality 85.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

import corruptions
from robustbench_gnl.errors import DataError
from robustbench_gnl.records import Condition

CROP = 224
SHORTER_SIDE = 256
RELEASE_JPEG_QUALITY = 85
# With the shorter side at 256 a longer strip would fill the memory; no photograph is one.
LONGEST_ASPECT_RATIO = 100
UNREADABLE = (OSError, SyntaxError, ValueError, MemoryError, Image.DecompressionBombError)
"""What Pillow raises for files that are no images, or damaged ones."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Recipe:
    """How the pixels of a corrupted image are made from its clean crop."""

    engine: str = "gnlbench"
    seed: int = 0
    jpeg_quality: int | None = RELEASE_JPEG_QUALITY


class BadImageError(DataError):
    """One file is no image, is truncated, or is too small; it stands on the error as `path`."""


def _bad_image(path: Path, reason: str) -> BadImageError:
    return BadImageError(
        f"{path} cannot be used: {reason}; replace the file, or take it away",
        path=path,
        reason=reason,
    )


def jpeg_decoder() -> str:
    """The library that decodes JPEGs here, as it stands in protocols.

    libjpeg-turbo's default decoder gives the same pixels in all its versions of the last
    decade; another library does not, so the name belongs to the protocol and the version
    only to the run's environment.
    """
    return "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"


def read_image(path: Path) -> tuple[Image.Image, bytes]:
    """Decode one file as RGB; also the sha256 of its bytes.

    Raises:
        BadImageError: The file is no image, is truncated, or is absurdly large.
        DataError: The file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", path=path) from error
    try:
        # Pillow warns of odd metadata, which move no pixel, with lines of its own source.
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as image:
            problem = size_problem(image.size)
            if problem is not None:
                raise _bad_image(path, problem)
            decoded = _as_rgb(image)
    except UNREADABLE as error:
        reason = "it is empty" if not content else reason_of(error)
        raise _bad_image(path, reason) from error
    return decoded, hashlib.sha256(content).digest()


def size_problem(size: tuple[int, int], minimum_side: int = 1) -> str | None:
    """Why an image of this width and height cannot be used, None when it can."""
    width, height = size
    if min(size) < minimum_side:
        return f"it is {width} x {height}, smaller than {minimum_side} x {minimum_side}"
    if max(size) > LONGEST_ASPECT_RATIO * min(size):
        return f"it is {width} x {height}, longer than {LONGEST_ASPECT_RATIO} times its width"
    return None


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow would clip 16-bit greys at 255, which leaves a white image.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def reason_of(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is no image that Pillow knows"
    return str(error).rstrip(".") or type(error).__name__


def clean_crop(image: Image.Image) -> Image.Image:
    """Shorter side to 256, then the central 224 x 224: equal to the bit to torchvision's
    `Resize(256)` and `CenterCrop(224)`."""
    width, height = image.size
    if width <= height:
        size = (SHORTER_SIDE, int(SHORTER_SIDE * height / width))
    else:
        size = (int(SHORTER_SIDE * width / height), SHORTER_SIDE)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return centre_crop(image)


def centre_crop(image: Image.Image) -> Image.Image:
    """The central 224 x 224 pixels; nothing is resampled."""
    width, height = image.size
    if (width, height) == (CROP, CROP):
        return image
    left, top = round((width - CROP) / 2), round((height - CROP) / 2)
    return image.crop((left, top, left + CROP, top + CROP))


def jpeg_step(image: Pixels, quality: int) -> Pixels:
    """As through a JPEG file and back, as every released image went, with 4:2:0 colours."""
    return corruptions.jpeg_round_trip(image, quality)


def load_clean(paths: Sequence[Path]) -> tuple[Pixels, list[bytes]]:
    """Clean crops of shape (N, 224, 224, 3) and the sha256 of each file.

    Raises:
        BadImageError: A file is no image or is truncated.
    """
    crops = np.empty((len(paths), CROP, CROP, 3), np.uint8)
    digests = []
    for index, path in enumerate(paths):
        image, digest = read_image(path)
        crops[index] = np.asarray(clean_crop(image))
        digests.append(digest)
    return crops, digests


def load_made(paths: Sequence[Path], input_size: int) -> tuple[Pixels, list[bytes]]:
    """Images that were corrupted beforehand, (N, S, S, 3), and the sha256 of each file.

    Never resampled at 224; another `input_size` resamples the crop (bicubic).

    Raises:
        BadImageError: A file is no image, is truncated, or is smaller than 224 pixels.
    """
    images = np.empty((len(paths), CROP, CROP, 3), np.uint8)
    digests = []
    for index, path in enumerate(paths):
        image, digest = read_image(path)
        problem = size_problem(image.size, CROP)
        if problem is not None:
            raise _bad_image(path, problem)
        images[index] = np.asarray(centre_crop(image))
        digests.append(digest)
    return resample(images, input_size), digests


def corrupt_crops(
    crops: Pixels, keys: Sequence[str], condition: Condition, recipe: Recipe, input_size: int
) -> Pixels:
    """Clean crops (N, 224, 224, 3) under one condition, (N, S, S, 3); clean passes through."""
    if condition.is_clean:
        return resample(crops, input_size)
    images = np.empty_like(crops)
    for index, (crop, key) in enumerate(zip(crops, keys, strict=True)):
        image = corruptions.corrupt(
            crop,
            condition.corruption,
            condition.severity,
            seed=recipe.seed,
            key=key,
            engine=recipe.engine,
        )
        if recipe.jpeg_quality is not None:
            image = jpeg_step(image, recipe.jpeg_quality)
        images[index] = image
    return resample(images, input_size)


def resample(images: Pixels, input_size: int) -> Pixels:
    """Bicubic to `input_size`; the identity at 224."""
    if input_size == images.shape[1]:
        return images
    size = (input_size, input_size)
    resized = [Image.fromarray(image).resize(size, Image.Resampling.BICUBIC) for image in images]
    return np.stack([np.asarray(image) for image in resized])
