"""One small picture, and what every condition makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import corruptions
from tests.trees import photo

Pixels = NDArray[np.uint8]

WITHOUT_DRAWS = (
    "defocus_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "pixelate",
    "jpeg_compression",
    "gaussian_blur",
    "saturate",
)
"""Corruptions that draw nothing at random."""


@pytest.fixture
def picture() -> Pixels:
    return photo(64, 48, "corruptions")


@pytest.fixture(scope="session", params=corruptions.ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def corrupted(engine: str) -> dict[tuple[str, int], Pixels]:
    """All 95 conditions of the picture with seed 3 and key `n01440764/a`."""
    image = photo(64, 48, "corruptions")
    return {
        (name, severity): corruptions.corrupt(
            image, name, severity, seed=3, key="n01440764/a", engine=engine
        )
        for name in corruptions.names("all")
        for severity in corruptions.SEVERITIES
    }
