"""Class folders to labels: by WordNet id, by number, by a class map, or as timm numbers them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from robustbench_gnl.data.class_map import ClassMap
from robustbench_gnl.data.listing import image_files, is_unicode, subfolders
from robustbench_gnl.errors import DataError, ModelError, option
from robustbench_gnl.records import IMAGENET
from robustbench_gnl.suites import DEFAULT_SUITE, Suite

MAP_HINT = f"or say which folder is which class with {option('class_map', 'FILE')}"


@dataclass(frozen=True)
class Labels:
    """The label of each class folder."""

    label_set: str
    """`imagenet-1k`; `folders-<digest>` (numbered in the order of their names, in which plain order
    and timm's agree); `folders-natural-<digest>` (timm's order, which is another); `index-<n>`
    (each folder's name is its index); `map-<digest>` (a class map of indices) and
    `imagenet-1k-map-<digest>` (a class map of WordNet ids)."""
    by_folder: Mapping[str, int]
    note: str | None = None
    """Notes for the user on how the labels were determined."""


@cache
def imagenet_labels() -> dict[str, int]:
    """WordNet id to class index, the order every ImageNet classifier uses."""
    return {wnid: index for index, wnid in enumerate(DEFAULT_SUITE.labels.classes)}


def labels_of_folders(
    folders: Sequence[str], n_classes: int, class_map: ClassMap | None = None
) -> Labels:
    """The labels of class folders, for a model of `n_classes` outputs.

    ImageNet's WordNet ids keep their index whichever folders are missing, and folders named 0 to
    n - 1 are their own index. Other folders are numbered as timm numbers them for training (natural
    order, upper and lower case alike), which is only safe if the model was trained on just these.

    Args:
        class_map: Gives the classes instead.

    Raises:
        ModelError: The folders do not fit the model's number of classes, or their order is
            ambiguous.
        DataError: The class map lacks a folder.
    """
    if class_map is not None:
        return _mapped(folders, n_classes, class_map)
    known = imagenet_labels()
    if n_classes == len(known) and all(folder in known for folder in folders):
        return Labels(IMAGENET, {folder: known[folder] for folder in folders})
    # Some ids of ImageNet among others, and as many outputs as ImageNet has classes: numbering
    # the folders would silently shift all labels.
    shifted = n_classes == len(known) and any(folder in known for folder in folders)
    if not shifted and all(re.fullmatch(r"[0-9]{1,9}", folder) for folder in folders):
        found = _numbered(folders, n_classes)
        if found is not None:
            return found
    if shifted or len(folders) != n_classes:
        raise _other_classes(folders, n_classes)
    return _in_natural_order(folders)


def labels_of_suite(folders: Sequence[str], n_classes: int, suite: Suite) -> Labels:
    """The labels of the class folders of a suite with its own images: by WordNet id, or by class
    index if the suite says so.

    Raises:
        ModelError: The model does not have the outputs of the suite.
    """
    space = suite.labels
    if n_classes != space.n_classes:
        raise ModelError(
            f"{suite.title} has labels of ImageNet's {space.n_classes:,} classes, but the model "
            f"has {n_classes} outputs; use a model of these classes",
            n_classes=n_classes,
        )
    if suite.layout is not None and suite.layout.folders_are_indices:
        return Labels(space.name, {folder: int(folder) for folder in folders})
    known = imagenet_labels()
    return Labels(space.name, {folder: known[folder] for folder in folders})


def _numbered(folders: Sequence[str], n_classes: int) -> Labels | None:
    """Folders whose names are class indices; None where they cannot be."""
    by_folder = {folder: int(folder) for folder in folders}
    # `1` and `01` are the same number.
    if len(set(by_folder.values())) < len(folders):
        ordered = sorted(folders, key=by_folder.__getitem__)
        twice = next(pair for pair in pairwise(ordered) if int(pair[0]) == int(pair[1]))
        raise ModelError(
            f"two class folders have the same number (such as {twice[0]!r} and {twice[1]!r}); "
            f"rename one, {MAP_HINT}"
        )
    if max(by_folder.values()) >= n_classes:
        return None  # no indices, at most an order
    if len(folders) == n_classes and sorted(folders) == sorted(folders, key=by_folder.__getitem__):
        return Labels(_named("folders", sorted(folders)), by_folder)
    missing = n_classes - len(folders)
    return Labels(
        f"index-{n_classes}",
        by_folder,
        "the names of the class folders are numbers, taken as class indices"
        + (f"; {missing} of 0 to {n_classes - 1} are missing" if missing else ""),
    )


def _in_natural_order(folders: Sequence[str]) -> Labels:
    """As timm's training numbers folders; plain order, that of torchvision, is often another."""
    ordered, plain = sorted(folders, key=natural_key), sorted(folders)
    for one, other in pairwise(ordered):
        if natural_key(one) == natural_key(other):
            raise ModelError(
                f"the class folders {one!r} and {other!r} have no order: their names differ in "
                f"upper and lower case or in leading zeros alone; rename one, {MAP_HINT}",
                folders=(one, other),
            )
    by_folder = {folder: index for index, folder in enumerate(ordered)}
    if ordered == plain:
        return Labels(_named("folders", plain), by_folder)
    index = next(
        i for i, (own, other) in enumerate(zip(ordered, plain, strict=True)) if own != other
    )
    return Labels(
        _named("folders-natural", ordered),
        by_folder,
        "the class folders are numbered as timm's training numbers them (natural order, upper and "
        f"lower case alike): class {index} is {ordered[index]!r}; in plain order, as torchvision's "
        f"ImageFolder sorts, it would be {plain[index]!r}. {option('class_map', 'FILE')} says "
        f"otherwise",
    )


def _mapped(folders: Sequence[str], n_classes: int, class_map: ClassMap) -> Labels:
    known = imagenet_labels()
    targets = class_map.targets(folders)
    named = sorted({target for target in targets.values() if isinstance(target, str)})
    if named and n_classes != len(known):
        raise ModelError(
            f"{class_map.path} maps to WordNet ids (such as {named[0]}), which stand for the "
            f"{len(known)} classes of ImageNet, but the model has {n_classes} outputs; map to "
            f"class indices, 0 to {n_classes - 1}",
            n_classes=n_classes,
        )
    unknown = [wnid for wnid in named if wnid not in known]
    if unknown:
        raise DataError(
            f"{class_map.path} maps to {unknown[0]!r}, which is none of ImageNet's {len(known)} "
            "WordNet ids; correct it, or map to class indices",
            path=class_map.path,
        )
    by_folder = {
        folder: known[target] if isinstance(target, str) else target
        for folder, target in targets.items()
    }
    outside = [folder for folder, index in by_folder.items() if not 0 <= index < n_classes]
    if outside:
        raise ModelError(
            f"{class_map.path} maps {outside[0]!r} to {by_folder[outside[0]]}, but the model has "
            f"{n_classes} outputs, 0 to {n_classes - 1}; give the class map of this model",
            n_classes=n_classes,
        )
    # The map changes nothing, so these are the labels of other ImageNet runs.
    if n_classes == len(known) and all(known.get(f) == index for f, index in by_folder.items()):
        return Labels(IMAGENET, by_folder)
    kind = f"{IMAGENET}-map" if len(named) == len(set(targets.values())) else "map"
    pairs = [f"{folder}\t{index}" for folder, index in sorted(by_folder.items())]
    return Labels(_named(kind, pairs), by_folder)


def natural_key(name: str) -> list[str | int]:
    """What timm sorts class folders by: runs of digits as numbers, case folded."""
    parts = re.split(r"(\d+)", name.lower())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]


def _named(kind: str, lines: Sequence[str]) -> str:
    # Named by the order, because another order makes other labels: runs must not be compared.
    return f"{kind}-{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:12]}"


def _other_classes(folders: Sequence[str], n_classes: int) -> ModelError:
    known = imagenet_labels()
    unknown = [folder for folder in folders if folder not in known]
    kind = (
        f"{len(folders)} class folders that are not all ImageNet ids (such as {unknown[0]!r})"
        if unknown
        else f"{len(folders)} ImageNet classes (labels 0 to {len(known) - 1})"
    )
    return ModelError(
        f"the data has {kind}, but the model has {n_classes} outputs; use a model of as many "
        f"classes as the data, or data of the model's classes, {MAP_HINT}",
        n_classes=n_classes,
        n_folders=len(folders),
    )


def class_folders(root: Path, class_map: ClassMap | None = None) -> list[str]:
    """The class folders of a tree. Among WordNet ids (`n` and eight digits), a folder without
    images that is named otherwise (`__MACOSX`, `lost+found`) is passed over.

    Args:
        class_map: Where it is given, any folder with images is a class.

    Raises:
        DataError: There is no class folder, or other folders with images are among WordNet ids,
            which would leave open what the labels are.
    """
    folders = subfolders(root)
    for folder in folders:
        if not is_unicode(folder):
            raise DataError(
                f"{root} holds a folder whose name is no Unicode ({folder!r}); rename it", path=root
            )
    if class_map is not None:
        return [folder for folder in folders if image_files(root / folder)] or folders
    ids = [folder for folder in folders if re.fullmatch(r"n\d{8}", folder)]
    unknown = sorted(set(folders).difference(ids))
    if unknown and ids:
        unknown = [folder for folder in unknown if image_files(root / folder)]
        if unknown:
            raise DataError(
                f"{root} has folders named by WordNet id and others with images "
                f"(such as {unknown[0]!r}); move the others away, or name all by WordNet id",
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
