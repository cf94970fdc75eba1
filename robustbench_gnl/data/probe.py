"""Measuring the time to make images on a few of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from robustbench_gnl.data.pixels import Recipe, corrupt_crops, load_clean, load_made
from robustbench_gnl.data.sources import Source
from robustbench_gnl.records import Condition


def seconds_to_make(source: Source, conditions: Sequence[Condition], n_images: int) -> float:
    """Processor seconds for one image, summed over the conditions; compilation is left out.

    It runs in a worker.
    """
    keys = tuple(source.files)[:n_images]
    made_here = [condition for condition in conditions if source.is_made_here(condition)]
    size = source.suite.input
    crops = load_clean(source.paths(made_here[0], keys), size)[0] if made_here else None
    total = 0.0
    for condition in conditions:
        times = []
        # The first time includes compiling and loading; the faster one counts.
        for _ in range(2):
            start = time.perf_counter()
            if crops is not None and condition in made_here:
                corrupt_crops(crops, keys, condition, source.recipe or Recipe(), size.crop)
            else:
                load_made(source.paths(condition, keys), size.crop, size)
            times.append(time.perf_counter() - start)
        total += min(times) / len(keys)
    return total
