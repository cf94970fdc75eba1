"""A labelled picture of images in rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

INK, PAPER = (20, 20, 20), (255, 255, 255)
GAP = 6  # pixels between images
MARGIN = 18
FONT_SHARE = 8  # the letters are so many times smaller than the images


def contact_sheet(
    columns: Sequence[str], rows: Mapping[str, Sequence[Any]], *, title: str = ""
) -> Image.Image:
    """Rows of images, their names on the left, the columns' names above.

    Args:
        columns: A head for each column.
        rows: A name for each row, and its images: uint8 (S, S, 3) arrays, one a column.
        title: A line above all, left out where it is empty.
    """
    from PIL import Image, ImageDraw, ImageFont

    side = next(iter(rows.values()))[0].shape[0]
    font = ImageFont.load_default(size=max(12, side // FONT_SHARE))
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    line = round(_height(draw, font) * 1.5)
    labels = MARGIN + max(_width(draw, font, name) for name in rows) + MARGIN
    top = MARGIN + (line if title else 0) + line + GAP
    sheet = Image.new(
        "RGB",
        (
            labels + len(columns) * (side + GAP) - GAP + MARGIN,
            top + len(rows) * (side + GAP) - GAP + MARGIN,
        ),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((MARGIN, MARGIN + line // 2), title, INK, font, anchor="lm")
    for column, head in enumerate(columns):
        x = labels + column * (side + GAP) + side // 2
        draw.text((x, top - GAP - line // 2), head, INK, font, anchor="mm")
    for row, (name, images) in enumerate(rows.items()):
        y = top + row * (side + GAP)
        draw.text((labels - MARGIN, y + side // 2), name, INK, font, anchor="rm")
        for column, image in enumerate(images):
            sheet.paste(Image.fromarray(image), (labels + column * (side + GAP), y))
    return sheet


def _width(draw: ImageDraw.ImageDraw, font: Any, text: str) -> int:
    return round(draw.textlength(text, font))


def _height(draw: ImageDraw.ImageDraw, font: Any) -> int:
    _, top, _, bottom = draw.textbbox((0, 0), "Ag", font)
    return round(bottom - top)
