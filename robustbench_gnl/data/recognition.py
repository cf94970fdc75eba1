"""Finding the data set at or below a path: a corrupted tree, or class folders of clean images.

Only names of folders and files are examined. The depth of the search and the number of entries it
examines are bounded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from robustbench_gnl.data.folders import (
    Content,
    corruption_folders,
    has_image,
    is_class_name,
    read_folder,
    some,
)
from robustbench_gnl.data.listing import subfolders
from robustbench_gnl.data.other_data import (
    files_not_read,
    has_videos,
    is_archive,
    is_of_another_suite,
    loose_images,
    no_images,
    other_data_set,
    refuse_part_of_a_tree,
)
from robustbench_gnl.errors import DataError
from robustbench_gnl.suites import DEFAULT_SUITE, Suite

MOST_LEVELS = 4  # Kaggle's ILSVRC/Data/CLS-LOC/val lies that deep
MOST_FOLDERS = 200  # looked into in one search
VALIDATION = frozenset({"val", "validation"})
SPLITS = VALIDATION | {"train", "test"}


def find_tree_or_classes(
    root: Path, *, tree: bool = True, classes: bool = True, suite: Suite = DEFAULT_SUITE
) -> tuple[Path, tuple[str, ...]]:
    """The folder itself or the only one below it that contains data, and notes for the user.

    Args:
        tree: Whether a tree of corruptions is looked for.
        classes: Whether class folders are looked for.
        suite: The suite whose corruptions the tree has.

    Raises:
        DataError: The folder is missing, several folders may be meant, or it is data that
            cannot be evaluated.
    """
    if os.path.isfile(root) and is_archive(root.name):
        raise DataError(
            f"{root} is a file; expected a folder: unpack the archive, and give the folder",
            path=root,
        )
    folders = subfolders(root)
    if tree and corruption_folders(root, folders, suite) and not has_videos(root):
        return root, ()
    if classes and _holds_classes(root, folders):
        note = f"{root} holds training images by its name; errors on them are too low"
        return root, (note,) if _is_train(root.resolve()) else ()
    refuse_part_of_a_tree(root, only_clean=not tree)
    if not tree and _holds_tree(root, folders, suite):
        raise DataError(
            f"{root} holds the corrupted images of a tree of {suite.title}, and clean images were "
            "expected; give the folder of the clean images",
            path=root,
        )
    search = _search(root, suite, tree=tree, classes=classes)
    if len(search.found) == 1:
        meant, kind = search.found[0]
        return meant, (f"{root} holds {kind} in {meant}, which are used",)
    if search.found:
        raise DataError(
            f"{root} holds several data sets: "
            + ", ".join(f"{folder} ({kind})" for folder, kind in search.found[:5])
            + "; give one of them",
            path=root,
        )
    if search.reasons:
        reason = search.reasons[0]
        names_root = reason.startswith(f"{root} ")
        raise DataError(reason if names_root else f"{root} holds no data: {reason}", path=root)
    if not classes:
        raise DataError(
            f"{root} is not laid out as {suite.title}: expected folders such as "
            f"fog/3/n01440764, found {some(folders)}",
            path=root,
        )
    return root, ()


@dataclass
class _Search:
    """The result of a search below a folder."""

    found: list[tuple[Path, str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    """Reasons why data that was found cannot be used, the most helpful first."""


def _search(root: Path, suite: Suite, *, tree: bool, classes: bool) -> _Search:
    search, train = _Search(), None
    val: list[str] = []
    others: list[str] = []
    for folder, content in _walk(root, suite):
        if (other := other_data_set(folder, content)) is not None:
            search.reasons.append(other)
        elif folder != root and _is_train(folder):
            train = train or (folder if _holds_classes(folder, content.folders) else None)
        elif folder != root and _holds_tree(folder, content.folders, suite):
            if tree:
                search.found.append((folder, f"the corrupted images of a tree of {suite.title}"))
            else:
                search.reasons.append(
                    f"{root} holds corrupted images ({folder}), and clean images were expected"
                )
        elif folder != root and _surely_holds_classes(folder, content.folders):
            if classes:
                search.found.append((folder, "class folders of images"))
        elif (reason := files_not_read(folder, content)) is not None:
            search.reasons.append(reason)
        elif content.images and not content.folders:
            below = {part.lower() for part in folder.relative_to(root).parts}
            (val if below & VALIDATION else others).append(loose_images(folder, content))
        else:
            others += no_images(folder, content)
    # Ahead of the others: validation images are what is usually meant.
    search.reasons += val
    if train is not None:
        search.reasons.append(
            f"{root} holds training images only ({train}), and validation images were expected; "
            f"to evaluate the training images give {train} itself"
        )
    search.reasons += others
    return search


def _walk(root: Path, suite: Suite) -> Iterator[tuple[Path, Content]]:
    """Folders level by level with what lies in them; none below class folders and data, and none
    twice where links lead to it."""
    level, seen = [root], set()
    n_folders_read = 0
    for _ in range(MOST_LEVELS + 1):
        below: list[Path] = []
        for folder in level:
            place = os.path.realpath(folder)
            if place in seen:
                continue
            seen.add(place)
            n_folders_read += 1
            if n_folders_read > MOST_FOLDERS:
                return
            content = read_folder(folder)
            yield folder, content
            if folder != root and (
                _is_train(folder)
                or _holds_tree(folder, content.folders, suite)
                or _surely_holds_classes(folder, content.folders)
            ):
                continue
            below += [
                folder / name
                for name in content.folders
                if not is_class_name(name) and not is_of_another_suite(name)
            ]
        level = below


def _is_train(folder: Path) -> bool:
    return folder.name.lower() == "train"


def _holds_tree(root: Path, folders: Sequence[str], suite: Suite) -> bool:
    """Whether a corruption's folder has a severity with a folder in it."""
    try:
        found = corruption_folders(root, folders, suite)
    except DataError:  # a group's folder cannot be read
        return False
    return any(
        read_folder(folder / str(severity)).folders
        for folder in found.values()
        for severity in suite.severities
    )


def _holds_classes(root: Path, folders: Sequence[str]) -> bool:
    """Whether images lie in the folders of a folder, and these are no splits of a data set."""
    names = {name.lower() for name in folders}
    if names <= SPLITS or ("train" in names and names & VALIDATION):
        return False
    return any(has_image(root / name) for name in folders)


def _surely_holds_classes(root: Path, folders: Sequence[str]) -> bool:
    """As above, but of the first folders alone, and one folder of any name is not enough."""
    # 20 of perhaps 1,000: every folder is opened, which takes long on a network drive.
    if not _holds_classes(root, folders[:20]):
        return False
    with_images = [name for name in folders[:20] if has_image(root / name)]
    return len(with_images) > 1 or any(map(is_class_name, with_images))
