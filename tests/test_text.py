"""Plurals and short lists, as every message and report words them."""

from __future__ import annotations

import pytest

from robustbench_gnl.text import counted, some_of


@pytest.mark.parametrize(
    ("n", "words", "expected"),
    [
        (0, ("image",), "0 images"),
        (1, ("image",), "1 image"),
        (50_000, ("image",), "50,000 images"),
        (2, ("class", "classes"), "2 classes"),
    ],
)
def test_a_count_has_its_plural(n: int, words: tuple[str, ...], expected: str) -> None:
    assert counted(n, *words) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ""),
        (["fog"], "fog"),
        (["fog", "snow", "frost"], "fog, snow, frost"),
        (["fog", "snow", "frost", "jpeg"], "fog, snow, frost and 1 more"),
        (range(10), "0, 1, 2 and 7 more"),
    ],
)
def test_a_long_list_is_cut_and_counted(names: list[object], expected: str) -> None:
    assert some_of(names) == expected


def test_the_last_of_all_names_may_stand_apart() -> None:
    assert some_of(["fog", "snow", "frost"], last=" and ") == "fog, snow and frost"
    assert some_of(["fog"], last=" and ") == "fog"
    assert some_of(["fog", "snow"], most=1, last=" and ") == "fog and 1 more"
