"""Measures the time of `gnlbench --help` and `gnlbench leaderboard` with 100 stored runs.

python benchmarks/startup.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from robustbench_gnl.records import (
    Calibration,
    ImageSet,
    Model,
    Piece,
    Protocol,
)
from robustbench_gnl.store import open_store
from robustbench_gnl.suites import DEFAULT_SUITE

N_RUNS = 100
N_IMAGES = 512
N_REPEATS = 7
BITS = b"\xaa" * (N_IMAGES // 8)


def fill(db: Path) -> None:
    """A hundred complete runs of one block each."""
    keys = tuple(f"n01440764/image_{index:05}" for index in range(N_IMAGES))
    image_set = ImageSet("benchmark", "imagenet-1k", keys, (0,) * N_IMAGES)
    protocol = Protocol(
        name="released-layout-512", source="released-layout", image_set=image_set.fingerprint,
        n_images=N_IMAGES, label_set="imagenet-1k", crop="centre 224", resampling="none",
        jpeg_quality=None, engine=None, engine_version=None, seed=None, precision="fp32",
        jpeg_decoder="libjpeg-turbo",
    )  # fmt: skip
    half = N_IMAGES // 2
    bins = Calibration((0,) * 14 + (N_IMAGES,), (0,) * 14 + (half,), (0.0,) * 14 + (500.0,))
    model = Model("network", "0" * 64, "state_dict", 1_000_000, 1000, (0.5,) * 3, (0.5,) * 3)
    with open_store(str(db), write=True) as store:
        for index in range(N_RUNS):
            run_id = store.create_run(
                replace(model, checkpoint_sha256=f"{index:064x}"), protocol, image_set,
                block_size=512,
            )  # fmt: skip
            for condition in DEFAULT_SUITE.main_conditions:
                piece = Piece(0, condition, N_IMAGES, half, half, 1.0, bins, BITS, "0" * 64, 1.0)
                store.add_piece(run_id, piece)
            store.finish_run(run_id)


def seconds(*arguments: str) -> float:
    """Median wall time of the command, the first one (cold caches) left out."""
    times = []
    for _ in range(N_REPEATS + 1):
        start = time.perf_counter()
        subprocess.run(
            [Path(sys.executable).with_name("gnlbench"), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""},
        )
        times.append(time.perf_counter() - start)
    return median(times[1:])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "store.sqlite"
        fill(db)
        for arguments in (
            ("--version",),
            ("--help",),
            ("leaderboard", "--db", str(db)),
            ("leaderboard", "--db", str(db), "--format", "json"),
        ):
            shown = " ".join(argument for argument in arguments if argument != str(db))
            print(f"gnlbench {shown:32} {seconds(*arguments):5.2f} s")


if __name__ == "__main__":
    main()
