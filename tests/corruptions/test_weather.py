"""Fog, frost and snow against their definitions in NumPy, SciPy and OpenCV."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import corruptions
from corruptions import philox
from corruptions.families import fog, frost, snow
from corruptions.families.zoom import grid
from corruptions.parameters import FOG, FROST_TEXTURES, FROST_WEIGHTS, SNOW
from tests.trees import photo

Pixels = NDArray[np.uint8]
severities = pytest.mark.parametrize("severity", corruptions.SEVERITIES)


@severities
def test_the_height_map_is_the_packages_of_the_same_draws(
    severity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagecorruptions.corruptions import plasma_fractal

    decay = FOG[severity - 1][1]
    uniform = 2 * philox.uniforms(5, 0, 256 * 256).reshape(256, 256) - 1
    cells = []
    step = 256
    while step >= 2:
        half = step // 2
        for rows, columns in ((half, half), (0, half), (half, 0)):
            cells.append(uniform[rows::step, columns::step])
        step = half
    queue = iter(cells)

    def draw(low: float, high: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
        values = next(queue)
        assert values.shape == shape
        return high * values

    monkeypatch.setattr(np.random, "uniform", draw)
    expected = plasma_fractal(mapsize=256, wibbledecay=decay)

    # The package computes in float32.
    assert np.abs(fog.plasma(5, 224, 224, decay) - expected).max() < 1e-4


@severities
def test_fog_is_the_definition(severity: int) -> None:
    image = photo(97, 64, "fog")
    strength, decay = FOG[severity - 1]
    heights = fog.plasma(3, 64, 97, decay)[:64, :97, None]
    values = image / 255.0
    white = values.max()
    expected = np.clip((values + strength * heights) * white / (white + strength), 0, 1) * 255

    assert np.array_equal(fog.fog(image, severity, 3), expected.astype(np.uint8))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (224, 224, (256, 256, 256)),
        (32, 32, (32, 32, 32)),
        (33, 40, (64, 64, 64)),
        (256, 256, (256, 256, 256)),
        (257, 300, (512, 512, 512)),
        (100, 500, (128, 128, 512)),
        (500, 100, (128, 512, 128)),
    ],
)
def test_the_map_grows_with_the_shorter_side(
    height: int, width: int, expected: tuple[int, int, int]
) -> None:
    step, rows, columns = fog.map_size(height, width)
    assert (step, rows, columns) == expected
    heights = fog.plasma(1, height, width, 2.0)
    assert heights.shape == (rows, columns)
    assert (heights.min(), heights.max()) == (0, 1)
    if columns > step:  # a long image shows no repetition
        assert not np.allclose(heights[:, :step], heights[:, step : 2 * step], atol=0.01)


@severities
def test_frost_is_the_definition(severity: int) -> None:
    image = photo(120, 80, "frost")
    of_image, of_frost = FROST_WEIGHTS[severity - 1]
    part = frost.texture_part(11, 80, 120)
    expected = np.clip(of_image * image + of_frost * part, 0, 255).astype(np.uint8)

    assert np.array_equal(frost.frost(image, severity, 11), expected)


def test_the_photographs_are_opencvs() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = Path(importlib.util.find_spec("imagecorruptions").origin).parent / "frost"
    for name in FROST_TEXTURES:
        found = frost.texture(name, 224, 224).astype(int)
        expected = cv2.imread(str(folder / name))[..., ::-1]
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= (0 if name.endswith("png") else 2)
    assert np.array_equal(frost.texture("frost2.png", 32, 32), frost.texture("frost3.png", 32, 32))


def test_a_photograph_is_enlarged_just_enough() -> None:
    assert frost.texture("frost2.png", 100, 100).shape == (315, 560, 3)
    enlarged = frost.texture("frost2.png", 500, 400)
    assert enlarged.shape[0] in (501, 502)
    assert enlarged.shape[1] == pytest.approx(560 * 501 / 315, abs=2)
    assert frost.frost(photo(400, 500), 1, 3).shape == (500, 400, 3)


def test_every_corner_of_a_photograph_can_come(monkeypatch: pytest.MonkeyPatch) -> None:
    photograph = frost.texture("frost4.jpg", 224, 224)
    for draw, corner in ((0, photograph[:224, :224]), (2**32 - 1, photograph[-225:-1, -225:-1])):
        draws = np.array([3 * 2**32 // 5 + 1, draw, draw], np.uint32)
        monkeypatch.setattr(philox, "words", lambda seed, stream, n, found=draws: found)
        assert np.array_equal(frost.texture_part(0, 224, 224), corner)


def test_without_the_package_there_is_no_frost(monkeypatch: pytest.MonkeyPatch) -> None:
    frost._read.cache_clear()
    frost.texture.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        corruptions.EngineUnavailableError, match="pip install imagecorruptions-imaug"
    ):
        corruptions.corrupt(photo(40, 40), "frost", 1)


@severities
def test_the_flakes_are_scipys_enlargement(severity: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    flakes = SNOW[severity - 1]
    rows, columns = grid(120, flakes.zoom), grid(90, flakes.zoom)
    shape = snow.n_enlarged(rows), snow.n_enlarged(columns)
    assert shape == (int(np.ceil(120 / flakes.zoom)), int(np.ceil(90 / flakes.zoom)))
    noise = np.random.default_rng(severity).normal(flakes.mean, flakes.sd, shape)
    enlarged = ndimage.zoom(noise, flakes.zoom, order=1)
    top, left = ((size - n) // 2 for size, n in zip(enlarged.shape, (120, 90), strict=True))
    expected = enlarged[top : top + 120, left : left + 90]
    expected = np.where(expected < flakes.threshold, 0, expected)
    expected = (np.clip(expected, 0, 1) * 255).astype(np.uint8)
    found = np.empty((120, 90), np.uint8)
    snow._flakes(
        noise, rows.first - rows.start, rows.share, columns.first - columns.start, columns.share,
        flakes.threshold, found,
    )  # fmt: skip

    assert (found != expected).mean() < 1e-3


@severities
def test_snow_is_the_definition(severity: int) -> None:
    cv2 = pytest.importorskip("cv2")
    image = photo(70, 50, "snow")
    layer = snow.snow_layer(4, 50, 70, severity)[..., None] / 255.0
    kept = SNOW[severity - 1].kept
    values = image.astype(np.float32) / np.float32(255)
    grey = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)[..., None]
    whitened = kept * values + (1 - kept) * np.maximum(values, grey * 1.5 + 0.5)
    expected = np.clip(whitened + layer + np.rot90(layer, k=2), 0, 1) * 255
    found = snow.snow(image, severity, 4)

    assert np.abs(found.astype(int) - expected.astype(np.uint8)).max() <= 1
    assert (found != expected.astype(np.uint8)).mean() < 1e-3


def test_snow_falls() -> None:
    directions = [snow.direction(seed) for seed in range(300)]

    assert -135 <= min(directions) < -130
    assert -50 < max(directions) <= -45
