"""The steps are those that Pillow writes, the division is exact, the transform is a cosine's."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from corruptions.dct import LANES, dividers, lose_detail, quantisation_steps


@pytest.mark.parametrize("quality", [1, 2, 10, 25, 49, 50, 51, 75, 85, 99, 100])
def test_the_steps_are_those_in_a_file_of_pillow(quality: int) -> None:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, "JPEG", quality=quality)
    written = Image.open(file).quantization  # type: ignore[attr-defined]

    luma, chroma = quantisation_steps(quality)
    assert luma.tolist() == list(written[0])
    assert chroma.tolist() == list(written[1])


def test_the_division_without_dividing_is_exact() -> None:
    sizes = np.arange(8193 + 1020)  # the largest coefficient and half the largest divisor
    for quality in range(1, 101):
        for table in dividers(quality):
            for step, half, factor, shift in np.unique(table, axis=0).tolist():
                assert half == 4 * step
                assert sizes[-1] * factor < 2**31
                assert np.array_equal(sizes * factor >> shift, sizes // (8 * step))


def test_steps_of_one_return_every_block_to_a_grey_level() -> None:
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 256, (8, LANES * 8), dtype=np.uint8)
    made = samples.copy()
    lose_detail(made.view(np.uint32), dividers(100)[0])

    assert np.abs(made.astype(int) - samples).max() <= 1


def test_what_is_lost_is_what_a_cosine_transform_in_floating_point_loses() -> None:
    fft = pytest.importorskip("scipy.fft")
    rng = np.random.default_rng(1)
    samples = rng.integers(0, 256, (8, 2 * LANES * 8), dtype=np.uint8)
    made = samples.copy()
    lose_detail(made.view(np.uint32), dividers(30)[0])

    blocks = samples.reshape(8, -1, 8).transpose(1, 0, 2).astype(np.float64) - 128  # (n, 8, 8)
    steps = quantisation_steps(30)[0].reshape(8, 8)
    coefficients = fft.dctn(blocks, axes=(1, 2), norm="ortho")
    kept = fft.idctn(np.round(coefficients / steps) * steps, axes=(1, 2), norm="ortho")
    expected = np.clip(np.round(kept + 128), 0, 255)
    # A coefficient half way between two steps may go the other way: few do.
    close = np.abs(made.reshape(8, -1, 8).transpose(1, 0, 2) - expected) <= 1
    assert close.all(axis=(1, 2)).mean() > 0.9
