"""From the bytes of a file to the input of a model: decode, crop, corrupt, JPEG.

These functions run in worker processes and import no torch. They follow the recipe of the
release (Hendrycks & Dietterich 2019, `create_c/make_imagenet_c.py`): shorter side resized
(bilinear), centre crop, corruption, truncation to uint8, JPEG. The sizes are the suite's.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError, features

import corruptions
from robustbench_gnl.data.listing import FORMATS
from robustbench_gnl.errors import DataError, UsageError
from robustbench_gnl.records import Condition
from robustbench_gnl.suites import DEFAULT_SUITE, InputRecipe

RELEASE_JPEG_QUALITY = DEFAULT_SUITE.input.jpeg_quality
# With the shorter side at its size a longer strip would fill the memory; no photograph is one.
LONGEST_ASPECT_RATIO = 100
TIFF_BITS_PER_SAMPLE, TIFF_PHOTOMETRIC_INTERPRETATION = 258, 262
LARGEST_FILE = 10**9
"""Bytes. The largest image of ImageNet has 15 MB; a file is read whole."""
LARGEST_IMAGE = 2 * 89_478_485
"""Pixels: the number above which Pillow refuses to decode, whatever its own limit is set to."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Recipe:
    """How the pixels of a corrupted image are made from its clean crop.

    Raises:
        UsageError: The seed is no number of 64 bits, or the JPEG quality not from 1 to 100.
        corruptions.UnknownCorruptionError: There is no such engine.
    """

    engine: str = "gnlbench"
    seed: int = 0
    jpeg_quality: int | None = RELEASE_JPEG_QUALITY

    def __post_init__(self) -> None:
        corruptions.engine_version(self.engine)
        if type(self.seed) is not int or not -(2**63) <= self.seed < 2**63:
            raise UsageError(f"expected a whole number of 64 bits as the seed, got {self.seed!r}")
        quality = self.jpeg_quality
        if quality is not None and (type(quality) is not int or not 1 <= quality <= 100):
            raise UsageError(
                f"expected a JPEG quality from 1 to 100, or None for no JPEG step, got {quality!r}"
            )


class BadImageError(DataError):
    """One file cannot be read, is no image, is truncated, or is too small or too large.

    The error carries `path` and `reason`.
    """


def _bad_image(path: Path, reason: str) -> BadImageError:
    return BadImageError(
        f"{path} cannot be used: {reason}; replace the file, or take it away",
        path=path,
        reason=reason,
    )


def jpeg_decoder() -> str:
    """The library that decodes JPEGs, as protocols name it.

    libjpeg-turbo's default decoder gives the same pixels in all its versions of the last
    decade; another library does not, so the name belongs to the protocol and the version
    only to the run's environment.
    """
    return "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"


def read_image(
    path: Path, minimum_side: int = 1, *, only_check: bool = False
) -> tuple[Image.Image, bytes]:
    """Decode one file as RGB; also the sha256 of its bytes.

    Args:
        minimum_side: An image with a shorter side cannot be used.
        only_check: Decode at an eighth of the size where the format allows it, which is faster
            and fails for the same files; the pixels are of no use.

    Raises:
        BadImageError: The file cannot be read, is no regular file, is no image of a format that
            is read, is damaged, too small or too large, or has values of an unknown range.
    """
    content = _content_of(path)
    try:
        with (
            _strict_decoding(),
            Image.open(io.BytesIO(content), formats=formats_here()) as image,
        ):
            problem = size_problem(image.size, minimum_side)
            if problem is None:
                if only_check:
                    image.draft("RGB", (1, 1))
                decoded = _as_rgb(image)
    except Exception as error:  # a damaged file can raise anything in Pillow's decoders
        reason = "it is empty" if not content else _reason_of(error)
        raise _bad_image(path, reason) from error
    if problem is not None:
        raise _bad_image(path, problem)
    return decoded, hashlib.sha256(content).digest()


@contextmanager
def _strict_decoding() -> Iterator[None]:
    """Truncated files are bad whatever the calling program told Pillow, so that the images are the
    same here and in a worker. Pillow's warnings of odd metadata, which move no pixel, are dropped.
    """
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _content_of(path: Path) -> bytes:
    """The bytes of a regular file of a size that an image can have.

    Raises:
        BadImageError: It is no such file, cannot be read, or changes meanwhile.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise _bad_image(
                    path,
                    f"it has {size / 1e9:,.1f} GB, more than the {LARGEST_FILE / 1e9:,.0f} GB "
                    "that an image file may have",
                )
            # One byte more than there should be, so that a file that grows is noticed.
            content = file.read(size + 1)
    except (OSError, MemoryError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
        raise BadImageError(f"cannot read {path}: {reason}", path=path, reason=reason) from error
    if len(content) != size:
        raise _bad_image(path, "it changed while it was read")
    return content


@contextmanager
def open_regular(path: Path) -> Iterator[io.BufferedReader]:
    """A regular file, opened for reading.

    Raises:
        BadImageError: It is a device, a FIFO or a socket, for whose writer nobody waits here.
        OSError: It cannot be opened.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _bad_image(path, "it is no regular file")
        yield file


def _open_at_once(path: str, flags: int) -> int:
    # Opening a FIFO would wait for its writer, before it can be refused.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@cache
def formats_here() -> tuple[str, ...]:
    """Those of the formats that this build of Pillow has; nothing else is ever opened."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def size_problem(size: tuple[int, int], minimum_side: int = 1) -> str | None:
    """Why an image of this width and height cannot be used, None when it can."""
    width, height = size
    if min(size) < minimum_side:
        return f"it is {width} x {height}, smaller than {minimum_side} x {minimum_side}"
    if max(size) > LONGEST_ASPECT_RATIO * min(size):
        return f"it is {width} x {height}, longer than {LONGEST_ASPECT_RATIO} times its width"
    if width * height > LARGEST_IMAGE:
        return f"it is {width} x {height}, more than {LARGEST_IMAGE:,} pixels"
    return None


def _as_rgb(image: Image.Image) -> Image.Image:
    """Three channels of 8 bits, as Pillow converts; alpha and the camera's orientation are left
    out, as by the release and by timm and torchvision.

    Raises:
        ValueError: The range of the values is not known.
    """
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise ValueError(
            f"it has {kind} values, whose range is not known; save it with 8 or 16 bits"
        )
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow would clip at 255, which leaves a white image.
        grey = np.asarray(image).astype(np.uint16)
        if image.format == "TIFF":
            grey = _full_range(grey, image)
        # The high byte, so that white stays white.
        image = Image.fromarray((grey >> 8).astype(np.uint8))
    return image.convert("RGB")


def _full_range(grey: NDArray[np.uint16], image: Image.Image) -> NDArray[np.uint16]:
    """The greys of a TIFF of more than 8 bits over all 16 bits, with 0 as black."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    scaled = grey << 4 if tags.get(TIFF_BITS_PER_SAMPLE) == (12,) else grey
    white_is_zero = tags.get(TIFF_PHOTOMETRIC_INTERPRETATION) == 0
    return (65535 - scaled if white_is_zero else scaled).astype(np.uint16)


def _reason_of(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        *formats, last = formats_here()
        return f"it is no image that Pillow knows as {', '.join(formats)} or {last}"
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    message = str(error).rstrip(".") or type(error).__name__
    expected = isinstance(error, OSError | SyntaxError | ValueError | Image.DecompressionBombError)
    return message if expected else f"it is damaged ({type(error).__name__}: {message})"


def clean_crop(image: Image.Image, recipe: InputRecipe = DEFAULT_SUITE.input) -> Image.Image:
    """The shorter side resized, then the centre crop: equal to the bit to torchvision's
    `Resize(shorter_side)` and `CenterCrop(crop)`."""
    width, height = image.size
    side = recipe.shorter_side
    # int() as in torchvision: rounding would make some images a pixel longer.
    if width <= height:
        size = (side, int(side * height / width))
    else:
        size = (int(side * width / height), side)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return centre_crop(image, recipe.crop)


def centre_crop(image: Image.Image, side: int) -> Image.Image:
    """The central pixels, a square of that side; nothing is resampled."""
    width, height = image.size
    if (width, height) == (side, side):
        return image
    # Python rounds halves to even, as torchvision's CenterCrop does.
    left, top = round((width - side) / 2), round((height - side) / 2)
    return image.crop((left, top, left + side, top + side))


def jpeg_step(image: Pixels, quality: int) -> Pixels:
    """As through a JPEG file and back, as every released image went, with 4:2:0 colours."""
    return corruptions.jpeg_round_trip(image, quality)


def load_clean(
    paths: Sequence[Path], recipe: InputRecipe = DEFAULT_SUITE.input
) -> tuple[Pixels, list[bytes]]:
    """Clean crops of shape (N, crop, crop, 3) and the sha256 of each file.

    Raises:
        BadImageError: A file is no image or is truncated.
    """
    crops = np.empty((len(paths), recipe.crop, recipe.crop, 3), np.uint8)
    digests = []
    for index, path in enumerate(paths):
        image, digest = read_image(path)
        crops[index] = np.asarray(clean_crop(image, recipe))
        digests.append(digest)
    return crops, digests


def load_made(
    paths: Sequence[Path], input_size: int, recipe: InputRecipe = DEFAULT_SUITE.input
) -> tuple[Pixels, list[bytes]]:
    """Images that were corrupted beforehand, (N, S, S, 3), and the sha256 of each file.

    Never resampled at the size of the crop; another `input_size` resamples the crop (bicubic).

    Raises:
        BadImageError: A file is no image, is truncated, or is smaller than the crop.
    """
    images = np.empty((len(paths), recipe.crop, recipe.crop, 3), np.uint8)
    digests = []
    for index, path in enumerate(paths):
        image, digest = read_image(path, recipe.crop)
        images[index] = np.asarray(centre_crop(image, recipe.crop))
        digests.append(digest)
    return resample(images, input_size), digests


def corrupt_crops(
    crops: Pixels, keys: Sequence[str], condition: Condition, recipe: Recipe, input_size: int
) -> Pixels:
    """Clean crops (N, crop, crop, 3) under one condition, (N, S, S, 3); conditions that corrupt
    nothing, such as clean, pass through."""
    if not condition.severity:
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
    """Bicubic to `input_size`; the identity at the size that they have."""
    if input_size == images.shape[1]:
        return images
    size = (input_size, input_size)
    resized = [Image.fromarray(image).resize(size, Image.Resampling.BICUBIC) for image in images]
    return np.stack([np.asarray(image) for image in resized])
