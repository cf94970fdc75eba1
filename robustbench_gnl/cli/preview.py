"""`gnlbench preview`: a picture of one image under the corruptions."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corruptions import ENGINES
from robustbench_gnl.cli._app import app
from robustbench_gnl.cli._conditions import (
    CORRUPTIONS_METAVAR,
    MAIN_CORRUPTIONS,
    parse_corruptions,
)
from robustbench_gnl.cli._options import EngineOption, SeedOption
from robustbench_gnl.cli._output import say
from robustbench_gnl.cli._run_files import write_whole
from robustbench_gnl.errors import DataError, StoreError, UsageError
from robustbench_gnl.files import open_to_read, read_bounded
from robustbench_gnl.records import CLEAN, image_key
from robustbench_gnl.suites import DEFAULT_SUITE

if TYPE_CHECKING:
    from PIL import Image

    from robustbench_gnl.data import Recipe

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF",
    ".tiff": "TIFF", ".pdf": "PDF",
}  # fmt: skip
SAMPLE = "sample"
MOST_BYTES = 2**28
"""Largest image that is read from a pipe."""
HELP = (
    "Draw an image under every corruption at every severity, with labels.\n\n"
    f"The image is cropped to {DEFAULT_SUITE.input.crop} x {DEFAULT_SUITE.input.crop} pixels, and "
    "corrupted exactly as by `eval`, but without its JPEG step unless --jpeg-quality is given.\n\n"
    "Example: `gnlbench preview dog.jpg --corruption snow -o snow.png`"
)


@app.command("preview", help=HELP)
def preview(
    image: Annotated[
        str,
        typer.Argument(
            metavar="IMAGE|sample", help="Image file, or a photograph of the built-in sample."
        ),
    ] = SAMPLE,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE",
            help="File to write; its suffix gives the format: png, jpg, webp, tif or pdf. "
            "Default: <IMAGE>-corruptions.png in the current folder.",
        ),
    ] = None,
    corruption: Annotated[
        str,
        typer.Option(
            metavar=CORRUPTIONS_METAVAR, help="Corruptions to draw, one a row: names or groups."
        ),
    ] = MAIN_CORRUPTIONS,
    jpeg_quality: Annotated[
        int, typer.Option(min=0, max=100, help="JPEG quality; 0: no JPEG step.")
    ] = 0,
    seed: SeedOption = 0,
    engine: EngineOption = ENGINES[0],
) -> None:  # fmt: skip
    from robustbench_gnl.data import Recipe, open_sample

    names = parse_corruptions(corruption)
    recipe = Recipe(engine=engine, seed=seed, jpeg_quality=jpeg_quality or None)
    if image == SAMPLE:
        sample = open_sample()
        path = sample.paths(CLEAN, tuple(sample.files)[:1])[0]
    else:
        path = Path(image)
    target = output or Path(f"{path.stem}-corruptions.png")
    if target.suffix.lower() not in FORMATS:
        raise UsageError(
            f"cannot tell how to write {target}; give it one of the suffixes {', '.join(FORMATS)}"
        )
    if _is_same(target, path):
        raise UsageError(f"{target} is the image itself; name another file with --output")
    # Drawn in memory first: an error while drawing leaves the file as it was.
    content = io.BytesIO()
    _draw(path, names, recipe).save(content, FORMATS[target.suffix.lower()])
    write_whole(target, content.getvalue(), make_folder=False, failure=StoreError)
    say(f"Wrote {target}")


def _is_same(target: Path, path: Path) -> bool:
    try:
        return target.samefile(path)
    except (OSError, ValueError):  # One does not exist, or its name is invalid.
        return False


def _draw(path: Path, names: Sequence[str], recipe: Recipe) -> Image.Image:
    import numpy as np

    from robustbench_gnl.cli._contact_sheet import contact_sheet
    from robustbench_gnl.data import clean_crop, corrupt_crops

    crop = np.asarray(clean_crop(_photograph(path)))
    # The key that the image has in its class folder, so that `eval` draws the very same.
    key = image_key(path.absolute().parent.name, path.name)
    rows = {
        title(name): [
            crop,
            *(
                corrupt_crops(crop[None], [key], condition, recipe, len(crop))[0]
                for condition in DEFAULT_SUITE.conditions_of(name)
            ),
        ]
        for name in names
    }
    return contact_sheet(
        ["clean", *(f"severity {severity}" for severity in DEFAULT_SUITE.severities)], rows
    )


def _photograph(path: Path) -> Image.Image:
    """The image of a file, or of a pipe such as a shell's `<(curl URL)`.

    Raises:
        DataError: It cannot be read, or is no image.
    """
    from robustbench_gnl.data import read_image

    try:
        with open_to_read(path) as file:
            if path.is_file():
                return read_image(path)[0]
            with tempfile.TemporaryDirectory(prefix="gnlbench-") as folder:
                copy = Path(folder) / "piped"
                copy.write_bytes(read_bounded(file, MOST_BYTES))
                return read_image(copy)[0]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}", path=path) from error


def title(name: str) -> str:
    """`gaussian_noise` as people write it."""
    words = name.replace("_", " ")
    return words.replace("jpeg", "JPEG") if name.startswith("jpeg") else words.capitalize()
