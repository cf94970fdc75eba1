"""`gnlbench runs`: what the store holds, run by run, and moving runs between stores."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._options import (
    DEFAULT_LEVEL,
    DEFAULT_STORE,
    Format,
    FormatOption,
    LevelOption,
    ReferenceOption,
    StoreOption,
)
from robustbench_gnl.cli._output import print_json, print_parts
from robustbench_gnl.cli._reference import chosen_reference
from robustbench_gnl.cli._run_files import read_runs, write_whole
from robustbench_gnl.errors import StoreError, UsageError
from robustbench_gnl.records import COMMON_CONDITIONS, SCHEMA_VERSION, Run

if TYPE_CHECKING:
    from robustbench_gnl.store import StoredRun


runs_app = typer.Typer(
    no_args_is_help=True,
    help=(
        "List, show, delete, export and import the stored runs.\n\n"
        "RUN is a run id, the start of one, a tag (its newest run), or the name of a model "
        "(its newest finished run).\n\n"
        "Example: `gnlbench runs list`"
    ),
)
app.add_typer(runs_app, name="runs")

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id, start of one, tag, or model.")]


@runs_app.command(
    "list",
    help="List the runs, newest first.\n\nExample: `gnlbench runs list --format csv --limit 20`",
)
def list_runs(
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The newest N runs.")
    ] = None,
) -> None:
    from robustbench_gnl.reports import Column, render, rich_tables
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        rows, db = [_row(run) for run in store.runs(limit=limit)], store.name
    if not rows:
        typer.echo(f"No runs in {db} yet. Make the first with `gnlbench demo`.", err=True)
    if format is Format.json:
        raw = [{key: value for key, value in row.items() if key != "cells"} for row in rows]
        print_json({"schema_version": SCHEMA_VERSION, "runs": raw})
        return
    titles = {"id": "run"} | {key: key for key in ("model", "checkpoint", "protocol")}
    columns = [Column(key, title, justify="left") for key, title in titles.items()]
    columns.append(Column("n_images", "images"))
    if format is Format.csv:
        columns += [Column(key, key) for key in ("n_cells_complete", "n_cells_stored")]
    else:
        columns.append(Column("cells", "cells of mCE", justify="left"))
    columns += [
        Column("tags", "tags", justify="left"),
        Column("created_at", "begun", justify="left", format=_as_minute, droppable="date"),
    ]
    if format is not Format.table:
        typer.echo(render(rows, columns, format.value))
    elif rows:
        print_parts(lambda width: rich_tables(rows, columns, width=width, n_fixed=1))


@runs_app.command(
    "show",
    help="Show the results of a run, and how it was made.\n\n"
    "Example: `gnlbench runs show resnet50 --format json`",
)
def show_run(
    run: RunArgument,
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
    reference: ReferenceOption = None,
    level: LevelOption = DEFAULT_LEVEL,
    ci: Annotated[
        bool,
        typer.Option("--ci/--no-ci", help="A column of intervals in markdown and latex."),
    ] = True,
) -> None:
    from robustbench_gnl.cli._details import details_of
    from robustbench_gnl.reports import render_run, run_document, run_table
    from robustbench_gnl.store import open_store

    divisor = chosen_reference(reference)
    with open_store(db) as store:
        found = store.resolve(run)
        n_pieces = len(store.stored_pieces(found.id))
        details = details_of(store, found, db, divisor, level=level)
    if format is Format.json:
        print_json({**run_document(found, divisor, details), **_facts(found, n_pieces)})
    elif format is Format.table:
        print_parts(lambda width: [run_table(found, divisor, details, width=width)])
        typer.echo("\n".join(_fact_lines(found, n_pieces)))
    else:
        typer.echo(render_run(found, format.value, divisor, details, intervals=ci))


@runs_app.command(
    "delete",
    help="Delete a run and everything stored about it.\n\n"
    "Example: `gnlbench runs delete 20261123-142530-a1b2c3 --yes`",
)
def delete_run(
    run: RunArgument,
    db: StoreOption = str(DEFAULT_STORE),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
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
                f"deleting run {run_id} needs a yes, and nobody is there to ask: pass --yes"
            )
        if not _asks_yes(f"Delete run {run_id}{of_model}{of_protocol}?"):
            typer.echo("Nothing was deleted.", err=True)
            return
    with open_store(db, write=True) as store:
        store.delete_run(run_id)
    typer.echo(f"Deleted run {run_id}{of_model}.", err=True)


@runs_app.command(
    "export",
    help="Write a run as JSON: every piece with its bits, images and environment. "
    "`gnlbench runs import` reads it.\n\n"
    "Example: `gnlbench runs export resnet50 -o resnet50.json`",
)
def export_run(
    run: RunArgument,
    db: StoreOption = str(DEFAULT_STORE),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: stdout.")
    ] = None,
) -> None:
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        document = store.export_run(store.resolve_id(run))
    text = json.dumps(document, ensure_ascii=False)
    if not text.isascii() and text.encode(errors="replace").decode() != text:
        text = json.dumps(document)  # A path in `environment` may hold bytes that are no Unicode.
    if output is None:
        typer.echo(text)
    else:
        write_whole(output, text + "\n")
        typer.echo(f"Wrote {output}.", err=True)


@runs_app.command(
    "import",
    help="Add runs from exported JSON files or from other stores: all of them or, if anything "
    "is wrong, none. Runs that are there already are left alone. Prints the ids of new runs.\n\n"
    "Example: `gnlbench runs import resnet50.json colleague.sqlite`",
)
def import_runs(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", exists=True, dir_okay=False, help="JSON, or a store."),
    ],
    db: StoreOption = str(DEFAULT_STORE),
) -> None:
    from robustbench_gnl.store import open_store

    with ExitStack() as stack:
        # Read before the store is opened, which would make it: a bad file leaves no trace.
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
        typer.echo(run_id)
    typer.echo(f"Imported {len(added)} of {n_read} runs; the others were there.", err=True)


@runs_app.command(
    "cite",
    help="Print BibTeX for the benchmark, the reference and the models of runs, where known.\n\n"
    "Example: `gnlbench runs cite resnet50 efficientnet_gnl_es > references.bib`",
)
def cite_runs(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help="Default: every run.", show_default=False),
    ] = None,
    db: StoreOption = str(DEFAULT_STORE),
) -> None:
    from robustbench_gnl.reports.citations import bibtex
    from robustbench_gnl.store import open_store

    with open_store(db) as store:
        chosen = [store.resolve(run) for run in runs] if runs else store.runs()
    typer.echo(bibtex(run.model.name for run in chosen))


def _row(run: Run) -> dict[str, Any]:
    complete, stored = len(run.cells), len(run.cells) + run.n_unfinished_cells
    return {
        "id": run.id,
        "model": run.model.name,
        "checkpoint": run.model.checkpoint_sha256[:8],
        "protocol": run.protocol.name,
        "protocol_fingerprint": run.protocol.fingerprint,
        "n_images": run.protocol.n_images,
        "cells": f"{len(set(run.cells) & set(COMMON_CONDITIONS))}/{len(COMMON_CONDITIONS)}"
        + ("" if run.finished_at else ", unfinished"),
        "n_cells_complete": complete,
        "n_cells_stored": stored,
        "tags": list(run.tags),
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def _facts(run: Run, n_pieces: int) -> dict[str, Any]:
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


def _fact_lines(run: Run, n_pieces: int) -> list[str]:
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


def _as_minute(time: str) -> str:
    """`2026-11-23 14:25` of a time in ISO 8601."""
    return time[:16].replace("T", " ")


def _is_terminal() -> bool:
    # None where the command was started with its input closed.
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _asks_yes(question: str) -> bool:
    try:
        return typer.confirm(question, default=False, err=True)
    except typer.Abort:  # Ctrl-C at the question; Abort by itself would exit with 1.
        raise KeyboardInterrupt from None
