"""The blurs against SciPy, OpenCV, scikit-image and the package, which has them right."""

from __future__ import annotations

import imagecorruptions
import numpy as np
import pytest
from numpy.typing import NDArray

import corruptions
from corruptions import philox
from corruptions.families import defocus, gaussian, glass, motion, zoom
from corruptions.parameters import DEFOCUS_BLUR, GLASS_BLUR, MOTION_BLUR
from tests.trees import photo

Pixels = NDArray[np.uint8]
severities = pytest.mark.parametrize("severity", corruptions.SEVERITIES)
SIZES = [(224, 224), (32, 32), (37, 301), (301, 37)]
sizes = pytest.mark.parametrize(("height", "width"), SIZES)


def agreement(made: Pixels, expected: Pixels) -> float:
    """The share of values that are the same; none may be off by more than one grey level."""
    difference = np.abs(made.astype(int) - expected)
    assert difference.max() <= 1
    return float((difference == 0).mean())


@sizes
@severities
def test_what_draws_nothing_is_the_packages(height: int, width: int, severity: int) -> None:
    image = photo(width, height, "blur")
    for name in ("defocus_blur", "zoom_blur", "gaussian_blur"):
        expected = imagecorruptions.corrupt(image, severity, name)
        assert agreement(corruptions.corrupt(image, name, severity), expected) > 0.98, name


@pytest.mark.parametrize("level", [0, 1, 127, 128, 254, 255])
@severities
def test_flat_images_come_out_as_the_packages(level: int, severity: int) -> None:
    # Where every value is the same the last bit decides, and it is the release's.
    flat = np.full((64, 64, 3), level, np.uint8)
    for name in ("defocus_blur", "zoom_blur", "gaussian_blur"):
        expected = imagecorruptions.corrupt(flat, severity, name)
        assert np.array_equal(corruptions.corrupt(flat, name, severity), expected), name


@severities
def test_the_kernel_of_defocus(severity: int) -> None:
    cv2 = pytest.importorskip("cv2")
    radius, softness = DEFOCUS_BLUR[severity - 1]
    kernel = defocus.kernel(radius, softness)
    reach = len(kernel) // 2
    y, x = np.indices(kernel.shape) - reach
    disk = (x**2 + y**2 <= radius**2).astype(np.float64)
    size = 3 if radius <= 8 else 5
    expected = cv2.GaussianBlur(disk / disk.sum(), (size, size), sigmaX=softness)

    assert np.abs(kernel - expected).max() < 1e-12
    assert kernel.sum() == pytest.approx((1, 1, 1, 1.01298, 1.01079)[severity - 1], abs=1e-5)


@severities
def test_the_steps_of_defocus_are_its_kernel(severity: int) -> None:
    radius, softness = DEFOCUS_BLUR[severity - 1]
    reach, steps = defocus.kernel_steps(radius, softness)
    rebuilt = np.zeros((2 * reach + 1, 2 * reach + 1), np.int64)
    for row, column, rise in steps:
        for sign in {row, -row}:
            rebuilt[reach + sign, reach - column : reach + column + 1] += rise

    assert np.array_equal(rebuilt, defocus.fixed_kernel(radius, softness))


@pytest.mark.parametrize("sigma", [0.7, 1.5, 4.0])
def test_the_gaussian_filter_is_scipys_to_the_bit(sigma: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    plane = photo(97, 61, "plane")[..., 0] / 255.0
    expected = ndimage.gaussian_filter(plane, sigma, mode="nearest", truncate=4.0)

    assert np.array_equal(gaussian.filter_plane(plane, sigma), expected)


@pytest.mark.parametrize("degrees", [-45.0, -17.3, 0.0, 30.0, 45.0, -90.0, -135.0])
@severities
def test_streaks_are_the_packages(degrees: float, severity: int) -> None:
    from imagecorruptions.corruptions import _motion_blur

    image = photo(160, 120, "streak")
    radius, sigma = MOTION_BLUR[severity - 1]
    expected = np.clip(_motion_blur(image, radius, sigma, degrees), 0, 255).astype(np.uint8)

    assert agreement(motion.streak(image, radius, sigma, degrees), expected) > 0.99


def test_a_streak_longer_than_the_image() -> None:
    flat = np.full((32, 32, 3), 90, np.uint8)

    assert np.array_equal(motion.streak(flat, 20, 15, 30.0), flat)


@severities
def test_glass_moves_pixels_one_by_one(severity: int) -> None:
    _, reach, n_rounds = GLASS_BLUR[severity - 1]
    image = photo(40, 36, "glass")
    height, width, _ = image.shape
    draws = philox.words(9, 0, n_rounds * height * width)
    expected, move = image.copy(), 0
    for _ in range(n_rounds):
        for y in range(height - reach, reach, -1):
            for x in range(width - reach, reach, -1):
                draw = int(draws[move])
                move += 1
                dx = (draw & 0xFFFF) * 2 * reach // 65536 - reach
                dy = (draw >> 16) * 2 * reach // 65536 - reach
                expected[y, x] = expected[y + dy, x + dx]
    glass._shuffle(image, reach, n_rounds, draws)

    assert np.array_equal(image, expected)


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.3, 2.0, 2.5, 4.5])
@pytest.mark.parametrize("n", [224, 33, 301])
def test_the_grid_of_an_enlargement_is_scipys(n: int, factor: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    values = np.random.default_rng(n).random(n)
    start, first, share = zoom.grid(n, factor)
    crop = int(np.ceil(n / factor))
    enlarged = ndimage.zoom(values[start : start + crop], factor, order=1)
    spare = (len(enlarged) - n) // 2
    expected = enlarged[spare : spare + n]

    assert start == (n - crop) // 2
    found = values[first] + share * (values[first + 1] - values[first])
    assert np.abs(found - expected).max() < 1e-6
