"""A metric that is declared in one place appears wherever metrics do."""

from __future__ import annotations

import csv
import io
import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from robustbench_gnl.cli import app
from robustbench_gnl.metrics import FRACTION, METRICS, Metric
from robustbench_gnl.metrics.catalogue import CLEAN_ERROR, MEAN_CORRUPTION_ERROR
from robustbench_gnl.metrics.expressions import Mean
from robustbench_gnl.suites import DEFAULT_SUITE

STORE = Path(__file__).parents[1] / "golden" / "store_before.sqlite.xz"
CLEAN, CORRUPTED = CLEAN_ERROR.definition, MEAN_CORRUPTION_ERROR.definition
BALANCED_ERROR = Metric(
    key="balanced_error",
    label="balanced error",
    unit=FRACTION,
    meaning="mean of the clean error and the mean corruption error",
    formula="(clean error + mean corruption error) / 2",
    source="this test",
    definition=lambda *place: Mean((CLEAN(*place), CORRUPTED(*place))),
    rule="balanced_error",
    is_column=True,
    is_planned=True,
)


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The metric in the catalogue and in the suite, and a store to read."""
    METRICS.append(BALANCED_ERROR)
    metrics = (*DEFAULT_SUITE.metrics, BALANCED_ERROR.key)
    monkeypatch.setitem(vars(DEFAULT_SUITE), "metrics", metrics)
    (tmp_path / "store.sqlite").write_bytes(lzma.decompress(STORE.read_bytes()))
    monkeypatch.chdir(tmp_path)
    yield
    METRICS.remove(BALANCED_ERROR)


def output(*command: str) -> str:
    done = CliRunner().invoke(app, [*command, "--db", "store.sqlite"])
    assert done.exit_code in (0, 1), done.stderr
    return done.stdout


def balanced(row: dict[str, Any]) -> Any:
    return pytest.approx((row["clean_error"] + row["mean_corruption_error"]) / 2)


def test_in_the_numbers_of_a_run_with_its_interval() -> None:
    run = json.loads(output("runs", "show", "base_net", "--format", "json"))

    assert run["balanced_error"] == balanced(run)
    interval = run["intervals"]["balanced_error"]
    assert interval["low"] < run["balanced_error"] < interval["high"]
    assert f"balanced error, %: {100 * run['balanced_error']:.2f} [" in output(
        "runs", "show", "base_net", "--format", "markdown"
    )


def test_as_a_column_of_the_leaderboard_that_it_is_sorted_by() -> None:
    document = json.loads(output("leaderboard", "--sort", "balanced_error", "--format", "json"))
    board = document["boards"][0]
    ranked = [row for row in board["rows"] if row["rank"] is not None]
    rows = list(csv.DictReader(io.StringIO(output("leaderboard", "--format", "csv"))))

    assert board["sort"] == "balanced_error"
    values = [row["balanced_error"] for row in ranked]
    assert values == [balanced(row) for row in ranked]
    assert values == sorted(values)
    assert {float(row["balanced_error"]) for row in rows if row["balanced_error"]} >= set(values)
    table = output("leaderboard", "--sort", "balanced_error", "--format", "markdown")
    assert "ranked by balanced error" in table
    assert "balanced error, %" in table


def test_as_a_rule_of_the_gate() -> None:
    gate = ("check", "worse_net", "--baseline", "base_net", "--format", "json")
    document = json.loads(output(*gate, "--fail-on", "balanced_error:+0.1pp"))
    (rule,) = document["rules"]

    runs = [
        json.loads(output("runs", "show", name, "--format", "json"))["balanced_error"]
        for name in ("base_net", "worse_net")
    ]
    assert [rule["baseline"], rule["run"]] == pytest.approx(runs)
    assert rule["allowed"] == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("command", "where"),
    [
        (("compare", "base_net", "worse_net"), ("comparisons", 0, "numbers")),
        (("plan", "base_net"), ("numbers",)),
        (("explain", "base_net"), ("numbers",)),
    ],
)
def test_in_comparisons_plans_and_explanations(
    command: tuple[str, ...], where: tuple[str | int, ...]
) -> None:
    found = json.loads(output(*command, "--format", "json"))
    for key in where:
        found = found[key]
    names = found if isinstance(found, dict) else {one["number"] for one in found}

    assert {"balanced_error", "balanced error"} & set(names)
    assert "balanced error" in output(*command, "--format", "latex")
