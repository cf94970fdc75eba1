"""A suite is declared once: no other package knows how many corruptions, severities, cells or
classes a benchmark has, how large its images are, or what its reference is called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "robustbench_gnl"
NUMBERS = frozenset({15, 75, 224, 1000})
"""Of ImageNet-C: corruptions, cells, pixels a side, classes. Its 5 severities cannot be looked for:
5 is too many other things."""
PHRASES = re.compile(
    r"AlexNet|\b224\b|\bthe (15|75|19)\b|\b(15|75|19|fifteen|four|five|5) (common |extra )?"
    r"(corruptions|cells|conditions|severities|groups|errors)\b|\b1,?000 classes\b|\b1-5\b"
    r"|\bfrom 1 to 5\b"
)
"""In texts that users read, and in docstrings; comments may give examples."""

NUMBERS_ALLOWED = {
    ("cli/models.py", 1000): "characters of a pattern, longer than any name of a model",
    ("cli/plan.py", 1000): "one of the numbers of images that a plan is for",
    ("cli/plan.py", 15): "an exponent: 10 ** 15 is the largest number of images",
    ("records.py", 15): "bins of confidence of the calibration error",
    ("statistics/bootstrap.py", 1000): "resamples of the bootstrap",
    ("store/bounds.py", 15): "an exponent: 10 ** 15 is the largest count that a store takes",
    ("store/bounds.py", 1000): "characters of a text that a store takes",
    ("store/sqlite.py", 1000): "milliseconds in a second",
}


def checked_files() -> list[Path]:
    found = sorted(PACKAGE.rglob("*.py"))
    return [path for path in found if path.relative_to(PACKAGE).parts[0] != "suites"]


def constants(source: str) -> Iterator[tuple[int, object]]:
    """Line and value of every constant; the parts of an f-string are texts, too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant):
            yield node.lineno, node.value


def numbers_in(source: str) -> list[tuple[int, int]]:
    return [(line, value) for line, value in constants(source)
            if type(value) is int and value in NUMBERS]  # fmt: skip


def phrases_in(source: str) -> list[tuple[int, str]]:
    return [
        (line, match[0])
        for line, value in constants(source)
        if isinstance(value, str)
        for match in PHRASES.finditer(value)
    ]


@pytest.mark.parametrize("path", checked_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_package_knows_a_number_or_name_of_a_suite(path: Path) -> None:
    source, name = path.read_text(encoding="utf-8"), path.relative_to(PACKAGE).as_posix()
    found = [one for one in numbers_in(source) if (name, one[1]) not in NUMBERS_ALLOWED]
    said = phrases_in(source)
    assert not found, "take it from the suite, or say in NUMBERS_ALLOWED what else it is"
    assert not said, "take it from the suite"


def test_what_is_allowed_is_there() -> None:
    for name, number in NUMBERS_ALLOWED:
        source = (PACKAGE / name).read_text(encoding="utf-8")
        assert number in {value for _, value in numbers_in(source)}, name


@pytest.mark.parametrize(
    "source",
    [
        "mean = total / 75",
        'HELP = "errors divided by those of AlexNet"',
        'HELP = f"{n} of the 15 corruptions"',
        'def f():\n    """The mean over five severities."""',
        'text = "one of 1,000 classes"',
        'option(metavar="1-5|1,3")',
    ],
)
def test_the_check_finds_what_it_looks_for(source: str) -> None:
    assert numbers_in(source) or phrases_in(source)


@pytest.mark.parametrize(
    "source",
    ["x = suite.input.crop  # 224 for ImageNet-C", "x = 1500", 'x = "15 images"', "x = 75.0"],
)
def test_the_check_finds_nothing_else(source: str) -> None:
    assert not numbers_in(source)
    assert not phrases_in(source)
