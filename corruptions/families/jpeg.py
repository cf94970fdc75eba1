"""JPEG compression: the round trip through a JPEG file, without the file.

What a JPEG loses it loses before its entropy coding: the change of colour space, the halving
of the colour channels, the discrete cosine transform (DCT) and the rounding of its
coefficients. All of it is integer arithmetic in libjpeg, which Pillow uses, so `round_trip`
repeats that arithmetic and returns the very pixels that Pillow would, in a quarter of the
time. Where Pillow was built upon a library that computes otherwise, Pillow itself is asked.

Source: libjpeg 6b of the Independent JPEG Group and libjpeg-turbo, files jccolor, jcsample,
jcprepct, jdsample and jdcolor; `corruptions.dct` has its own.
"""

from __future__ import annotations

import functools
import io

import numpy as np
from numpy import int32
from numpy.typing import NDArray
from PIL import Image

from corruptions.compiled import compiled
from corruptions.dct import LANES, dividers, lose_detail
from corruptions.parameters import JPEG_QUALITY

Pixels = NDArray[np.uint8]


def jpeg_compression(image: Pixels, severity: int, seed: int) -> Pixels:
    """The image after a JPEG file of low quality."""
    return round_trip(image, JPEG_QUALITY[severity - 1])


def round_trip(image: Pixels, quality: int) -> Pixels:
    """What Pillow reads from the JPEG file that it writes of an image.

    Args:
        image: uint8 (H, W, 3), RGB. Left unchanged.
        quality: Of libjpeg, 1 to 100; the colour channels are halved (4:2:0), Pillow's default.

    Returns:
        A new image of the same shape, equal to Pillow's to the bit.
    """
    return (_round_trip if agrees_with_pillow() else _through_pillow)(image, quality)


def _through_pillow(image: Pixels, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


@functools.cache
def agrees_with_pillow() -> bool:
    """Whether Pillow's library computes as we do: one small image, half noise and half smooth,
    of odd sides."""
    y, x, channel = np.indices((45, 39, 3), dtype=np.uint32)
    noise = (x * 73 + y * 151 + channel * 211 + 1) * np.uint32(2654435761) >> np.uint32(24)
    image = np.where(x < 20, noise, 3 * x + (channel + 1) * y).astype(np.uint8)
    return all(
        np.array_equal(_round_trip(image, quality), _through_pillow(image, quality))
        for quality in (20, 85)
    )


def _round_trip(image: Pixels, quality: int) -> Pixels:
    image = np.require(image, requirements=["C", "W"])
    height, width, _ = image.shape
    # Row r holds row r of every block, one block after another; in chroma all Cb, then all Cr.
    luma = _room(-(-height // 8) * -(-width // 8))
    chroma = _room(2 * -(-height // 16) * -(-width // 16))
    luma_dividers, chroma_dividers = dividers(quality)
    out = np.empty_like(image)
    _split(image, luma, chroma)
    lose_detail(luma.view(np.uint32), luma_dividers)
    lose_detail(chroma.view(np.uint32), chroma_dividers)
    _join(luma, chroma, out)
    return out


def _room(n_blocks: int) -> Pixels:
    return np.empty((8, -(-n_blocks // LANES) * LANES * 8), np.uint8)


@compiled
def _split(image: Pixels, luma: Pixels, chroma: Pixels) -> None:
    """RGB to luma and to chroma of half the width and height, edges repeated to whole blocks."""
    height, width, _ = image.shape
    luma_width, chroma_width = (width + 7) // 8 * 8, (width + 15) // 16 * 8
    colours = np.empty((2, 2, 2 * chroma_width), np.uint8)  # Cb and Cr of two rows
    cr_start = (height + 15) // 16 * chroma_width
    for chroma_row in range((height + 15) // 16 * 8):
        if 2 * chroma_row < height:  # below the image the last halved row is repeated
            for row in range(2 * chroma_row, 2 * chroma_row + 2):
                pixels = image[min(row, height - 1)].reshape(-1)
                y = luma[row & 7, (row >> 3) * luma_width :]
                cb, cr = colours[0, row & 1], colours[1, row & 1]
                for x in range(width):
                    red, green, blue = int32(pixels[3 * x]), pixels[3 * x + 1], pixels[3 * x + 2]
                    # 16 bits behind the point
                    y[x] = int32(red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16
                    cb[x] = int32(blue * 32768 - red * 11059 - green * 21709 + 8421375) >> 16
                    cr[x] = int32(red * 32768 - green * 27439 - blue * 5329 + 8421375) >> 16
                _repeat(y, width, luma_width)
                _repeat(cb, width, 2 * chroma_width)
                _repeat(cr, width, 2 * chroma_width)
        start = (chroma_row >> 3) * chroma_width
        for colour in range(2):
            upper, lower = colours[colour, 0], colours[colour, 1]
            out = chroma[chroma_row & 7, start + colour * cr_start :]
            for x in range(chroma_width):
                four = int32(upper[2 * x]) + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]
                out[x] = int32(four + 1 + (x & 1)) >> 2  # halves go down and up in turn
    last = luma[(height - 1) & 7, ((height - 1) >> 3) * luma_width :]
    for row in range(height, (height + 7) // 8 * 8):
        below = luma[row & 7, (row >> 3) * luma_width :]
        for x in range(luma_width):
            below[x] = last[x]


@compiled
def _repeat(row: Pixels, start: int, stop: int) -> None:
    last = row[start - 1]
    for x in range(start, stop):
        row[x] = last


@compiled
def _join(luma: Pixels, chroma: Pixels, out: Pixels) -> None:
    """Chroma enlarged by a triangle, three parts of the nearer sample to one of the farther in
    each direction, and RGB made of it."""
    height, width, _ = out.shape
    luma_width, chroma_width = (width + 7) // 8 * 8, (width + 15) // 16 * 8
    cr_start = (height + 15) // 16 * chroma_width
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    sums = np.empty(half_width + 2, np.int32)
    colours = np.empty((2, 2 * half_width), np.uint8)  # Cb and Cr of a row
    for row in range(height):
        near = row >> 1
        far = min(max(near + (1 if row & 1 else -1), 0), half_height - 1)
        for colour in range(2):
            nearer = chroma[near & 7, (near >> 3) * chroma_width + colour * cr_start :]
            farther = chroma[far & 7, (far >> 3) * chroma_width + colour * cr_start :]
            wide = colours[colour]
            for x in range(half_width):
                sums[x + 1] = int32(nearer[x]) * 3 + farther[x]
            sums[0], sums[half_width + 1] = sums[1], sums[half_width]
            for x in range(half_width):
                wide[2 * x] = int32(3 * sums[x + 1] + sums[x] + 8) >> 4
                wide[2 * x + 1] = int32(3 * sums[x + 1] + sums[x + 2] + 7) >> 4
        y = luma[row & 7, (row >> 3) * luma_width :]
        cb, cr, pixels = colours[0], colours[1], out[row].reshape(-1)
        for x in range(width):
            grey, blueness, redness = int32(y[x]), int32(cb[x]) - 128, int32(cr[x]) - 128
            red = grey + (int32(redness * 91881 + 32768) >> 16)
            green = grey + (int32(32768 - blueness * 22554 - redness * 46802) >> 16)
            blue = grey + (int32(blueness * 116130 + 32768) >> 16)
            pixels[3 * x] = min(max(int32(red), int32(0)), int32(255))
            pixels[3 * x + 1] = min(max(int32(green), int32(0)), int32(255))
            pixels[3 * x + 2] = min(max(int32(blue), int32(0)), int32(255))
