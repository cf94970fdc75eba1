"""Colours come out as scikit-image's HSV and NumPy's mean make them, to the last truncation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from corruptions.batch import colour as batch_colour
from corruptions.families import colour
from tests.corruptions.exact import original_outputs

Pixels = NDArray[np.uint8]

NAMES = ("brightness", "contrast", "saturate")
SIZES = [(32, 32), (37, 301), (301, 37), (224, 224), (333, 500)]


def reference(name: str, image: Pixels, severity: int) -> Pixels:
    """The release's way, in float64."""
    place = severity - 1
    x = image / 255.0
    if name == "contrast":
        kept = (0.4, 0.3, 0.2, 0.1, 0.05)[place]
        means = x.mean(axis=(0, 1), keepdims=True)
        x = (x - means) * kept + means
    else:
        color = pytest.importorskip("skimage.color")
        x = color.rgb2hsv(x)
        if name == "brightness":
            x[..., 2] = np.clip(x[..., 2] + (0.1, 0.2, 0.3, 0.4, 0.5)[place], 0, 1)
        else:
            slope, offset = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))[place]
            x[..., 1] = np.clip(x[..., 1] * slope + offset, 0, 1)
        x = color.hsv2rgb(x)
    return np.asarray(np.uint8(np.clip(x, 0, 1) * 255))


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


def palette() -> Pixels:
    """Every colour of levels five apart, so all orders of channels, ties and greys: 52**3."""
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    return np.ascontiguousarray(colours.reshape(52 * 26, 104, 3))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_every_colour_comes_out_as_in_float64(name: str, severity: int) -> None:
    corrupt = getattr(colour, name)
    for image in (palette(), *(noise(*size) for size in SIZES)):
        before = image.copy()
        made = corrupt(image, severity, 0)
        assert np.array_equal(made, reference(name, image, severity))
        assert np.array_equal(image, before)


@pytest.mark.parametrize("name", NAMES)
def test_the_original_made_the_same(name: str) -> None:
    for clean, severity, expected in original_outputs(name):
        assert np.array_equal(getattr(colour, name)(clean, severity, 0), expected)


def test_a_flat_image_under_contrast_follows_the_last_bit_of_the_mean() -> None:
    for level in range(0, 256, 3):
        image = np.full((224, 224, 3), level, np.uint8)
        assert np.array_equal(colour.contrast(image, 3, 0), reference("contrast", image, 3))
    assert colour.contrast(np.full((224, 224, 3), 128, np.uint8), 1, 0).max() == 127


def test_grey_turns_red_where_saturation_is_raised() -> None:
    grey = np.full((32, 32, 3), 200, np.uint8)
    assert colour.saturate(grey, 5, 0)[0, 0].tolist() == [200, 160, 160]
    assert colour.saturate(grey, 3, 0)[0, 0].tolist() == [200, 200, 200]


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_has_the_same_pixels(name: str) -> None:
    for images in (palette()[None], np.stack([noise(95, 47), noise(95, 47) // 128 * 90])):
        for severity in range(1, 6):
            expected = np.stack([getattr(colour, name)(image, severity, 0) for image in images])
            difference = np.abs(in_a_batch(name, images, severity) - expected)
            # The means of the palette are 127.5: many whole results, which a last bit decides.
            assert difference.max() <= (name == "contrast" and len(images) == 1)


def test_contrast_of_a_flat_batch_is_off_by_one_level_at_most() -> None:
    for level in range(0, 256, 5):
        image = np.full((64, 64, 3), level, np.uint8)
        expected = colour.contrast(image, 2, 0)
        assert np.abs(in_a_batch("contrast", image[None], 2) - expected).max() <= 1


def in_a_batch(name: str, images: Pixels, severity: int) -> NDArray[np.int64]:
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    made = getattr(batch_colour, name)(tensor, severity, [0] * len(images))
    assert made.dtype == torch.uint8
    return np.asarray(made.permute(0, 2, 3, 1).numpy(), dtype=np.int64)
