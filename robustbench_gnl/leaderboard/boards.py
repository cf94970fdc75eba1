"""Boards: the ranked results of one protocol each, best first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from robustbench_gnl.contents import cell_contents, grouped_by_contents
from robustbench_gnl.errors import UsageError, did_you_mean
from robustbench_gnl.leaderboard.entries import (
    N_PARAMS,
    Entry,
    is_comparable,
    reference_entry,
    reported_entry,
    run_entry,
    stated_protocol,
    takes_reported,
    told_apart,
)
from robustbench_gnl.metrics import Summary, column_ids, summarize
from robustbench_gnl.metrics.reference import Published, Reference, default_reference
from robustbench_gnl.records import CLEAN, Protocol, Run
from robustbench_gnl.suites import SUITES, Suite

TIE_DECIMALS = 9
"""Values that differ by less are ties: the same counts, summed in another order."""


def sort_keys() -> dict[str, str]:
    """The values of `--sort` over all suites, and the metric path of each: an overall metric is
    named by its key, a CE by its group or corruption. Lower is better."""
    keys: dict[str, str] = {}
    ids = [one for suite in SUITES.values() for one in column_ids(suite)]
    for one in (one for one in ids if not one.of):
        keys[one.column_key] = one.path
    keys[N_PARAMS] = N_PARAMS
    for one in (one for one in ids if one.of):
        # The CE of fog is called `fog`; another metric of fog would need a name of its own.
        name = one.of if keys.get(one.of, one.path) == one.path else one.column_key
        keys[name] = one.path
    return keys


@dataclass(frozen=True)
class Board:
    """The entries of one protocol, best first; entries without a rank come last."""

    protocol: Protocol | None
    """None on the board of published results, each of which states its own protocol."""
    sort: str
    entries: tuple[Entry, ...]
    reference: Reference
    """Whose errors CE divides by."""
    level: float | None = None
    """Confidence level of the intervals; None if there are none."""
    image_files: str | None = None
    """Digest of the image files, if other runs of this protocol read different files with the same
    names and are therefore ranked on another board."""

    @property
    def suite(self) -> Suite:
        return self.reference.suite

    @property
    def sort_path(self) -> str:
        """Path of the metric that the board is sorted by."""
        return sort_keys()[self.sort]

    @property
    def is_demonstration(self) -> bool:
        return self.protocol is not None and self.protocol.is_demonstration


def boards(
    runs: Sequence[Run],
    *,
    sort: str | None = None,
    published: Sequence[Published] = (),
    reference: Reference | None = None,
) -> list[Board]:
    """One board for each protocol among `runs`, demonstrations last, then by number of images. Runs
    that read different files with the same names get separate boards.

    Published results are ranked on the board of the protocol that they state; the others get a
    board of their own at the end.

    Args:
        sort: One of `sort_keys()`. None, and on boards that lack the metric: the first of the
            suite's `ranked_by` that is defined.

    Raises:
        UsageError: `sort` is not a sort key.
    """
    check_sort(sort)
    reference = reference or default_reference()
    by_protocol: dict[str, list[Run]] = {}
    for run in runs:
        by_protocol.setdefault(run.protocol.fingerprint, []).append(run)
    # Every board has a line for the reference already.
    reported = [one for one in published if one.kind != "reference"]
    groups = sorted(by_protocol.values(), key=_board_order)
    result = [
        board for group in groups for board in _boards_of_protocol(group, sort, reported, reference)
    ]
    # Each published result is on one board only.
    taken = any(takes_reported(group[0].protocol) for group in groups)
    left = [one for one in reported if not (taken and is_comparable(one))]
    if left:
        result.append(_board_of_reported(left, _sort_of_board(sort, reference), reference))
    return result


def check_sort(sort: str | None) -> None:
    """Refuse an unknown sort key.

    Raises:
        UsageError: `sort` is not a sort key.
    """
    keys = sort_keys()
    if sort is not None and sort not in keys:
        raise UsageError(
            f"cannot sort by {sort!r}; expected one of {', '.join(keys)}{did_you_mean(sort, keys)}",
            sort=sort,
        )


def select_protocol(runs: Sequence[Run], wanted: str) -> list[Run]:
    """The runs whose protocol has this name, or a fingerprint that starts with it.

    Raises:
        UsageError: There are runs, but none of this protocol.
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


def limited(board: Board, limit: int) -> Board:
    """The board with its first `limit` entries, and the reference in any case.

    Call it after `with_uncertainty`, since rank ranges count all runs."""
    others = [entry for entry in board.entries if entry.kind != "reference"]
    kept = {id(entry) for entry in others[:limit]}
    entries = [one for one in board.entries if one.kind == "reference" or id(one) in kept]
    return replace(board, entries=tuple(entries))


def _board_order(runs: Sequence[Run]) -> tuple[bool, int, str, str]:
    protocol = runs[0].protocol
    return (
        protocol.is_demonstration,
        -protocol.n_images,
        protocol.name,
        protocol.fingerprint,
    )


def _boards_of_protocol(
    runs: Sequence[Run], sort: str | None, reported: Sequence[Published], reference: Reference
) -> list[Board]:
    # A rank among runs of other images would compare the images and not the models.
    groups = grouped_by_contents(runs)
    reference = reference.for_protocol(runs[0].protocol)
    key = _sort_of_board(sort, reference)
    found = [_board_of_runs(group, key, reported, reference) for group in groups]
    if len(groups) > 1:
        found = [
            replace(board, image_files=_digest_of_files(group))
            for board, group in zip(found, groups, strict=True)
        ]
    return found


def _sort_of_board(sort: str | None, reference: Reference) -> str:
    """`sort` if the suite and the reference define it, else the first such key of `ranked_by`."""
    defined = {
        one.path
        for one in column_ids(reference.suite)
        if reference.is_defined or not one.metric.is_ratio
    }
    keys = sort_keys()
    wanted = (*([] if sort is None else [sort]), *reference.suite.ranked_by)
    return next(one for one in wanted if one == N_PARAMS or keys[one] in defined)


def _digest_of_files(runs: Sequence[Run]) -> str | None:
    """The digest of the clean images, or of another cell if they were not evaluated."""
    every = (cell_contents(run) for run in runs)
    known = next((contents for contents in every if contents), {})
    first = known.get(CLEAN) or next(iter(known.values()), None)
    return None if first is None else first.source or first.digest


def _board_of_runs(
    runs: Sequence[Run], sort: str, reported: Sequence[Published], reference: Reference
) -> Board:
    protocol = runs[0].protocol
    entries = told_apart([run_entry(*chosen) for chosen in _one_a_model(runs, reference)])
    candidates = [one for one in entries if one.is_complete]
    unfinished = [one for one in entries if not one.is_complete]
    if takes_reported(protocol):
        candidates += [reported_entry(one) for one in reported if is_comparable(one)]
    return _board(protocol, sort, candidates, unfinished, reference)


def _board_of_reported(reported: Sequence[Published], sort: str, reference: Reference) -> Board:
    return _board(
        None,
        sort,
        [reported_entry(one) for one in reported if is_comparable(one)],
        [reported_entry(one) for one in reported if not is_comparable(one)],
        reference,
    )


def _board(
    protocol: Protocol | None,
    sort: str,
    candidates: Sequence[Entry],
    unranked: Sequence[Entry],
    reference: Reference,
) -> Board:
    path = sort_keys()[sort]
    ranked = _ranked([one for one in candidates if one.value(path) is not None], path)
    rest = [one for one in candidates if one.value(path) is None]
    # Results of different stated protocols are grouped, since they cannot be ordered.
    rest += sorted(unranked, key=lambda one: (_stated(one), _or_last(one.value(path))))
    divisor = [reference_entry(reference)] if reference.is_defined else []
    return Board(protocol, sort, (*ranked, *divisor, *rest), reference)


def _ranked(entries: Iterable[Entry], path: str) -> list[Entry]:
    """Best first. Ties share a rank, and the next rank counts all of them: 1, 2, 2, 4."""

    def value(entry: Entry) -> float:
        return round(_or_last(entry.value(path)), TIE_DECIMALS)

    ordered = sorted(entries, key=lambda one: (value(one), one.model))
    # Ties by value, and then by name, so that the order does not depend on the store's.
    values = [value(one) for one in ordered]
    return [replace(one, rank=values.index(value(one)) + 1) for one in ordered]


def _or_last(value: float | None) -> float:
    return math.inf if value is None else float(value)


def _stated(entry: Entry) -> str:
    return str(None if entry.published is None else stated_protocol(entry.published))


def _one_a_model(runs: Sequence[Run], reference: Reference) -> list[tuple[Run, Summary]]:
    """The newest complete run of each model, or its newest run if none is complete."""
    chosen: dict[str, tuple[Run, Summary]] = {}
    for run in sorted(runs, key=lambda run: run.created_at, reverse=True):
        summary = summarize(run.cells, reference)
        before = chosen.get(run.model.fingerprint)
        if before is None or (summary.is_complete and not before[1].is_complete):
            chosen[run.model.fingerprint] = (run, summary)
    return list(chosen.values())
