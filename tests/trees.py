"""Small image trees for tests: real files, the same bytes every time.

Plain functions, so that any test can build what it needs below its `tmp_path`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import corruptions
from robustbench_gnl.resources import data_folder


def wnids(n: int) -> tuple[str, ...]:
    """The first WordNet ids of ImageNet."""
    return tuple((data_folder() / "imagenet_wnids.txt").read_text().split()[:n])


def photo(width: int, height: int, name: str = "") -> NDArray[np.uint8]:
    """uint8 (H, W, 3) like a photograph: smooth shades, hard edges, grain; one for each name."""
    digest = hashlib.sha256(name.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    down, across = np.mgrid[0:height, 0:width]
    shade = (
        across * int(rng.integers(60, 120)) // width + down * int(rng.integers(40, 90)) // height
    )
    image = np.repeat(shade[..., None], 3, axis=2) + rng.integers(0, 30, 3)
    for _ in range(5):
        top, left = int(rng.integers(0, height)), int(rng.integers(0, width))
        part = image[top : top + height // 3 + 1, left : left + width // 3 + 1]
        part[...] = part // 2 + rng.integers(0, 120, 3)
    return np.clip(image + rng.integers(-8, 9, image.shape), 0, 255).astype(np.uint8)


def write_photo(path: Path, width: int = 224, height: int = 224, name: str = "") -> Path:
    """A photograph as a file, in the format that the suffix says; JPEG is the usual one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(photo(width, height, name or path.name))
    if path.suffix.lower() in {".jpeg", ".jpg"}:
        image.save(path, "JPEG", quality=90)
    else:
        image.save(path)
    return path


def make_clean_tree(
    root: Path,
    n_classes: int = 3,
    n_per_class: int = 2,
    *,
    size: tuple[int, int] = (280, 260),
    folders: Sequence[str] | None = None,
    suffix: str = ".JPEG",
) -> Path:
    """`root/<WordNet id>/<id>_<i>.JPEG`, no two images alike; `size` is (width, height)."""
    for folder in folders or wnids(n_classes):
        for index in range(n_per_class):
            write_photo(root / folder / f"{folder}_{index}{suffix}", *size)
    return root


def make_released_tree(
    root: Path,
    n_classes: int = 3,
    n_per_class: int = 2,
    *,
    names: Sequence[str] = ("fog",),
    severities: Sequence[int] = corruptions.SEVERITIES,
    grouped: bool = False,
    folders: Sequence[str] | None = None,
    suffix: str = ".JPEG",
) -> Path:
    """`root/[<group>/]<corruption>/<severity>/<WordNet id>/<image>` of 224 x 224 pixels.

    The files have the keys of `make_clean_tree`; no two of them are alike.
    """
    for name in names:
        parent = root / corruptions.group_of(name) if grouped else root
        for severity in severities:
            for folder in folders or wnids(n_classes):
                for index in range(n_per_class):
                    file_name = f"{folder}_{index}{suffix}"
                    path = parent / name / str(severity) / folder / file_name
                    write_photo(path, name=f"{name}/{severity}/{file_name}")
    return root


def make_empty_files(root: Path, relative_paths: Sequence[str]) -> Path:
    """Files without content: enough for what only looks at names."""
    for folder in {Path(path).parent for path in relative_paths}:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path in relative_paths:
        (root / path).touch()
    return root
