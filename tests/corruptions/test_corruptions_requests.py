"""Requests that cannot be carried out, and what is loaded when."""

from __future__ import annotations

from pathlib import Path

import imagecorruptions
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import corruptions
from corruptions import compat, package
from corruptions.errors import (
    CorruptionError,
    EngineUnavailableError,
    InvalidImageError,
    InvalidSeverityError,
    UnknownCorruptionError,
)
from tests.conftest import RunPython

Pixels = NDArray[np.uint8]

BAD_IMAGES = {
    "float": (np.zeros((40, 40, 3)), "expected dtype uint8 .* got float64"),
    "nan": (np.full((40, 40, 3), np.nan, np.float32), "got float32 with NaN in it"),
    "int64": (np.zeros((40, 40, 3), int), "got int64"),
    "bool": (np.zeros((40, 40, 3), bool), "got bool"),
    "grey": (np.zeros((40, 40), np.uint8), r"grey image of shape \(40, 40\); repeat it"),
    "grey with a channel": (np.zeros((40, 40, 1), np.uint8), "grey image"),
    "RGBA": (np.zeros((40, 40, 4), np.uint8), "drop the alpha channel"),
    "channels first": (np.zeros((3, 40, 40), np.uint8), r"expected shape \(H, W, 3\)"),
    "batch": (np.zeros((2, 40, 40, 3), np.uint8), r"expected shape \(H, W, 3\)"),
    "flat": (np.zeros(4800, np.uint8), r"expected shape \(H, W, 3\)"),
    "low": (np.zeros((31, 40, 3), np.uint8), r"at least 32 pixels, got \(31, 40\)"),
    "narrow": (np.zeros((40, 31, 3), np.uint8), "at least 32 pixels"),
    "empty": (np.zeros((0, 0, 3), np.uint8), "at least 32 pixels"),
    "list": ([[[0, 0, 0]]], "got list"),
    "none": (None, "got NoneType"),
}


@pytest.mark.parametrize("what", BAD_IMAGES)
def test_what_is_no_rgb_image_is_refused(what: str) -> None:
    image, sentence = BAD_IMAGES[what]

    with pytest.raises(InvalidImageError, match=sentence):
        corruptions.corrupt(image, "fog", 1)  # type: ignore[arg-type]


class Subclass(np.ndarray):
    """As libraries make them, to carry their own attributes along."""


def read_only(image: Pixels) -> Pixels:
    copy = image.copy()
    copy.flags.writeable = False
    return copy


def on_disk(image: Pixels, folder: Path) -> np.memmap:
    (folder / "image").write_bytes(image.tobytes())
    return np.memmap(folder / "image", np.uint8, "r", shape=image.shape)


ARRAYS = {
    "masked, without a mask": np.ma.array,
    "masked nowhere": lambda image: np.ma.array(image, mask=np.zeros_like(image, bool)),
    "subclass": lambda image: image.view(Subclass),
    "read-only": read_only,
    "every second pixel": lambda image: np.repeat(np.repeat(image, 2, 0), 2, 1)[::2, ::2],
    "backwards": lambda image: image[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
    "columns first": np.asfortranarray,
    "channels first": lambda image: image.transpose(2, 0, 1).copy().transpose(1, 2, 0),
}
SOME = ("gaussian_noise", "glass_blur", "snow", "pixelate", "jpeg_compression")


@pytest.mark.parametrize("kind", [*ARRAYS, "memory map"])
def test_however_an_array_lies_in_memory_its_pixels_are_the_same(
    picture: Pixels, kind: str, tmp_path: Path
) -> None:
    image = on_disk(picture, tmp_path) if kind == "memory map" else ARRAYS[kind](picture)
    before = np.array(image)
    calls = [
        lambda array, name=name, engine=engine: corruptions.corrupt(array, name, 3, engine=engine)
        for name in SOME
        for engine in corruptions.ENGINES
    ]
    for call in (*calls, lambda array: corruptions.jpeg_round_trip(array, 50)):
        made = call(image)
        assert type(made) is np.ndarray
        assert np.array_equal(made, call(picture.copy()))
        assert not np.shares_memory(made, image)
    assert np.array_equal(np.array(image), before)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_grey_images_of_subclasses_are_those_of_the_package(picture: Pixels) -> None:
    grey = picture[..., 0]
    expected = compat.corrupt(grey, 2, "fog", seed=1)

    for image in (np.matrix(grey), np.ma.array(grey), grey[..., None].view(Subclass)):
        assert np.array_equal(compat.corrupt(image, 2, "fog", seed=1), expected)


NO_ARRAYS = {
    "masked": (lambda image: np.ma.array(image, mask=image > 99), "without masked values; fill"),
    "matrix": (lambda image: np.matrix(image[..., 0]), "got a grey image"),
    "objects": (lambda image: image.astype(object), "got object"),
    "Pillow": (Image.fromarray, r"got Image; convert it: numpy.asarray\(image.convert"),
    "torch": (torch.from_numpy, r"got Tensor; convert it: image.permute\(1, 2, 0\)"),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", NO_ARRAYS)
def test_what_other_libraries_call_an_image_is_refused_with_the_way_on(
    picture: Pixels, kind: str
) -> None:
    make, sentence = NO_ARRAYS[kind]

    for engine in corruptions.ENGINES:
        with pytest.raises(InvalidImageError, match=sentence):
            corruptions.corrupt(make(picture), "fog", 1, engine=engine)
    with pytest.raises(InvalidImageError, match=sentence):
        corruptions.jpeg_round_trip(make(picture), 50)


def test_masked_grey_images_are_refused_by_the_drop_in(picture: Pixels) -> None:
    grey = np.ma.array(picture[..., 0], mask=picture[..., 0] > 99)

    with pytest.raises(InvalidImageError, match="masked values"):
        compat.corrupt(grey, 1, "fog")


@pytest.mark.parametrize(
    "severity", [0, 6, -1, 2.5, 2.0, True, "3", None, np.float64(3), np.bool_(1), np.array([3])]
)
def test_a_severity_is_an_integer_from_1_to_5(picture: Pixels, severity: object) -> None:
    with pytest.raises(InvalidSeverityError, match="severity must be an integer from 1 to 5, got"):
        corruptions.corrupt(picture, "fog", severity)  # type: ignore[arg-type]


def test_near_names_are_offered_for_an_unknown_corruption(picture: Pixels) -> None:
    with pytest.raises(
        UnknownCorruptionError, match="'gausian_noise'; did you mean gaussian_noise"
    ):
        corruptions.corrupt(picture, "gausian_noise", 1)


@pytest.mark.parametrize(
    ("typed", "near"), [("jpeg", "jpeg_compression"), ("FOG", "fog"), ("Gaussian-Blur", "gaussian")]
)
def test_near_is_what_begins_alike_and_in_other_letters(typed: str, near: str) -> None:
    with pytest.raises(UnknownCorruptionError, match=f"did you mean {near}"):
        corruptions.group_of(typed)


@pytest.mark.parametrize("name", [None, 3, ["fog"], float("nan")])
def test_what_is_no_name_is_an_unknown_corruption(picture: Pixels, name: object) -> None:
    with pytest.raises(UnknownCorruptionError, match=r"unknown corruption .*; known:"):
        corruptions.corrupt(picture, name, 1)  # type: ignore[arg-type]
    with pytest.raises(UnknownCorruptionError, match="unknown group"):
        corruptions.names(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [None, "7", 1.7, float("nan"), [0]])
def test_a_seed_is_an_integer(picture: Pixels, seed: object) -> None:
    with pytest.raises(CorruptionError, match="expected an integer as seed"):
        corruptions.corrupt(picture, "fog", 1, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", [None, 3, b"x"])
def test_a_key_is_text(picture: Pixels, key: object) -> None:
    with pytest.raises(CorruptionError, match="expected text as key"):
        corruptions.corrupt(picture, "fog", 1, key=key)  # type: ignore[arg-type]


def test_seeds_of_numpy_and_keys_that_are_no_unicode_are_taken() -> None:
    assert corruptions.image_seed(np.uint64(7), "k", "fog", 1) == corruptions.image_seed(
        7, "k", "fog", 1
    )
    keys = [b"\xff".decode(errors="surrogateescape"), b"\xfe".decode(errors="surrogateescape")]
    assert len({corruptions.image_seed(0, key, "fog", 1) for key in keys}) == 2


def test_all_names_are_shown_where_none_is_near(picture: Pixels) -> None:
    with pytest.raises(UnknownCorruptionError, match=r"known: gaussian_noise, .*, saturate"):
        corruptions.corrupt(picture, "qqq", 1)


def test_an_unknown_engine_is_refused(picture: Pixels) -> None:
    with pytest.raises(UnknownCorruptionError, match="expected one of gnlbench, imagecorruptions"):
        corruptions.corrupt(picture, "fog", 1, engine="fast")
    with pytest.raises(UnknownCorruptionError, match="unknown engine 'fast'"):
        corruptions.engine_version("fast")


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(UnknownCorruptionError, match="expected one of common, all, noise, blur"):
        corruptions.names("rain")
    with pytest.raises(UnknownCorruptionError, match="did you mean weather"):
        corruptions.names("wether")


def test_every_error_is_a_value_error() -> None:
    assert issubclass(CorruptionError, ValueError)
    for error in (
        EngineUnavailableError,
        InvalidImageError,
        InvalidSeverityError,
        UnknownCorruptionError,
    ):
        assert issubclass(error, CorruptionError)


def test_names_are_those_of_the_paper_in_its_order() -> None:
    assert len(corruptions.names()) == 15
    assert corruptions.names("all") == corruptions.names("common") + corruptions.names("extra")
    assert corruptions.names("noise") == ("gaussian_noise", "shot_noise", "impulse_noise")
    assert corruptions.names()[-1] == "jpeg_compression"
    assert [len(corruptions.names(group)) for group in corruptions.GROUPS] == [3, 4, 4, 4, 4]


def test_the_group_of_every_name_holds_it() -> None:
    for name in corruptions.names("all"):
        assert name in corruptions.names(corruptions.group_of(name))


def test_importing_the_package_loads_no_numerical_library(run_python: RunPython) -> None:
    done = run_python(
        "import sys, corruptions; corruptions.names(); corruptions.engine_version()\n"
        "heavy = {'numpy', 'cv2', 'PIL', 'scipy', 'skimage', 'numba', 'torch'}\n"
        "heavy |= {'imagecorruptions'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


CORRUPT_A_BLACK_IMAGE = """
import numpy, corruptions
try:
    corruptions.corrupt(
        numpy.zeros((40, 40, 3), numpy.uint8), "fog", 1, engine="imagecorruptions"
    )
except corruptions.EngineUnavailableError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("libGL.so.1: cannot open shared object file", "pip install opencv-python-headless"),
        ("libgthread-2.0.so.0: cannot open shared object file", "libglib2.0-0"),
        ("No module named 'imagecorruptions'", "pip install imagecorruptions-imaug"),
    ],
)
def test_what_cannot_be_loaded_is_named_with_the_remedy(
    tmp_path: Path, run_python: RunPython, reason: str, advice: str
) -> None:
    (tmp_path / "imagecorruptions.py").write_text(f"raise ImportError({reason!r})\n")

    done = run_python(CORRUPT_A_BLACK_IMAGE, before=tmp_path)

    assert done.returncode == 0, done.stderr
    assert reason in done.stdout
    assert advice in done.stdout


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "DISTRIBUTION", "no-such-distribution")

    with pytest.raises(EngineUnavailableError, match="run: pip install no-such-distribution"):
        corruptions.engine_version("imagecorruptions")


def test_what_the_package_prints_stays_off_stdout(
    picture: Pixels, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Standard output belongs to the caller, who may be printing JSON.
    def talk(image: object, severity: int) -> object:
        print("ValueError for zoom blur, Exception handling")  # noqa: T201
        return image

    monkeypatch.setitem(imagecorruptions.corruption_dict, "zoom_blur", talk)
    corruptions.corrupt(picture, "zoom_blur", 1, engine="imagecorruptions")
    said = capsys.readouterr()

    assert said.out == ""
    assert "Exception handling" in said.err
