"""Who is best under which protocol: one board a protocol, never two protocols on one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import corruptions
from robustbench_gnl.contents import cell_contents, grouped_by_contents
from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.metrics import GROUPS, Summary, summarize
from robustbench_gnl.metrics.reference import Published, Reference, default_reference
from robustbench_gnl.records import CLEAN, Protocol, Run
from robustbench_gnl.reports.chance import is_run_near_chance
from robustbench_gnl.reports.reported import (
    is_comparable,
    reference_row,
    reported_row,
    takes_reported,
)
from robustbench_gnl.reports.run_parts import cells_phrase

SORT_KEYS: dict[str, str] = {
    key: key for key in ("mce", "relative_mce", "clean_error", "mean_corruption_error", "n_params")
} | {name: f"ce_{name}" for name in (*GROUPS, *corruptions.names("common"))}
"""What `--sort` takes, and the key of a row that it stands for. Lower is better."""
RATIOS = frozenset(SORT_KEYS) - {"clean_error", "mean_corruption_error", "n_params"}
"""Those that are divided by the reference's errors."""

TIE_DECIMALS = 9
"""Numbers that differ by less came from the same counts in another order of adding."""

BoardRow = dict[str, Any]


@dataclass(frozen=True)
class Board:
    """The rows of one protocol, best first; those without a rank come last."""

    protocol: Protocol | None
    """None: published results, each with the protocol that it states."""
    sort: str
    rows: tuple[BoardRow, ...]
    reference: Reference
    """Whose errors CE divides by."""
    level: float | None = None
    """Of the intervals in the rows; None where there are none."""
    image_files: str | None = None
    """Digest of the files behind the images, where other runs of this protocol read different
    files of the same names and stand on another board."""

    @property
    def is_demonstration(self) -> bool:
        return self.protocol is not None and self.protocol.is_demonstration


def boards(
    runs: Sequence[Run],
    *,
    sort: str = "mce",
    published: Sequence[Published] = (),
    reference: Reference | None = None,
) -> list[Board]:
    """A board for each protocol among `runs`, real ones with most images first. Runs that read
    different files of the same names are of different image sets, and have a board each.

    Published results rank on the boards whose protocol they state; the others stand on
    a board of their own, at the end.

    Raises:
        UsageError: Nothing can be sorted by `sort`.
    """
    check_sort(sort)
    reference = reference or default_reference()
    by_protocol: dict[str, list[Run]] = {}
    for run in runs:
        by_protocol.setdefault(run.protocol.fingerprint, []).append(run)
    # The reference has its own line on every board.
    reported = [one for one in published if one.kind != "reference"]
    groups = sorted(by_protocol.values(), key=_board_order)
    result = [
        board for group in groups for board in _boards_of_protocol(group, sort, reported, reference)
    ]
    taken = any(takes_reported(group[0].protocol) for group in groups)
    left = [one for one in reported if not (taken and is_comparable(one))]
    if left:
        result.append(_board_of_reported(left, sort, reference))
    return result


def check_sort(sort: str) -> None:
    """Refuse what no column is called.

    Raises:
        UsageError: Nothing can be sorted by `sort`.
    """
    if sort not in SORT_KEYS:
        raise UsageError(
            f"cannot sort by {sort!r}; expected one of {', '.join(SORT_KEYS)}"
            f"{did_you_mean(sort, SORT_KEYS)}",
            sort=sort,
        )


def select_protocol(runs: Sequence[Run], wanted: str) -> list[Run]:
    """The runs whose protocol has that name, or a fingerprint that begins so.

    Raises:
        UsageError: There are runs, but none under that protocol.
    """
    selected = [
        run
        for run in runs
        if run.protocol.name == wanted or run.protocol.fingerprint.startswith(wanted)
    ]
    if runs and not selected:
        known = {run.protocol.name: run.protocol.fingerprint[:8] for run in runs}
        listed = ", ".join(f"{name} [{fingerprint}]" for name, fingerprint in known.items())
        raise UsageError(
            f"no run under a protocol {wanted!r}; the store has {listed}"
            f"{did_you_mean(wanted, known)}",
            protocol=wanted,
        )
    return selected


def _board_order(runs: Sequence[Run]) -> tuple[bool, int, str, str]:
    protocol = runs[0].protocol
    return (
        protocol.is_demonstration,
        -protocol.n_images,
        protocol.name,
        protocol.fingerprint,
    )


def _boards_of_protocol(
    runs: Sequence[Run], sort: str, reported: Sequence[Published], reference: Reference
) -> list[Board]:
    groups = grouped_by_contents(runs)
    reference = reference.for_protocol(runs[0].protocol)
    if not reference.is_defined and sort in RATIOS:
        sort = "mean_corruption_error"
    found = [_board_of_runs(group, sort, reported, reference) for group in groups]
    if len(groups) > 1:
        found = [
            replace(board, image_files=_digest_of_files(group))
            for board, group in zip(found, groups, strict=True)
        ]
    return found


def _digest_of_files(runs: Sequence[Run]) -> str | None:
    """Of the clean images, or of another cell where there are none."""
    every = (cell_contents(run) for run in runs)
    known = next((contents for contents in every if contents), {})
    first = known.get(CLEAN) or next(iter(known.values()), None)
    return None if first is None else first.source or first.digest


def _board_of_runs(
    runs: Sequence[Run], sort: str, reported: Sequence[Published], reference: Reference
) -> Board:
    protocol = runs[0].protocol
    rows = _name_apart([_run_row(*chosen) for chosen in _one_a_model(runs, reference)])
    candidates = [row for row in rows if row["is_complete"]]
    unfinished = [row for row in rows if not row["is_complete"]]
    if takes_reported(protocol):
        candidates += [reported_row(one) for one in reported if is_comparable(one)]
    return _board(protocol, sort, candidates, unfinished, reference)


def _board_of_reported(reported: Sequence[Published], sort: str, reference: Reference) -> Board:
    return _board(
        None,
        sort,
        [reported_row(one) for one in reported if is_comparable(one)],
        [reported_row(one) for one in reported if not is_comparable(one)],
        reference,
    )


def _board(
    protocol: Protocol | None,
    sort: str,
    candidates: Sequence[BoardRow],
    unranked: Sequence[BoardRow],
    reference: Reference,
) -> Board:
    key = SORT_KEYS[sort]
    ranked = _rank([row for row in candidates if row.get(key) is not None], key)
    rest = [row for row in candidates if row.get(key) is None]
    # Side by side only with those of the same protocol: no order across protocols.
    rest += sorted(
        unranked, key=lambda row: (str(row.get("stated_protocol")), _or_last(row.get(key)))
    )
    divisor = [reference_row(reference)] if reference.is_defined else []
    rows = (*ranked, *divisor, *({**row, "rank": None} for row in rest))
    return Board(protocol, sort, rows, reference)


def _rank(rows: Iterable[BoardRow], key: str) -> list[BoardRow]:
    """Best first; equal numbers share a rank and the next one counts them all."""
    ordered = sorted(rows, key=lambda row: (round(row[key], TIE_DECIMALS), str(row["model"])))
    values = [round(row[key], TIE_DECIMALS) for row in ordered]
    return [{**row, "rank": values.index(round(row[key], TIE_DECIMALS)) + 1} for row in ordered]


def _or_last(value: Any) -> float:
    return math.inf if value is None else float(value)


def _one_a_model(runs: Sequence[Run], reference: Reference) -> list[tuple[Run, Summary]]:
    """The newest complete run of each model, or its newest, where none is complete.

    A rerun that has only begun must not hide the result that is there.
    """
    chosen: dict[str, tuple[Run, Summary]] = {}
    for run in sorted(runs, key=lambda run: run.created_at, reverse=True):
        summary = summarize(run.cells, reference)
        before = chosen.get(run.model.fingerprint)
        if before is None or (summary.is_complete and not before[1].is_complete):
            chosen[run.model.fingerprint] = (run, summary)
    return list(chosen.values())


def _run_row(run: Run, summary: Summary) -> BoardRow:
    near_chance = is_run_near_chance(run)
    remarks = [
        *([] if summary.is_complete else [cells_phrase(summary)]),
        *(["near chance on clean images"] if near_chance else []),
    ]
    return {
        "kind": "run",
        "model": run.model.name,
        "checkpoint_sha256": run.model.checkpoint_sha256,
        "weights": run.model.weights,
        "n_params": run.model.n_params,
        "clean_error": summary.clean_error,
        "mce": summary.mce,
        "relative_mce": summary.relative_mce,
        "mean_corruption_error": summary.mean_corruption_error,
        **{f"ce_{group}": value for group, value in summary.groups.items()},
        **{f"ce_{name}": summary.corruptions[name].ce for name in corruptions.names("common")},
        "n_images": run.protocol.n_images,
        "created_at": run.created_at,
        "tags": list(run.tags),
        "run_id": run.id,
        "is_complete": summary.is_complete,
        "is_near_chance": near_chance,
        "remark": "; ".join(remarks) or None,
    }


def _name_apart(rows: Sequence[BoardRow]) -> list[BoardRow]:
    """Give rows that share a model's name their checkpoint, and the entry of it if need be."""
    names = [row["model"] for row in rows]
    files = [(row["model"], row["checkpoint_sha256"]) for row in rows]
    named = []
    for row, file in zip(rows, files, strict=True):
        checkpoint = None
        if names.count(row["model"]) > 1:
            checkpoint = row["checkpoint_sha256"][:8]
        if files.count(file) > 1:
            checkpoint = f"{checkpoint} {row['weights']}"
        named.append({**row, "checkpoint": checkpoint})
    return named


def limited(board: Board, limit: int) -> Board:
    """The first rows, and the reference whatever its place. Ranks as ranges count all runs: to
    be cut afterwards."""
    others = [row for row in board.rows if row["kind"] != "reference"]
    kept = {id(row) for row in others[:limit]}
    rows = tuple(row for row in board.rows if row["kind"] == "reference" or id(row) in kept)
    return replace(board, rows=rows)
