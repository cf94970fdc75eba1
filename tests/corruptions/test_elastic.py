"""The elastic transform against OpenCV's affine maps and SciPy's filters and samples."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import corruptions
from corruptions import philox
from corruptions.families import elastic
from corruptions.parameters import ELASTIC
from tests.trees import photo

Pixels = NDArray[np.uint8]
severities = pytest.mark.parametrize("severity", corruptions.SEVERITIES)


@severities
def test_the_affine_map_is_opencvs(severity: int) -> None:
    cv2 = pytest.importorskip("cv2")
    for seed in range(20):
        reach = ELASTIC[severity - 1].affine
        moves = reach * (2 * philox.uniforms(seed, elastic.AFFINE, 6).reshape(3, 2) - 1)
        points = np.array([(186, 186), (186, 38), (38, 38)], np.float32)
        forward = cv2.getAffineTransform(points, (points + moves).astype(np.float32))
        expected = cv2.invertAffineTransform(forward)

        assert np.allclose(elastic.affine_map(seed, 224, 224, severity), expected, atol=2e-3)


@severities
@pytest.mark.parametrize(("height", "width"), [(224, 224), (64, 90), (300, 180)])
def test_the_displacements_are_scipys_smoothing(severity: int, height: int, width: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    found = ELASTIC[severity - 1]
    scale = min(height, width) / 224
    for field, stream in zip(
        elastic.displacements(7, height, width, severity), (elastic.COLUMNS, elastic.ROWS),
        strict=True,
    ):  # fmt: skip
        noise = 2 * philox.uniforms(7, stream, height * width).reshape(height, width) - 1
        smooth = ndimage.gaussian_filter(noise, found.sigma * scale, mode="reflect", truncate=3)

        # The waves that are left out move no pixel by a tenth.
        error = np.abs(field - smooth * found.strength * scale)
        assert error.max() < 0.1
        assert error.std() < max(0.005 * field.std(), 0.004)


@severities
def test_both_samplings_are_scipys(severity: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    image = photo(90, 64, "elastic")
    height, width, _ = image.shape
    y, x = np.indices((height, width)).astype(np.float64)
    map_x, map_y = elastic.affine_map(5, height, width, severity)
    at = [each[0] * x + each[1] * y + each[2] for each in (map_y, map_x)]
    columns, rows = elastic.displacements(5, height, width, severity)
    expected = np.empty_like(image)
    for channel in range(3):
        warped = ndimage.map_coordinates(image[..., channel] / 255.0, at, order=1, mode="mirror")
        moved = ndimage.map_coordinates(warped, [y + rows, x + columns], order=1, mode="reflect")
        expected[..., channel] = np.clip(moved, 0, 1) * 255
    made = elastic.elastic_transform(image, severity, 5)
    difference = np.abs(made.astype(int) - expected)

    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.97  # float32 here, float64 there


def test_a_map_without_an_inverse_shows_one_point(monkeypatch: pytest.MonkeyPatch) -> None:
    # All three points fall together, and OpenCV's inverse is then all zeros.
    shares = np.array([0.25, 0.25, 0.25, 0.75, 0.75, 0.75])
    monkeypatch.setattr(elastic, "ELASTIC", (ELASTIC[0]._replace(affine=148.0),))
    monkeypatch.setattr(philox, "uniforms", lambda seed, stream, n: shares)

    assert not elastic.affine_map(0, 224, 224, 1).any()


@pytest.mark.parametrize("index", [-9, -8, -5, -1, 0, 4, 7, 8, 12, 16, 31])
def test_mirrors(index: int) -> None:
    values = np.arange(8)
    far = np.pad(values, 40, mode="symmetric")
    assert elastic._mirrored(index, 8) == far[40 + index]
    far = np.pad(values, 40, mode="reflect")
    assert elastic._mirrored_101(index, 8) == far[40 + index]
