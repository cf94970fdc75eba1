"""Labels come from WordNet ids, never from the order of the folders that happen to be there."""

from __future__ import annotations

import pytest

from robustbench_gnl.data import IMAGENET, imagenet_labels, labels_of_folders
from robustbench_gnl.errors import ModelError
from tests.trees import wnids


def test_the_thousand_ids_are_numbered_in_their_order() -> None:
    labels = imagenet_labels()

    assert len(labels) == 1000
    assert list(labels) == sorted(labels)
    assert list(labels.values()) == list(range(1000))
    assert (labels["n01440764"], labels["n02123045"], labels["n15075141"]) == (0, 281, 999)


@pytest.mark.parametrize("missing", [0, 1, 500, 999])
def test_a_missing_class_folder_shifts_no_label(missing: int) -> None:
    folders = [wnid for wnid, label in imagenet_labels().items() if label != missing]
    label_set, labels = labels_of_folders(folders, 1000)

    assert label_set == IMAGENET
    assert labels == {folder: imagenet_labels()[folder] for folder in folders}


def test_a_few_ids_in_any_order_keep_their_labels() -> None:
    folders = ["n15075141", "n01440764"]

    assert labels_of_folders(folders, 1000) == (IMAGENET, {"n15075141": 999, "n01440764": 0})


def test_a_model_of_just_these_ids_numbers_them_by_name() -> None:
    label_set, labels = labels_of_folders(["n15075141", "n01440764"], 2)

    assert label_set.startswith("folders-")
    assert labels == {"n01440764": 0, "n15075141": 1}


def test_other_folders_are_numbered_by_name_when_the_model_has_as_many_classes() -> None:
    label_set, labels = labels_of_folders(["dog", "Cat", "ant"], 3)

    assert labels == {"Cat": 0, "ant": 1, "dog": 2}
    assert label_set == labels_of_folders(["ant", "dog", "Cat"], 3)[0]
    assert label_set != labels_of_folders(["ant", "dog", "cow"], 3)[0]


def test_a_thousand_folders_that_are_no_ids_are_not_called_imagenet() -> None:
    label_set, labels = labels_of_folders([f"class_{index:04}" for index in range(1000)], 1000)

    assert label_set.startswith("folders-")
    assert labels["class_0999"] == 999


@pytest.mark.parametrize("n_classes", [2, 4, 1000])
def test_other_folders_are_refused_for_another_number_of_classes(n_classes: int) -> None:
    with pytest.raises(ModelError, match=r"3 class folders .* 'Cat'.* has \d+ outputs") as caught:
        labels_of_folders(["Cat", "ant", "dog"], n_classes)
    assert (caught.value.n_classes, caught.value.n_folders) == (n_classes, 3)
    assert caught.value.exit_code == 4


def test_the_folder_that_is_no_id_is_named() -> None:
    with pytest.raises(ModelError, match=r"not all ImageNet ids.*'__MACOSX'"):
        labels_of_folders([*wnids(1000), "__MACOSX"], 1000)


@pytest.mark.parametrize("n_classes", [10, 999, 1001])
def test_ids_are_refused_for_a_model_of_other_classes(n_classes: int) -> None:
    with pytest.raises(ModelError, match=r"5 ImageNet classes \(labels 0 to 999\)"):
        labels_of_folders(wnids(5), n_classes)
