"""Every suite is whole: its parts fit each other and what is published of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from robustbench_gnl.errors import UsageError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.resources import data_folder
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES, Suite, condition_order, get_suite

EACH = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)


@EACH
def test_the_parts_of_a_suite_fit_each_other(suite: Suite) -> None:
    assert get_suite(suite.name) is suite
    assert len(set(suite.all_corruptions)) == len(suite.all_corruptions)
    grouped = [name for members in suite.groups.values() for name in members]
    assert not grouped or sorted(grouped) == sorted(suite.corruptions)
    assert len(suite.conditions) == suite.has_clean + len(suite.all_corruptions) * len(
        suite.severities
    )
    assert set(suite.main_conditions) <= set(suite.conditions)
    assert suite.is_complete(suite.conditions)
    assert not suite.is_complete(suite.main_conditions[1:])
    assert suite.ranked_by
    assert set(suite.ranked_by) <= set(suite.metrics)
    assert f"{{{suite.citation}," in (data_folder() / "references.bib").read_text()


@EACH
def test_conditions_are_read_and_written_alike(suite: Suite) -> None:
    for condition in suite.conditions:
        assert suite.parse_conditions(str(condition)) == (condition,)
        assert suite.has(condition)
    name = suite.corruptions[0]
    assert suite.parse_conditions(name) == suite.conditions_of(name)
    assert list(suite.ordered(reversed(suite.conditions))) == list(suite.conditions)
    assert sorted(suite.conditions, key=condition_order) == list(suite.conditions)


@EACH
@pytest.mark.parametrize("text", ["fogg", "clean/1", "", "fog/0", "imagenet-a/1"])
def test_what_is_no_condition_is_refused(suite: Suite, text: str) -> None:
    with pytest.raises(UsageError, match=r"expected a|has no severities"):
        suite.parse_conditions(text)


def test_imagenet_c_is_that_of_the_paper() -> None:
    assert DEFAULT_SUITE.name == "imagenet-c"
    assert (len(DEFAULT_SUITE.corruptions), len(DEFAULT_SUITE.severities)) == (15, 5)
    assert len(DEFAULT_SUITE.main_conditions) == 75
    assert DEFAULT_SUITE.labels.n_classes == 1000
    assert DEFAULT_SUITE.group_of("fog") == "weather"
    assert DEFAULT_SUITE.group_of("spatter") == "extra"
    assert not DEFAULT_SUITE.has(Condition("fog", 0))
    assert DEFAULT_SUITE.has(CLEAN)


@pytest.mark.parametrize("letter", ["a", "r"])
def test_the_classes_of_imagenet_a_and_r_are_those_that_timm_lists(letter: str) -> None:
    suite = get_suite(f"imagenet-{letter}")
    spec = importlib.util.find_spec("timm")
    assert spec is not None
    info = Path(str(spec.submodule_search_locations[0])) / "data" / "_info"
    listed = (info / f"imagenet_{letter}_indices.txt").read_text().split()
    assert suite.labels.subset == tuple(sorted(map(int, listed)))
    assert len(listed) == 200
    shared = set(get_suite("imagenet-a").labels.subset) & set(get_suite("imagenet-r").labels.subset)
    assert 0 < len(shared) < 200


def test_an_unknown_suite_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'imagenet-c'"):
        get_suite("imagenet_c")
