"""When a model counts as one that guesses."""

from __future__ import annotations

import pytest

from robustbench_gnl.metrics import is_run_near_chance
from robustbench_gnl.metrics.chance import is_near_chance, near_chance_warning
from robustbench_gnl.records import CLEAN, Cell, Condition, Run
from robustbench_gnl.reports.sentences import chance_sentences
from robustbench_gnl.suites import SUITES, get_suite
from tests.store.samples import make_image_set, make_model, make_protocol


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


def run_with(suite: str, n_right: int, n_images: int = 1000) -> Run:
    """A run of the only condition of a suite, or of clean images."""
    condition = CLEAN if get_suite(suite).has_clean else Condition(suite, 0)
    protocol = make_protocol(make_image_set(), suite=suite)
    cell = Cell(n_images, n_right, n_images, 0.0)
    return Run("one", make_model(), protocol, 8, "then", cells={condition: cell})


@pytest.mark.parametrize("name", SUITES)
def test_each_suite_says_where_chance_shows(name: str) -> None:
    """Natural adversarial examples are those that a ResNet-50 gets wrong, so a low accuracy on
    them is no mistake."""
    suite, expected = get_suite(name), name != "imagenet-a"
    assert (suite.chance_condition is not None) == expected
    assert is_run_near_chance(run_with(name, 3)) == expected
    assert not is_run_near_chance(run_with(name, 700))
    sentences = chance_sentences(run_with(name, 3), "net")
    images = "clean images" if suite.has_clean else f"images of {suite.title}"
    chance = "0.50 %" if suite.labels.subset else "0.10 %"  # of 200 classes, or of 1,000
    expected_text = f"net is right on 0.30 % of the {images}, which is near chance ({chance})."
    assert sentences == ([expected_text] if expected else [])
    warning = near_chance_warning("net", suite, 3, 1000, 1000)
    assert warning is not None
    assert f"near chance ({chance.replace('0 %', '%')})" in warning
