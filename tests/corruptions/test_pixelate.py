"""Pixelation is Pillow's resize with the BOX filter, there and back, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from corruptions.batch import pixelate as batch_pixelate
from corruptions.families.pixelate import pixelate
from tests.corruptions.exact import original_outputs

Pixels = NDArray[np.uint8]

SIZES = [(32, 32), (224, 224), (37, 301), (301, 37), (500, 333), (231, 229), (95, 47)]


def there_and_back(image: Pixels, severity: int) -> Pixels:
    """A direction at a time: new versions of Pillow change the order for high images."""
    scale = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    height, width, _ = image.shape
    small_height, small_width = int(height * scale), int(width * scale)
    made = Image.fromarray(image)
    for size in ((small_width, height), (small_width, small_height), (width, height)):
        made = made.resize(size, Image.Resampling.BOX)
    return np.array(made)


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_it_is_pillows_resize(severity: int) -> None:
    for height, width in SIZES:
        image = noise(height, width)
        before = image.copy()
        assert np.array_equal(pixelate(image, severity, 0), there_and_back(image, severity))
        assert np.array_equal(image, before)


def test_the_boxes_are_pillows_for_every_width() -> None:
    for width in range(32, 700):
        image = np.repeat(noise(1, width), 32, axis=0)
        severity = width % 5 + 1
        assert np.array_equal(pixelate(image, severity, 0), there_and_back(image, severity))


def test_the_original_made_the_same() -> None:
    for clean, severity, expected in original_outputs("pixelate"):
        assert np.array_equal(pixelate(clean, severity, 0), expected)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_batch_has_the_same_pixels(height: int, width: int) -> None:
    images = np.stack([noise(height, width), noise(height, width) // 2])
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    for severity in range(1, 6):
        made = batch_pixelate.pixelate(tensor, severity, [0, 0]).permute(0, 2, 3, 1).numpy()
        expected = np.stack([pixelate(image, severity, 0) for image in images])
        assert np.array_equal(made, expected)
