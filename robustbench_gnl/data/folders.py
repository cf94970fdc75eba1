"""The names of the files and folders in a folder; no file is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from robustbench_gnl.data.listing import is_folder, is_image_name, subfolders
from robustbench_gnl.suites import DEFAULT_SUITE, Suite
from robustbench_gnl.text import some_of

MOST_ENTRIES = 2000  # looked at in one folder


@dataclass
class Content:
    """What lies directly in a folder, of a very large one the first part."""

    folders: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def read_folder(folder: Path) -> Content:
    """The visible entries of a folder, sorted; nothing where it cannot be read."""
    content = Content()
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, MOST_ENTRIES):
                if entry.name.startswith("."):
                    continue
                if is_folder(entry):
                    content.folders.append(entry.name)
                elif is_image_name(entry.name):
                    content.images.append(entry.name)
                else:
                    content.others.append(entry.name)
    except (OSError, ValueError):
        return content
    for names in (content.folders, content.images, content.others):
        names.sort()
    return content


def corruption_named(folder: str, suite: Suite = DEFAULT_SUITE) -> str | None:
    """The corruption that a folder is named for, in whatever letters: `FOG`, `Glass-Blur`."""
    name = re.sub(r"[\s-]", "_", folder.lower())
    return name if name in suite.all_corruptions else None


def corruption_folders(
    root: Path, folders: Sequence[str], suite: Suite = DEFAULT_SUITE
) -> dict[str, Path]:
    """Corruption name to its folder, also inside the folder of its group (blur/fog/...)."""
    found: dict[str, Path] = {}
    places = [(root, folders)]
    for group in folders:
        if group.lower() in suite.selections:
            places.append((root / group, subfolders(root / group)))
    for place, names in places:
        for folder in names:
            name = corruption_named(folder, suite)
            if name is not None and (name not in found or folder == name):
                found[name] = place / folder
    return found


def has_image(folder: Path) -> bool:
    """Whether a folder holds a file that is listed as an image."""
    try:
        with os.scandir(folder) as entries:
            return any(is_image_name(entry.name) and not is_folder(entry) for entry in entries)
    except OSError:
        return False


def is_class_name(folder: str) -> bool:
    """Whether a folder is named for a class by WordNet id or number."""
    return re.fullmatch(r"n\d{8}|\d+", folder) is not None


def some(names: Sequence[str]) -> str:
    """The first names of a list, or `nothing`."""
    return some_of(names) or "nothing"
