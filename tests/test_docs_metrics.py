"""The section "All metrics" of docs/metrics.md agrees with the catalogue."""

from __future__ import annotations

import re

import pytest

from robustbench_gnl.metrics import METRICS
from robustbench_gnl.statistics import parse_rule
from tests.metrics_table import PAGE, table, with_table

ROWS = [line.strip("| \n").split(" | ") for line in table().splitlines()[2:]]
RULES = sorted({row[6].strip("`") for row in ROWS} - {"-"})


def test_the_page_agrees_with_the_catalogue() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "run `python -m tests.metrics_table` to write it anew"


def test_another_table_on_the_page_is_noticed() -> None:
    page = PAGE.read_text(encoding="utf-8").replace("| Wilson |", "| bootstrap |")
    assert page != with_table(page)


def test_every_metric_has_one_row() -> None:
    paths = [row[0] for row in ROWS]
    assert len(set(paths)) == len(paths) == len(METRICS)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_the_table_can_be_read(rule: str) -> None:
    text = re.sub("NAME", "fog", rule).replace("GROUP", "blur")
    assert parse_rule(f"{text}:+5{'' if 'CE' in text else '%'}").subject_text == text
