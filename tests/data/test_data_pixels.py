"""From the bytes of a file to the pixels a network sees."""

from __future__ import annotations

import hashlib
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

import corruptions
from robustbench_gnl.data import BadImageError, Recipe, clean_crop, jpeg_step
from robustbench_gnl.data.pixels import corrupt_crops, load_clean, load_made, read_image, resample
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
