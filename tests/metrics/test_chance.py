"""When a model counts as one that guesses."""

from __future__ import annotations

import pytest

from robustbench_gnl.metrics.chance import is_near_chance


@pytest.mark.parametrize(("n_right", "n_images", "n_classes", "expected"), [
    (50, 1000, 1000, True),  # 5 %, whatever chance is
    (51, 1000, 1000, False),
    (128, 1000, 10, True),  # 10 %, and three standard errors of 0.95 %
    (129, 1000, 10, False),
    (1, 1, 2, True),  # one image says nothing
])  # fmt: skip
def test_near_chance_is_within_three_standard_errors_of_it(
    n_right: int, n_images: int, n_classes: int, expected: bool
) -> None:
    assert is_near_chance(n_right, n_images, n_classes) == expected
