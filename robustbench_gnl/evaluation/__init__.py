"""Evaluation of models on a source, with or without a store.

`Session` is one evaluation; `evaluate` is a session of one module from Python. What this package
exports is imported when it is first used: the command line needs `Settings` without NumPy, and
worker processes start before torch is loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robustbench_gnl.evaluation.api import evaluate
    from robustbench_gnl.evaluation.device import PRECISIONS, check_precision, resolve_device
    from robustbench_gnl.evaluation.inference_threads import default_batch_size, keep_freed_memory
    from robustbench_gnl.evaluation.loop import evaluate_pieces
    from robustbench_gnl.evaluation.model import EvaluatedModel
    from robustbench_gnl.evaluation.network import Network
    from robustbench_gnl.evaluation.observer import Observer, ProgressObserver
    from robustbench_gnl.evaluation.session import Session
    from robustbench_gnl.evaluation.settings import Settings

__all__ = [
    "PRECISIONS",
    "EvaluatedModel",
    "Network",
    "Observer",
    "ProgressObserver",
    "Session",
    "Settings",
    "check_precision",
    "default_batch_size",
    "evaluate",
    "evaluate_pieces",
    "keep_freed_memory",
    "resolve_device",
]

_MODULE_OF = {
    "PRECISIONS": "device",
    "EvaluatedModel": "model",
    "Network": "network",
    "Observer": "observer",
    "ProgressObserver": "observer",
    "Session": "session",
    "Settings": "settings",
    "check_precision": "device",
    "default_batch_size": "inference_threads",
    "evaluate": "api",
    "evaluate_pieces": "loop",
    "keep_freed_memory": "inference_threads",
    "resolve_device": "device",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
