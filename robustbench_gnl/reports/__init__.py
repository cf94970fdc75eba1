"""What people and programs read of runs. Takes runs, knows no database, prints nothing."""

from robustbench_gnl.reports.board_tables import board_tables, boards_document, render_boards
from robustbench_gnl.reports.leaderboard import Board, boards, limited, select_protocol
from robustbench_gnl.reports.run import render_run, run_document, run_table
from robustbench_gnl.reports.run_parts import demonstration_sentence
from robustbench_gnl.reports.tables import Column, render
from robustbench_gnl.reports.terminal_tables import rich_table, rich_tables

__all__ = [
    "Board",
    "Column",
    "board_tables",
    "boards",
    "boards_document",
    "demonstration_sentence",
    "limited",
    "render",
    "render_boards",
    "render_run",
    "rich_table",
    "rich_tables",
    "run_document",
    "run_table",
    "select_protocol",
]
