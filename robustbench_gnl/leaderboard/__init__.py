"""Which runs stand in a table, and in what order. Knows no format and no sentence.

boards(runs, sort="mce", published=load_published())     # [Board(protocol, entries, ...)]
with_uncertainty(board, uncertainties(replicates, ...))  # intervals, and ranges for ranks
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
