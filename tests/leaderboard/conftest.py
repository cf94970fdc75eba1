"""Fixtures of boards."""

from tests.leaderboard.samples import board, runs  # noqa: F401
