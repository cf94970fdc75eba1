"""Suites with their own images (such as ImageNet-R): their detection and their sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from robustbench_gnl.data.labels import imagenet_labels
from robustbench_gnl.data.listing import list_images, subfolders
from robustbench_gnl.data.sources import Source
from robustbench_gnl.errors import DataError, option
from robustbench_gnl.suites import SUITES, Suite
from robustbench_gnl.text import counted

SAMPLED_NAMES = 20


def recognised_suite(class_folders: Sequence[str], files: Mapping[str, str]) -> Suite | None:
    """The suite of class folders, detected from the names of some files; None if it is no such
    suite.

    Args:
        files: Image key to the path below the root.
    """
    for suite in SUITES.values():
        layout = suite.layout
        if layout is None or layout.file_name is None or _unknown(class_folders, suite):
            continue
        some = islice(files.values(), 0, None, len(files) // SAMPLED_NAMES + 1)
        if all(layout.file_name.fullmatch(path.rsplit("/", 1)[1]) for path in some):
            return suite
    return None


def open_own_images(root: Path, suite: Suite, notes: Iterable[str] = ()) -> Source:
    """The images of a suite, in class folders.

    Raises:
        DataError: A folder is none of the suite's classes, or there are no images.
    """
    folders = subfolders(root)
    unknown = _unknown(folders, suite)
    if unknown:
        expected = (
            f"class indices from 0 to {suite.labels.n_classes - 1}"
            if suite.layout is not None and suite.layout.folders_are_indices
            else f"WordNet ids of its {len(suite.labels.subset or suite.labels.classes):,} classes"
        )
        raise DataError(
            f"{root} is not {suite.title}: expected folders named by {expected}, found "
            f"{counted(len(unknown), 'other')} (such as {unknown[0]!r}); give its root, or leave "
            f"out {option('suite')}",
            path=root,
        )
    files = list_images(root, folders)
    return Source(
        kind="released" if _is_complete(folders, files, suite) else "released-layout",
        root=root,
        class_folders=tuple(folders),
        files=files,
        clean_tree=root,
        notes=tuple(notes),
        suite=suite,
    )


def _unknown(folders: Sequence[str], suite: Suite) -> list[str]:
    """Class folders that are no classes of the suite."""
    n_classes = suite.labels.n_classes
    if suite.layout is not None and suite.layout.folders_are_indices:
        return [f for f in folders if not re.fullmatch(r"[0-9]{1,9}", f) or int(f) >= n_classes]
    known = imagenet_labels()
    subset = suite.labels.subset
    return [f for f in folders if f not in known or (subset and known[f] not in subset)]


def _is_complete(folders: Sequence[str], files: Mapping[str, str], suite: Suite) -> bool:
    """Whether these are all the images that the suite was published with, by number and name."""
    layout = suite.layout
    if layout is None or layout.n_images != len(files):
        return False
    if len(folders) != len(suite.labels.subset or suite.labels.classes):
        return False
    pattern = layout.file_name
    return pattern is None or all(
        pattern.fullmatch(path.rsplit("/", 1)[1]) for path in files.values()
    )
