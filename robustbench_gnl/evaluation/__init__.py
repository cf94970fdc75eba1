"""Judging a network: any module, any source; no database, no registry of models."""

from robustbench_gnl.evaluation.api import evaluate
from robustbench_gnl.evaluation.device import PRECISIONS, check_precision, resolve_device
from robustbench_gnl.evaluation.environment import environment
from robustbench_gnl.evaluation.lanes import default_batch_size, keep_freed_memory
from robustbench_gnl.evaluation.loop import (
    Judged,
    evaluate_pieces,
    remaining_work,
)
from robustbench_gnl.evaluation.network import Network

__all__ = [
    "PRECISIONS",
    "Judged",
    "Network",
    "check_precision",
    "default_batch_size",
    "environment",
    "evaluate",
    "evaluate_pieces",
    "keep_freed_memory",
    "remaining_work",
    "resolve_device",
]
