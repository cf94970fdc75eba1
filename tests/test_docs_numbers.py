"""The numbers in docs/metrics.md: the run explained there agrees with itself and the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.reports.formulas import explanations
from tests.reports.reading import worked_out
from tests.reports.samples import judged

PAGE = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^#### (.*): (.*)\n((?:- .*\n)+)", re.MULTILINE)
EXPLAINED = {
    number: {"shown": shown, **dict(line[2:].split(": ", 1) for line in lines.splitlines())}
    for number, shown, lines in BLOCK.findall(PAGE)
}
"""What the page says of each number, by what stands before its colons."""
WORKED = [
    number
    for number, one in EXPLAINED.items()
    if re.fullmatch(r"[\d.,+\-x/() ]+", one["worked"]) and one["worked"] != "-"
]


def test_nearly_every_number_of_the_page_is_worked_out() -> None:
    assert set(EXPLAINED) - set(WORKED) == {"worst corruption", "worst class"}


@pytest.mark.parametrize("number", WORKED)
def test_the_numbers_put_into_a_formula_give_the_number_above_it(number: str) -> None:
    one = EXPLAINED[number]
    value, slack = worked_out(one["worked"])
    half = 0.5 * 10.0 ** -len(one["shown"].split(".")[1])

    assert value == pytest.approx(float(one["shown"]), abs=half + min(slack, 0.2 * half))


@pytest.mark.parametrize("number", [n for n, one in EXPLAINED.items() if "interval" in one])
def test_an_interval_of_the_page_holds_its_number(number: str) -> None:
    one = EXPLAINED[number]
    ends = re.match(r"\[(-?[\d.]+), (-?[\d.]+)\], 95 %", one["interval"])

    assert ends is not None
    assert float(ends[1]) < float(one["shown"]) < float(ends[2])


def test_the_errors_of_alexnet_are_those_that_ship() -> None:
    errors = default_reference().errors["glass_blur"]

    assert EXPLAINED["CE of glass_blur"]["worked"].endswith(
        f" / ({' + '.join(f'{100 * error:.3f}' for error in errors)})"
    )


def test_the_means_stand_on_the_numbers_of_their_parts() -> None:
    """The same CE or error wherever it stands."""
    rounded = {
        name: re.sub(r"\d+\.\d+", lambda m: f"{float(m[0]):.2f}", one["worked"])
        for name, one in EXPLAINED.items()
    }
    assert EXPLAINED["CE of glass_blur"]["shown"] in rounded["mCE"]
    assert EXPLAINED["CE of glass_blur"]["shown"] in rounded["CE of blur"]
    assert EXPLAINED["relative CE of glass_blur"]["shown"] in rounded["relative mCE"]
    for group in ("noise", "blur", "weather", "digital"):
        members = EXPLAINED[f"CE of {group}"]["worked"].split(" / ")[0].strip("()")
        assert members in EXPLAINED["mCE"]["worked"]
    assert rounded["robustness gap, %"] == (
        f"{EXPLAINED['mean corruption error, %']['shown']} - {EXPLAINED['clean error, %']['shown']}"
    )


def test_the_page_has_the_words_of_the_program() -> None:
    run = judged()
    found = explanations(run.run, default_reference(), run.details)
    worst = next(one.shown for one in found if one.number == "worst corruption")

    expected = {
        one.label.replace(worst, "glass_blur"): (one.meaning, one.formula, one.source)
        for one in found
    }
    assert {
        number: (one["meaning"], one["formula"], one.get("source", ""))
        for number, one in EXPLAINED.items()
    } == expected
