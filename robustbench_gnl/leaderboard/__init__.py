"""Rank runs and published results on boards. Independent of output formats.

boards(runs, sort="mce", published=load_published())     # [Board(protocol, entries, ...)]
with_uncertainty(board, uncertainties(replicates, ...))  # adds intervals and rank ranges
"""

from robustbench_gnl.leaderboard.boards import (
    Board,
    boards,
    check_sort,
    limited,
    select_protocol,
    sort_keys,
)
from robustbench_gnl.leaderboard.entries import (
    N_PARAMS,
    Entry,
    Estimate,
    is_comparable,
    stated_protocol,
)
from robustbench_gnl.leaderboard.uncertainty import Uncertainty, uncertainties, with_uncertainty

__all__ = [
    "N_PARAMS",
    "Board",
    "Entry",
    "Estimate",
    "Uncertainty",
    "boards",
    "check_sort",
    "is_comparable",
    "limited",
    "select_protocol",
    "sort_keys",
    "stated_protocol",
    "uncertainties",
    "with_uncertainty",
]
