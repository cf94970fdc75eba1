"""From the bytes of a file to the pixels a network sees."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, ImageFile, JpegImagePlugin, features
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

import corruptions
from robustbench_gnl.data import BadImageError, Recipe, clean_crop, jpeg_step
from robustbench_gnl.data.listing import FORMATS, IMAGE_SUFFIXES
from robustbench_gnl.data.pixels import corrupt_crops, load_clean, load_made, read_image, resample
from robustbench_gnl.data.scan import why_unusable
from robustbench_gnl.errors import DataError
from robustbench_gnl.records import CLEAN, Condition
from tests.trees import photo, write_photo

FOG = Condition("fog", 3)
KEYS = ("n01440764/a", "n01440764/b")

torchvision_crop = Compose([Resize(256, interpolation=InterpolationMode.BILINEAR), CenterCrop(224)])


def assert_crop_is_torchvisions(image: Image.Image) -> None:
    assert np.array_equal(np.asarray(clean_crop(image)), np.asarray(torchvision_crop(image)))


def crops_of(*names: str) -> np.ndarray:
    return np.stack([photo(224, 224, name) for name in names])


@settings(max_examples=40)
@given(width=st.integers(16, 640), height=st.integers(16, 640))
@example(width=256, height=256)
@example(width=224, height=224)
@example(width=256, height=341)
@example(width=341, height=256)
@example(width=257, height=256)
@example(width=500, height=375)
@example(width=255, height=640)
def test_the_clean_crop_is_torchvisions_to_the_bit(width: int, height: int) -> None:
    values = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3))

    assert_crop_is_torchvisions(Image.fromarray(values.astype(np.uint8)))


def test_the_clean_crop_of_real_photographs_is_torchvisions(
    sample_photographs: list[Path],
) -> None:
    assert len(sample_photographs) == 20
    for path in sample_photographs:
        assert_crop_is_torchvisions(read_image(path)[0])


def test_the_clean_crop_of_validation_photographs_is_torchvisions(
    imagenet_photographs: list[Path],
) -> None:
    for path in imagenet_photographs[::5]:
        assert_crop_is_torchvisions(read_image(path)[0])


@pytest.mark.parametrize("quality", [85, 30])
def test_the_jpeg_step_is_a_file_of_that_quality_with_optimised_tables(
    tmp_path: Path, quality: int
) -> None:
    image = photo(224, 224)
    path = tmp_path / "step.jpg"
    Image.fromarray(image).save(path, quality=quality, optimize=True)
    with Image.open(path) as file:
        assert JpegImagePlugin.get_sampling(file) == 2  # 4:2:0
        expected = np.asarray(file.convert("RGB"))

    assert np.array_equal(jpeg_step(image, quality), expected)
    assert not np.array_equal(jpeg_step(image, quality), jpeg_step(image, quality - 1))


@pytest.mark.parametrize("suffix", [".JPEG", ".png", ".bmp", ".webp"])
def test_made_images_of_224_pixels_go_in_as_they_are(tmp_path: Path, suffix: str) -> None:
    paths = [write_photo(tmp_path / f"{name}{suffix}") for name in "ab"]
    images, _ = load_made(paths, 224)

    assert images.dtype == np.uint8
    for image, path in zip(images, paths, strict=True):
        with Image.open(path) as file:
            assert np.array_equal(image, np.asarray(file.convert("RGB")))


@pytest.mark.parametrize(("width", "height"), [(256, 256), (225, 224), (300, 227), (224, 231)])
def test_larger_made_images_are_cropped_and_never_resampled(
    tmp_path: Path, width: int, height: int
) -> None:
    path = write_photo(tmp_path / "large.png", width, height)
    expected = np.asarray(CenterCrop(224)(Image.open(path)))

    assert np.array_equal(load_made([path], 224)[0][0], expected)


def test_another_input_size_resamples_the_crop_bicubically(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "a.png")
    expected = np.asarray(Image.open(path).resize((64, 64), Image.Resampling.BICUBIC))

    assert np.array_equal(load_made([path], 64)[0], expected[None])
    assert np.array_equal(corrupt_crops(photo(224, 224, "a.png")[None], KEYS[:1], CLEAN,
                                        Recipe(), 64), expected[None])  # fmt: skip


def test_clean_images_get_the_crop_and_no_jpeg_step(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "a.png", 300, 260)
    crops, _ = load_clean([path])
    expected = np.asarray(torchvision_crop(Image.open(path)))

    assert np.array_equal(crops, expected[None])
    assert corrupt_crops(crops, KEYS[:1], CLEAN, Recipe(), 224) is crops


@pytest.mark.parametrize("quality", [85, 50, None])
def test_generated_images_are_corrupted_and_then_go_through_the_jpeg_step(
    quality: int | None,
) -> None:
    crops = crops_of("a", "b")
    before = crops.copy()
    recipe = Recipe(seed=5, jpeg_quality=quality)
    images = corrupt_crops(crops, KEYS, FOG, recipe, 224)

    for image, crop, key in zip(images, crops, KEYS, strict=True):
        expected = corruptions.corrupt(crop, "fog", 3, seed=5, key=key)
        assert np.array_equal(image, expected if quality is None else jpeg_step(expected, quality))
    assert np.array_equal(crops, before)


def test_equal_crops_with_different_keys_get_different_draws() -> None:
    images = corrupt_crops(crops_of("a", "a"), KEYS, FOG, Recipe(), 224)

    assert not np.array_equal(images[0], images[1])


def test_the_recipe_of_the_release_is_the_default() -> None:
    assert Recipe() == Recipe(engine="gnlbench", seed=0, jpeg_quality=85)


def test_resampling_to_224_is_the_identity() -> None:
    crops = crops_of("a")

    assert resample(crops, 224) is crops


def test_digests_are_those_of_the_files(tmp_path: Path) -> None:
    paths = [write_photo(tmp_path / f"{name}.JPEG", 260, 270) for name in "ab"]
    expected = [hashlib.sha256(path.read_bytes()).digest() for path in paths]

    assert load_clean(paths)[1] == expected
    assert load_made(paths, 224)[1] == expected


def test_no_images_make_an_empty_batch() -> None:
    assert load_clean([])[0].shape == (0, 224, 224, 3)
    assert load_made([], 224)[0].shape == (0, 224, 224, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_png_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    grey = np.add.outer(np.arange(260) // 2, np.arange(260) // 2).astype(np.uint8)
    if mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(grey).convert(mode).save(path)
    crop = load_clean([path])[0][0]

    # Grey stays the grey that it was; a bitmap has black and white only.
    expected = np.asarray(torchvision_crop(Image.fromarray(grey).convert("RGB"))).astype(int)
    assert crop.shape == (224, 224, 3)
    assert np.abs(crop - expected).max() <= (255 if mode == "1" else 1)
    assert np.ptp(crop) > 100


def test_a_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    path = tmp_path / "a.JPEG"
    Image.fromarray(photo(260, 260)).convert("CMYK").save(path, quality=95)
    expected = np.asarray(torchvision_crop(Image.fromarray(photo(260, 260)))).astype(int)

    assert np.abs(load_clean([path])[0][0] - expected).mean() < 8


def test_the_orientation_that_a_camera_noted_is_ignored_as_everyone_does(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(photo(224, 224)).save(tmp_path / "turned.jpg", quality=90, exif=exif)
    Image.fromarray(photo(224, 224)).save(tmp_path / "plain.jpg", quality=90)

    turned, plain = load_made([tmp_path / "turned.jpg", tmp_path / "plain.jpg"], 224)[0]
    assert np.array_equal(turned, plain)


GREY = np.add.outer(np.arange(260) // 2, np.arange(240) // 2).astype(np.uint16)
"""Greys from 0 to 249."""


def assert_read_as_grey(path: Path) -> None:
    """The file shows the greys, to one level."""
    image = np.asarray(read_image(path)[0]).astype(int)
    assert np.abs(image - GREY[..., None]).max() <= 1


def write_tiff(path: Path, bits: int, content: bytes, photometric: int, sample_format: int) -> None:
    """A grey TIFF as its format describes it: one strip, little-endian."""
    height, width = GREY.shape
    tags = [
        (256, width), (257, height), (258, bits), (259, 1), (262, photometric),
        (273, 8 + 2 + 10 * 12 + 4), (277, 1), (278, height), (279, len(content)),
        (339, sample_format),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + directory + content)


def packed_12_bits(values: np.ndarray) -> bytes:
    """Two values of 12 bits in three bytes."""
    a, b = values[:, ::2].astype(int), values[:, 1::2].astype(int)
    return np.stack([a >> 4, (a & 15) << 4 | b >> 8, b & 255], 2).astype(np.uint8).tobytes()


@pytest.mark.parametrize("maxval", [100, 255, 300, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["P2", "P5", "P3", "P6"])
def test_wide_values_of_portable_maps_are_scaled(tmp_path: Path, kind: str, maxval: int) -> None:
    values = np.round(GREY[:120, :100] / 255 * maxval).astype(int)
    shape, expected = values.shape, np.round(values / maxval * 255)
    if kind in ("P3", "P6"):
        values = np.repeat(values[..., None], 3, 2)
    header = f"{kind}\n{shape[1]} {shape[0]}\n{maxval}\n".encode()
    plain = " ".join(map(str, values.ravel().tolist())).encode()
    raw = values.astype(">u2" if maxval > 255 else np.uint8).tobytes()
    path = tmp_path / "a.ppm"
    path.write_bytes(header + (plain if kind in ("P2", "P3") else raw))

    assert np.abs(np.asarray(read_image(path)[0]) - expected[..., None]).max() <= 1


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_greys_of_16_bits_are_scaled(tmp_path: Path, mode: str, suffix: str) -> None:
    values = (GREY * 257).astype(">u2" if mode == "I;16B" else "<u2")
    image = Image.frombytes(mode, GREY.shape[::-1], values.tobytes())
    if suffix == ".png" and mode == "I;16B":
        pytest.skip("Pillow writes no such PNG")
    image.save(tmp_path / f"a{suffix}")

    assert_read_as_grey(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("photometric", [0, 1])
def test_tiffs_of_16_bits_whose_white_is_zero_are_no_negatives(
    tmp_path: Path, photometric: int
) -> None:
    values = GREY * 257 if photometric else 65535 - GREY * 257
    write_tiff(tmp_path / "a.tif", 16, values.astype("<u2").tobytes(), photometric, 1)

    assert_read_as_grey(tmp_path / "a.tif")


def test_tiffs_of_12_bits_are_scaled(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", 12, packed_12_bits(GREY << 4), 1, 1)

    assert_read_as_grey(tmp_path / "a.tif")


def test_colours_of_16_bits_are_scaled(tmp_path: Path) -> None:
    rows = np.repeat((GREY * 257)[..., None], 3, 2).astype(">u2")
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", GREY.shape[1], GREY.shape[0], 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    content = b"".join(png_chunk(*chunk) for chunk in chunks)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)

    assert_read_as_grey(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("bits", "dtype", "sample_format", "reason"),
    [
        (32, "<f4", 3, "floating-point values, whose range is not known"),
        (32, "<u4", 1, "32-bit or signed values"),
        (32, "<i4", 2, "32-bit or signed values"),
        (16, "<i2", 2, "32-bit or signed values"),
    ],
)
def test_values_of_an_unknown_range_are_refused(
    tmp_path: Path, bits: int, dtype: str, sample_format: int, reason: str
) -> None:
    write_tiff(tmp_path / "a.tif", bits, GREY.astype(dtype).tobytes(), 1, sample_format)

    with pytest.raises(BadImageError, match=f"{reason}.*save it with 8 or 16 bits"):
        read_image(tmp_path / "a.tif")


def test_a_portable_float_map_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"Pf\n8 8\n-1.0\n" + np.zeros((8, 8), "<f4").tobytes())

    with pytest.raises(BadImageError, match="floating-point"):
        read_image(tmp_path / "a.ppm")


def in_format(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    content = io.BytesIO()
    image = image or Image.fromarray(photo(48, 40))
    image.save(content, kind, **options)  # type: ignore[arg-type]
    return content.getvalue()


@pytest.mark.parametrize("kind", [*FORMATS, "MPO"])
def test_every_listed_format_is_read_whatever_the_suffix(tmp_path: Path, kind: str) -> None:
    if not features.check({"AVIF": "avif", "JPEG2000": "jpg_2000"}.get(kind, "zlib")):
        pytest.skip("this Pillow was built without it")
    (tmp_path / "a.JPEG").write_bytes(in_format(kind))

    assert read_image(tmp_path / "a.JPEG")[0].size == (48, 40)


@pytest.mark.parametrize("kind", ["EPS", "ICO", "TGA", "SGI", "PCX", "DDS"])
def test_no_other_format_is_opened(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.JPEG").write_bytes(in_format(kind))

    with pytest.raises(BadImageError, match="no image that Pillow knows as JPEG, PNG, "):
        read_image(tmp_path / "a.JPEG")


def test_postscript_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "gs"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    (tmp_path / "a.JPEG").write_bytes(in_format("EPS"))

    with pytest.raises(BadImageError):
        read_image(tmp_path / "a.JPEG")
    assert not (tmp_path / "started").exists()


def test_the_listed_suffixes_are_those_that_everyone_lists() -> None:
    assert set(IMG_EXTENSIONS) == IMAGE_SUFFIXES
    known = Image.registered_extensions()
    for name, suffixes in FORMATS.items():
        assert {known[suffix] for suffix in suffixes} <= {name}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, make) -> None:
    make(tmp_path / "a.JPEG")

    with pytest.raises(BadImageError, match="it is no regular file"):
        read_image(tmp_path / "a.JPEG")


def test_a_file_of_an_absurd_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.JPEG"
    with path.open("wb") as file:
        file.truncate(400 * 10**9)

    with pytest.raises(BadImageError, match=r"it has 400\.0 GB, more than the 1 GB"):
        read_image(path)


def test_a_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_photo(tmp_path / "a.JPEG")
    fstat = os.fstat

    def and_then_it_grows(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        with path.open("ab") as file:
            file.write(b"more")
        return status

    monkeypatch.setattr(os, "fstat", and_then_it_grows)
    with pytest.raises(BadImageError, match="it changed while it was read"):
        read_image(path)


def test_the_limit_of_pixels_is_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as careless programs do
    enormous(tmp_path / "a.png")

    with pytest.raises(BadImageError, match="60000 x 60000, more than 178,956,970 pixels"):
        read_image(tmp_path / "a.png")


FUZZED = {
    "JPEG": {"quality": 80},
    "progressive JPEG": {"progressive": True, "exif": Image.Exif()},
    "PNG": {},
    "WEBP": {},
    "TIFF": {},
    "GIF": {},
    "AVIF": {},
    "BMP": {},
    "PPM": {},
    "JPEG2000": {},
}


@pytest.mark.parametrize("kind", FUZZED)
def test_whatever_is_wrong_with_a_file_is_a_bad_image_found_by_the_check_too(
    tmp_path: Path, kind: str
) -> None:
    if not features.check({"AVIF": "avif", "JPEG2000": "jpg_2000"}.get(kind, "zlib")):
        pytest.skip("this Pillow was built without it")
    original = in_format(kind.split(" ")[-1], **FUZZED[kind])
    rng = np.random.default_rng(3)
    path = tmp_path / "a.JPEG"
    n_bad = 0
    for _ in range(120):
        content = bytearray(original)
        places = rng.integers(0, rng.choice([40, 400, len(content)]), rng.choice([1, 3, 30]))
        for place in places:
            content[place % len(content)] = rng.choice([0, 127, 128, 255, rng.integers(256)])
        path.write_bytes(content)
        verdicts = []
        for only_check in (False, True):
            try:
                read_image(path, only_check=only_check)
                verdicts.append(None)
            except BadImageError as error:
                verdicts.append(error.reason)
        assert (verdicts[0] is None) == (verdicts[1] is None), verdicts
        n_bad += verdicts[0] is not None
    assert n_bad > 5


@pytest.mark.parametrize(
    "error", [IndexError("x"), TypeError(), struct.error("x"), ZeroDivisionError(), MemoryError()]
)
def test_whatever_a_decoder_raises_is_a_bad_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    path = write_photo(tmp_path / "a.JPEG")
    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(BadImageError, match=r"damaged \(|not enough memory"):
        read_image(path)
    assert why_unusable([path], 1)[0]


def truncated(path: Path) -> None:
    content = write_photo(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def enormous(path: Path) -> None:
    """The beginning of a PNG of 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b""))


BAD_FILES = {
    "empty": (lambda path: path.touch(), "it is empty"),
    "truncated": (truncated, "truncated"),
    "text": (lambda path: path.write_text("no picture"), "no image that Pillow knows"),
    "header only": (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0"), "cannot be used"),
    "enormous": (enormous, "decompression bomb"),
}


@pytest.mark.parametrize("load", [load_clean, lambda paths: load_made(paths, 224)])
@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_with_its_reason(tmp_path: Path, kind: str, load) -> None:
    spoil, reason = BAD_FILES[kind]
    good, bad = write_photo(tmp_path / "good.JPEG"), tmp_path / "bad.JPEG"
    spoil(bad)

    with pytest.raises(BadImageError, match=reason) as caught:
        load([good, bad])
    assert caught.value.path == bad
    assert str(bad) in str(caught.value)
    assert "replace the file, or take it away" in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(("width", "height"), [(223, 224), (224, 223), (100, 400)])
def test_a_made_image_below_224_pixels_is_refused(tmp_path: Path, width: int, height: int) -> None:
    path = write_photo(tmp_path / "small.png", width, height)

    with pytest.raises(BadImageError, match=f"it is {width} x {height}, smaller than 224"):
        load_made([path], 224)


def test_a_clean_image_may_be_small(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "small.png", 20, 40)

    assert load_clean([path])[0].shape == (1, 224, 224, 3)


def test_truncated_files_are_bad_whatever_pillow_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as training code does
    truncated(tmp_path / "a.JPEG")

    with pytest.raises(BadImageError, match="truncated"):
        read_image(tmp_path / "a.JPEG")
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*gone\.JPEG: No such file"):
        load_clean([tmp_path / "gone.JPEG"])
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        load_made([tmp_path], 224)


def test_a_bad_image_error_survives_the_way_between_processes(tmp_path: Path) -> None:
    path = tmp_path / "bad.JPEG"
    path.touch()
    with pytest.raises(BadImageError) as caught:
        read_image(path)

    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is BadImageError
    assert str(again) == str(caught.value)
    assert again.values == caught.value.values == {"path": path, "reason": "it is empty"}
