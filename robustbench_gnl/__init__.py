"""gnlbench: how well image classifiers withstand common corruptions.

`evaluate(model, source)` evaluates any `torch.nn.Module`; the command line is `gnlbench`.
Importing this package does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robustbench_gnl._version import __version__

if TYPE_CHECKING:
    from robustbench_gnl.evaluation import evaluate as evaluate

__all__ = ["__version__", "evaluate"]


def __getattr__(name: str) -> Any:
    if name == "evaluate":
        from robustbench_gnl.evaluation import evaluate

        return evaluate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
