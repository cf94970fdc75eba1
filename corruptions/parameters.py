"""Every parameter of every corruption, for severities 1 to 5, as the release has them.

Source: Hendrycks & Dietterich 2019 and the code that made ImageNet-C (the repository
hendrycks/robustness, `ImageNet-C/create_c/make_imagenet_c.py`). Intensities are fractions of
white unless a comment says otherwise, lengths are pixels.
"""

from __future__ import annotations

from typing import NamedTuple

# noise
GAUSSIAN_NOISE_SD = (0.08, 0.12, 0.18, 0.26, 0.38)
SHOT_NOISE_PHOTONS = (60, 25, 12, 5, 3)  # expected photons of a white sub-pixel
IMPULSE_NOISE_AMOUNT = (0.03, 0.06, 0.09, 0.17, 0.27)  # share of sub-pixels hit
SPECKLE_NOISE_SD = (0.15, 0.2, 0.35, 0.45, 0.6)

# blur
DEFOCUS_BLUR = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))  # radius, softness of the rim
GLASS_BLUR = (  # sd of the filters, reach of the shuffle, rounds of it
    (0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2),
)  # fmt: skip
MOTION_BLUR = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))  # radius, sd of the half Gaussian
MOTION_BLUR_DEGREES = 45.0  # directions up to so far from the negative x axis
ZOOM_BLUR_FACTORS = (  # start, stop and step, as numpy.arange takes them
    (1, 1.11, 0.01), (1, 1.16, 0.01), (1, 1.21, 0.02), (1, 1.26, 0.02), (1, 1.31, 0.03),
)  # fmt: skip
GAUSSIAN_BLUR_SIGMA = (1, 2, 3, 4, 6)


# weather
class Snow(NamedTuple):
    """Flakes: normal noise, enlarged, cut off below the threshold, smeared."""

    mean: float
    sd: float
    zoom: float
    threshold: float
    radius: int  # of the smear, and the sd of its half Gaussian
    sigma: float
    kept: float  # of the image; the rest is whitened


SNOW = (
    Snow(0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    Snow(0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    Snow(0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    Snow(0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    Snow(0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
SNOW_DEGREES = (-135.0, -45.0)  # directions
FROST_WEIGHTS = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))  # image, frost
# One of five at random; the second and the third are the same photograph.
FROST_TEXTURES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))  # strength, decay a halving
FOG_WIBBLE = 100.0  # of the first step

# colour
BRIGHTNESS_ADDED = (0.1, 0.2, 0.3, 0.4, 0.5)  # to V of HSV
CONTRAST_KEPT = (0.4, 0.3, 0.2, 0.1, 0.05)  # share of the distance to the channel's mean
SATURATE_SLOPE_AND_OFFSET = ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2))  # of S


# elastic
class Elastic(NamedTuple):
    """Displacements and affine map; all three scale with the shorter side."""

    strength: float  # of the displacements, which are noise from -1 to 1 before smoothing
    sigma: float  # of the smoothing
    affine: float  # how far each of three points moves, at most


ELASTIC = (  # the release's factors, of a side of 244 pixels by its slip of the pen
    Elastic(244 * 2, 244 * 0.7, 244 * 0.1),
    Elastic(244 * 2, 244 * 0.08, 244 * 0.2),
    Elastic(244 * 0.05, 244 * 0.01, 244 * 0.02),
    Elastic(244 * 0.07, 244 * 0.01, 244 * 0.02),
    Elastic(244 * 0.12, 244 * 0.01, 244 * 0.02),
)
ELASTIC_SIDE = 224  # at which they are pixels

# pixelate
PIXELATE_SCALE = (0.6, 0.5, 0.4, 0.3, 0.25)  # of each side

# jpeg
JPEG_QUALITY = (25, 18, 15, 10, 7)  # of libjpeg, 1 to 100


# spatter
class Spatter(NamedTuple):
    """Liquid is where smoothed normal noise is over the threshold."""

    mean: float
    sd: float
    sigma: float  # of the smoothing
    threshold: float
    intensity: float  # of water
    mud_sigma: float | None  # of the smoothing of mud; None: water


SPATTER = (
    Spatter(0.65, 0.3, 4, 0.69, 0.6, None),
    Spatter(0.65, 0.3, 3, 0.68, 0.6, None),
    Spatter(0.65, 0.3, 2, 0.68, 0.5, None),
    Spatter(0.65, 0.3, 1, 0.65, 0.0, 1.5),
    Spatter(0.67, 0.4, 1, 0.65, 0.0, 1.5),
)
WATER_RGB = (175, 238, 238)
MUD_RGB = (63, 42, 20)
MUD_SOLID = 0.8  # share of mud below which there is none
