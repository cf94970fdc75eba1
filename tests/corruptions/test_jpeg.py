"""The round trip gives the pixels of Pillow, whatever the image, its size and the quality."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import corruptions
from corruptions import batch
from corruptions.batch import jpeg as batch_jpeg
from corruptions.families import jpeg
from tests.corruptions.exact import original_outputs, read

Pixels = NDArray[np.uint8]

# Even heights beside multiples of 16 too: there the last halved row is repeated.
SIZES = [(32, 32), (33, 47), (37, 301), (301, 37), (42, 66), (41, 49), (50, 34), (95, 96)]
QUALITIES = (1, 7, 18, 25, 49, 50, 75, 85, 92, 100)


def through_pillow(image: Pixels, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, optimize=True)
    return np.array(Image.open(file))


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def walk(height: int, width: int) -> Pixels:
    """A picture with edges: sums of noise, cut off at black and white."""
    steps = np.random.default_rng(7).normal(0, 20, (height, width, 3))
    return np.clip(np.cumsum(steps, axis=1) + 128, 0, 255).astype(np.uint8)


def test_nothing_is_asked_of_pillow_here() -> None:
    assert jpeg.agrees_with_pillow()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_size_gives_the_pixels_of_pillow(height: int, width: int) -> None:
    image = noise(height, width)
    black_and_white = np.where(image > 127, 255, 0).astype(np.uint8)
    flat = np.broadcast_to(image[:1, :1], image.shape).copy()
    for quality in QUALITIES:
        for case in (image, black_and_white, flat, walk(height, width)):
            assert np.array_equal(jpeg._round_trip(case, quality), through_pillow(case, quality))


def test_every_quality_gives_the_pixels_of_pillow() -> None:
    for image in (noise(50, 67), walk(50, 67)):
        for quality in range(1, 101):
            assert np.array_equal(jpeg._round_trip(image, quality), through_pillow(image, quality))


def test_photographs_come_out_as_from_pillow(imagenet_photographs: list[Path]) -> None:
    rng = np.random.default_rng(0)
    for path in imagenet_photographs[::25]:
        image = read(path)
        height, width = (int(rng.integers(32, side)) for side in image.shape[:2])
        image = image[:height, :width].copy()
        quality = int(rng.integers(1, 101))
        for q in (85, quality):
            assert np.array_equal(jpeg.round_trip(image, q), through_pillow(image, q))


@pytest.mark.parametrize("quality", [0, 101, True, 85.0, "85", None])
def test_a_quality_is_an_integer_from_1_to_100(quality: object) -> None:
    with pytest.raises(corruptions.CorruptionError, match="expected a JPEG quality from 1 to 100"):
        corruptions.jpeg_round_trip(walk(40, 40), quality)  # type: ignore[arg-type]


def test_a_quality_of_numpy_is_taken() -> None:
    image = walk(40, 40)
    made = corruptions.jpeg_round_trip(image, np.int64(85))  # type: ignore[arg-type]
    assert np.array_equal(made, through_pillow(image, 85))


def test_the_original_made_the_same() -> None:
    for clean, severity, expected in original_outputs("jpeg_compression"):
        assert np.array_equal(jpeg.jpeg_compression(clean, severity, 0), expected)


def test_an_image_that_is_a_view_and_read_only_will_do() -> None:
    image = walk(64, 90)
    view = image[5:60, 3:80]
    view.flags.writeable = False

    assert np.array_equal(jpeg.round_trip(view, 85), through_pillow(view.copy(), 85))
    assert np.array_equal(image, walk(64, 90))


@pytest.fixture
def another_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pillow built upon a library that computes otherwise."""
    monkeypatch.setattr(
        jpeg, "_through_pillow", lambda image, quality: through_pillow(image, quality) ^ 1
    )
    jpeg.agrees_with_pillow.cache_clear()
    yield
    jpeg.agrees_with_pillow.cache_clear()


@pytest.mark.usefixtures("another_library")
def test_pillow_is_asked_where_its_library_computes_otherwise() -> None:
    image = walk(40, 56)
    expected = through_pillow(image, 25) ^ 1

    assert np.array_equal(jpeg.round_trip(image, 25), expected)
    assert np.array_equal(corruptions.corrupt(image, "jpeg_compression", 1), expected)


@pytest.mark.parametrize(("height", "width"), [*SIZES, (224, 224)])
def test_a_batch_gives_the_pixels_of_pillow(height: int, width: int) -> None:
    images = np.stack([noise(height, width), walk(height, width)])
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    for quality in (7, 50, 85, 100):
        expected = np.stack([through_pillow(image, quality) for image in images])
        made = batch_jpeg.round_trip(tensor, quality)
        assert made.dtype == torch.uint8
        assert np.array_equal(made.permute(0, 2, 3, 1).numpy(), expected)
    corrupted = batch.corrupt_batch(tensor, "jpeg_compression", 2, seeds=[0, 0])
    assert np.array_equal(corrupted[0].permute(1, 2, 0).numpy(), through_pillow(images[0], 18))
