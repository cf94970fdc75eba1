"""The command line. Each module adds one command; heavy imports wait inside them."""

from robustbench_gnl.cli import (
    check,
    compare,
    corrupt,
    demo,
    evaluate,
    explain,
    leaderboard,
    models,
    plan,
    preview,
    runs,
)
from robustbench_gnl.cli._app import app

__all__ = [
    "app",
    "check",
    "compare",
    "corrupt",
    "demo",
    "evaluate",
    "explain",
    "leaderboard",
    "models",
    "plan",
    "preview",
    "runs",
]
