"""How a run was made: what the store knows of it beyond the results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustbench_gnl.records import Run


def run_facts(run: Run, n_pieces: int) -> dict[str, Any]:
    """What the store knows beyond the results."""
    return {
        "block_size": run.block_size,
        "n_pieces": n_pieces,
        "n_unfinished_cells": run.n_unfinished_cells,
        "seconds": run.seconds,
        "tags": list(run.tags),
        "environment": dict(run.environment),
        "skipped": dict(run.skipped),
    }


def fact_lines(run: Run, n_pieces: int) -> list[str]:
    """The same for people, and when it was run."""
    block_size = min(run.block_size, run.protocol.n_images)
    stored = [
        f"pieces stored: {n_pieces}, of up to {block_size} images of a cell, each with its digest",
        *(
            [f"cells begun and not complete: {run.n_unfinished_cells}"]
            if run.n_unfinished_cells
            else []
        ),
        f"{run.seconds:.1f} s of work",
    ]
    lines = [
        f"run: {run.id}, begun {run.created_at}, finished {run.finished_at or 'not yet'}",
        "; ".join(stored),
    ]
    # The commit is that of the user's experiment: of the folder in which the command ran.
    facts = {
        name.replace("git_commit", "git_commit of the working folder"): value
        for name, value in run.environment.items()
    }
    lines += [
        f"{name}: {_as_fact(value)}" for name, value in sorted(facts.items()) if value is not None
    ]
    return lines + [f"skipped: {key}: {reason}" for key, reason in sorted(run.skipped.items())]


def _as_fact(value: Any) -> str:
    """A fact of the environment: packages as `numpy 2.1.0, torch 2.8.0`, what is unknown left
    out."""
    if isinstance(value, Mapping):
        known = {name: one for name, one in value.items() if one is not None}
        return ", ".join(f"{name} {_as_fact(one)}" for name, one in known.items())
    if isinstance(value, list):
        return "; ".join(_as_fact(one) for one in value)
    return str(value)
