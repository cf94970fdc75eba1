"""Every parameter of every corruption, for severities 1 to 5, as the release has them.

Source: Hendrycks & Dietterich 2019 and the code that made ImageNet-C (the repository
hendrycks/robustness, `ImageNet-C/create_c/make_imagenet_c.py`). Intensities are fractions of
white unless a comment says otherwise, lengths are pixels.
"""

from __future__ import annotations

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

# colour
BRIGHTNESS_ADDED = (0.1, 0.2, 0.3, 0.4, 0.5)  # to V of HSV
CONTRAST_KEPT = (0.4, 0.3, 0.2, 0.1, 0.05)  # share of the distance to the channel's mean
SATURATE_SLOPE_AND_OFFSET = ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2))  # of S

# pixelate
PIXELATE_SCALE = (0.6, 0.5, 0.4, 0.3, 0.25)  # of each side

# jpeg
JPEG_QUALITY = (25, 18, 15, 10, 7)  # of libjpeg, 1 to 100
