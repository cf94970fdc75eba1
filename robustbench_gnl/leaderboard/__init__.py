"""Which runs stand in a table, and in what order. Knows no format and no sentence.

boards(runs, sort="mce", published=load_published())     # [Board(protocol, entries, ...)]
with_uncertainty(board, uncertainties(replicates, ...))  # intervals, and ranges for ranks
"""

from robustbench_gnl.leaderboard.boards import (
    SORT_KEYS,
    Board,
    boards,
    check_sort,
    limited,
    select_protocol,
)
from robustbench_gnl.leaderboard.entries import (
    CORRUPTION_CES,
    GROUP_CES,
    N_PARAMS,
    OVERALL,
    Entry,
    Estimate,
    is_comparable,
    is_run_near_chance,
    stated_protocol,
)
from robustbench_gnl.leaderboard.uncertainty import Uncertainty, uncertainties, with_uncertainty

__all__ = [
    "CORRUPTION_CES",
    "GROUP_CES",
    "N_PARAMS",
    "OVERALL",
    "SORT_KEYS",
    "Board",
    "Entry",
    "Estimate",
    "Uncertainty",
    "boards",
    "check_sort",
    "is_comparable",
    "is_run_near_chance",
    "limited",
    "select_protocol",
    "stated_protocol",
    "uncertainties",
    "with_uncertainty",
]
