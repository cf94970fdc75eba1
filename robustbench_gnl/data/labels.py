"""Class folders to labels: by WordNet id, never by the order of the folders at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from robustbench_gnl.errors import DataError, ModelError
from robustbench_gnl.reference import data_folder

IMAGENET = "imagenet-1k"


@cache
def imagenet_labels() -> dict[str, int]:
    """WordNet id to class index (0 to 999), the order every ImageNet classifier uses."""
    lines = (data_folder() / "imagenet_wnids.txt").read_text().split()
    return {wnid: index for index, wnid in enumerate(lines)}


def labels_of_folders(folders: Sequence[str], n_classes: int) -> tuple[str, dict[str, int]]:
    """The label set and the label of each class folder, for a model of `n_classes` outputs.

    ImageNet's WordNet ids keep their index among the 1,000 whichever folders are missing.
    Other folders are numbered in the order of their names, which is only safe when the
    model was trained on just these.

    Raises:
        ModelError: The folders do not fit the model's number of classes.
    """
    known = imagenet_labels()
    all_known = all(folder in known for folder in folders)
    if all_known and n_classes == len(known):
        return IMAGENET, {folder: known[folder] for folder in folders}
    if len(folders) == n_classes:
        digest = hashlib.sha256("\n".join(sorted(folders)).encode()).hexdigest()
        return f"folders-{digest[:12]}", {f: i for i, f in enumerate(sorted(folders))}
    kind = (
        f"{len(folders)} ImageNet classes (labels 0 to {len(known) - 1})"
        if all_known
        else f"{len(folders)} class folders that are not all ImageNet ids"
        f" (such as {next(f for f in folders if f not in known)!r})"
    )
    raise ModelError(
        f"the data has {kind}, but the model has {n_classes} outputs; "
        "use a model of as many classes as the data, or data of the model's classes",
        n_classes=n_classes,
        n_folders=len(folders),
    )


def check_folders(folders: Sequence[str], root: object) -> None:
    """Raises DataError when there is not one class folder."""
    if not folders:
        raise DataError(
            f"{root} has no class folders; expected one folder a class, named by WordNet id "
            "(such as n01440764), with the images inside",
            path=root,
        )
