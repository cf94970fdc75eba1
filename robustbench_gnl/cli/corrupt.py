"""`gnlbench corrupt`: write an ImageNet-C tree from clean images."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corruptions import ENGINES
from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._conditions import (
    ALL_SEVERITIES,
    CORRUPTIONS_METAVAR,
    MAIN_CORRUPTIONS,
    SEVERITIES_METAVAR,
    parse_conditions,
)
from robustbench_gnl.cli._options import (
    DEFAULT_JPEG_QUALITY,
    FIRST_IMAGES,
    EngineOption,
    SeedOption,
    WorkersOption,
)
from robustbench_gnl.cli._output import say
from robustbench_gnl.errors import UsageError
from robustbench_gnl.suites import DEFAULT_SUITE
from robustbench_gnl.text import counted

if TYPE_CHECKING:
    from robustbench_gnl.data import Source
    from robustbench_gnl.records import Condition

HELP = (
    "Write a tree in the layout of ImageNet-C from class folders of clean images.\n\n"
    "The images are made as the released ones: shorter side resized to "
    f"{DEFAULT_SUITE.input.shorter_side}, centre crop {DEFAULT_SUITE.input.crop}, corruption, "
    "JPEG. An interrupted command is resumed when it is repeated. `eval --data` recognises the "
    "tree by its manifest, and gives the same results as with corruptions made on the fly.\n\n"
    "Example: `gnlbench corrupt imagenet/val imagenet-c-seed0 --corruptions noise,fog`"
)


@app.command("corrupt", help=HELP)
def corrupt(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Class folders of clean images.")],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="DST", help="Folder to write: a new one, or one that this command began."
        ),
    ],
    corruptions: Annotated[
        str,
        typer.Option(metavar=CORRUPTIONS_METAVAR, help="Corruptions to write: names or groups."),
    ] = MAIN_CORRUPTIONS,
    severities: Annotated[
        str,
        typer.Option(
            metavar=SEVERITIES_METAVAR,
            help=f"Severities to write, from {DEFAULT_SUITE.severity_span()}.",
        ),
    ] = ALL_SEVERITIES,
    jpeg_quality: Annotated[
        int,
        typer.Option(
            min=1, max=100, help="JPEG quality of the files; default: as the released images."
        ),
    ] = DEFAULT_JPEG_QUALITY,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"Write {FIRST_IMAGES}"),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="generated",
            help="generated: corrupt the images even if they are small or look corrupted already.",
        ),
    ] = None,
    seed: SeedOption = 0,
    engine: EngineOption = ENGINES[0],
    workers: WorkersOption = None,
) -> None:
    from robustbench_gnl.data import BYTES_AN_IMAGE, Recipe, begin_tree, open_clean

    conditions = parse_conditions(corruptions, severities, DEFAULT_SUITE)
    recipe = Recipe(engine=engine, seed=seed, jpeg_quality=jpeg_quality)
    if kind is not None and kind != "generated":
        raise UsageError(f"unknown source {kind!r}; expected generated, or leave --source out")
    images = open_clean(source, recipe=recipe, explicit=kind is not None)
    for note in images.notes:
        say(f"Note: {note}")
    images = images.first(limit)
    begin_tree(images, target)
    n_files = images.n_images * len(conditions)
    say(
        f"{counted(images.n_images, 'image')} under {counted(len(conditions), 'condition')}: "
        f"{counted(n_files, 'file')}, about {_size(n_files * BYTES_AN_IMAGE)}, to {target}"
    )
    written, there = _write(images, target, conditions, workers)
    say(
        f"Wrote {counted(written, 'file')}"
        + (f"; {there:,} were there" if there else "")
        + ". Next: gnlbench eval --model NAME --ckpt FILE "
        + shlex.join(["--data", str(target), "--clean-data", str(images.root)])
    )


def _write(
    images: Source, target: Path, conditions: Sequence[Condition], workers: int | None
) -> tuple[int, int]:
    """Write the files of a tree with a progress bar; the number of files that were written, and of
    those that were there."""
    from robustbench_gnl.data import default_workers, locked, start_workers, write_tree
    from robustbench_gnl.progress import ProgressBar

    n_workers = default_workers() if workers is None else workers
    n_files = images.n_images * len(conditions)
    executor = start_workers(n_workers, engine=images.engine)
    try:
        with (
            locked(target),
            ProgressBar(n_files, label="writing", unit="files", write=say) as progress,
        ):
            return write_tree(
                images, target, conditions, executor, n_workers=n_workers,
                on_images=lambda n_images: progress.advance("writing", n_images),
            )  # fmt: skip
    finally:
        # At an error or Ctrl-C nobody needs the images that are not begun.
        executor.shutdown(wait=True, cancel_futures=True)


def _size(n_bytes: int) -> str:
    """`9 MB`, `75 GB`."""
    return f"{n_bytes / 1e9:,.0f} GB" if n_bytes >= 1e10 else f"{max(1, n_bytes / 1e6):,.0f} MB"
