"""Boards of runs, and what their tests read from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from robustbench_gnl.leaderboard import (
    Board,
    Entry,
    Uncertainty,
    boards,
    uncertainties,
    with_uncertainty,
)
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import Condition
from robustbench_gnl.statistics import Replicates, bootstrap
from tests.reports.samples import Judged, judged

ALTERNATING, IN_PAIRS = np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])
"""Replicates around 0 that have nothing to do with each other: their covariance is 0."""


def shown_name(entry: Entry) -> str:
    return f"{entry.model} (reference)" if entry.kind == "reference" else entry.model


def ranks(board: Board) -> dict[str, int | None]:
    return {shown_name(entry): entry.rank for entry in board.entries}


def ranges(board: Board) -> dict[str, Any]:
    return {one.model: one.ranks and str(one.ranks) for one in board.entries if one.run}


def entry_of(board: Board, model: str) -> Entry:
    return next(entry for entry in board.entries if entry.model == model)


def with_draws(board: Board, draws: dict[str, Any], level: float = 0.95) -> Board:
    """The board of runs by `make_run` with these replicates of the number it is sorted by."""
    ids = {entry.model: entry.run.id for entry in board.entries if entry.run}
    found = {ids[name]: Uncertainty({}, array) for name, array in draws.items()}
    return with_uncertainty(board, found, level)


def draws_of(runs: list[Judged]) -> list[tuple[Any, Replicates]]:
    return [(one.run, bootstrap(one.outcomes)) for one in runs]


def board_of(runs: list[Judged], sort: str = "mce", level: float = 0.95) -> Board:
    (board,) = boards([one.run for one in runs], sort=sort)
    found = uncertainties(draws_of(runs), default_reference(), sort=sort, level=level)
    return with_uncertainty(board, found, level)


@pytest.fixture(scope="module")
def runs() -> list[Judged]:
    """The second and the third differ by the answers for a few images under fog."""
    middle = judged("middle")
    fixed = np.flatnonzero(middle.answers[Condition("fog", 5)].wrong)[:3]
    return [
        judged("best", harder=-1.0),
        middle,
        judged("twin", changed={Condition("fog", 5): fixed}),
        judged("last", harder=1.0),
    ]


@pytest.fixture(scope="module")
def board(runs: list[Judged]) -> Board:
    return board_of(runs)
