"""The lossy step of JPEG: cosine transform and quantisation of blocks of 8 x 8 samples.

The discrete cosine transform (DCT), the division of its 64 coefficients by steps, rounded,
and the way back, in the integer arithmetic of libjpeg (files jfdctint, jcdctmgr, jidctint and
jcparam), to the bit. The transform is that of Loeffler, Ligtenberg & Moschytz (ICASSP 1989).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy import int32, uint32
from numpy.typing import NDArray

from corruptions.compiled import compiled

Eight = tuple[int32, int32, int32, int32, int32, int32, int32, int32]
Function = TypeVar("Function", bound=Callable[..., object])

LANES = 32
"""Blocks that are transformed side by side, so that a vector holds the same place of each."""

# Tables K.1 and K.2 of the JPEG standard: quantisation steps at quality 50, a row a line.
LUMA_STEPS = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_STEPS = (
    *(17, 18, 24, 47, 99, 99, 99, 99),
    *(18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)


def quantisation_steps(quality: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Steps of the 64 coefficients, a row of the block after another: of luma, of chroma."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    luma, chroma = (
        np.clip((np.array(steps, dtype=np.int32) * scale + 50) // 100, 1, 255)
        for steps in (LUMA_STEPS, CHROMA_STEPS)
    )
    return luma, chroma


@functools.cache
def dividers(quality: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For luma and chroma (64, 4): the step, half the divisor, and a factor and a shift that
    divide as the divisor does. The divisor is 8 steps, as the DCT comes out 8 times too large."""

    def table(steps: NDArray[np.int32]) -> NDArray[np.int32]:
        divisor = 8 * steps.astype(np.int64)
        # Exact for numerators below 2**15 (a DCT coefficient is at most 2**13, and half the
        # divisor 2**10), with products below 2**31.
        shift = 15 + np.ceil(np.log2(divisor)).astype(np.int64)
        factor = -(-(1 << shift) // divisor)
        return np.stack((steps, divisor // 2, factor, shift), axis=1).astype(np.int32)

    luma, chroma = quantisation_steps(quality)
    return table(luma), table(chroma)


def _inlined(function: Function) -> Function:
    """Compile as a part of the loop that calls it, so that the loop is vectorised. Such
    functions cast to 32 bits again and again, as numba widens every sum to 64."""
    make: Any = numba.njit(forceinline=True, error_model="numpy")
    return make(function)  # type: ignore[no-any-return]


@compiled
def lose_detail(words: NDArray[np.uint32], dividers: NDArray[np.int32]) -> None:
    """DCT, rounding to whole steps and inverse DCT of many blocks, in place.

    Args:
        words: uint32 (8, 2 n): row r holds row r of each of n blocks, four samples a word.
            n is a multiple of `LANES`.
        dividers: One of `dividers(quality)`.
    """
    blocks = np.empty((8, 8, LANES), np.int32)  # rows, columns, and as many blocks at a time
    for start in range(0, words.shape[1], 2 * LANES):
        for row in range(8):
            samples, lines = words[row, start : start + 2 * LANES], blocks[row]
            for i in range(LANES):
                values = _forward(_unpack(samples[2 * i], samples[2 * i + 1]))
                _store(lines, i, values, 11)
        for column in range(8):
            lines = blocks[:, column]
            for i in range(LANES):
                _store(lines, i, _forward(_load(lines, i)), 15)
        for place in range(64):
            coefficients = blocks[place >> 3, place & 7]
            step, half, factor, shift = dividers[place]
            for i in range(LANES):
                size = (int32((abs(coefficients[i]) + half) * factor) >> shift) * step
                coefficients[i] = size if coefficients[i] >= 0 else -size
        for column in range(8):
            lines = blocks[:, column]
            for i in range(LANES):
                _store(lines, i, _inverse(_load(lines, i)), 11)
        for row in range(8):
            samples, lines = words[row, start : start + 2 * LANES], blocks[row]
            for i in range(LANES):
                samples[2 * i], samples[2 * i + 1] = _pack(_inverse(_load(lines, i)))


@_inlined
def _load(lines: NDArray[np.int32], i: int) -> Eight:
    return (
        *(lines[0, i], lines[1, i], lines[2, i], lines[3, i]),
        *(lines[4, i], lines[5, i], lines[6, i], lines[7, i]),
    )


@_inlined
def _store(lines: NDArray[np.int32], i: int, values: Eight, bits: int) -> None:
    """Store the values divided by 2**bits, rounded."""
    half = 1 << bits - 1
    lines[0, i] = int32(values[0] + half) >> bits
    lines[1, i] = int32(values[1] + half) >> bits
    lines[2, i] = int32(values[2] + half) >> bits
    lines[3, i] = int32(values[3] + half) >> bits
    lines[4, i] = int32(values[4] + half) >> bits
    lines[5, i] = int32(values[5] + half) >> bits
    lines[6, i] = int32(values[6] + half) >> bits
    lines[7, i] = int32(values[7] + half) >> bits


@_inlined
def _unpack(first: uint32, second: uint32) -> Eight:
    return (
        int32(first & 255) - int32(128),
        int32(first >> 8 & 255) - int32(128),
        int32(first >> 16 & 255) - int32(128),
        int32(first >> 24) - int32(128),
        int32(second & 255) - int32(128),
        int32(second >> 8 & 255) - int32(128),
        int32(second >> 16 & 255) - int32(128),
        int32(second >> 24) - int32(128),
    )


@_inlined
def _pack(values: Eight) -> tuple[uint32, uint32]:
    a, b, c, d, e, f, g, h = values
    first = _level(a) | _level(b) << 8 | _level(c) << 16 | _level(d) << 24
    second = _level(e) | _level(f) << 8 | _level(g) << 16 | _level(h) << 24
    return uint32(first), uint32(second)


@_inlined
def _level(value: int32) -> int32:
    return min(max(int32((int32(value + 131072) >> 18) + 128), int32(0)), int32(255))


@_inlined
def _forward(values: Eight) -> Eight:
    """DCT of eight numbers, times 2**13 sqrt(8)."""
    x0, x1, x2, x3, x4, x5, x6, x7 = values
    outer, inner = int32(x0 + x7 + x3 + x4), int32(x1 + x6 + x2 + x5)
    outer_slope, inner_slope = int32(x0 + x7 - x3 - x4), int32(x1 + x6 - x2 - x5)
    both = int32((inner_slope + outer_slope) * 4433)
    y1, y3, y5, y7 = _rotate_odd(x0 - x7, x1 - x6, x2 - x5, x3 - x4)
    y0, y4 = int32(outer + inner << 13), int32(outer - inner << 13)
    y2, y6 = int32(both + outer_slope * 6270), int32(both - inner_slope * 15137)
    return y0, y1, y2, y3, y4, y5, y6, y7


@_inlined
def _inverse(values: Eight) -> Eight:
    """Inverse DCT of eight numbers, times 2**13 sqrt(8)."""
    y0, y1, y2, y3, y4, y5, y6, y7 = values
    both = int32((y2 + y6) * 4433)
    high, low = int32(both - y6 * 15137), int32(both + y2 * 6270)
    total, difference = int32(y0 + y4 << 13), int32(y0 - y4 << 13)
    a, b = int32(total + low), int32(difference + high)
    c, d = int32(difference - high), int32(total - low)
    o1, o3, o5, o7 = _rotate_odd(y1, y3, y5, y7)
    return (
        *(int32(a + o1), int32(b + o3), int32(c + o5), int32(d + o7)),
        *(int32(d - o7), int32(c - o5), int32(b - o3), int32(a - o1)),
    )


@_inlined
def _rotate_odd(x1: int32, x3: int32, x5: int32, x7: int32) -> tuple[int32, int32, int32, int32]:
    """The odd half of the DCT, which is its own inverse."""
    all_four = int32((x1 + x3 + x5 + x7) * 9633)
    outer, inner = int32((x1 + x7) * -7373), int32((x3 + x5) * -20995)
    even = int32((x3 + x7) * -16069 + all_four)
    odd = int32((x1 + x5) * -3196 + all_four)
    return (
        *(int32(x1 * 12299 + outer + odd), int32(x3 * 25172 + inner + even)),
        *(int32(x5 * 16819 + inner + odd), int32(x7 * 2446 + outer + even)),
    )
