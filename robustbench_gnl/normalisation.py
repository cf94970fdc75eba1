"""How pixels in [0, 1] are normalised: subtract a mean, divide by a standard deviation."""

from __future__ import annotations

import math

from robustbench_gnl.errors import UsageError

ChannelValues = tuple[float, float, float]

IMAGENET_MEAN: ChannelValues = (0.485, 0.456, 0.406)
IMAGENET_STD: ChannelValues = (0.229, 0.224, 0.225)
INSIDE = "none"
"""Passed as the mean: the model normalises its input itself and gets pixels in [0, 1]."""


def given_normalisation(mean: object, std: object) -> tuple[ChannelValues, ChannelValues] | None:
    """The normalisation that a user gave; None if none was given.

    Args:
        mean: Three numbers, one number for all channels, or `"none"`.
        std: Three numbers or one, above 0; left out beside `"none"`.

    Raises:
        UsageError: It is none of these, or one of the two is missing.
    """
    if mean is None and std is None:
        return None
    if isinstance(mean, str) and mean == INSIDE and std is None:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    means, stds = _three(mean), _three(std)
    if means is None or stds is None or min(stds) <= 0:
        raise UsageError(
            "Normalisation needs a mean and a std above 0, three numbers each, finite (or one for "
            f"all channels), or the mean {INSIDE!r} for a network that normalises inside; "
            f"got mean={mean!r} and std={std!r}.",
            mean=mean,
            std=std,
        )
    return means, stds


def channel_values(values: object, *, positive: bool = False) -> ChannelValues | None:
    """Three finite numbers, from three or one; None for anything else."""
    found = _three(values)
    return None if found is None or (positive and min(found) <= 0) else found


def _three(values: object) -> ChannelValues | None:
    tolist = getattr(values, "tolist", None)
    if callable(tolist):  # an array, or a tensor
        values = tolist()
    if isinstance(values, int | float):
        values = (values,)
    if not isinstance(values, list | tuple) or len(values) not in (1, 3):
        return None
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in values):
        return None
    try:
        numbers = [float(value) for value in values]
    except OverflowError:
        return None
    if not all(map(math.isfinite, numbers)):
        return None
    red, green, blue = numbers * (3 // len(numbers))
    return red, green, blue
