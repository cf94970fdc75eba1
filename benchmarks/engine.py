"""Compares the speed of the engine with that of the package imagecorruptions, image by image.

One thread, one photograph of 224 x 224; milliseconds as the mean over the five severities of
the median of some repeats. Cold starts come apart: the first call of each corruption in a
fresh process, with nothing compiled yet and with what an earlier process compiled.

    python benchmarks/engine.py [IMAGE] [--repeats 9] [--cold]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import cv2
import imagecorruptions
import numpy as np
from PIL import Image

import corruptions
from robustbench_gnl.data import clean_crop, open_sample
from robustbench_gnl.records import CLEAN

COLD = """
import sys, time
import numpy as np
start = time.perf_counter()
import corruptions
image = np.zeros((224, 224, 3), np.uint8)
for name in corruptions.names():
    corruptions.corrupt(image, name, 1)
print(time.perf_counter() - start, corruptions.__file__)
"""


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken)


def both(image: np.ndarray, name: str, repeats: int) -> tuple[float, float]:
    """Milliseconds of the package and of the engine, means over the severities."""
    theirs, ours = [], []
    for severity in corruptions.SEVERITIES:
        theirs.append(
            milliseconds(lambda s=severity: imagecorruptions.corrupt(image, s, name), repeats)
        )
        ours.append(
            milliseconds(lambda s=severity: corruptions.corrupt(image, name, s, key="a"), repeats)
        )
    return statistics.mean(theirs), statistics.mean(ours)


def table(image: np.ndarray, names: tuple[str, ...], repeats: int) -> None:
    print(f"{'':20s} {'package ms':>10s} {'ours ms':>8s} {'ratio':>7s}")
    totals = [0.0, 0.0]
    for name in names:
        theirs, ours = both(image, name, repeats)
        totals = [totals[0] + theirs, totals[1] + ours]
        slower = "  slower" if ours > 1.05 * theirs + 0.05 else ""
        print(f"{name:20s} {theirs:10.2f} {ours:8.2f} {theirs / ours:7.1f}{slower}")
    theirs, ours = totals
    print(f"{'total':20s} {theirs:10.2f} {ours:8.2f} {theirs / ours:7.1f}")


def seconds_of_a_fresh_process(folder: Path, cache: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", COLD],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(cache)},
    )  # fmt: skip
    return done.stdout.split()[0]


def cold_starts() -> None:
    package = Path(corruptions.__file__).parent
    with tempfile.TemporaryDirectory() as work:
        folder, cache = Path(work) / "copy", Path(work) / "cache"
        shutil.copytree(
            package, folder / "corruptions", ignore=shutil.ignore_patterns("__pycache__")
        )
        for what in ("nothing compiled yet", "compiled before"):
            print(f"15 corruptions, {what:22s} {seconds_of_a_fresh_process(folder, cache):.5s} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path, help="default: one of the sample's")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--cold", action="store_true", help="only the cold starts")
    options = parser.parse_args()
    cold_starts()
    if options.cold:
        return
    cv2.setNumThreads(1)
    sample = open_sample()
    path = options.image or sample.paths(CLEAN, tuple(sample.files)[:1])[0]
    image = np.array(clean_crop(Image.open(path).convert("RGB")))
    table(image, corruptions.names("common"), options.repeats)
    print("extra, part of no total above")
    table(image, corruptions.names("extra"), options.repeats)


if __name__ == "__main__":
    main()
