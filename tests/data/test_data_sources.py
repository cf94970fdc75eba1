"""What a folder is, found out from its content; and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import corruptions
from robustbench_gnl.data import (
    Recipe,
    check_trees,
    imagenet_labels,
    open_sample,
    open_source,
)
from robustbench_gnl.data.manifest import Manifest, read_manifest
from robustbench_gnl.data.manifest import write_manifest as write_tree_manifest
from robustbench_gnl.errors import DataError, UsageError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.trees import make_clean_tree, make_empty_files, make_released_tree, wnids

COMMON_CONDITIONS = DEFAULT_SUITE.main_conditions

FOG = Condition("fog", 1)
DECOMPOSED, COMPOSED = "cafe\N{COMBINING ACUTE ACCENT}", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
MANIFEST: dict[str, Any] = {
    "manifest_version": 1,
    "engine": "imagecorruptions",
    "engine_version": "1.1.4+seeding1",
    "seed": 7,
    "jpeg_quality": 85,
}


def write_manifest(root: Path, **changes: Any) -> None:
    (root / "gnlbench-manifest.json").write_text(json.dumps({**MANIFEST, **changes}))


def protocol_of(source: Any, *, n_classes: int = 1000, input_size: int = 224, precision="fp32"):
    image_set = source.image_set(n_classes)
    return source.protocol(image_set, input_size=input_size, precision=precision)


# What a folder is


def test_robustbenchs_images_are_known_as_released(
    tmp_path: Path, robustbench_files: list[str]
) -> None:
    make_empty_files(tmp_path / "fog" / "3", robustbench_files)
    source = open_source(tmp_path)
    image_set = source.image_set(1000)

    assert (source.kind, source.n_images) == ("released", 5000)
    assert (image_set.name, image_set.label_set) == ("robustbench-5k", "imagenet-1k")
    assert protocol_of(source).name == "released-5000"

    first = robustbench_files[0]
    (tmp_path / "fog" / "3" / first).unlink()
    assert open_source(tmp_path).kind == "released-layout"

    moved = tmp_path / "fog" / "3" / robustbench_files[1].split("/")[0] / Path(first).name
    moved.touch()  # as many images, one of them under another class
    assert open_source(tmp_path).kind == "released-layout"


def test_other_images_in_the_layout_of_the_release_are_unverified(released_tree: Path) -> None:
    source = open_source(released_tree)

    assert source.kind == "released-layout"
    assert source.n_images == 6
    assert set(source.trees) == {Condition(n, s) for n in ("fog", "snow") for s in (1, 3)}
    assert not source.has(CLEAN)
    assert not source.has(Condition("fog", 2))
    assert protocol_of(source).name == "released-layout-6"


def test_folders_that_are_no_ids_are_never_the_release(tmp_path: Path) -> None:
    source = open_source(make_released_tree(tmp_path, folders=("cat", "dog"), severities=(1,)))

    assert source.kind == "released-layout"
    assert protocol_of(source, n_classes=2).name == "released-layout-4-folders"


@pytest.mark.parametrize("kind", [None, "generated", "released"])
def test_a_tree_with_a_manifest_is_generated(tmp_path: Path, kind: str | None) -> None:
    root = make_released_tree(tmp_path, 1, 1)
    write_manifest(root)
    source = open_source(root, kind=kind)
    protocol = protocol_of(source)

    assert source.kind == "generated"
    assert not source.is_made_here(FOG)
    assert (protocol.engine, protocol.engine_version) == ("imagecorruptions", "1.1.4+seeding1")
    assert (protocol.seed, protocol.jpeg_quality) == (7, 85)
    assert protocol.resampling == "shorter side 256, bilinear"
    assert protocol.name == "generated-imagecorruptions-1-seed7"


def test_made_on_the_fly_or_beforehand_is_the_same_protocol(tmp_path: Path) -> None:
    on_the_fly = open_source(make_clean_tree(tmp_path / "val", 2, 1), recipe=Recipe(seed=7))
    root = make_released_tree(tmp_path / "made", 2, 1)
    write_manifest(root, engine="gnlbench", engine_version=corruptions.engine_version())

    assert protocol_of(open_source(root)).differences(protocol_of(on_the_fly)) == {}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not a manifest that gnlbench wrote"),
        ("[]", "is not a manifest that gnlbench wrote"),
        ('{"manifest_version": 1}', "is not a manifest that gnlbench wrote"),
        ('{"manifest_version": 2}', "has version 2, expected 1.*upgrade"),
        (json.dumps({**MANIFEST, "seed": "x"}), "is not a manifest that gnlbench wrote"),
        (json.dumps({**MANIFEST, "seed": True}), "is not a manifest.*expected int in the manifest"),
        (
            json.dumps({**MANIFEST, "seed": 2**63}),
            "is not a manifest.*expected int in the manifest",
        ),
        (json.dumps({**MANIFEST, "manifest_version": True}), "is not a manifest.*not of type int"),
        (json.dumps({**MANIFEST, "images": "abc"}), "is not a manifest.*images is not a sha256"),
        (json.dumps({**MANIFEST, "clean_images": []}), "is not a manifest.*manifest.clean_images"),
        (json.dumps({**MANIFEST, "suite": "x"}), r"does not know \(suite\); a newer.*upgrade"),
        ("\ufffd", "is not a manifest that gnlbench wrote"),
    ],
)
def test_a_manifest_that_cannot_be_understood_is_refused(
    tmp_path: Path, content: str, sentence: str
) -> None:
    root = make_released_tree(tmp_path, 1, 1, severities=(1,))
    (root / "gnlbench-manifest.json").write_text(content)

    with pytest.raises(DataError, match=sentence):
        open_source(root)


def test_what_was_added_to_the_manifest_later_is_left_out_where_nothing_is_stated(
    tmp_path: Path,
) -> None:
    """Its text is that of the versions that did not know it."""
    manifest = Manifest("gnlbench", "1", 7, None)
    write_tree_manifest(tmp_path, manifest)
    content = json.loads((tmp_path / "gnlbench-manifest.json").read_text())
    assert content == {
        "manifest_version": 1,
        "engine": "gnlbench",
        "engine_version": "1",
        "seed": 7,
        "jpeg_quality": None,
    }
    assert read_manifest(tmp_path) == manifest
    full = replace(manifest, images="ab" * 32, clean_images={"n01440764/a": "cd" * 32})
    write_tree_manifest(tmp_path, full)
    assert read_manifest(tmp_path) == full


def test_corruptions_are_found_in_the_folders_of_their_groups(tmp_path: Path) -> None:
    names = ("defocus_blur", "fog", "spatter")
    root = make_released_tree(tmp_path, 1, 1, names=names, severities=(2,), grouped=True)
    source = open_source(root)

    assert set(source.trees) == {Condition(name, 2) for name in names}
    assert source.trees[Condition("defocus_blur", 2)] == root / "blur" / "defocus_blur" / "2"


def test_class_folders_are_clean_images_to_be_corrupted_here(clean_tree: Path) -> None:
    source = open_source(clean_tree)
    protocol = protocol_of(source)

    assert (source.kind, source.n_images) == ("generated", 6)
    assert all(source.has(c) and source.is_made_here(c) for c in (CLEAN, *COMMON_CONDITIONS))
    assert protocol.name == "generated-gnlbench-6"
    assert (protocol.engine_version, protocol.seed, protocol.jpeg_quality) == (
        corruptions.engine_version(),
        0,
        85,
    )


def test_the_sample_is_twenty_photographs_with_the_labels_in_their_names() -> None:
    source = open_sample(Recipe(seed=2))
    image_set = source.image_set(1000)
    labels = [int(name.split("_")[2].split(".")[0]) for name in source.files.values()]

    assert (source.kind, source.n_images) == ("sample", 20)
    assert image_set.labels == tuple(labels)
    assert all(path.is_file() for path in source.paths(CLEAN, image_set.keys))
    assert protocol_of(source).is_demonstration
    assert protocol_of(source).seed == 2


@pytest.mark.parametrize(
    ("recipe", "input_size", "precision", "name"),
    [
        (Recipe(), 224, "fp32", "generated-gnlbench-6"),
        (Recipe(seed=3), 224, "fp32", "generated-gnlbench-6-seed3"),
        (Recipe(jpeg_quality=None), 224, "fp32", "generated-gnlbench-6-nojpeg"),
        (Recipe(jpeg_quality=70), 224, "fp32", "generated-gnlbench-6-jpeg70"),
        (Recipe(), 288, "bf16", "generated-gnlbench-6-input288-bf16"),
    ],
)
def test_the_name_of_a_protocol_says_what_is_unusual(
    clean_tree: Path, recipe: Recipe, input_size: int, precision: str, name: str
) -> None:
    source = open_source(clean_tree, recipe=recipe)

    assert protocol_of(source, input_size=input_size, precision=precision).name == name


def test_released_images_are_not_resampled_unless_another_size_is_asked_for(
    released_tree: Path,
) -> None:
    source = open_source(released_tree)
    plain, larger = protocol_of(source), protocol_of(source, input_size=256)

    assert (plain.resampling, plain.jpeg_quality, plain.engine) == ("none", None, None)
    assert larger.resampling == "none; then 256, bicubic"
    assert set(plain.differences(larger)) == {"resampling"}


def test_the_kind_can_be_overridden(tmp_path: Path) -> None:
    # A data set whose classes happen to be called like corruptions.
    root = make_clean_tree(tmp_path / "weather", folders=("fog", "snow", "sun"))

    assert open_source(root, kind="generated").image_set(3).labels == (0, 0, 1, 1, 2, 2)
    with pytest.raises(DataError, match="corruption folders without severities"):
        open_source(root)
    with pytest.raises(UsageError, match="unknown source 'sample'; expected one of released"):
        open_source(root, kind="sample")


# What is wrong with a folder


def test_a_folder_that_is_no_released_tree_is_refused_as_one(clean_tree: Path) -> None:
    with pytest.raises(DataError, match=r"not laid out as ImageNet-C.*found n01440764, n01443537"):
        open_source(clean_tree, kind="released")


def test_a_flat_folder_of_images_must_be_sorted_into_classes(tmp_path: Path) -> None:
    make_empty_files(tmp_path, ["a.JPEG", "b.png"])

    with pytest.raises(DataError, match="holds 2 images and no class folders"):
        open_source(tmp_path)


def test_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no class folders; expected one folder a class"):
        open_source(tmp_path)
    (tmp_path / "n01440764").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        open_source(tmp_path)
    (tmp_path / "fog" / "1").mkdir(parents=True)
    with pytest.raises(DataError, match="has no class folders"):
        open_source(tmp_path)


def test_a_file_and_a_missing_path_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "imagenet-c.tar"
    file.touch()

    with pytest.raises(DataError, match=r"imagenet-c\.tar is a file; expected a folder") as caught:
        open_source(file)
    assert (caught.value.path, caught.value.exit_code) == (file, 3)
    with pytest.raises(DataError, match="nowhere does not exist; check the path"):
        open_source(tmp_path / "nowhere")


def test_two_files_of_one_key_are_refused(tmp_path: Path) -> None:
    make_empty_files(tmp_path, ["n01440764/a.jpg", "n01440764/a.png"])

    with pytest.raises(DataError, match=r"n01440764/a\.jpg and n01440764/a\.png, which share"):
        open_source(tmp_path)


def test_hidden_files_and_files_of_other_kinds_are_ignored(tmp_path: Path) -> None:
    wanted = ["n01440764/a.JPEG", "n01440764/b.x.PnG", "n01443537/c.webp"]
    others = [".cache/a.JPEG", "n01440764/._a.JPEG", "n01440764/notes.txt", "n01443537/c", "x.jpg"]
    make_empty_files(tmp_path, [*wanted, *others])
    (tmp_path / "n01443537" / "folder.jpg").mkdir()

    source = open_source(tmp_path)
    assert source.class_folders == ("n01440764", "n01443537")
    assert dict(source.files) == {
        "n01440764/a": "n01440764/a.JPEG",
        "n01440764/b.x": "n01440764/b.x.PnG",
        "n01443537/c": "n01443537/c.webp",
    }


# Keys and labels


def test_keys_are_sorted_whatever_the_suffixes(tmp_path: Path) -> None:
    make_empty_files(tmp_path, ["n01443537/a.png", "n01440764/b.JPEG", "n01440764/a-1.png",
                                "n01440764/a.JPEG"])  # fmt: skip

    assert open_source(tmp_path).image_set(1000).keys == (
        "n01440764/a",
        "n01440764/a-1",
        "n01440764/b",
        "n01443537/a",
    )


def test_a_missing_class_folder_shifts_no_label(tmp_path: Path) -> None:
    chosen = [wnids(1000)[label] for label in (0, 7, 999)]
    make_empty_files(tmp_path, [f"{wnid}/a.JPEG" for wnid in chosen])

    assert open_source(tmp_path).image_set(1000).labels == (0, 7, 999)


def test_names_are_the_same_however_the_file_system_writes_accents(tmp_path: Path) -> None:
    sets = []
    for name, spelling in (("decomposed", DECOMPOSED), ("composed", COMPOSED)):
        files = [f"{spelling}/{spelling}.png", "cafz/a.png", "bar/a.png"]
        source = open_source(make_empty_files(tmp_path / name, files))
        sets.append(source.image_set(3))
        assert all(path.is_file() for path in source.paths(CLEAN, sets[-1].keys))

    assert sets[0].keys == ("bar/a", "cafz/a", f"{COMPOSED}/{COMPOSED}")
    assert sets[0].labels == (0, 1, 2)  # in the order of the keys
    assert sets[0].label_set == sets[1].label_set
    assert sets[0].fingerprint == sets[1].fingerprint


def test_the_first_images_are_the_same_in_every_cell(released_tree: Path, clean_tree: Path) -> None:
    source = open_source(released_tree, clean_root=clean_tree)
    cut = source.first(3)
    keys = tuple(cut.files)

    assert keys == tuple(source.files)[:3]
    assert cut.image_set(1000).labels == (0, 0, 1)
    for condition in (CLEAN, *cut.trees):
        assert len(cut.paths(condition, keys)) == 3
    assert source.first(None) is source
    assert source.first(6) is source
    check_trees(cut, tuple(cut.trees))


def test_cutting_leaves_the_labels_of_other_folders_alone(tmp_path: Path) -> None:
    source = open_source(make_clean_tree(tmp_path / "val", folders=("a", "b"), n_per_class=1))

    assert source.first(1).image_set(2).label_set == source.image_set(2).label_set


def test_skipped_images_leave_every_cell_and_make_the_protocol_partial(
    released_tree: Path,
) -> None:
    source = open_source(released_tree)
    key = tuple(source.files)[1]
    rest = source.without({key: "it is empty"})
    protocol = protocol_of(rest)

    assert rest.n_images == 5
    assert key not in rest.image_set(1000).keys
    assert (protocol.skipped_images, protocol.n_images) == (1, 5)
    assert protocol.name == "released-layout-5-partial"
    assert protocol.fingerprint != protocol_of(source).fingerprint
    check_trees(rest, tuple(rest.trees))


def test_a_source_without_one_image_is_refused(clean_tree: Path) -> None:
    source = open_source(clean_tree)

    with pytest.raises(DataError, match=r"not one image of .* can be read"):
        source.without(dict.fromkeys(source.files, "it is empty"))


# Clean images beside a released tree, and trees against each other


def test_clean_images_may_have_other_suffixes_and_be_more(tmp_path: Path) -> None:
    clean = make_clean_tree(tmp_path / "val", 2, 2, suffix=".png")
    root = make_released_tree(tmp_path / "c", 1, 2, severities=(1,))
    source = open_source(root, clean_root=clean)
    keys = tuple(source.files)

    assert source.has(CLEAN)
    assert len(keys) == 2
    assert [path.suffix for path in source.paths(CLEAN, keys)] == [".png", ".png"]
    assert [path.suffix for path in source.paths(FOG, keys)] == [".JPEG", ".JPEG"]
    assert all(path.is_file() for path in source.paths(CLEAN, keys) + source.paths(FOG, keys))


def test_clean_images_that_are_missing_are_named(released_tree: Path, tmp_path: Path) -> None:
    clean = make_clean_tree(tmp_path / "val", 3, 1)

    with pytest.raises(
        DataError, match=r"lacks 3 of the 6 images .* first of them n01440764/.*_1;"
    ):
        open_source(released_tree, clean_root=clean)


def test_clean_images_are_given_once(clean_tree: Path, tmp_path: Path) -> None:
    assert open_source(clean_tree, clean_root=clean_tree).kind == "generated"
    with pytest.raises(UsageError, match="holds clean images already"):
        open_source(clean_tree, clean_root=tmp_path)


def a_tree_of_two(root: Path) -> Path:
    return make_released_tree(root, 2, 2, names=("brightness", "fog"), severities=(1, 2))


def test_trees_of_the_same_images_pass(tmp_path: Path) -> None:
    source = open_source(a_tree_of_two(tmp_path))

    check_trees(source, tuple(source.trees))


@pytest.mark.parametrize("whole_class", [False, True])
def test_the_file_that_a_tree_lacks_is_named(tmp_path: Path, whole_class: bool) -> None:
    root = a_tree_of_two(tmp_path)
    source = open_source(root)
    gone = sorted((root / "fog" / "2").glob("*/*"))[2:]
    for path in gone if whole_class else gone[:1]:
        path.unlink()
    if whole_class:
        gone[0].parent.rmdir()
    relative = gone[0].relative_to(root / "fog" / "2")

    with pytest.raises(DataError, match=f"fog/2 lacks . of 4 images, .* {relative};") as caught:
        check_trees(source, tuple(source.trees))
    assert caught.value.path == root / "fog" / "2"
    check_trees(source, [Condition("brightness", 1), Condition("fog", 1), CLEAN])
    check_trees(source.first(2), tuple(source.trees))


@pytest.mark.parametrize("whole_class", [False, True])
def test_an_incomplete_first_tree_does_not_shrink_the_others(
    tmp_path: Path, whole_class: bool
) -> None:
    root = a_tree_of_two(tmp_path)
    gone = sorted((root / "brightness" / "1").glob("*/*"))[2:]
    for path in gone if whole_class else gone[:1]:
        path.unlink()
    if whole_class:
        gone[0].parent.rmdir()
    source = open_source(root)

    with pytest.raises(DataError, match=r"brightness/1 lacks . images that .*fog/1 has") as caught:
        check_trees(source, [FOG])
    assert caught.value.path == root / "brightness" / "1"


def test_clean_sources_have_no_trees_to_check(clean_tree: Path) -> None:
    check_trees(open_source(clean_tree), (CLEAN, *COMMON_CONDITIONS))


def test_labels_of_the_sample_are_those_of_imagenet() -> None:
    labels: Mapping[str, int] = imagenet_labels()

    for key, label in zip(open_sample().files, open_sample().image_set(1000).labels, strict=True):
        assert labels[key.split("/")[0]] == label
