"""Labels come from WordNet ids, numbers, timm's order or a class map, never from a guess."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from timm.data.readers.class_map import load_class_map
from timm.data.readers.reader_image_folder import find_images_and_targets

from robustbench_gnl.data import imagenet_labels, labels_of_folders, open_source, read_class_map
from robustbench_gnl.errors import DataError, ModelError, as_options
from robustbench_gnl.records import IMAGENET
from tests.trees import make_clean_tree, make_empty_files, wnids


def test_the_thousand_ids_are_numbered_in_their_order() -> None:
    labels = imagenet_labels()

    assert len(labels) == 1000
    assert list(labels) == sorted(labels)
    assert list(labels.values()) == list(range(1000))
    assert (labels["n01440764"], labels["n02123045"], labels["n15075141"]) == (0, 281, 999)


@pytest.mark.parametrize("missing", [0, 1, 500, 999])
def test_a_missing_class_folder_shifts_no_label(missing: int) -> None:
    folders = [wnid for wnid, label in imagenet_labels().items() if label != missing]
    found = labels_of_folders(folders, 1000)

    assert (found.label_set, found.note) == (IMAGENET, None)
    assert found.by_folder == {folder: imagenet_labels()[folder] for folder in folders}


def test_a_few_ids_in_any_order_keep_their_labels() -> None:
    found = labels_of_folders(["n15075141", "n01440764"], 1000)

    assert found.label_set == IMAGENET
    assert found.by_folder == {"n15075141": 999, "n01440764": 0}


def test_a_model_of_just_these_ids_numbers_them_by_name() -> None:
    found = labels_of_folders(["n15075141", "n01440764"], 2)

    assert found.label_set.startswith("folders-")
    assert found.by_folder == {"n01440764": 0, "n15075141": 1}


def timm_order(folders: Sequence[str], root: Path) -> dict[str, int]:
    """As timm's training numbers them."""
    make_empty_files(root, [f"{folder}/image.jpg" for folder in folders])
    return find_images_and_targets(str(root))[1]


ORDERS = [
    ("cat", "ant", "dog"),
    ("ant", "Cat", "dog"),
    ("boxer_9", "boxer_10", "aircraft", "Persian", "tabby", "Zebra"),
    ("a10b2", "a10b10", "a9b1", "A9b0", "b"),
    ("class 2", "class 10", "class_1", "Class 1"),
    ("3", "1", "2", "10"),
    ("zebra", "\u00c4ffin", "affe", "\u00c4ffin 2"),
    ("01_first", "2_second", "10_tenth"),
]


@pytest.mark.parametrize("folders", ORDERS, ids=lambda folders: folders[0])
def test_other_folders_are_numbered_as_timm_numbers_them(
    folders: tuple[str, ...], tmp_path: Path
) -> None:
    found = labels_of_folders(folders, len(folders))

    assert found.by_folder == timm_order(folders, tmp_path)
    plain = {folder: index for index, folder in enumerate(sorted(folders))}
    is_plain = found.by_folder == plain
    assert (found.note is None) == is_plain
    assert found.label_set.startswith("folders-natural-") != is_plain
    assert labels_of_folders(folders[::-1], len(folders)) == found


def test_where_two_orders_differ_the_note_says_which_was_taken() -> None:
    note = labels_of_folders(["ant", "Cat", "dog"], 3).note
    assert note is not None
    assert "timm's training" in note
    assert (
        "class 0 is 'ant'; in plain order, as torchvision's ImageFolder sorts, it would be 'Cat'"
        in note
    )
    assert "--class-map" in as_options(note)


def test_the_label_set_is_that_of_these_folders() -> None:
    assert (
        labels_of_folders(["ant", "bee", "cat"], 3).label_set
        == labels_of_folders(["cat", "ant", "bee"], 3).label_set
        != labels_of_folders(["ant", "bee", "cow"], 3).label_set
    )
    # As it was before orders were told apart: stored runs are found again.
    assert labels_of_folders(["ant", "bee", "cat"], 3).label_set == "folders-4c9ae77f614c"


@pytest.mark.parametrize("pair", [("cat", "Cat"), ("class_1", "class_01"), ("1a", "01A")])
def test_folders_without_an_order_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ModelError, match=r"have no order: .*class_map"):
        labels_of_folders([*pair, "other"], 3)


@pytest.mark.parametrize("name", ["{}", "{:03}", "{:04}"])
def test_numbers_are_their_own_index(name: str) -> None:
    folders = [name.format(index) for index in range(1000)]
    found = labels_of_folders(folders, 1000)

    assert found.by_folder == {folder: int(folder) for folder in folders}
    padded = name != "{}"
    assert found.label_set.startswith("folders-" if padded else "index-1000")
    assert (found.note is None) == padded


def test_a_missing_number_shifts_no_label() -> None:
    found = labels_of_folders(["0", "2", "10"], 12)

    assert found.by_folder == {"0": 0, "2": 2, "10": 10}
    assert found.label_set == "index-12"
    assert found.note is not None
    assert "9 of 0 to 11 are missing" in found.note


def test_numbers_from_one_are_an_order() -> None:
    folders = [str(number) for number in range(1, 13)]
    assert labels_of_folders(folders, 12).by_folder == {f: int(f) - 1 for f in folders}


def test_one_number_twice_is_refused() -> None:
    with pytest.raises(ModelError, match=r"the same number \(such as '0?2' and '0?2'\)"):
        labels_of_folders(["0", "1", "2", "02"], 10)


def test_a_folder_whose_name_is_no_unicode_is_refused(tmp_path: Path) -> None:
    import os

    root = make_clean_tree(tmp_path / "val", folders=["a", "b"], n_per_class=1)
    os.mkdir(os.fsencode(root) + b"/c\xff")
    with pytest.raises(DataError, match="no Unicode"):
        open_source(root)


@pytest.mark.parametrize("n_classes", [2, 4, 1000])
def test_other_folders_are_refused_for_another_number_of_classes(n_classes: int) -> None:
    with pytest.raises(ModelError, match=r"3 class folders .* 'Cat'.* has \d+ outputs") as caught:
        labels_of_folders(["Cat", "ant", "dog"], n_classes)
    assert (caught.value.n_classes, caught.value.n_folders) == (n_classes, 3)
    assert caught.value.exit_code == 4


def test_the_folder_that_is_no_id_is_named() -> None:
    with pytest.raises(ModelError, match=r"not all ImageNet ids.*'__MACOSX'"):
        labels_of_folders([*wnids(1000), "__MACOSX"], 1000)


@pytest.mark.parametrize("n_classes", [10, 999, 1001, 21843])
def test_ids_are_refused_for_a_model_of_other_classes(n_classes: int) -> None:
    with pytest.raises(ModelError, match=r"5 ImageNet classes \(labels 0 to 999\).*class_map"):
        labels_of_folders(wnids(5), n_classes)


def class_map(path: Path, content: object):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_class_map(path)


PETS = {"tabby": 2, "Persian": 0, "boxer_9": 1}
MAPS = {
    "timm.txt": "Persian\nboxer_9\ntabby\nother\n",
    "indices.json": PETS,
    "names.json": {"0": "Persian", "1": "boxer_9", "2": "tabby"},  # as id2label in config.json
    "list.json": ["Persian", "boxer_9", "tabby"],
    "header.csv": "folder,index\ntabby,2\nPersian,0\nboxer_9,1\n",
    "turned.csv": "0;Persian\n1;boxer_9\n2;tabby\n",
    "tabs.tsv": "\ufefftabby\t2\nPersian\t0\n\nboxer_9\t1\n",
}


@pytest.mark.parametrize("name", MAPS)
def test_a_class_map_settles_it(name: str, tmp_path: Path) -> None:
    given = class_map(tmp_path / name, MAPS[name])
    found = labels_of_folders(list(PETS), 4, given)

    assert found.by_folder == PETS
    assert found.label_set.startswith("map-")
    assert found.note is None
    if name.endswith(".txt"):
        ours = {f: i for f, i in load_class_map(str(tmp_path / name)).items() if f in PETS}
        assert found.by_folder == ours


def test_the_label_set_of_a_class_map_is_what_it_maps(tmp_path: Path) -> None:
    sets = [
        labels_of_folders(list(PETS), 4, class_map(tmp_path / name, MAPS[name])).label_set
        for name in ("timm.txt", "names.json")
    ]
    other = labels_of_folders(list(PETS), 4, class_map(tmp_path / "a.json", {**PETS, "tabby": 3}))
    assert sets[0] == sets[1] != other.label_set


KERAS = {"0": ["n01440764", "tench"], "281": ["n02123045", "tabby"]}


@pytest.mark.parametrize(
    ("content", "folders", "label_set"),
    [
        (KERAS, {"n01440764": 0, "n02123045": 281}, IMAGENET),
        (KERAS, {"0": 0, "281": 281}, "imagenet-1k-map-"),
        (KERAS, {"tench": 0, "tabby": 281}, "map-"),
        (
            {"my cat": "n02123045", "fish": "n01440764"},
            {"my cat": 281, "fish": 0},
            "imagenet-1k-map-",
        ),
        ({"my cat": 281, "other cat": 281}, {"my cat": 281, "other cat": 281}, "map-"),
    ],
)
def test_own_folders_onto_a_thousand_classes(
    content: object, folders: dict[str, int], label_set: str, tmp_path: Path
) -> None:
    found = labels_of_folders(list(folders), 1000, class_map(tmp_path / "map.json", content))
    assert found.by_folder == folders
    assert found.label_set.startswith(label_set)


def test_ids_onto_a_head_of_21843_classes(tmp_path: Path) -> None:
    import timm

    synsets = Path(timm.__file__).parent / "data" / "_info" / "imagenet21k_goog_synsets.txt"
    order = synsets.read_text().split()
    found = labels_of_folders(wnids(500), 21843, read_class_map(synsets))
    assert found.by_folder == {wnid: order.index(wnid) for wnid in wnids(500)}


@pytest.mark.parametrize(
    ("content", "n_classes", "error", "reason"),
    [
        ({"tabby": 2}, 4, DataError, "no class for 2 of 3 class folders, .* 'Persian'"),
        ({**PETS, "tabby": 4}, 4, ModelError, "maps 'tabby' to 4, but the model has 4 outputs"),
        ({**PETS, "tabby": "n02123045"}, 4, ModelError, "maps to WordNet ids .* has 4 outputs"),
        ({**PETS, "tabby": "n99999999"}, 1000, DataError, "none of ImageNet's 1000"),
        ({**PETS, "tabby": -1}, 4, ModelError, "maps 'tabby' to -1"),
    ],
)
def test_a_class_map_that_does_not_fit(
    content: object, n_classes: int, error: type[Exception], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=reason):
        labels_of_folders(sorted(PETS), n_classes, class_map(tmp_path / "map.json", content))


def test_a_class_map_that_can_be_read_both_ways(tmp_path: Path) -> None:
    both = class_map(tmp_path / "map.json", {"0": "2", "1": "0", "2": "1"})
    with pytest.raises(DataError, match="can be read as folder to class and as class to folder"):
        labels_of_folders(["0", "1", "2"], 3, both)
    same = class_map(tmp_path / "same.json", {"0": 0, "1": 1, "2": 2})
    assert labels_of_folders(["0", "1", "2"], 3, same).by_folder == {"0": 0, "1": 1, "2": 2}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", "[1", "cannot read the class map"),
        ("a.json", '{"a": 1, "a": 2}', "'a' twice"),
        ("a.json", '{"a": 1.5}', "neither a class index nor a name"),
        ("a.json", '{"a": true}', "neither a class index nor a name"),
        ("a.json", '"a"', "it holds a str"),
        ("a.json", "{}", "holds no classes"),
        ("a.txt", "a\n\nb", "line 2 is empty"),
        ("a.txt", "a\nb\na", "'a' twice"),
        ("a.txt", "", "holds no classes"),
        ("a.csv", "a,1\nb", "row 2 has 1 columns, not two"),
        ("a.csv", ",folder,label\n0,cat,1\n1,dog,0\n", "row 1 has 3 columns, not two"),
        ("a.pkl", "", "a pickle, which could run a program"),
        ("a.json", "[" * 100_000, "cannot read the class map"),
    ],
)
def test_what_is_no_class_map(name: str, content: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        class_map(tmp_path / name, content)


def test_a_class_map_that_is_no_regular_file(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "map.txt")
    for path in (tmp_path / "map.txt", tmp_path, tmp_path / "none.txt"):
        with pytest.raises(DataError):
            read_class_map(path)


def test_with_a_class_map_ids_and_other_folders_may_stand_together(tmp_path: Path) -> None:
    root = make_clean_tree(tmp_path / "val", folders=["n01440764", "my cat"], n_per_class=1)
    with pytest.raises(DataError, match="others with images"):
        open_source(root)
    given = class_map(tmp_path / "map.json", {"my cat": "n02123045", "n01440764": 0})
    image_set = open_source(root, class_map=given).image_set(1000)
    assert dict(zip(image_set.keys, image_set.labels, strict=True)) == {
        "my cat/my cat_0": 281,
        "n01440764/n01440764_0": 0,
    }
