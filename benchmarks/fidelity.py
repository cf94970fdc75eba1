"""Compares the corruptions with the code that made ImageNet-C, on given photographs.

Needs what that code needs, ImageMagick and `pip install Wand`, and a copy of its folder
ImageNet-C/create_c (github.com/hendrycks/robustness). One photograph of each class folder is
cropped as for the release and corrupted twice by both. Differences of the mean figures are
given in units of a tolerance (four standard errors of the draws, 3 % or 0.05 grey levels,
whichever is the largest), and in standard errors alone; outputs of deterministic corruptions are
also compared value by value.

    python benchmarks/fidelity.py PATH/TO/create_c PHOTOGRAPHS [--skip 0] [--count 100]
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import cv2
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from PIL import Image

import corruptions
from corruptions import philox
from corruptions.families import frost
from robustbench_gnl.data import clean_crop

Pixels = NDArray[np.uint8]
Figures = NDArray[np.float64]
ONCE = ["mean_abs_diff", "mean_diff", "rms_diff", "hf_residual_std"]
ONCE += ["mean_r", "mean_g", "mean_b", "psnr_mean"]
NAMES = [name + suffix for suffix in ("", "_jpeg85") for name in ONCE]
SQUARES = np.array([name.startswith("rms") for name in NAMES])  # averaged before the root


class Condition(NamedTuple):
    name: str
    severity: int
    texture: int | None = None  # of frost: its photographs differ too much to be mixed


class Compared(NamedTuple):
    at: Condition
    theirs: Figures  # (draws, images, figures)
    ours: Figures
    equal: float  # the share of the values that are the same
    largest: int  # difference of a value


def release(folder: Path) -> dict[str, Any]:
    """What make_imagenet_c.py defines between its data loader, which imports torch, and its end,
    which starts to write ImageNet-C. Names that libraries have dropped are given back to it."""
    text = (folder / "make_imagenet_c.py").read_text()
    start = text.index("# /////////////// Distortion Helpers")
    end = text.index("# /////////////// Further Setup")
    dropped = {"float_": np.float64, "fromstring": lambda data, _: np.frombuffer(data, "u1").copy()}
    sys.modules["scipy.ndimage.interpolation"] = scipy.ndimage
    defined: dict[str, Any] = {"np": SimpleNamespace(**{**vars(np), **dropped})}
    exec(compile(text[start:end], "make_imagenet_c.py", "exec"), defined)
    smooth = defined["gaussian"]

    def gaussian(image: Any, sigma: Any, multichannel: bool = False, **options: Any) -> Any:
        return smooth(image, sigma, channel_axis=-1 if multichannel else None, **options)

    defined["gaussian"] = gaussian
    return defined


def by_the_release(method: Any, image: Pixels, at: Condition) -> Pixels:
    drawn = np.random.randint

    def randint(*bounds: int, **options: Any) -> Any:
        """Nothing but the choice of a photograph of frost is one of five."""
        return at.texture if bounds == (5,) else drawn(*bounds, **options)

    with patch.object(np.random, "randint", randint):
        made = method(Image.fromarray(image), at.severity)
    return np.array(made).astype(np.uint8)  # truncated


def by_us(image: Pixels, at: Condition, seed: int, key: str) -> Pixels:
    for attempt in itertools.count() if at.name == "frost" else ():
        key = f"{key.partition('?')[0]}?{attempt}"  # until it draws the texture
        own = corruptions.image_seed(seed, key, at.name, at.severity)
        if frost.below(5, philox.words(own, 0, 1)[0]) == at.texture:
            break
    return corruptions.corrupt(image, at.name, at.severity, seed=seed, key=key)


def stored(image: Pixels) -> Pixels:
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=85, optimize=True)
    return np.array(Image.open(file))


def figures_of(clean: Pixels, image: Pixels) -> Iterator[float]:
    values = image.astype(np.float64)
    difference = values - clean
    square = float((difference**2).mean())
    yield from (np.abs(difference).mean(), difference.mean(), square)
    yield (values - cv2.blur(values, (3, 3))).std()  # mirrored at the borders
    yield from image.reshape(-1, 3).mean(axis=0)
    yield 10 * np.log10(255**2 / square) if square else 100.0


def compare(images: dict[str, Pixels], folder: Path, at: Condition) -> Compared:
    cv2.setNumThreads(1)
    os.chdir(folder)  # the release looks for its photographs of frost here
    method = release(folder)[at.name]
    theirs, ours, equal, largest = [], [], [], 0
    for draw, (index, (key, clean)) in itertools.product((0, 1), enumerate(images.items())):
        np.random.seed([draw, index, at.severity, at.texture or 0, *at.name.encode()])
        original, own = by_the_release(method, clean, at), by_us(clean, at, draw, key)
        theirs.append([*figures_of(clean, original), *figures_of(clean, stored(original))])
        round_trip = corruptions.jpeg_round_trip(own, 85)
        ours.append([*figures_of(clean, own), *figures_of(clean, round_trip)])
        equal.append((original == own).mean())
        largest = max(largest, int(np.abs(original.astype(int) - own).max()))
    both = [np.reshape(each, (2, len(images), len(NAMES))) for each in (theirs, ours)]
    return Compared(at, both[0], both[1], float(np.mean(equal)), largest)


def mean_and_error(figures: Figures) -> tuple[Figures, Figures]:
    """Means over draws and images, and their standard errors from the draws alone."""
    mean = figures.mean(axis=(0, 1))
    error = (figures.var(axis=0, ddof=1).mean(axis=0) / figures[..., 0].size) ** 0.5
    root = np.where(SQUARES, mean, 1) ** 0.5
    return np.where(SQUARES, root, mean), np.where(SQUARES, error / (2 * root), error)


def deviations(found: Compared) -> tuple[Figures, Figures]:
    """The engine minus the original code, in tolerances and in standard errors (0 without)."""
    theirs, error = mean_and_error(found.theirs)
    ours, own_error = mean_and_error(found.ours)
    tolerance = np.maximum(4 * 2**0.5 * error, np.maximum(0.03 * np.abs(theirs), 0.05))
    of_both = np.hypot(error, own_error)
    return (ours - theirs) / tolerance, (ours - theirs) / np.where(of_both > 0, of_both, np.inf)


def row(group: list[Compared]) -> str:
    """The five severities of a corruption."""
    at = group[0].at
    units, errors = (np.abs(each) for each in zip(*map(deviations, group), strict=True))
    severity, figure = np.unravel_index(units.argmax(), units.shape)
    title = at.name if at.texture is None else f"{at.name} {at.texture + 1}"
    cells = [title, f"{units.max():.3f}", f"{NAMES[figure]}, {severity + 1}"]
    if errors.any():
        cells += [f"{errors.max():.1f}", "", ""]
    else:  # nothing is drawn
        share = min(found.equal for found in group)
        cells += ["", f"{100 * share:.4f} %", str(max(found.largest for found in group))]
    return f"| {' | '.join(cells)} |"


def photographs(folder: Path, skip: int, count: int) -> dict[str, Pixels]:
    images = {}
    for each in sorted(path for path in folder.iterdir() if path.is_dir())[skip : skip + count]:
        path = min(each.iterdir())
        with Image.open(path) as image:
            images[f"{each.name}/{path.stem}"] = np.array(clean_crop(image.convert("RGB")))
    return images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("create_c", type=Path, help="the release's folder of that name")
    parser.add_argument("photographs", type=Path, help="a folder of class folders")
    parser.add_argument("--skip", type=int, default=0, help="class folders to pass over")
    parser.add_argument("--count", type=int, default=100, help="class folders to take")
    options = parser.parse_args()
    images = photographs(options.photographs, options.skip, options.count)
    at = [
        Condition(name, severity, texture)
        for name in corruptions.names("all")
        for texture in (range(5) if name == "frost" else (None,))
        for severity in corruptions.SEVERITIES
    ]
    print("| | of the tolerance | at, severity | standard errors | equal values, least | apart |")
    print("|---|---|---|---|---|---|")
    with ProcessPoolExecutor(os.cpu_count(), get_context("fork")) as executor:
        compared = executor.map(partial(compare, images, options.create_c.resolve()), at)
        while group := list(itertools.islice(compared, len(corruptions.SEVERITIES))):
            print(row(group), flush=True)


if __name__ == "__main__":
    main()
