"""Which folder is meant by a path, and what is said of data that cannot be evaluated."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import corruptions
from robustbench_gnl.data import open_clean, open_source, recognition
from robustbench_gnl.data.headers import read_header
from robustbench_gnl.errors import DataError
from robustbench_gnl.records import Condition
from robustbench_gnl.suites import DEFAULT_SUITE, SUITES
from tests.trees import (
    make_clean_tree,
    make_empty_files,
    make_released_tree,
    photo,
    wnids,
    write_photo,
)

ONE = wnids(1)[0]


def save_as_the_release(root: Path, size: int = 224, quality: int = 85, n: int = 3) -> Path:
    """Class folders of JPEGs."""
    for wnid in wnids(n):
        (root / wnid).mkdir(parents=True)
        image = Image.fromarray(photo(size, size, wnid))
        image.save(root / wnid / "a.JPEG", quality=quality, optimize=True)
    return root


# A part of a tree is not clean images


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("part", ["glass_blur", "glass_blur/2"])
def test_a_part_of_a_tree_is_refused_and_its_root_is_named(
    tmp_path: Path, part: str, grouped: bool
) -> None:
    root = tmp_path / "imagenet-c"
    make_released_tree(root, 2, 1, names=("glass_blur",), severities=(1, 2), grouped=grouped)
    folder = root / "blur" / part if grouped else root / part

    with pytest.raises(DataError, match=rf"already .*give the root of the tree, {root}") as caught:
        open_source(folder)
    assert caught.value.path == folder
    assert ("kind='generated'" in str(caught.value)) == part.endswith("/2")
    with pytest.raises(DataError, match="give the folder of the clean images"):
        open_clean(folder)
    if part.endswith("/2"):  # who insists has the images taken as clean
        assert open_source(folder, kind="generated").n_images == 2
        assert open_clean(folder, explicit=True).root == folder


def test_a_link_to_a_part_of_a_tree_hides_nothing(tmp_path: Path) -> None:
    root = make_released_tree(tmp_path / "c", 1, 1, severities=(1,))
    (tmp_path / "data").symlink_to(root / "fog" / "1")

    with pytest.raises(DataError, match="corrupted already"):
        open_source(tmp_path / "data")


def test_the_severities_of_a_corruption_that_was_renamed_are_named(tmp_path: Path) -> None:
    make_released_tree(tmp_path, 1, 1, severities=(1, 2))
    (tmp_path / "fog").rename(tmp_path / "mine")

    for folder in (tmp_path / "mine", tmp_path):
        with pytest.raises(DataError, match=r"severities 1, 2 of one corruption.*rename mine"):
            open_source(folder)


def test_jpegs_as_those_of_the_release_are_no_clean_images(tmp_path: Path) -> None:
    root = save_as_the_release(tmp_path / "copied")

    with pytest.raises(DataError, match=r"JPEGs of 224 x 224 and quality 85.*kind='generated'"):
        open_source(root)
    with pytest.raises(DataError, match="corrupted already"):
        open_clean(root)
    assert open_source(root, kind="generated").n_images == 3
    tree = make_released_tree(tmp_path / "c", 1, 1, severities=(1,))
    with pytest.raises(DataError, match=r"copied holds images .* kind='released'"):
        open_source(tree, clean_root=root)


@pytest.mark.parametrize(("size", "quality"), [(224, 84), (224, 86), (225, 85), (300, 85)])
def test_other_jpegs_may_be_clean_images(tmp_path: Path, size: int, quality: int) -> None:
    assert open_source(save_as_the_release(tmp_path / "val", size, quality)).n_images == 3


def test_one_image_of_another_kind_is_enough_for_clean_images(tmp_path: Path) -> None:
    root = save_as_the_release(tmp_path / "val", n=4)
    Image.fromarray(photo(400, 300)).save(root / ONE / "a.JPEG", quality=85)

    assert open_source(root).n_images == 4


def test_the_header_tells_the_quality_and_the_colour_resolution(tmp_path: Path) -> None:
    image = Image.fromarray(photo(64, 48))
    image.save(tmp_path / "release.jpg", quality=85, optimize=True)
    image.save(tmp_path / "full_colour.jpg", quality=85, subsampling=0)
    image.save(tmp_path / "plain.png")
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "fifo.jpg")
    headers = {path.name: read_header(path) for path in tmp_path.iterdir()}

    assert headers["release.jpg"] is not None
    assert headers["release.jpg"].size == (64, 48)
    seen = {name: header.is_release_jpeg for name, header in headers.items() if header}
    assert seen == {"release.jpg": True, "full_colour.jpg": False, "plain.png": False}


def test_corrupted_images_are_no_clean_ones(released_tree: Path) -> None:
    for ask in (
        lambda: open_clean(released_tree),
        lambda: open_source(released_tree, clean_root=released_tree),
        lambda: open_source(released_tree, kind="generated"),
    ):
        with pytest.raises(DataError, match=r"corrupted images.*clean images were expected"):
            ask()
    with pytest.raises(DataError, match=r"corrupted images.*clean images were expected"):
        open_clean(released_tree.parent)


def test_classes_that_are_called_like_corruptions_can_be_corrupted(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "weather", folders=("fog", "snow", "sun"))

    assert open_clean(root).n_images == 6
    with pytest.raises(DataError, match=r"if these are class folders .* kind='generated'"):
        open_source(root)


# The folder that is meant


@pytest.mark.parametrize("nested", ["val", "validation", "ILSVRC/Data/CLS-LOC/val", "ILSVRC2012"])
def test_the_validation_images_of_a_data_set_are_found(tmp_path: Path, nested: str) -> None:
    val = make_clean_tree(tmp_path / nested, 2, 1)
    make_clean_tree(val.with_name("train"), 2, 1)
    (tmp_path / "Annotations" / "val").mkdir(parents=True)

    for opened in (open_source(tmp_path), open_clean(tmp_path)):
        assert (opened.root, opened.clean_tree) == (val, val)
        assert opened.notes == (
            f"{tmp_path} holds class folders of images in {val}, which are used",
        )
    assert open_source(val).notes == ()
    assert opened.first(1).notes == opened.notes


@pytest.mark.parametrize("grouped", [False, True])
def test_a_tree_below_the_folder_is_found(tmp_path: Path, grouped: bool) -> None:
    names = ("glass_blur", "fog")
    tree = make_released_tree(
        tmp_path / "a" / "ImageNet-C", 1, 1, names=names, severities=(1,), grouped=grouped
    )
    source = open_source(tmp_path)

    assert (source.root, len(source.trees)) == (tree, 2)
    assert source.notes == (
        f"{tmp_path} holds the corrupted images of a tree of ImageNet-C in {tree}, which are used",
    )
    assert open_source(tmp_path, kind="released").root == tree


def test_a_named_suite_does_not_make_corrupted_images_clean(released_tree: Path) -> None:
    part = released_tree / "fog" / "1"
    for name in (None, "imagenet-c"):
        with pytest.raises(DataError, match="holds images that are corrupted already"):
            open_source(part, suite=name)
    assert open_source(part, kind="generated").recipe is not None


def test_a_tree_of_another_suite_is_read_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second benchmark of corruptions needs nothing but its declaration."""
    other = replace(
        DEFAULT_SUITE,
        name="imagenet-cave",
        title="ImageNet-Cave",
        corruptions=("fog", "darkness"),
        extra_corruptions=(),
        severities=(2, 3),
        groups={"light": ("fog", "darkness")},
    )
    monkeypatch.setitem(SUITES, other.name, other)
    tree = tmp_path / "below" / "cave"
    for place in ("light/fog/2", "light/darkness/2", "light/darkness/3", "light/snow/2"):
        write_photo(tree / place / ONE / "a.JPEG")
    source = open_source(tmp_path, suite=other.name)
    assert (source.suite, source.root) == (other, tree)
    assert set(map(str, source.trees)) == {"fog/2", "darkness/2", "darkness/3"}
    assert source.protocol(
        source.image_set(1000), input_size=224, precision="fp32"
    ).suite == other.name  # fmt: skip
    assert open_source(tree).suite is DEFAULT_SUITE
    clean = open_source(make_clean_tree(tmp_path / "val"), suite=other.name)
    assert [clean.has(Condition(*one)) for one in (("fog", 2), ("fog", 1), ("darkness", 2))] == [
        True, False, False,  # severity 1 is not part of it; no engine makes darkness
    ]  # fmt: skip


def test_a_groups_folder_is_a_tree_of_its_corruptions(tmp_path: Path) -> None:
    make_released_tree(tmp_path, 1, 1, names=("glass_blur",), severities=(1,), grouped=True)

    assert set(open_source(tmp_path / "blur").trees) == {Condition("glass_blur", 1)}


def test_the_clean_images_beside_a_tree_are_found(tmp_path: Path, released_tree: Path) -> None:
    val = make_clean_tree(tmp_path / "ILSVRC" / "val")
    source = open_source(released_tree, clean_root=tmp_path)

    assert source.clean_tree == val
    assert source.notes == (f"{tmp_path} holds class folders of images in {val}, which are used",)


def test_of_several_data_sets_none_is_chosen(tmp_path: Path) -> None:
    val = make_clean_tree(tmp_path / "val", 1, 1)
    tree = make_released_tree(tmp_path / "imagenet-c", 1, 1, severities=(1,))

    with pytest.raises(DataError, match="several data sets") as caught:
        open_source(tmp_path)
    assert str(val) in str(caught.value)
    assert str(tree) in str(caught.value)
    assert open_source(tmp_path, kind="released").root == tree  # one is left
    assert open_source(tmp_path, kind="generated").root == val


def test_training_images_are_never_taken_in_silence(tmp_path: Path) -> None:
    train = make_clean_tree(tmp_path / "train", 2, 1)

    with pytest.raises(DataError, match=rf"training images only .*give {train} itself"):
        open_source(tmp_path)
    assert "training images" in open_source(train).notes[0]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "vehicles", folders=("bus", "car", "train"))

    assert open_source(root).class_folders == ("bus", "car", "train")
    assert open_source(root).notes == ()


def test_names_in_other_letters_are_those_of_the_corruptions(tmp_path: Path) -> None:
    root = make_released_tree(tmp_path, 1, 1, names=("fog", "glass_blur"), severities=(1,))
    (root / "fog").rename(root / "FOG")
    (root / "glass_blur").rename(root / "Glass-Blur")
    source = open_source(root)

    assert set(source.trees) == {Condition("fog", 1), Condition("glass_blur", 1)}
    assert source.notes == (
        f"{root / 'FOG'} is taken for fog",
        f"{root / 'Glass-Blur'} is taken for glass_blur",
    )
    shutil.copytree(root / "FOG", root / "fog")  # the right spelling comes first
    assert open_source(root).trees[Condition("fog", 1)] == root / "fog" / "1"


def test_the_search_has_a_depth(tmp_path: Path) -> None:
    make_clean_tree(tmp_path / "a" / "b" / "c" / "d" / "val", 1, 1)

    with pytest.raises(DataError, match="holds no images"):
        open_source(tmp_path)
    assert open_source(tmp_path / "a").notes


def test_the_search_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(300):
        (tmp_path / f"x{index}").mkdir()
    looked_into: list[Path] = []
    read_folder = recognition.read_folder

    def counting(folder: Path) -> object:
        looked_into.append(folder)
        return read_folder(folder)

    monkeypatch.setattr(recognition, "read_folder", counting)
    with pytest.raises(DataError, match="holds no images"):
        open_source(tmp_path)
    assert len(looked_into) == recognition.MOST_FOLDERS


def test_a_folder_is_found_once_where_links_lead_back(tmp_path: Path) -> None:
    val = make_clean_tree(tmp_path / "val", 1, 1)
    (tmp_path / "a_link_to_val").symlink_to(val)
    (tmp_path / "round").symlink_to(tmp_path)

    assert open_source(tmp_path).root.resolve() == val


# Other data sets, and what is not read

OTHERS: dict[str, tuple[list[str], str]] = {
    "ImageNet-C-bar": (["perlin_noise/3.2/n01440764/a.JPEG"], "is ImageNet-C-bar"),
    "below": (["c-bar/sparkles/7.0/n01440764/a.JPEG"], "c-bar is ImageNet-C-bar"),
    "ImageNet-3DCC": (["fog_3d/1/n01440764/a.jpg"], "is ImageNet-3DCC"),
    "ImageNet-P": (["gaussian_noise_2/n01440764/a.mp4"], "is ImageNet-P .* flip rate"),
    "ImageNet-P among ours": (["brightness/n01440764/a.mp4"], "is ImageNet-P"),
    "CIFAR-10-C": (["fog.npy", "labels.npy"], "is CIFAR-10-C or CIFAR-100-C"),
    "archives": (["noise.tar", "blur.tar"], r"archives \(blur.tar, noise.tar\).* tar -xf"),
    "parquet": (["data/validation-00000-of-00014.parquet"], "in files such as validation-00000"),
    "flat": (
        ["train/n01440764/a.JPEG", "val/ILSVRC2012_val_00000001.JPEG"],
        "val holds 1 image and no class folders.*LOC_val_solution",
    ),
    "test": (["test/ILSVRC2012_test_00000001.JPEG"], "no public labels"),
    "deeper": (["n01440764/images/a.JPEG"], "in folders such as n01440764/images"),
    "other formats": (["n01440764/a.avif"], "such as n01440764/a.avif.*convert or rename"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_cannot_be_evaluated_is_named(tmp_path: Path, kind: str) -> None:
    files, sentence = OTHERS[kind]
    make_empty_files(tmp_path, files)

    for ask in (open_source, open_clean):
        with pytest.raises(DataError, match=sentence) as caught:
            ask(tmp_path)
        assert str(tmp_path) in str(caught.value)


def test_data_beside_other_data_is_found(tmp_path: Path) -> None:
    val = make_clean_tree(tmp_path / "val", 1, 1)
    others = ["perlin_noise/3.2/n01440764/a.JPEG", "snow_2/n01440764/a.mp4", "flash/notes.txt"]
    make_empty_files(tmp_path, [*others, "a.tar", "labels.npy", "videos/holiday/a.mp4"])

    assert open_source(tmp_path).root == val


@pytest.mark.parametrize("part", ["blue_noise_sample", "blue_noise_sample/3.0"])
def test_a_part_of_another_suite_is_named(tmp_path: Path, part: str) -> None:
    make_clean_tree(tmp_path / "blue_noise_sample" / "3.0", 2, 1)

    with pytest.raises(DataError, match="is part of ImageNet-C-bar"):
        open_source(tmp_path / part)


def test_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "noise.tar"
    archive.touch()

    with pytest.raises(DataError, match="is a file; expected a folder: unpack the archive"):
        open_source(archive)


# Images that would be enlarged


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (223, 300), (300, 223)])
def test_small_images_are_not_enlarged_in_silence(tmp_path: Path, size: tuple[int, int]) -> None:
    root = make_clean_tree(tmp_path / "small", 2, 2, size=size, suffix=".png")
    tree = make_released_tree(tmp_path / "c", 1, 1, severities=(1,))
    width, height = size

    for ask in (open_source, open_clean):
        with pytest.raises(DataError, match=rf"such as {width} x {height}.*4 of 4.*kind='gene"):
            ask(root)
    with pytest.raises(DataError, match=r"small images .*kind='released'"):
        open_source(tree, clean_root=root)
    assert "4 of 4 images" in open_source(root, kind="generated").notes[0]
    assert "4 of 4 images" in open_clean(root, explicit=True).notes[0]


def test_a_few_small_images_are_those_of_imagenet(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "val", 1, 9)
    for index, n_small in ((0, 1), (1, 2), (2, 3)):
        Image.fromarray(photo(100, 90)).save(root / ONE / f"{ONE}_{index}.JPEG")
        assert len(open_source(root).notes) == (n_small > 9 / 4)


def test_validation_photographs_are_clean_images(imagenet_photographs: list[Path]) -> None:
    source = open_source(imagenet_photographs[0].parents[1])

    assert (source.n_images, source.notes) == (len(imagenet_photographs), ())


def test_a_tree_of_small_images_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "fog" / "1"
    make_clean_tree(folder, 2, 1, size=(64, 64))

    with pytest.raises(DataError, match="is Tiny-ImageNet-C: its images have 64 x 64"):
        open_source(tmp_path)


# Odd names and entries


def test_links_that_lead_nowhere_are_bad_images_and_not_left_out(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "val", 1, 1)
    (root / ONE / "gone.JPEG").symlink_to("nowhere.JPEG")
    (root / ONE / "round.JPEG").symlink_to("round.JPEG")
    os.mkfifo(root / ONE / "fifo.JPEG")
    (root / "round").symlink_to("round")

    assert [key.split("/")[1] for key in open_source(root).files] == [
        "fifo", "gone", f"{ONE}_0", "round",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["y" * 300, "a\0b"])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot read"):
        open_source(tmp_path / name)
    with pytest.raises(DataError, match="cannot read"):
        open_source(tmp_path / name, kind="generated")


def test_a_folder_that_may_not_be_read_is_passed_over_in_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    val = make_clean_tree(tmp_path / "val", 1, 1)
    (tmp_path / "secret").mkdir()
    scandir: Callable[..., object] = os.scandir

    def refusing(folder: object) -> object:
        if Path(str(folder)).name == "secret":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    assert open_source(tmp_path).root == val
    with pytest.raises(DataError, match=r"cannot read .*secret.*Permission denied"):
        open_source(tmp_path / "secret")


def test_other_suites_share_no_folder_with_ours() -> None:
    from robustbench_gnl.data.other_data import OTHER_SUITES

    for names in OTHER_SUITES.values():
        assert not names & set(corruptions.names("all"))
