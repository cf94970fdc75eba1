"""The threads that run forward passes: how many batches run concurrently.

On a CPU each batch gets one thread, and as many batches run at once as there are threads
to use. That is faster than splitting each operator over all threads, above all while other
processes make the next images (a late thread holds up every operator), and it makes the
bits of a result independent of the number of processors.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

# Batches fastest on each kind of device among powers of two: beyond 16 images a CPU gains
# under 5 % for twice the memory (benchmarks/evaluation.py).
BATCH_SIZES = {"cpu": 16, "mps": 64, "cuda": 128}

_GLIBC_OPTIONS = {
    -8: 1,  # M_ARENA_MAX: one heap for all threads, else each keeps what it once needed
    -4: 0,  # M_MMAP_MAX: large tensors from the heap, not from pages new each time
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: keep what was freed for the next batch
}


def default_batch_size(device: torch.device) -> int:
    """Images a batch where the user names no number."""
    return BATCH_SIZES[device.type]


@contextmanager
def inference_threads(device: torch.device) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """An executor for forward passes, and how many of them it runs at once."""
    if device.type != "cpu":
        with ThreadPoolExecutor(1) as executor:
            yield executor, 1
        return
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(n_threads) as executor:
            yield executor, n_threads
    finally:
        torch.set_num_threads(n_threads)


def keep_freed_memory() -> None:
    """Let the C library reuse the memory of freed tensors instead of returning it.

    Fresh pages for each activation cost more than half of a forward pass in large batches.
    It changes the whole process, so only programs call it, not the library. Without effect
    where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _GLIBC_OPTIONS.items():
            mallopt(option, value)
