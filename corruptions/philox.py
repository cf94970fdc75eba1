"""A counter-based random number generator: each draw can be computed without the earlier ones.

Philox4x32-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011) encrypts a counter with a key. The low half of an image's 128-bit seed is the key,
the high half and the stream fill the counter; so draws are the same on any worker, in any
order, and on a graphics processor (`corruptions.batch.philox`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from corruptions.compiled import compiled

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # what the key grows by in each round
MASK = 0xFFFFFFFF


def words(seed: int, stream: int, n: int) -> NDArray[np.uint32]:
    """The first n 32-bit words of a stream of an image.

    Word 4 b + j is the j-th output for the counter (b, stream, seed bits 64 to 95, seed bits
    96 to 127) under the key (seed bits 0 to 31, seed bits 32 to 63).
    """
    n_blocks = -(-n // 4)
    out = np.empty((n_blocks, 4), np.uint32)
    _fill(np.array(split(seed), np.uint32), np.uint32(stream), out)
    return out.reshape(-1)[:n]


def uniforms(seed: int, stream: int, n: int) -> NDArray[np.float64]:
    """n numbers in (0, 1): the middles of 2**32 equal steps, one word each."""
    return (words(seed, stream, n).astype(np.float64) + 0.5) * 2.0**-32


def normals(seed: int, stream: int, n: int) -> NDArray[np.float64]:
    """n standard normal numbers, by the transform of Box & Muller (1958): words 2i and 2i + 1
    give numbers 2i and 2i + 1."""
    out = np.empty(n + n % 2)
    _box_muller(words(seed, stream, out.size), out)
    return out[:n]


def split(seed: int) -> tuple[int, int, int, int]:
    """A 128-bit seed as four 32-bit words, lowest first."""
    return (seed & MASK, seed >> 32 & MASK, seed >> 64 & MASK, seed >> 96 & MASK)


@compiled
def _fill(seed: NDArray[np.uint32], stream: np.uint32, out: NDArray[np.uint32]) -> None:
    multiplier_0, multiplier_1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
    weyl_0, weyl_1 = np.uint32(WEYL[0]), np.uint32(WEYL[1])
    shift = np.uint64(32)
    for block in range(out.shape[0]):
        key_0, key_1 = seed[0], seed[1]
        word_0, word_1, word_2, word_3 = np.uint32(block), stream, seed[2], seed[3]
        for _ in range(ROUNDS):
            product_0 = multiplier_0 * np.uint64(word_0)
            product_1 = multiplier_1 * np.uint64(word_2)
            word_0 = np.uint32(product_1 >> shift) ^ word_1 ^ key_0
            word_2 = np.uint32(product_0 >> shift) ^ word_3 ^ key_1
            word_1, word_3 = np.uint32(product_1), np.uint32(product_0)
            key_0, key_1 = np.uint32(key_0 + weyl_0), np.uint32(key_1 + weyl_1)
        out[block, 0], out[block, 1], out[block, 2], out[block, 3] = word_0, word_1, word_2, word_3


@compiled
def _box_muller(draws: NDArray[np.uint32], out: NDArray[np.float64]) -> None:
    step = 2.0**-32
    for index in range(0, out.size, 2):
        radius = math.sqrt(-2.0 * math.log((draws[index] + 0.5) * step))
        angle = 2.0 * math.pi * (draws[index + 1] + 0.5) * step
        out[index] = radius * math.cos(angle)
        out[index + 1] = radius * math.sin(angle)
