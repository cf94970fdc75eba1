"""The structure of what is random, against measurements of the code of the release.

structure.json holds statistics of its outputs on flat, black, ramp, dot and natural images.
Statistics that come with a spread are compared within four standard errors of both sides,
the others within 5 %.
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import corruptions
from corruptions import philox
from corruptions.families import elastic, fog, frost, glass, motion
from corruptions.parameters import (
    FOG,
    FROST_TEXTURES,
    GLASS_BLUR,
    MOTION_BLUR,
)  # fmt: skip

Pixels = NDArray[np.uint8]
SIDE = 224
FIGURES = Path(__file__).parents[3] / "shared" / "data" / "fidelity" / "structure.json"

pytestmark = pytest.mark.skipif(not FIGURES.exists(), reason="the figures are not here")
severities = pytest.mark.parametrize("severity", corruptions.SEVERITIES)


@functools.cache
def original(name: str, severity: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FIGURES.read_text())["original"][name][str(severity)]
    return found


def flat(level: int) -> Pixels:
    return np.full((SIDE, SIDE, 3), level, np.uint8)


def draws_of(image: Pixels, name: str, severity: int, n: int) -> NDArray[np.float64]:
    made = [corruptions.corrupt(image, name, severity, key=str(key)) for key in range(n)]
    return np.stack(made).astype(np.float64)


def close(value: float, expected: float, error: float = 0.0, least: float = 0.05) -> None:
    assert abs(value - expected) <= max(4 * error, 0.05 * abs(expected), least), (value, expected)


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"])
@severities
def test_noise_by_level(name: str, severity: int) -> None:
    for level, figures in original(name, severity)["flat"].items():
        residual = draws_of(flat(int(level)), name, severity, 2) - int(level)
        values = residual + int(level)
        error = (figures["resid_var"] * (1 / figures["n"] + 1 / residual.size)) ** 0.5
        close(residual.mean(), figures["resid_mean"], error)
        close(residual.var(), figures["resid_var"])
        close((values == 0).mean(), figures["frac_0"], least=2e-3)
        close((values == 255).mean(), figures["frac_255"], least=2e-3)


@severities
def test_where_glass_takes_its_pixels_from(severity: int) -> None:
    _, reach, n_rounds = GLASS_BLUR[severity - 1]
    figures = original("glass_blur", severity)["shuffle_only_displacement_px_interior16"]
    y, x = np.indices((SIDE, SIDE))
    found: dict[str, list[float]] = defaultdict(list)
    inner = slice(16, -16)
    for key in range(10):
        # Coordinates go through the shuffle as if they were colours.
        image = np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)
        glass._shuffle(image, reach, n_rounds, philox.words(key, 0, n_rounds * SIDE * SIDE))
        dx = (image[..., 0].astype(int) - x)[inner, inner]
        dy = (image[..., 1].astype(int) - y)[inner, inner]
        for axis, moved in (("dx", dx), ("dy", dy)):
            found[f"mean_abs_{axis}"].append(np.abs(moved).mean())
            found[f"mean_{axis}"].append(moved.mean())
            found[f"std_{axis}"].append(moved.std())
    for name, values in found.items():
        close(float(np.mean(values)), figures[name], least=0.02)


@severities
def test_the_streak_of_a_dot(severity: int) -> None:
    figures = original("motion_blur", severity)
    dot = flat(0)
    dot[112, 112] = 255
    lengths, sums, angles = [], [], []
    for key in range(200):
        seed = corruptions.image_seed(0, str(key), "motion_blur", severity)
        streak = motion.motion_blur(dot, severity, seed)[..., 0]
        rows, columns = np.nonzero(streak)
        distance = np.hypot(rows - 112, columns - 112)
        lengths.append(distance.max())
        sums.append(streak.sum() / 255)
        assert columns.max() == 112  # never towards positive x
        far = int(distance.argmax())
        angles.append(np.degrees(np.arctan2(112 - rows[far], 112 - columns[far])))
        assert abs(angles[-1] - motion.direction(seed)) < 8
    close(float(np.mean(lengths)), figures["streak_euclid_length_px_mean"])
    close(float(np.mean(sums)), figures["sum_over_255_mean"])
    close(
        float(np.std(angles)), figures["direction_from_negative_x_axis_deg"]["std"], 45 / 200**0.5
    )
    assert MOTION_BLUR[severity - 1][0] * 2 >= max(lengths) - 1


@severities
def test_snow_on_black(severity: int) -> None:
    figures = original("snow", severity)["flat_black"]
    made = draws_of(flat(0), "snow", severity, 30)[..., 0]
    error = figures["sd_of_draw_means"] * (2 / 30) ** 0.5
    close(made.mean(), figures["mean"], error)
    close(float(np.mean([image.std() for image in made])), figures["within_draw_std_mean"], 0.3)
    assert made.min() == figures["min"]
    close((made > 30).mean(), figures["frac_changed_gt30"], 0.01)
    assert np.array_equal(made, made[:, ::-1, ::-1])  # the layer and the layer turned
    for axis, along in (("x", 2), ("y", 1)):
        for lag in (1, 2, 4):
            correlations = []
            for image in made:
                first = np.take(image, range(SIDE - lag), along - 1)
                second = np.take(image, range(lag, SIDE), along - 1)
                correlations.append(np.corrcoef(first.ravel(), second.ravel())[0, 1])
            expected = figures["autocorrelation"][axis][str(lag)]
            error = float(np.std(correlations)) * (2 / 30) ** 0.5
            close(float(np.mean(correlations)), expected, error, least=0.02)


@severities
def test_frost_texture_by_texture(severity: int) -> None:
    by_file = original("frost", severity)["per_file"]
    means = defaultdict(list)
    for key in range(400):
        seed = corruptions.image_seed(0, str(key), "frost", severity)
        name = FROST_TEXTURES[frost.below(5, philox.words(seed, 0, 1)[0])]
        made = frost.frost(flat(128), severity, seed)
        means[name.split(".")[0]].append(made.reshape(-1, 3).mean(axis=0))
    assert set(means) == set(by_file)  # frost6 is never used
    for name, values in means.items():
        assert abs(len(values) - 80) < 4 * (400 * 0.2 * 0.8) ** 0.5
        figures = by_file[name]
        for channel in range(3):
            spread = figures["sd_rgb"][channel]
            error = spread * (1 / figures["n"] + 1 / len(values)) ** 0.5
            found = np.mean([value[channel] for value in values])
            assert abs(found - figures["mean_rgb"][channel]) < max(4 * error, 0.05), name


@severities
def test_the_height_map_of_fog(severity: int) -> None:
    figures = original("fog", severity)["plasma_224crop"]
    decay = FOG[severity - 1][1]
    maps = [fog.plasma(key, SIDE, SIDE, decay)[:SIDE, :SIDE] for key in range(200)]
    error = figures["sd_of_draw_means"] * (2 / 200) ** 0.5
    close(float(np.mean(maps)), figures["mean"], error, least=0.0)
    spread = float(np.mean([each.std() for each in maps]))
    close(spread, figures["within_draw_std_mean"], 0.004, least=0.0)
    for axis, along in (("x", 1), ("y", 0)):
        step = float(np.mean([np.abs(np.diff(each, axis=along)).mean() for each in maps]))
        close(step, figures[f"mean_abs_step_{axis}"], least=0.0)


@severities
def test_fog_on_grey(severity: int) -> None:
    figures = original("fog", severity)["flat_mid_grey_128"]
    made = draws_of(flat(128), "fog", severity, 200)
    close(made.mean(), figures["mean"], 2**0.5 * figures["se"])
    spread = float(np.mean([image.std() for image in made]))
    error = figures["within_draw_std_sd"] * (2 / 200) ** 0.5
    close(spread, figures["within_draw_std_mean"], error)


@severities
def test_the_displacements_of_elastic(severity: int) -> None:
    figures = original("elastic_transform", severity)
    n, y, x = 100, *np.indices((SIDE, SIDE)).astype(np.float64)
    inner = slice(56, 168)
    local, moved = [], []
    for key in range(n):
        columns, rows = elastic.displacements(key, SIDE, SIDE, severity)
        local += [float((columns**2).mean()), float((rows**2).mean())]
        map_x, map_y = elastic.affine_map(key, SIDE, SIDE, severity)
        dx = map_x[0] * x + map_x[1] * y + map_x[2] - x + columns
        dy = map_y[0] * x + map_y[1] * y + map_y[2] - y + rows
        moved.append([np.abs(each[inner, inner]).mean() for each in (dx, dy)])
    # Severities 1 and 2 are nearly a shift a draw: few independent values.
    spread = np.std(local) / np.mean(local) / 2 * (1 / len(local) + 1 / 100) ** 0.5
    rms = figures["local_field_only_px"]["rms"]
    close(float(np.mean(local)) ** 0.5, rms, spread * rms, least=0.0)
    for index, axis in enumerate(("dx", "dy")):
        error = figures[f"centre112_mean_abs_{axis}_se"] * (1 + 50 / n) ** 0.5
        found = float(np.mean([each[index] for each in moved]))
        close(found, figures[f"centre112_mean_abs_{axis}"], error)


@severities
def test_how_much_spatter_covers(severity: int) -> None:
    for level, kind in ((0, "flat_black"), (128, "flat_mid_grey_128"), (255, "flat_white")):
        figures = original("spatter", severity)[kind]
        made = draws_of(flat(level), "spatter", severity, 50)
        changed = (np.abs(made - level).max(axis=-1) > 10).mean()
        error = figures["sd_over_draws"] * (2 / 50) ** 0.5
        close(changed, figures["frac_changed_gt10"], error, least=1e-4)
        assert np.abs(made.reshape(-1, 3).max(axis=0) - figures["max_rgb"]).max() <= 2
