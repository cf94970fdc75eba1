"""`gnlbench runs`: list, show, tag, delete, export and import the stored runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    IntervalsOption,
    LevelOption,
    ReferenceOption,
    StoreOption,
)
from robustbench_gnl.cli._output import emit, no_runs_in, print_text, say
from robustbench_gnl.cli._reference import chosen_reference, note_unused_reference
from robustbench_gnl.cli._run_files import read_runs, write_whole
from robustbench_gnl.cli._tags import (
    check_free,
    check_tags,
    say_remaining_runs,
    say_repeated_tags,
)
from robustbench_gnl.errors import StoreError, UsageError
from robustbench_gnl.levels import LEVEL
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES
from robustbench_gnl.text import counted, printable

if TYPE_CHECKING:
    from robustbench_gnl.store import StoredRun


runs_app = typer.Typer(
    no_args_is_help=True,
    help=(
        "List, show, tag, delete, export and import the stored runs.\n\n"
        "RUN is a run id, the start of one, a tag (its newest run), or the name of a model "
        "(its newest finished run).\n\n"
        "Example: `gnlbench runs list`"
    ),
)
app.add_typer(runs_app, name="runs")

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Run id (or its start), tag, or model name.")
]


@runs_app.command(
    "list",
    help="List the runs, newest first.\n\nExample: `gnlbench runs list --format csv --limit 20`",
)
def list_runs(
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="List only the newest N runs.")
    ] = None,
) -> None:
    from robustbench_gnl.reports.lists import run_list
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        # SQLite takes no number above 64 bits as a limit.
        runs = store.runs(limit=None if limit is None else min(limit, sys.maxsize))
        if not runs:
            say(f"There are {no_runs_in(store)}. Make the first with `gnlbench demo`.")
    emit(run_list(runs), format)


@runs_app.command(
    "show",
    help="Show the results, protocol and environment of a run.\n\n"
    "Example: `gnlbench runs show resnet50 --format json`",
)
def show_run(
    run: RunArgument,
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
    reference: ReferenceOption = None,
    level: LevelOption = LEVEL,
    ci: IntervalsOption = True,
) -> None:
    from robustbench_gnl.cli._details import details_of, stored_outcomes
    from robustbench_gnl.reports.run import run_document
    from robustbench_gnl.store import open_store

    divisor = chosen_reference(reference)
    with open_store(db) as store:
        with store.snapshot():  # Another process may be writing or deleting it.
            found = store.resolve(run)
            n_pieces = len(store.stored_pieces(found.id))
            read = stored_outcomes(store, found)
        note_unused_reference(reference, [found])
        details = details_of(store, found, db, divisor, level=level, read=read)
    emit(run_document(found, divisor, details, intervals=ci, n_pieces=n_pieces), format)


@runs_app.command(
    "tag",
    help="Add tags to a run, or remove some. Where a command takes RUN, a tag selects the newest "
    "run that has it.\n\n"
    "Example: `gnlbench runs tag 20261123-142530-a1b2c3 baseline --remove candidate`",
)
def tag_run(
    run: RunArgument,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Tags to add.", show_default=False),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="NAME", help="A tag to remove; repeatable."),
    ] = None,
    db: StoreOption = str(DEFAULT_STORE),
) -> None:
    from robustbench_gnl.store import open_store

    added, removed = list(dict.fromkeys(names or [])), list(dict.fromkeys(remove or []))
    if not (added or removed):
        raise UsageError("expected a tag to add, or one to remove with --remove")
    if both := [name for name in added if name in removed]:
        raise UsageError(f"the tag {both[0]!r} is both to be added and to be removed")
    check_tags(added)
    with open_store(db) as store:
        found = store.resolve(run)
        check_free(added, store)
    if missing := [name for name in removed if name not in found.tags]:
        has = f"its tags are {', '.join(found.tags)}" if found.tags else "it has no tags"
        raise UsageError(f"run {found.id} has no tag {missing[0]!r}: {has}", run_id=found.id)
    with open_store(db, write=True) as store:
        store.change_tags(found.id, add=added, remove=removed)
        tags = store.run(found.id).tags
        listed = f"has the tags {', '.join(tags)}" if tags else "has no tags"
        say(f"Run {found.id} ({found.model.name}) {listed}.")
        say_repeated_tags(added, {found.id}, store)
        say_remaining_runs(removed, store)


@runs_app.command(
    "delete",
    help="Delete a run and everything stored about it.\n\n"
    "Example: `gnlbench runs delete 20261123-142530-a1b2c3 --yes`",
)
def delete_run(
    run: RunArgument,
    db: StoreOption = str(DEFAULT_STORE),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        run_id = store.resolve_id(run)
        try:
            found = store.run(run_id)
            of_model, of_protocol = f" of {found.model.name}", f", {found.protocol.name}"
        except StoreError:  # A run that cannot be read can still be deleted.
            of_model, of_protocol = "", ", which cannot be read"
    if not yes:
        if not _is_terminal():
            raise UsageError(
                f"cannot ask for confirmation to delete run {run_id}: stdin is not a terminal; "
                "pass --yes"
            )
        if not _is_confirmed(f"Delete run {run_id}{of_model}{of_protocol}?"):
            say("Nothing was deleted.")
            return
    with open_store(db, write=True) as store:
        store.delete_run(run_id)
    say(f"Deleted run {run_id}{of_model}.")


@runs_app.command(
    "export",
    help="Write a run as JSON, with the outcome of every image, the image names and the "
    "environment. `gnlbench runs import` reads it.\n\n"
    "Example: `gnlbench runs export resnet50 -o resnet50.json`",
)
def export_run(
    run: RunArgument,
    db: StoreOption = str(DEFAULT_STORE),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write; default: stdout."),
    ] = None,
) -> None:
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        document = store.export_run(store.resolve_id(run))
    text = _as_json(document)
    if output is None:
        print_text(text)
    else:
        write_whole(output, text + "\n")
        say(f"Wrote {output}.")


@runs_app.command(
    "import",
    help="Import runs from exported JSON files or other stores, and print the ids of new runs. If "
    "one cannot be imported, none is. Runs that are stored already are not changed.\n\n"
    "Example: `gnlbench runs import resnet50.json colleague.sqlite`",
)
def import_runs(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", exists=True, dir_okay=False, help="Exported JSON, or a store."
        ),
    ],
    db: StoreOption = str(DEFAULT_STORE),
) -> None:
    from robustbench_gnl.store import open_store

    with ExitStack() as stack:
        # Read before the store is opened, which creates it: a bad file then leaves none behind.
        sources = [read_runs(path, stack) for path in files]
        store = stack.enter_context(open_store(db, write=True))
        n_read = 0

        def every_run() -> Iterator[StoredRun]:
            nonlocal n_read
            for source in sources:
                for stored in source:
                    n_read += 1
                    yield stored

        added = store.import_stored(every_run())
    for run_id in added:
        print_text(run_id)
    there = n_read - len(added)
    others = f"; {counted(there, 'run was', 'runs were')} stored already" if there else ""
    say(f"Imported {counted(len(added), 'run')}{others}.")


@runs_app.command(
    "cite",
    help="Print BibTeX for the benchmarks, references and models of runs, where known.\n\n"
    "Example: `gnlbench runs cite resnet50 efficientnet_gnl_es > references.bib`",
)
def cite_runs(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help="Runs to cite; default: all.", show_default=False),
    ] = None,
    db: StoreOption = str(DEFAULT_STORE),
) -> None:
    from robustbench_gnl.citations import bibtex
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        chosen = [store.resolve(run) for run in runs] if runs else store.runs()
    used = {run.protocol.suite for run in chosen} or {DEFAULT_SUITE.name}
    suites = [suite for name, suite in SUITES.items() if name in used]
    print_text(bibtex((run.model.name for run in chosen), suites))


def _as_json(document: dict[str, Any]) -> str:
    """An exported run as JSON; in ASCII if it has control characters or the like.

    Raises:
        StoreError: It holds a number that JSON cannot.
    """
    from robustbench_gnl.reports.render.data import finite

    head = document["run"]
    head = {**head, "environment": finite(head["environment"], {})}
    try:
        text = json.dumps({**document, "run": head}, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise StoreError(
            f"run {head['id']} holds a number that is not finite, which JSON cannot hold ({error})"
        ) from error
    # Escaped by JSON where a terminal might obey it; readable names otherwise.
    return text if printable(text) == text else json.dumps({**document, "run": head})


def _is_terminal() -> bool:
    # None where the command was started with its input closed.
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _is_confirmed(question: str) -> bool:
    try:
        return typer.confirm(printable(question), default=False, err=True)
    except typer.Abort:  # Ctrl-C at the question; Abort by itself would exit with 1.
        raise KeyboardInterrupt from None
