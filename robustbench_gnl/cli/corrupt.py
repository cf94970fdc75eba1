"""`gnlbench corrupt`: write an ImageNet-C tree from clean images."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from corruptions import ENGINES
from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._conditions import parse_corruptions, parse_severities
from robustbench_gnl.cli._options import EngineOption, SeedOption, WorkersOption
from robustbench_gnl.cli._output import counted, say
from robustbench_gnl.errors import UsageError
from robustbench_gnl.records import conditions_of

HELP = (
    "Write a tree in the layout of ImageNet-C from class folders of clean images.\n\n"
    "By the recipe of the release: shorter side to 256, centre crop 224, corruption, JPEG. "
    "Interrupted and repeated it writes what is missing. `eval --data` knows the tree by its "
    "manifest, and counts as it would on the fly.\n\n"
    "Example: `gnlbench corrupt imagenet/val imagenet-c-seed0 --corruptions noise,fog`"
)


@app.command("corrupt", help=HELP)
def corrupt(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Class folders of clean images.")],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="DST", help="The tree: a new folder, or one that this command began."
        ),
    ],
    corruptions: Annotated[
        str,
        typer.Option(metavar="common|extra|all|NAME,...", help="Names or groups."),
    ] = "common",
    severities: Annotated[str, typer.Option(metavar="1-5|1,3", help="How strong, 1 to 5.")] = "1-5",
    jpeg_quality: Annotated[
        int, typer.Option(min=1, max=100, help="Of the files; the release has 85.")
    ] = 85,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N images of the sorted keys.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="generated",
            help="`generated`: corrupt images that look corrupted already, or are small.",
        ),
    ] = None,
    seed: SeedOption = 0,
    engine: EngineOption = ENGINES[0],
    workers: WorkersOption = None,
) -> None:
    from robustbench_gnl.data import (
        BYTES_AN_IMAGE,
        Recipe,
        begin_tree,
        default_workers,
        locked,
        open_clean,
        start_workers,
        write_tree,
    )
    from robustbench_gnl.progress import ProgressBar

    conditions = conditions_of(parse_corruptions(corruptions), parse_severities(severities))
    recipe = Recipe(engine=engine, seed=seed, jpeg_quality=jpeg_quality)
    if kind is not None and kind != "generated":
        raise UsageError(f"unknown source {kind!r}; expected generated, or leave --source out")
    images = open_clean(source, recipe=recipe, insisted=kind is not None)
    for note in images.notes:
        say(f"Note: {note}")
    images = images.first(limit)
    begin_tree(images, target)
    n_files = images.n_images * len(conditions)
    say(
        f"{counted(images.n_images, 'image')} under {counted(len(conditions), 'condition')}: "
        f"{counted(n_files, 'file')}, about {_size(n_files * BYTES_AN_IMAGE)}, to {target}"
    )
    n_workers = default_workers() if workers is None else workers
    executor = start_workers(n_workers, engine=engine)
    try:
        with (
            locked(target),
            ProgressBar(n_files, label="writing", unit="files", write=say) as progress,
        ):
            written, there = write_tree(
                images, target, conditions, executor, n_workers=n_workers,
                on_images=lambda n_images: progress.advance("writing", n_images),
            )  # fmt: skip
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
    say(
        f"Wrote {counted(written, 'file')}"
        + (f"; {there:,} were there" if there else "")
        + ". Next: gnlbench eval --model NAME --ckpt FILE "
        + shlex.join(["--data", str(target), "--clean-data", str(images.root)])
    )


def _size(n_bytes: int) -> str:
    """`9 MB`, `75 GB`."""
    return f"{n_bytes / 1e9:,.0f} GB" if n_bytes >= 1e10 else f"{max(1, n_bytes / 1e6):,.0f} MB"
