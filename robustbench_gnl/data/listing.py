"""Listing class folders and image files by name; no file is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from robustbench_gnl.errors import DataError
from robustbench_gnl.records import image_key

FORMATS = {
    "JPEG": (".jpeg", ".jpg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "PPM": (".ppm", ".pgm"),
    "GIF": (),
    "JPEG2000": (),
    "AVIF": (),
}
"""Pillow's names of the formats that are opened, whatever a file is called, and the suffixes by
which images are listed. All are decoded in this process: PostScript, for one, would start another
program. The suffixes are those of torchvision's `ImageFolder`, so that a folder has the same
images here as in the code that trained the model; the last three formats come under them too."""
IMAGE_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)


def subfolders(folder: Path) -> list[str]:
    """Names of the visible folders in `folder`, sorted.

    Raises:
        DataError: The folder is missing or cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if is_folder(e) and not e.name.startswith("."))
    except NotADirectoryError:
        raise DataError(
            f"{folder} is a file; expected a folder of class folders", path=folder
        ) from None
    except FileNotFoundError:
        raise DataError(f"{folder} does not exist; check the path", path=folder) from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {folder}: {error}", path=folder) from error


def is_image_name(name: str) -> bool:
    """Whether a file is listed as an image: hidden ones, such as macOS's `._a.jpg`, are not."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def image_files(folder: Path) -> list[str]:
    """Names of the files in `folder` whose suffix is that of an image, sorted.

    Broken links are included: to skip them silently would make the image set smaller. Reading them
    raises an error.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if is_image_name(entry.name) and not is_folder(entry)
            )
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror}", path=folder) from error


def list_images(folder: Path, class_folders: Sequence[str]) -> dict[str, str]:
    """Image key to path below `folder`, sorted by key.

    Raises:
        DataError: No image is there, or two files share a key.
    """
    found: dict[str, str] = {}
    for class_folder in class_folders:
        for name in image_files(folder / class_folder):
            key, path = image_key(class_folder, name), f"{class_folder}/{name}"
            if not is_unicode(key):
                raise DataError(
                    f"{folder} holds a file whose name is no Unicode ({path!r}); rename it",
                    path=folder,
                )
            if key in found:
                raise DataError(
                    f"{folder} holds {found[key]} and {path}, which share the key {key}; "
                    "an image is known by its name without the suffix: keep one of the two",
                    path=folder,
                )
            found[key] = path
    if not found:
        raise DataError(
            f"{folder} holds no images; expected class folders with image files in them",
            path=folder,
        )
    return dict(sorted(found.items()))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; a link that leads nowhere or round in a circle is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes that no UTF-8 text has, kept by Python as surrogates
        return False
    return True
