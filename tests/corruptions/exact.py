"""Lossless outputs of the original code for two photographs, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

_FOLDER = Path(__file__).parents[3] / "shared" / "data" / "fidelity" / "exact"


def original_outputs(corruption: str) -> list[tuple[Pixels, int, Pixels]]:
    """Clean image, severity and what the original made of it; skips the test without them."""
    found = sorted(_FOLDER.glob(f"*__{corruption}__*.png"))
    if not found:
        pytest.skip("the outputs of the original code are not here")
    outputs = []
    for path in found:
        photograph, _, severity = path.stem.split("__")
        clean = read(_FOLDER / f"{photograph}__clean__0.png")
        outputs.append((clean, int(severity), read(path)))
    return outputs


def read(path: Path) -> Pixels:
    return np.array(Image.open(path).convert("RGB"))
