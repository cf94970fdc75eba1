"""Brightness, contrast and saturation.

Brightness and saturation change V or S of the HSV colour (value, saturation, hue) and keep
the other two. So the largest of a pixel's channels stays the largest and becomes V, the
smallest becomes V (1 - S), and only the middle one asks for the hue. Each expression is
evaluated in float64 in the order of scikit-image's rgb2hsv and hsv2rgb, which the release
used: many results are whole grey levels but for the last bit, and are truncated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from corruptions.compiled import compiled
from corruptions.parameters import BRIGHTNESS_ADDED, CONTRAST_KEPT, SATURATE_SLOPE_AND_OFFSET

Pixels = NDArray[np.uint8]

# level / 255 as the float64 nearest to it, without a division: level times the leading 45
# bits of 1/255 is exact, and level times the rest is small. True of all 256 levels.
INVERSE_255 = float.fromhex("0x1.0101010101p-8")
INVERSE_255_REST = float.fromhex("0x1.010101010101p-56")


def brightness(image: Pixels, severity: int, seed: int) -> Pixels:
    """A constant added to V of HSV."""
    out = np.empty_like(image)
    _change_hsv(image.reshape(-1), 1.0, 0.0, BRIGHTNESS_ADDED[severity - 1], out.reshape(-1))
    return out


def saturate(image: Pixels, severity: int, seed: int) -> Pixels:
    """S of HSV multiplied and raised. Grey has the hue of red, and turns reddish where S is
    raised."""
    slope, offset = SATURATE_SLOPE_AND_OFFSET[severity - 1]
    out = np.empty_like(image)
    _change_hsv(image.reshape(-1), slope, offset, 0.0, out.reshape(-1))
    return out


def contrast(image: Pixels, severity: int, seed: int) -> Pixels:
    """Each channel drawn towards its mean."""
    kept = CONTRAST_KEPT[severity - 1]
    out = np.empty_like(image)
    levels = np.arange(256) / 255.0
    means = _means(image.reshape(-1), levels)
    values = (levels - means[:, None]) * kept + means[:, None]  # (3, 256)
    table = (np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
    _look_up(image.reshape(-1), table, out.reshape(-1))
    return out


@compiled
def _change_hsv(image: Pixels, slope: float, offset: float, added: float, out: Pixels) -> None:
    # Conditional expressions, not branches, so that the loop is vectorised.
    for pixel in range(image.size // 3):
        red, green, blue = image[3 * pixel], image[3 * pixel + 1], image[3 * pixel + 2]
        largest, smallest = max(red, green, blue), min(red, green, blue)
        r = red * INVERSE_255 + red * INVERSE_255_REST
        g = green * INVERSE_255 + green * INVERSE_255_REST
        b = blue * INVERSE_255 + blue * INVERSE_255_REST
        value = max(r, g, b)
        range_ = value - min(r, g, b)
        grey = largest == smallest
        divisor = 1.0 if grey else range_
        saturation = 0.0 if grey else range_ / value
        # Of two largest channels the later decides, as in the original.
        start = 4.0 if blue == largest else 2.0 if green == largest else 0.0
        difference = r - g if blue == largest else b - r if green == largest else g - b
        hue = (start + difference / divisor) / 6.0
        hue = hue + 1.0 if hue < 0.0 else hue
        whole = np.int32(hue * 6.0)
        part = hue * 6.0 - whole

        saturation = min(max(saturation * slope + offset, 0.0), 1.0)
        value = min(value + added, 1.0)
        part = part if whole & 1 else 1.0 - part
        top = np.uint8(value * 255.0)
        middle = np.uint8(value * (1.0 - part * saturation) * 255.0)
        bottom = np.uint8(value * (1.0 - saturation) * 255.0)
        out[3 * pixel] = top if red == largest else bottom if red == smallest else middle
        out[3 * pixel + 1] = bottom if green == smallest else top if green == largest else middle
        out[3 * pixel + 2] = bottom if blue == smallest else top if blue == largest else middle


@compiled
def _means(image: Pixels, levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of each channel, added up pixel by pixel as NumPy's mean over both sides does: on
    a flat image the last bit decides the grey level."""
    red = green = blue = 0.0
    n_pixels = image.size // 3
    for pixel in range(n_pixels):
        red += levels[image[3 * pixel]]
        green += levels[image[3 * pixel + 1]]
        blue += levels[image[3 * pixel + 2]]
    return np.array([red, green, blue]) / n_pixels


@compiled
def _look_up(image: Pixels, table: Pixels, out: Pixels) -> None:
    for pixel in range(image.size // 3):
        out[3 * pixel] = table[0, image[3 * pixel]]
        out[3 * pixel + 1] = table[1, image[3 * pixel + 1]]
        out[3 * pixel + 2] = table[2, image[3 * pixel + 2]]
