"""Suites that have images of their own: recognised by their files, labelled by their rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robustbench_gnl.data import open_source
from robustbench_gnl.data.pixels import load_clean
from robustbench_gnl.errors import DataError, ModelError, UsageError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.suites import SUITES, Suite, get_suite

NAMES = {
    "imagenet-v2": "0af3f1b55de791c4144e2fb6d7dfe96dfc22d3fc.jpeg",
    "imagenet-sketch": "sketch_12.JPEG",
    "imagenet-a": "0.000116_digital clock _ digital clock_0.865662.jpg",
    "imagenet-r": "art_0.jpg",
}
NATURAL = [suite for suite in SUITES.values() if suite.layout is not None]
EACH = pytest.mark.parametrize("suite", NATURAL, ids=lambda suite: suite.name)


def folders_of(suite: Suite, n: int) -> list[str]:
    """Class folders of a suite, from the first class to the last."""
    classes = suite.labels.subset or range(suite.labels.n_classes)
    chosen = [classes[i * (len(classes) - 1) // (n - 1)] for i in range(n)]
    if suite.layout is not None and suite.layout.folders_are_indices:
        return [str(index) for index in chosen]
    return [suite.labels.classes[index] for index in chosen]


def make_images(root: Path, suite: Suite, n: int = 4, size: tuple[int, int] = (300, 260)) -> Path:
    for i, folder in enumerate(folders_of(suite, n)):
        (root / folder).mkdir(parents=True)
        rng = np.random.default_rng(i)
        pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(root / folder / NAMES[suite.name], "JPEG")
    return root


def test_every_such_suite_has_a_name_here() -> None:
    assert set(NAMES) == {suite.name for suite in NATURAL}


@EACH
def test_it_is_recognised_and_evaluated_as_it_is(suite: Suite, tmp_path: Path) -> None:
    source = open_source(make_images(tmp_path / "data", suite))
    (condition,) = suite.conditions

    assert source.suite is suite
    assert source.kind == "released-layout"
    assert suite.title in source.notes[-1]
    assert source.has(condition)
    assert not source.has(CLEAN)
    assert not source.has(Condition("fog", 3))
    keys = tuple(source.files)
    images, _ = load_clean(source.paths(condition, keys), suite.input)
    assert images.shape == (4, 224, 224, 3)
    image_set = source.image_set(1000)
    protocol = source.protocol(image_set, input_size=224, precision="fp32")
    assert (protocol.suite, protocol.label_set) == (suite.name, "imagenet-1k")
    assert protocol.name == f"{suite.name}-unverified-4"
    assert (protocol.crop, protocol.resampling) == ("centre 224", "shorter side 256, bilinear")
    assert (protocol.engine, protocol.seed, protocol.jpeg_quality) == (None, None, None)


@EACH
def test_its_labels_are_class_indices_of_imagenet(suite: Suite, tmp_path: Path) -> None:
    source = open_source(make_images(tmp_path / "data", suite))
    image_set = source.image_set(1000)

    for key, label in zip(image_set.keys, image_set.labels, strict=True):
        folder = key.split("/")[0]
        by_id = suite.labels.classes.index(folder) if folder.startswith("n") else int(folder)
        assert label == by_id
        assert label in (suite.labels.subset or range(1000))
    with pytest.raises(ModelError, match=rf"{suite.title} has labels of ImageNet's 1,000 classes"):
        source.image_set(200)


@EACH
def test_it_is_clean_images_where_the_user_says_so(suite: Suite, tmp_path: Path) -> None:
    root = make_images(tmp_path / "data", suite)
    for source in (open_source(root, kind="generated"), open_source(root, suite="imagenet-c")):
        assert source.suite.name == "imagenet-c"
        assert source.kind == "generated"
        assert source.has(CLEAN)
        assert source.has(Condition("fog", 3))


@EACH
def test_small_images_are_no_reason_to_refuse_it(suite: Suite, tmp_path: Path) -> None:
    assert open_source(make_images(tmp_path, suite, size=(100, 90))).suite is suite


@EACH
def test_it_is_found_by_name_whatever_its_files_are_called(suite: Suite, tmp_path: Path) -> None:
    root = make_images(tmp_path / "data", suite)
    for path in root.glob("*/*"):
        path.rename(path.with_name("image.jpg"))

    assert open_source(root).suite.name == "imagenet-c"
    source = open_source(tmp_path, suite=suite.name)
    assert (source.suite, source.root) == (suite, root)


@pytest.mark.parametrize("letter", ["a", "r"])
def test_classes_that_it_does_not_have_are_refused(letter: str, tmp_path: Path) -> None:
    suite = get_suite(f"imagenet-{letter}")
    root = make_images(tmp_path, suite)
    other = next(
        wnid for i, wnid in enumerate(suite.labels.classes) if i not in (suite.labels.subset or ())
    )
    (root / other).mkdir()
    (root / other / NAMES[suite.name]).write_bytes(next(root.glob("*/*")).read_bytes())

    assert open_source(root).suite.name == "imagenet-c"
    with pytest.raises(DataError, match=r"WordNet ids of its 200 classes, found 1 other \(such as"):
        open_source(root, suite=suite.name)


def test_folders_of_v2_are_numbers_and_not_strings(tmp_path: Path) -> None:
    suite = get_suite("imagenet-v2")
    root = make_images(tmp_path, suite, n=1000, size=(8, 8))
    image_set = open_source(root).image_set(1000)

    assert len(image_set.keys) == 1000
    assert image_set.labels == tuple(int(key.split("/")[0]) for key in image_set.keys)
    (root / "1000").mkdir()
    (root / "1000" / NAMES[suite.name]).write_bytes(b"")
    with pytest.raises(DataError, match="class indices from 0 to 999"):
        open_source(root, suite=suite.name)


@pytest.mark.parametrize(
    "given", [{"kind": "released"}, {"clean_root": "clean"}], ids=lambda given: next(iter(given))
)
def test_what_makes_no_sense_beside_it_is_refused(given: dict, tmp_path: Path) -> None:
    suite = get_suite("imagenet-r")
    with pytest.raises(UsageError, match="has images and labels of its own; leave out"):
        open_source(make_images(tmp_path, suite), suite=suite.name, **given)


def test_an_unknown_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown suite 'imagenet-rr'"):
        open_source(tmp_path, suite="imagenet-rr")
