"""`gnlbench preview`: a labelled picture of what `eval` makes of an image."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import corruptions
from robustbench_gnl.cli._contact_sheet import GAP, MARGIN
from robustbench_gnl.cli.preview import FORMATS, title
from robustbench_gnl.data import clean_crop, jpeg_step
from tests.cli.conftest import environment, gnlbench
from tests.trees import make_clean_tree

STEP = 224 + GAP


def cells(path: Path) -> list[list[np.ndarray]]:
    """The images of a sheet, row by row, counted from its lower right corner."""
    sheet = np.asarray(Image.open(path))
    bottom, right = sheet.shape[0] - MARGIN, sheet.shape[1] - MARGIN
    n_rows = (bottom + GAP) // STEP
    return [
        [
            sheet[bottom - row * STEP - 224 : bottom - row * STEP, x - 224 : x]
            for x in range(right - 5 * STEP, right + 1, STEP)
        ]
        for row in reversed(range(n_rows))
    ]


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    return min(make_clean_tree(tmp_path / "val").rglob("*.JPEG"))


@pytest.mark.parametrize("quality", [0, 85])
def test_the_picture_holds_what_eval_makes(photograph: Path, tmp_path: Path, quality: int) -> None:
    out = tmp_path / "grid.png"
    gnlbench(
        "preview", photograph, "-o", out, "--corruption", "fog,snow", "--seed", "3",
        "--jpeg-quality", quality,
    )  # fmt: skip
    crop = np.asarray(clean_crop(Image.open(photograph).convert("RGB")))
    key = f"{photograph.parent.name}/{photograph.stem}"
    rows = cells(out)

    assert len(rows) == 2
    for row, name in zip(rows, ("fog", "snow"), strict=True):
        assert np.array_equal(row[0], crop)
        for severity in corruptions.SEVERITIES:
            expected = corruptions.corrupt(crop, name, severity, seed=3, key=key)
            expected = jpeg_step(expected, quality) if quality else expected
            assert np.array_equal(row[severity], expected), (name, severity)


def test_labels_stand_in_the_margins(photograph: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    gnlbench("preview", photograph, "-o", out, "--corruption", "jpeg_compression")
    sheet = np.asarray(Image.open(out).convert("L"))
    left = sheet.shape[1] - MARGIN - 6 * STEP + GAP
    top = sheet.shape[0] - MARGIN - 224

    assert (sheet[top:, :left] < 128).sum() > 200  # the name of the row
    for column in range(6):  # the head of each column
        x = left + column * STEP
        assert (sheet[:top, x : x + 224] < 128).sum() > 50
    assert (sheet[:, :4] > 250).all()


def test_all_fifteen_of_the_sample_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = gnlbench("preview")
    (picture,) = tmp_path.iterdir()

    assert picture.name in done.stderr
    assert picture.name.endswith("-corruptions.png")
    assert len(cells(picture)) == 15


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_suffix_says_how(photograph: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"grid{suffix}"
    gnlbench("preview", photograph, "-o", out, "--corruption", "pixelate")

    assert out.stat().st_size > 1000
    if suffix == ".pdf":
        assert out.read_bytes().startswith(b"%PDF")
    else:
        assert Image.open(out).height > 224


def test_what_cannot_be_drawn(photograph: Path, tmp_path: Path) -> None:
    before = photograph.read_bytes()
    assert "the image itself" in gnlbench("preview", photograph, "-o", photograph, check=2).stderr
    assert photograph.read_bytes() == before
    assert "suffixes" in gnlbench("preview", photograph, "-o", tmp_path / "g.doc", check=2).stderr
    assert "did you mean" in gnlbench("preview", photograph, "--corruption", "fogg", check=2).stderr
    assert "cannot read" in gnlbench("preview", tmp_path / "no.jpg", check=3).stderr
    no_folder = tmp_path / "no" / "g.png"
    done = gnlbench("preview", photograph, "--corruption", "fog", "-o", no_folder, check=5)
    assert "name another file" in done.stderr
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    assert "no image that Pillow knows" in gnlbench("preview", text, check=3).stderr


def test_a_file_whose_name_is_no_unicode(photograph: Path, tmp_path: Path) -> None:
    odd = tmp_path / b"dog\xff.jpg".decode(errors="surrogateescape")
    odd.write_bytes(photograph.read_bytes())
    gnlbench("preview", odd, "--corruption", "fog", "-o", tmp_path / "fog.png")

    assert (tmp_path / "fog.png").stat().st_size > 10_000


def test_names_as_people_write_them() -> None:
    titles = [title(name) for name in corruptions.names("all")]

    assert "JPEG compression" in titles
    assert "Gaussian noise" in titles
    assert not any("_" in each for each in titles)


def test_preview_loads_no_torch(photograph: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom robustbench_gnl.cli import app\n"
        f"app(['preview', {str(photograph)!r}, '-o', {str(tmp_path / 'g.png')!r}],"
        " standalone_mode=False)\n"
        "print(sorted({'torch', 'timm', 'cv2', 'skimage', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
