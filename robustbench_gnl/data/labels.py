"""Class folders to labels: by WordNet id, never by the order of the folders at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from re import fullmatch

from robustbench_gnl.data.listing import image_files, subfolders
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
    # Some ids of ImageNet among others, and as many outputs as ImageNet has classes: numbering
    # the folders would shift labels without a word.
    shifted = n_classes == len(known) and any(folder in known for folder in folders)
    if len(folders) == n_classes and not shifted:
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


def class_folders(root: Path) -> list[str]:
    """The class folders of a tree. Among WordNet ids (`n` and eight digits), a folder without
    images that is named otherwise (`__MACOSX`, `lost+found`) is passed over.

    Raises:
        DataError: There is no class folder, or strangers with images stand among WordNet ids,
            which would leave open what the labels are.
    """
    folders = subfolders(root)
    ids = [folder for folder in folders if fullmatch(r"n\d{8}", folder)]
    strangers = sorted(set(folders).difference(ids))
    if strangers and ids:
        strangers = [folder for folder in strangers if image_files(root / folder)]
        if strangers:
            raise DataError(
                f"{root} has folders named by WordNet id and others with images "
                f"(such as {strangers[0]!r}); move the others away, or name all by WordNet id",
                path=root,
            )
        return ids
    if not folders:
        raise DataError(
            f"{root} has no class folders; expected one folder a class, named by WordNet id "
            "(such as n01440764), with the images inside",
            path=root,
        )
    return folders
