"""docs/suites.md describes the suites that there are, and its example declares one."""

from __future__ import annotations

import re

import pytest

from robustbench_gnl.metrics import overall_metrics
from robustbench_gnl.suites import SUITES, Suite
from tests.conftest import CHECKOUT

PAGE = (CHECKOUT / "docs" / "suites.md").read_text(encoding="utf-8")
EACH_SUITE = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose heading begins so."""
    table = PAGE.split(f"| {heading} |")[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_the_first_table_lists_every_suite_in_order() -> None:
    assert [row[0].strip("`") for row in rows("`--suite`")] == list(SUITES)
    assert [row[0].strip("`") for row in rows("suite")] == list(SUITES)


@EACH_SUITE
def test_a_row_has_the_numbers_of_images_and_classes(suite: Suite) -> None:
    (row,) = (row for row in rows("`--suite`") if row[0] == f"`{suite.name}`")
    n_classes = len(suite.labels.subset or suite.labels.classes)
    n_images = suite.layout.n_images if suite.layout else suite.n_published_images
    assert row[2].split()[0] == f"{n_images:,}"
    assert row[3] == f"{n_classes:,}"


@EACH_SUITE
def test_an_example_file_matches_the_layout(suite: Suite) -> None:
    if suite.layout is None or suite.name == "imagenet-v2":  # whose hash is abbreviated
        return
    (row,) = (row for row in rows("suite") if row[0] == f"`{suite.name}`")
    folder, file = re.search("`(.*)/(.*)`", row[1]).groups()  # type: ignore[union-attr]
    assert suite.layout.file_name is not None
    assert suite.layout.file_name.fullmatch(file)
    assert folder in suite.labels.classes


@EACH_SUITE
def test_the_metrics_of_a_suite_are_listed(suite: Suite) -> None:
    (row,) = (row for row in rows("suites") if f"`{suite.name}`" in row[0])
    listed = row[1].split(", ")
    for metric in overall_metrics(suite):
        label = re.sub(r"^(clean|mean) (?=top-5|negative|expected)", "", metric.label)
        label = label.removeprefix("expected ")
        assert label in listed or metric.is_optional


def test_the_example_is_a_suite() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    exec(example, names)
    suite = names["IMAGENET_NEW"]
    assert isinstance(suite, Suite)
    assert {one.key for one in overall_metrics(suite)} == set(suite.metrics)
    assert len(suite.main_conditions) == 1
