"""`gnlbench explain`: each number is what its formula gives with the numbers in it."""

from __future__ import annotations

import re

import pytest

from tests.cli.conftest import gnlbench, gnlbench_json
from tests.cli.stored import N_IMAGES, Stored

ARITHMETIC = re.compile(r"[-+*/(). \d]+")


def explained(stored: Stored, *arguments: object) -> dict[str, dict]:
    document = gnlbench_json("explain", *arguments, "--db", stored.db)
    return {one["number"]: one for one in document["numbers"]}


def test_every_worked_formula_gives_its_number(stored: Stored) -> None:
    n_worked = 0
    for number, one in explained(stored, "base_net").items():
        expression = one["worked"].replace(" x ", " * ").replace(",", "")
        if ARITHMETIC.fullmatch(expression) and expression != "-":
            value = eval(expression)  # digits and operators alone
            # The parts are rounded to two decimals, which moves a ratio of them a little more.
            assert value == pytest.approx(float(one["shown"]), abs=0.05), number
            n_worked += 1
    assert n_worked >= 15


def test_values_and_intervals_are_those_of_runs_show(stored: Stored) -> None:
    shown = gnlbench_json("runs", "show", "base_net", "--level", "0.9", "--db", stored.db)
    found = explained(stored, "base_net", "--level", "0.9")
    names = {
        "clean error": "clean_error",
        "mean corruption error": "mean_corruption_error",
        "mCE": "mce",
        "relative mCE": "relative_mce",
        "clean top-5 error": "clean_top5_error",
        "mean negative log likelihood": "mean_negative_log_likelihood",
        "mean expected calibration error": "mean_calibration_error",
        "robustness gap": "robustness_gap",
        "effective robustness": "effective_robustness",
        "worst corruption": "worst_corruption",
    }
    for number, key in names.items():
        assert found[number]["value"] == shown[key]
        assert found[number]["interval"] == shown["intervals"].get(key), number
    assert found["mCE"]["interval"]["level"] == 0.9
    assert "90 %" in found["mCE"]["interval_shown"]


def test_each_says_what_it_is_and_where_it_comes_from(stored: Stored) -> None:
    found = explained(stored, "base_net")
    for number, one in found.items():
        assert one["meaning"], number
        assert one["formula"], number
        assert one["source"] or number.startswith("worst "), number
    wrong = int(stored.wrong["base_net"][0].sum())
    assert found["clean error"]["worked"] == f"100 x {wrong} / {N_IMAGES}"


def test_what_is_not_defined_has_its_reason(stored: Stored) -> None:
    found = explained(stored, "part_net")
    for number in ("mCE", "relative mCE", "mean corruption error", "robustness gap"):
        assert found[number]["value"] is None
        assert found[number]["shown"] == "-"
        assert found[number]["reason"], number
    assert found["clean error"]["value"] is not None


@pytest.mark.parametrize("run", ["v1", "part_net"])
@pytest.mark.parametrize(("format", "words"), [
    ("table", "mCE: "),
    ("markdown", "#### mCE: "),
    ("csv", "number,value,unit,shown,"),
    ("latex", r"\begin{table}"),
])  # fmt: skip
def test_every_format_is_the_document_alone(
    stored: Stored, run: str, format: str, words: str
) -> None:
    done = gnlbench("explain", run, "--format", format, "--db", stored.db)
    assert any(line.startswith(words) for line in done.stdout.splitlines())
    assert done.stderr == ""
