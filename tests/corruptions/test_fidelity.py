"""What we make of a hundred photographs, against what the code of the release made of them.

The figures in fidelity.csv are means over images; where the draws of a corruption move one,
its standard error stands beside it. See `original_corruptions.md` beside the figures.
"""

from __future__ import annotations

import csv
import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

import corruptions
from robustbench_gnl.data import clean_crop
from tests.corruptions.exact import original_outputs

Pixels = NDArray[np.uint8]

SHARED = Path(__file__).parents[3] / "shared" / "data"
FIGURES = SHARED / "fidelity" / "fidelity.csv"
DRAWN_WITH_ERROR = ("mean_abs_diff", "mean_diff", "hf_residual_std")
WITHOUT_DRAWS = (
    "defocus_blur", "zoom_blur", "brightness", "contrast", "saturate", "pixelate",
    "jpeg_compression", "gaussian_blur",
)  # fmt: skip

pytestmark = pytest.mark.skipif(not FIGURES.exists(), reason="the figures are not here")


@functools.cache
def original() -> dict[tuple[str, int], dict[str, str]]:
    with FIGURES.open() as file:
        rows = [row for row in csv.DictReader(file) if row["source"] != "imagecorruptions"]
    return {(row["corruption"], int(row["severity"])): row for row in rows}


@functools.cache
def photographs() -> dict[str, Pixels]:
    """The first hundred classes, one photograph each, by key."""
    folders = sorted(path for path in (SHARED / "imagenet-sample").iterdir() if path.is_dir())
    crops = {}
    for folder in folders[:100]:
        path = min(folder.iterdir())
        with Image.open(path) as image:
            crops[f"{folder.name}/{path.stem}"] = np.array(clean_crop(image.convert("RGB")))
    return crops


def figures_of(clean: Pixels, image: Pixels) -> dict[str, float]:
    difference = image.astype(np.float64) - clean
    square = float((difference**2).mean())
    values = image.astype(np.float64)
    smooth = uniform_filter(values, size=(3, 3, 1), mode="mirror")
    red, green, blue = image.reshape(-1, 3).mean(axis=0)
    return {
        "mean_abs_diff": float(np.abs(difference).mean()),
        "rms_diff": square,
        "mean_diff": float(difference.mean()),
        "hf_residual_std": float((values - smooth).std()),
        "mean_r": red,
        "mean_g": green,
        "mean_b": blue,
        "psnr_mean": 10 * np.log10(255**2 / square) if square else 100.0,
    }


def mean_figures(images: dict[str, Pixels]) -> dict[str, float]:
    with ThreadPoolExecutor(2) as executor:
        each = list(executor.map(figures_of, photographs().values(), images.values()))
    means = {name: float(np.mean([one[name] for one in each])) for name in each[0]}
    return {**means, "rms_diff": means["rms_diff"] ** 0.5}


def compare(row: dict[str, str], figures: dict[str, float], suffix: str) -> list[str]:
    """The figures that are out of tolerance."""
    wrong = []
    for name, value in figures.items():
        expected = float(row[name + suffix])
        if name in DRAWN_WITH_ERROR:
            error = float(row[f"draw_se_{name}"])
            tolerance = max(4 * 2**0.5 * error, 0.03 * abs(expected), 0.05)
        else:
            tolerance = max(0.05 * abs(expected), 0.05)
        if abs(value - expected) > tolerance:
            wrong.append(f"{name}{suffix}: {value:.3f}, expected {expected:.3f} +- {tolerance:.3f}")
    return wrong


def test_the_figures_are_understood() -> None:
    # The first row is the clean crop, which needs no corruption of ours to be reproduced.
    figures = mean_figures(photographs())
    jpeg = mean_figures(
        {key: corruptions.jpeg_round_trip(image, 85) for key, image in photographs().items()}
    )
    row = original()["none", 0]

    for name, value in figures.items():
        assert value == pytest.approx(float(row[name]), abs=6e-6), name
        assert jpeg[name] == pytest.approx(float(row[f"{name}_jpeg85"]), abs=6e-6), name


@pytest.mark.parametrize("name", corruptions.names("all"))
def test_the_figures_are_the_originals(name: str) -> None:
    wrong = {}
    for severity in corruptions.SEVERITIES:
        made = {
            key: corruptions.corrupt(image, name, severity, key=key)
            for key, image in photographs().items()
        }
        stored = {key: corruptions.jpeg_round_trip(image, 85) for key, image in made.items()}
        row = original()[name, severity]
        found = compare(row, mean_figures(made), "")
        found += compare(row, mean_figures(stored), "_jpeg85")
        if found:
            wrong[severity] = found

    assert wrong == {}


def test_the_comparison_can_fail() -> None:
    # Rounding in place of truncation is half a grey level: the smallest mistake that matters.
    row = original()["zoom_blur", 3]
    made = {key: corruptions.corrupt(image, "zoom_blur", 3) for key, image in photographs().items()}
    figures = mean_figures(made)

    assert compare(row, figures, "") == []
    assert compare(row, {**figures, "mean_diff": figures["mean_diff"] + 0.5}, "") != []


@pytest.mark.parametrize("name", WITHOUT_DRAWS)
def test_what_draws_nothing_is_the_original_pixel_by_pixel(name: str) -> None:
    for clean, severity, expected in original_outputs(name):
        made = corruptions.corrupt(clean, name, severity)
        difference = np.abs(made.astype(int) - expected)

        assert difference.max() <= 1, severity
        assert (difference == 0).mean() >= 0.99, severity
