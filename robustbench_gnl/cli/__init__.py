"""The command line. Each module adds one command; heavy imports wait inside them."""

from robustbench_gnl.cli import corrupt, demo, evaluate, leaderboard, models, preview, runs
from robustbench_gnl.cli._app import app

__all__ = ["app", "corrupt", "demo", "evaluate", "leaderboard", "models", "preview", "runs"]
