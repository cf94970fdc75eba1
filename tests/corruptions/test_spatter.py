"""Spatter against OpenCV, step by step, and against the package of the same draws."""

from __future__ import annotations

from typing import Any

import imagecorruptions
import numpy as np
import pytest
from numpy.typing import NDArray

import corruptions
from corruptions import drops, philox
from corruptions.families.gaussian import filter_plane
from corruptions.parameters import SPATTER
from tests.trees import photo

Pixels = NDArray[np.uint8]
water = pytest.mark.parametrize("severity", [1, 2, 3])


def depth_of(severity: int, seed: int, height: int = 150, width: int = 224) -> Pixels:
    """A layer of drops."""
    found = SPATTER[severity - 1]
    liquid = found.mean + found.sd * philox.normals(seed, 0, height * width)
    liquid = filter_plane(liquid.reshape(height, width), found.sigma)
    return (np.where(liquid < found.threshold, 0, liquid) * 255).astype(np.uint8)


@pytest.fixture
def cv2() -> Any:
    return pytest.importorskip("cv2")


@water
def test_edges_are_cannys(cv2: Any, severity: int) -> None:
    for seed in range(3):
        depth = depth_of(severity, seed)
        assert np.array_equal(drops.edges(depth), cv2.Canny(depth, 50, 150) > 0)


def test_edges_of_a_photograph_are_cannys(cv2: Any) -> None:
    plane = photo(120, 90, "edges")[..., 1].copy()

    assert np.array_equal(drops.edges(plane), cv2.Canny(plane, 50, 150) > 0)


@water
def test_distances_are_opencvs(cv2: Any, severity: int) -> None:
    marked = drops.edges(depth_of(severity, 1))
    expected = cv2.distanceTransform(np.uint8(~marked) * np.uint8(255), cv2.DIST_L2, 5)

    assert np.abs(drops.distances(marked) - expected).max() < 1e-3


@water
def test_levels_and_relief_are_opencvs(cv2: Any, severity: int) -> None:
    plane = depth_of(severity, 2)
    expected = cv2.equalizeHist(plane)
    assert np.array_equal(drops.equalised(plane), expected)
    kernel = np.array(drops.RELIEF)
    assert np.array_equal(drops._relief(plane), cv2.filter2D(plane, cv2.CV_8U, kernel))


def test_a_flat_plane_stays_flat(cv2: Any) -> None:
    flat = np.full((40, 40), 7, np.uint8)

    assert np.array_equal(drops.equalised(flat), cv2.equalizeHist(flat))


@pytest.mark.parametrize("severity", corruptions.SEVERITIES)
@pytest.mark.parametrize(("height", "width"), [(224, 224), (61, 140)])
def test_spatter_is_the_packages_of_the_same_draws(
    severity: int, height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = photo(width, height, "spatter")
    seed = corruptions.image_seed(2, "k", "spatter", severity)

    def normal(size: tuple[int, ...], loc: float, scale: float) -> NDArray[np.float64]:
        return loc + scale * philox.normals(seed, 0, int(np.prod(size))).reshape(size)

    monkeypatch.setattr(np.random, "normal", normal)
    expected = imagecorruptions.corrupt(image, severity, "spatter")
    made = corruptions.corrupt(image, "spatter", severity, seed=2, key="k")
    difference = np.abs(made.astype(int) - expected)

    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.999


def test_no_drop_at_all_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(philox, "normals", lambda seed, stream, n: np.zeros(n) - 5)
    image = photo(64, 48, "dry")

    for severity in (1, 4):
        made = corruptions.corrupt(image, "spatter", severity)
        assert np.abs(made.astype(int) - image).max() <= 1  # by way of float32
