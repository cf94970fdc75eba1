"""The very pixels of our engine, which its version in a protocol promises.

A hash that changes is a new version: raise `corruptions.engine.VERSION`, run this file as a
script (python -m tests.corruptions.test_golden) and put what it prints in place of GOLDEN.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import corruptions

Pixels = NDArray[np.uint8]
CONDITIONS = [(name, s) for name in corruptions.names("all") for s in corruptions.SEVERITIES]
VERSION = "2"
GOLDEN: dict[str, tuple[str, ...]] = {
    "gaussian_noise": (
        "e81621f9ca861199", "8ddd339f5540888c", "1bfc075f4bb081c1",
        "c5d2d34ea09386c3", "c3d38cb9f42e1813",
    ),
    "shot_noise": (
        "1fd2b99275661661", "6b06d2bcb44fcb4c", "146708e80e3d98cf",
        "ed1c2fe41fc249f0", "ce9ece0184549c28",
    ),
    "impulse_noise": (
        "4d11ca3d37ad3272", "c9fcdba32f3fb474", "dd4f2bab2fc3d095",
        "0b66632c6fa7cf4a", "add9009d9b0241ad",
    ),
    "defocus_blur": (
        "bb2dba4202e4966e", "b1caad6c34618093", "58e43d9e90a01a92",
        "3c72e3e84d948368", "98092d23863a2e2e",
    ),
    "glass_blur": (
        "b985b3512d89fad6", "ce9bd7157af50ea3", "423fe29601fc111c",
        "20aa2e77759e36b8", "31b027821920bcab",
    ),
    "motion_blur": (
        "66b1b4e4f7fd031d", "45fcadcd1e6ff148", "517f1b223d00256b",
        "3e7249adea888d9a", "fb58adbeff06fdeb",
    ),
    "zoom_blur": (
        "1d5385004adc7be2", "5835e40a44f41f9b", "fa68b7ba159b31c9",
        "df81144f7c9c0358", "3d0b555bba42f2cc",
    ),
    "snow": (
        "4594fdf2c7e4f79a", "429b9bdecddf6a9f", "e311fbce257077f7",
        "52f7ed7256f0ddfa", "1e394315a85b5dfd",
    ),
    "frost": (
        "49ceec8ca01c3c04", "7501fa7812a7a549", "9595f12566533a01",
        "9d7e446a7c8e73a5", "fbe48edfb37f951f",
    ),
    "fog": (
        "71486d3c0bc50b43", "6717ca65718f25d2", "6019923d90805e4c",
        "457b75053dd8a8c3", "294c6f6da3d68b29",
    ),
    "brightness": (
        "5fedade273c663b6", "367dc62c987f57c7", "4dfa898579270745",
        "3d9f3225bdf6cbf5", "49909e8ecc659377",
    ),
    "contrast": (
        "4bdba226edeae8a3", "bedacdf1bd51801e", "06f265c71f5072ca",
        "0c82d4bd5813f975", "978f31d0bfa192db",
    ),
    "elastic_transform": (
        "1340c12834954ebd", "b8140e595b16df3c", "b62fc65531420233",
        "4aff55cd2bdb22ef", "be2cbc2890fb517c",
    ),
    "pixelate": (
        "53aa33f6f8092c9d", "9ac8d6607d93da1d", "e913d8fc050818c7",
        "6743f517ed652bf7", "50c1b69d162591d5",
    ),
    "jpeg_compression": (
        "af8d4fbfeebaa47b", "a65a2d00358f195f", "35a828e5b4f22c99",
        "5d61d06f07a93dbc", "869095f5524ab6b8",
    ),
    "speckle_noise": (
        "8c90c343df0b45d7", "0a17868c05e0bbed", "ed45d7427584d5ed",
        "d0e440b6a3de9b1a", "e61d471dd8b96f82",
    ),
    "gaussian_blur": (
        "f79e4dac0565b419", "5ee6f098cce087b7", "6fb3f1549141c10f",
        "f181cb601af4c967", "97a3f498c2041364",
    ),
    "spatter": (
        "a2c21c8dbe781e52", "b6d54e1d2a1a1628", "136f54aa3eaa12af",
        "5bccc1e767785d4a", "efb2ea8df3a012f5",
    ),
    "saturate": (
        "482ee2d7a2571ea1", "af2d39f0ea259af3", "2756cc5b9115a613",
        "75caaf19aaf9656a", "dc8e924d4bf1d8a1",
    ),
}  # fmt: skip


def picture() -> Pixels:
    """64 x 48 pixels of whole-number arithmetic: ramps, a bright disk, and a fine pattern."""
    y, x, channel = np.indices((48, 64, 3), dtype=np.int64)
    disk = (x - 40) ** 2 + (y - 20) ** 2 < 150
    pattern = (x * 73 + y * 151 + channel * 37) * 2654435761 % 2**32 >> 27
    return (3 * x + 2 * y * (channel + 1) // 2 + 60 * disk + pattern).clip(0, 255).astype(np.uint8)


def hash_of(condition: tuple[str, int]) -> str:
    image = corruptions.corrupt(picture(), *condition, seed=0, key="golden")
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]


def hashes() -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(hash_of((name, severity)) for severity in corruptions.SEVERITIES)
        for name in corruptions.names("all")
    }


def test_the_version_is_that_of_the_hashes() -> None:
    assert corruptions.engine_version() == VERSION


@pytest.mark.parametrize("name", corruptions.names("all"))
def test_golden_hashes(name: str) -> None:
    assert tuple(hash_of((name, s)) for s in corruptions.SEVERITIES) == GOLDEN[name]


def test_threads_make_the_same_pixels() -> None:
    with ThreadPoolExecutor(4) as executor:
        made = list(executor.map(hash_of, CONDITIONS))

    assert made == [GOLDEN[name][severity - 1] for name, severity in CONDITIONS]


def test_another_process_makes_the_same_pixels() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.corruptions.test_golden"], cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    for name, expected in GOLDEN.items():
        for value in expected:
            assert value in done.stdout, name


if __name__ == "__main__":
    for line in hashes().items():
        print(*line)  # noqa: T201
