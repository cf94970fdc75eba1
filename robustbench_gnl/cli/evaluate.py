"""`gnlbench eval`: judge models on the corruptions and store every result."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corruptions import ENGINES
from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._conditions import parse_corruptions, parse_severities
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    MOST_WORKERS,
    Format,
    FormatOption,
    StoreOption,
)
from robustbench_gnl.cli._output import print_json, print_parts
from robustbench_gnl.cli._request import (
    DataRequest,
    ModelRequest,
    Settings,
    pair_models,
)
from robustbench_gnl.errors import UsageError

if TYPE_CHECKING:
    from robustbench_gnl.records import Run

HELP = (
    "Judge models on the 15 corruptions at 5 severities, and store every result.\n\n"
    "An interrupted run goes on where it stopped when the same command is repeated; a complete "
    "one is printed at once.\n\n"
    "Example: `gnlbench eval --model efficientnet_gnl_es --ckpt last.pth --data imagenet-c "
    "--clean-data imagenet/val`"
)
MODEL, DATA, WORK = "Model", "Data", "Work"


@app.command("eval", help=HELP)
def evaluate(
    context: typer.Context,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A network of ours or of timm. Repeat it, with a --ckpt each, to judge several "
            "on the same images at once.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    ckpt: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="A checkpoint file or a training folder.", rich_help_panel=MODEL
        ),
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="timm's own weights.", rich_help_panel=MODEL)
    ] = False,
    ema: Annotated[
        bool,
        typer.Option("--ema", help="The checkpoint's averaged weights.", rich_help_panel=MODEL),
    ] = False,
    best: Annotated[
        bool,
        typer.Option(
            "--best", help="model_best of a training folder, not last.", rich_help_panel=MODEL
        ),
    ] = False,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="Of the pixels in [0, 1]; default: the model's.",
            rich_help_panel=MODEL,
        ),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(metavar="R,G,B", help="Goes with --mean.", rich_help_panel=MODEL),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|sample",
            envvar="GNLBENCH_DATA",
            help="An ImageNet-C tree, class folders of clean images, or the built-in sample.",
            rich_help_panel=DATA,
        ),
    ] = None,
    clean_data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="GNLBENCH_CLEAN_DATA",
            help="The clean images beside an ImageNet-C tree.",
            rich_help_panel=DATA,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="released|generated",
            help="What --data is, where its content misleads.",
            rich_help_panel=DATA,
        ),
    ] = None,
    corruptions: Annotated[
        str,
        typer.Option(
            metavar="common|extra|all|NAME,...",
            help="Names or groups (noise, blur, weather, digital).",
            rich_help_panel=DATA,
        ),
    ] = "common",
    severities: Annotated[
        str, typer.Option(metavar="1-5|1,3", help="How strong, 1 to 5.", rich_help_panel=DATA)
    ] = "1-5",
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="The first N images of the sorted keys.", rich_help_panel=DATA
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of corruptions made on the fly.", rich_help_panel=DATA)
    ] = 0,
    engine: Annotated[
        str,
        typer.Option(
            metavar="|".join(ENGINES),
            help="Who makes corruptions on the fly: gnlbench, faithful to the release, or the "
            "package imagecorruptions.",
            rich_help_panel=DATA,
        ),
    ] = ENGINES[0],
    jpeg_quality: Annotated[
        int,
        typer.Option(
            min=0,
            max=100,
            help="Of the JPEG step after a corruption made on the fly; 0 leaves it out.",
            rich_help_panel=DATA,
        ),
    ] = 85,
    skip_bad_images: Annotated[
        bool,
        typer.Option(
            "--skip-bad-images",
            help="Leave unreadable images out of every cell; the protocol says partial.",
            rich_help_panel=DATA,
        ),
    ] = False,
    input_size: Annotated[
        int,
        typer.Option(
            min=32,
            max=4096,
            help="Resample the 224 pixels (bicubic): another protocol.",
            rich_help_panel=DATA,
        ),
    ] = 224,
    device: Annotated[
        str,
        typer.Option(
            metavar="auto|cpu|cuda|cuda:N|mps", help="What computes.", rich_help_panel=WORK
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(metavar="fp32|bf16|fp16", help="Of the network.", rich_help_panel=WORK)
    ] = "fp32",
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images at a time; default: 16 on a CPU, 128 on a GPU.",
            rich_help_panel=WORK,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_WORKERS,
            help="Processes that make the images; default: one a processor.",
            rich_help_panel=WORK,
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name for the run; repeatable.", rich_help_panel=WORK),
    ] = None,
    rerun: Annotated[
        bool,
        typer.Option(
            "--rerun", help="A new run, even if this one is stored.", rich_help_panel=WORK
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would be done and how long it would take; store nothing.",
            rich_help_panel=WORK,
        ),
    ] = False,
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
) -> None:
    if tag and not all(name.strip() for name in tag):
        raise UsageError("a tag needs a name, such as --tag release-1.2")
    requests = pair_models(
        model or [], ckpt or [], pretrained=pretrained, ema=ema, best=best,
        mean=_three(mean, "--mean"), std=_three(std, "--std"),
    )  # fmt: skip
    wanted = DataRequest(
        data=data,
        clean_data=clean_data,
        clean_data_was_typed=_was_typed(context, "clean_data"),
        kind=source,
        corruptions=parse_corruptions(corruptions),
        severities=parse_severities(severities),
        corruptions_were_named=corruptions != "common" or severities != "1-5",
        limit=limit,
        seed=seed,
        engine=engine,
        jpeg_quality=jpeg_quality or None,
    )
    settings = Settings(
        device=device,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
        input_size=input_size,
        skip_bad_images=skip_bad_images,
        rerun=rerun,
        tags=tuple(tag or ()),
    )
    runs = carry_out(requests, wanted, settings, db, dry_run=dry_run)
    if runs:
        print_runs(runs, format)


def carry_out(
    models: Sequence[ModelRequest],
    data: DataRequest,
    settings: Settings,
    db: str,
    *,
    dry_run: bool = False,
) -> list[Run]:
    """Evaluate, or only describe what would be done; the runs, none for a dry run."""
    from robustbench_gnl.cli._evaluation import evaluate_plan
    from robustbench_gnl.cli._plan import planned
    from robustbench_gnl.store import open_store

    open_store(db).close()  # a store that cannot be read is told before torch is loaded
    with planned(models, data, settings) as plan, open_store(db, write=not dry_run) as store:
        if dry_run:
            from robustbench_gnl.cli._estimate import describe_plan

            for candidate in plan.candidates:
                candidate.find_stored(store, rerun=settings.rerun)
            describe_plan(plan)
            return []
        return evaluate_plan(plan, store, typed_command(db, store.name))


def typed_command(db: str, shown_db: str) -> str:
    """The command for the record; a password in the store's URL is not for the record."""
    return shlex.join(["gnlbench", *(argument.replace(db, shown_db) for argument in sys.argv[1:])])


def print_runs(runs: Sequence[Run], format: Format) -> None:
    """The runs' tables, or one JSON document."""
    from robustbench_gnl.records import SCHEMA_VERSION
    from robustbench_gnl.reports import render_run, run_document, run_table

    if format is Format.table:
        for run in runs:
            print_parts(lambda width, run=run: [run_table(run, width=width)])  # type: ignore[misc]
    elif format is Format.json:
        documents = [run_document(run) for run in runs]
        if len(documents) == 1:
            print_json(documents[0])
        else:
            print_json({"schema_version": SCHEMA_VERSION, "runs": documents})
    else:
        texts = [render_run(run, format.value) for run in runs]
        if format is Format.csv:  # one table, under one header
            texts[1:] = [text.split("\n", 1)[1] for text in texts[1:]]
        typer.echo("\n".join(texts))


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _three(text: str | None, option: str) -> tuple[float, ...] | None:
    """`0.5,0.5,0.5` as numbers.

    Raises:
        UsageError: It is not three numbers.
    """
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 3:
        raise UsageError(f"{option} takes three numbers such as 0.485,0.456,0.406; got {text!r}")
    return values
