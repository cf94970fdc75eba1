"""The JPEG round trip for many images at once, bit-identical to Pillow with libjpeg-turbo.

It uses integer arithmetic on any device; see `corruptions.families.jpeg` and `corruptions.dct`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy import int32
from numpy.typing import NDArray
from torch import Tensor

from corruptions.dct import quantisation_steps
from corruptions.parameters import JPEG_QUALITY


def jpeg_compression(images: Tensor, severity: int, seeds: Sequence[int]) -> Tensor:
    return round_trip(images, JPEG_QUALITY[severity - 1])


def round_trip(images: Tensor, quality: int) -> Tensor:
    """What Pillow reads from the JPEG files that it writes of images.

    Args:
        images: uint8 (B, 3, H, W), RGB, on any device. Left unchanged.
        quality: Of libjpeg, 1 to 100.

    Returns:
        New images of the same shape on the same device.
    """
    height, width = images.shape[2:]
    luma_steps, chroma_steps = quantisation_steps(quality)
    luma, chroma = _split(images)
    luma = _lose_detail(luma, luma_steps)[..., :height, :width]
    return _join(luma, _lose_detail(chroma, chroma_steps))


def _split(images: Tensor) -> tuple[Tensor, Tensor]:
    """Luma (B, 1, h, w), h and w multiples of 16, and chroma (B, 2, h / 2, w / 2), int32."""
    height, width = images.shape[2:]
    rows = _places(-(-height // 16) * 16, height, images.device)
    columns = _places(-(-width // 16) * 16, width, images.device)
    padded = images.index_select(2, rows).index_select(3, columns).to(torch.int32)
    red, green, blue = padded.unbind(1)
    luma = red * 19595 + green * 38470 + blue * 7471 + 32768 >> 16
    cb = blue * 32768 - red * 11059 - green * 21709 + 8421375 >> 16
    cr = red * 32768 - green * 27439 - blue * 5329 + 8421375 >> 16
    full = torch.stack((cb, cr), dim=1)
    four = full[..., 0::2, 0::2] + full[..., 0::2, 1::2]
    four = four + full[..., 1::2, 0::2] + full[..., 1::2, 1::2]
    up = 1 + torch.arange(four.shape[3], dtype=torch.int32, device=images.device) % 2
    chroma = four + up >> 2
    # Below the image the last halved row is repeated, not the last row halved.
    rows = _places(chroma.shape[2], (height + 1) // 2, images.device)
    return luma[:, None], chroma.index_select(2, rows)


def _places(n: int, size: int, device: torch.device) -> Tensor:
    """0, 1, 2 and so on up to size - 1, which is repeated."""
    return torch.arange(n, device=device).clamp(max=size - 1)


def _lose_detail(planes: Tensor, steps: NDArray[int32]) -> Tensor:
    """DCT, rounding to whole steps and inverse DCT of blocks of 8 x 8."""
    n_images, n_planes, height, width = planes.shape
    step = torch.from_numpy(steps).to(planes.device).reshape(8, 8, 1, 1, 1, 1)
    blocks = planes.reshape(n_images, n_planes, height // 8, 8, width // 8, 8)
    blocks = blocks.permute(3, 5, 0, 1, 2, 4) - 128  # rows and columns of the block first
    blocks = _descale(_forward(blocks.unbind(1)), dim=1, bits=11)
    blocks = _descale(_forward(blocks.unbind(0)), dim=0, bits=15)
    sizes = torch.div(blocks.abs() + 4 * step, 8 * step, rounding_mode="floor")
    blocks = sizes * step * blocks.sign()
    blocks = _descale(_inverse(blocks.unbind(0)), dim=0, bits=11)
    blocks = _descale(_inverse(blocks.unbind(1)), dim=1, bits=18) + 128
    return blocks.clamp(0, 255).permute(2, 3, 4, 0, 5, 1).reshape(planes.shape)


def _descale(values: Sequence[Tensor], dim: int, bits: int) -> Tensor:
    return torch.stack(tuple(values), dim=dim) + (1 << bits - 1) >> bits


def _forward(values: Sequence[Tensor]) -> tuple[Tensor, ...]:
    x0, x1, x2, x3, x4, x5, x6, x7 = values
    outer, inner = x0 + x7 + x3 + x4, x1 + x6 + x2 + x5
    outer_slope, inner_slope = x0 + x7 - x3 - x4, x1 + x6 - x2 - x5
    both = (inner_slope + outer_slope) * 4433
    y1, y3, y5, y7 = _rotate_odd(x0 - x7, x1 - x6, x2 - x5, x3 - x4)
    y0, y4 = outer + inner << 13, outer - inner << 13
    return y0, y1, both + outer_slope * 6270, y3, y4, y5, both - inner_slope * 15137, y7


def _inverse(values: Sequence[Tensor]) -> tuple[Tensor, ...]:
    y0, y1, y2, y3, y4, y5, y6, y7 = values
    both = (y2 + y6) * 4433
    high, low = both - y6 * 15137, both + y2 * 6270
    total, difference = y0 + y4 << 13, y0 - y4 << 13
    a, b, c, d = total + low, difference + high, difference - high, total - low
    o1, o3, o5, o7 = _rotate_odd(y1, y3, y5, y7)
    return a + o1, b + o3, c + o5, d + o7, d - o7, c - o5, b - o3, a - o1


def _rotate_odd(x1: Tensor, x3: Tensor, x5: Tensor, x7: Tensor) -> tuple[Tensor, ...]:
    all_four = (x1 + x3 + x5 + x7) * 9633
    outer, inner = (x1 + x7) * -7373, (x3 + x5) * -20995
    even, odd = (x3 + x7) * -16069 + all_four, (x1 + x5) * -3196 + all_four
    return (
        x1 * 12299 + outer + odd,
        x3 * 25172 + inner + even,
        x5 * 16819 + inner + odd,
        x7 * 2446 + outer + even,
    )


def _join(luma: Tensor, chroma: Tensor) -> Tensor:
    """RGB, uint8 (B, 3, H, W), of luma (B, 1, H, W) and of chroma enlarged by a triangle."""
    height, width = luma.shape[2:]
    half_height, half_width = (height + 1) // 2, (width + 1) // 2
    row = torch.arange(height, device=luma.device)
    near = row // 2
    far = (near + 2 * (row % 2) - 1).clamp(0, half_height - 1)
    chroma = chroma[..., :half_width]
    sums = 3 * chroma.index_select(2, near) + chroma.index_select(2, far)
    before = torch.cat((sums[..., :1], sums[..., :-1]), dim=3)
    after = torch.cat((sums[..., 1:], sums[..., -1:]), dim=3)
    pairs = torch.stack((3 * sums + before + 8 >> 4, 3 * sums + after + 7 >> 4), dim=4)
    cb, cr = (pairs.flatten(3)[..., :width] - 128).unbind(1)
    offsets = (
        cr * 91881 + 32768 >> 16,
        32768 - cb * 22554 - cr * 46802 >> 16,
        cb * 116130 + 32768 >> 16,
    )
    return (luma + torch.stack(offsets, dim=1)).clamp(0, 255).to(torch.uint8)
