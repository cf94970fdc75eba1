"""Fingerprints decide which runs may be compared, so they must never change by accident."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from robustbench_gnl.records import (
    CLEAN,
    Cell,
    Condition,
    ImageSet,
    Model,
    Protocol,
    conditions_of,
    image_key,
)
from robustbench_gnl.suites import DEFAULT_SUITE

# Written down once and for all: stored runs are found again by these.
PROTOCOL_FINGERPRINT = "555b444595fb67ea7267c9339f0aa44cb1ad8568e28778fdc4ee787688731040"
MODEL_FINGERPRINT = "470652a146eb71beaa03e2847d41e110c1d6524bd837ffa6e567e9c79551d6d7"
IMAGE_SET_FINGERPRINT = "3d308c2eb9d84669c2ffcbae5152a76a9b5e6534f99dfeb594d6b4fb74568617"

PROTOCOL = Protocol(
    name="generated-imagecorruptions-50000",
    source="generated",
    image_set="ab" * 32,
    n_images=50_000,
    label_set="imagenet-1k",
    crop="centre 224",
    resampling="shorter side 256, bilinear",
    jpeg_quality=85,
    engine="imagecorruptions",
    engine_version="1.1.5+seeding1",
    seed=0,
    precision="fp32",
    jpeg_decoder="libjpeg-turbo",
    skipped_images=0,
)
MODEL = Model(
    name="resnet18",
    checkpoint_sha256="cd" * 32,
    weights="state_dict",
    n_params=11_689_512,
    n_classes=1000,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
IMAGE_SET = ImageSet("two", "imagenet-1k", ("n01440764/a", "n01443537/é"), (0, 1))

OTHER_PROTOCOL_VALUES: dict[str, Any] = {
    "suite": "imagenet-r",
    "source": "released",
    "image_set": "ac" * 32,
    "n_images": 5_000,
    "label_set": "folders-0123456789ab",
    "crop": "none",
    "resampling": "none",
    "jpeg_quality": None,
    "engine": None,
    "engine_version": "1.1.6+seeding1",
    "seed": None,
    "precision": "bf16",
    "jpeg_decoder": "libjpeg",
    "skipped_images": 1,
}
OTHER_MODEL_VALUES: dict[str, Any] = {
    "name": "resnet34",
    "checkpoint_sha256": "ce" * 32,
    "weights": "state_dict_ema",
    "n_params": 1,
    "n_classes": 10,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
}


def test_golden_fingerprints() -> None:
    assert PROTOCOL.fingerprint == PROTOCOL_FINGERPRINT
    assert MODEL.fingerprint == MODEL_FINGERPRINT
    assert IMAGE_SET.fingerprint == IMAGE_SET_FINGERPRINT


@pytest.mark.parametrize("field", [f.name for f in fields(Protocol) if f.name != "name"])
def test_every_field_of_a_protocol_changes_its_fingerprint(field: str) -> None:
    other = replace(PROTOCOL, **{field: OTHER_PROTOCOL_VALUES[field]})

    assert other.fingerprint != PROTOCOL.fingerprint
    assert set(PROTOCOL.differences(other)) == {field}
    assert PROTOCOL.differences(other)[field] == (
        getattr(PROTOCOL, field),
        OTHER_PROTOCOL_VALUES[field],
    )


def test_the_name_of_a_protocol_is_for_people_only() -> None:
    other = replace(PROTOCOL, name="another")

    assert other.fingerprint == PROTOCOL.fingerprint
    assert PROTOCOL.differences(other) == {}


@pytest.mark.parametrize("field", [f.name for f in fields(Model)])
def test_every_field_of_a_model_changes_its_fingerprint(field: str) -> None:
    assert replace(MODEL, **{field: OTHER_MODEL_VALUES[field]}).fingerprint != MODEL.fingerprint


def test_keys_labels_and_their_order_change_the_fingerprint_of_an_image_set() -> None:
    swapped = replace(IMAGE_SET, labels=(1, 0))
    fewer = replace(IMAGE_SET, keys=IMAGE_SET.keys[:1], labels=IMAGE_SET.labels[:1])
    reordered = replace(IMAGE_SET, keys=IMAGE_SET.keys[::-1], labels=IMAGE_SET.labels[::-1])
    sets = (IMAGE_SET, swapped, fewer, reordered)

    assert len({each.fingerprint for each in sets}) == 4
    assert replace(IMAGE_SET, name="renamed").fingerprint == IMAGE_SET.fingerprint


def test_an_image_set_of_unequal_lists_has_no_fingerprint() -> None:
    with pytest.raises(ValueError, match="zip"):
        _ = replace(IMAGE_SET, labels=(0,)).fingerprint


@pytest.mark.parametrize(
    ("folder", "file_name", "key"),
    [
        ("n01440764", "ILSVRC2012_val_00000293.JPEG", "n01440764/ILSVRC2012_val_00000293"),
        ("n01440764", "a.b.jpg", "n01440764/a.b"),
        ("n01440764", "no_suffix", "n01440764/no_suffix"),
        ("n01440764", ".hidden", "n01440764/.hidden"),
        ("cafe\N{COMBINING ACUTE ACCENT}", "e\N{COMBINING ACUTE ACCENT}.png", "café/é"),
    ],
)
def test_an_image_key_is_the_class_folder_and_the_name_without_suffix(
    folder: str, file_name: str, key: str
) -> None:
    assert image_key(folder, file_name) == key


def test_conditions_are_written_as_folders_and_sorted_by_name() -> None:
    assert str(CLEAN) == "clean"
    assert str(Condition("fog", 3)) == "fog/3"
    assert sorted([Condition("fog", 2), CLEAN, Condition("fog", 1)]) == [
        CLEAN,
        Condition("fog", 1),
        Condition("fog", 2),
    ]


def test_mce_is_made_of_75_cells_corruption_by_corruption() -> None:
    assert len(set(DEFAULT_SUITE.main_conditions)) == 75
    assert [str(c) for c in conditions_of(("fog", "snow"), (1, 3))] == [
        "fog/1",
        "fog/3",
        "snow/1",
        "snow/3",
    ]


def test_the_error_of_a_cell_is_the_fraction_that_is_wrong() -> None:
    assert Cell(8, 6, 8, 1.0).error == 0.25


def test_only_the_sample_is_a_demonstration() -> None:
    assert replace(PROTOCOL, source="sample").is_demonstration
    assert not PROTOCOL.is_demonstration


def test_a_field_added_later_leaves_old_fingerprints_alone() -> None:
    """The fingerprint of a protocol that was stored before suites were part of it."""
    assert "suite" not in PROTOCOL.fields()
    assert replace(PROTOCOL, suite="imagenet-r").fields()["suite"] == "imagenet-r"
    assert PROTOCOL.differences(replace(PROTOCOL, suite="imagenet-r")) == {
        "suite": ("imagenet-c", "imagenet-r")
    }
