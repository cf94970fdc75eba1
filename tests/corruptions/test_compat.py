"""`corruptions.compat` takes what `imagecorruptions` takes."""

from __future__ import annotations

import inspect

import imagecorruptions
import numpy as np
import pytest

import corruptions
from corruptions import compat
from tests.corruptions.conftest import Pixels

SUBSETS = ("common", "validation", "all", "noise", "blur", "weather", "digital")


@pytest.mark.parametrize("subset", SUBSETS)
def test_the_names_and_their_order_are_the_packages(subset: str) -> None:
    assert compat.get_corruption_names(subset) == imagecorruptions.get_corruption_names(subset)


def test_every_argument_of_the_package_stands_at_its_place() -> None:
    theirs = [
        (parameter.name, parameter.default)
        for parameter in inspect.signature(imagecorruptions.corrupt).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    ours = [(p.name, p.default) for p in inspect.signature(compat.corrupt).parameters.values()]

    assert ours[: len(theirs)] == theirs


def test_a_name_and_its_number_are_the_same_corruption(picture: Pixels) -> None:
    for number, name in enumerate(compat.get_corruption_names("all")):
        by_name = compat.corrupt(picture, 2, name, seed=1)
        assert np.array_equal(by_name, compat.corrupt(picture, 2, corruption_number=number, seed=1))
        assert np.array_equal(by_name, corruptions.corrupt(picture, name, 2, seed=1))


def test_without_a_seed_each_call_draws_anew(picture: Pixels) -> None:
    first, second = (compat.corrupt(picture, 3, "gaussian_noise") for _ in range(2))

    assert not np.array_equal(first, second)


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1)])
def test_grey_images_come_back_with_three_channels(picture: Pixels, shape: tuple[int, ...]) -> None:
    grey = picture[..., 0].reshape(shape)
    theirs = imagecorruptions.corrupt(grey, 1, "contrast")

    assert np.array_equal(compat.corrupt(grey, 1, "contrast"), theirs)


@pytest.mark.parametrize("number", [-1, 19, 1.5, "3", True])
def test_neither_name_nor_number_is_refused(picture: Pixels, number: object) -> None:
    with pytest.raises(corruptions.UnknownCorruptionError, match="from 0 to 18; got"):
        compat.corrupt(picture, 1, corruption_number=number)  # type: ignore[arg-type]
