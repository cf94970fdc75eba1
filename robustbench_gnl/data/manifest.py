"""The manifest of a tree by `gnlbench corrupt`, which distinguishes it from the release.

`gnlbench-manifest.json` at the root of the tree:
{"manifest_version": 1, "engine": ..., "engine_version": ..., "seed": ..., "jpeg_quality": ...,
"images": ..., "clean_images": {image key: sha256 of the clean file, ...}}

The last two were added later: trees without them are complete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from robustbench_gnl.errors import NEWER, DataError
from robustbench_gnl.files import read_regular, replace_file
from robustbench_gnl.fingerprints import SHA256, added_later
from robustbench_gnl.serialization import decode, encode, unknown_keys
from robustbench_gnl.text import quoted

MANIFEST_NAME = "gnlbench-manifest.json"
MANIFEST_VERSION = 1
LARGEST_MANIFEST = 2**28
"""Bytes: the digests of two million images."""
LONGEST_TEXT = 200


@dataclass(frozen=True)
class Manifest:
    """How the images of a generated tree were made."""

    engine: str
    engine_version: str
    seed: int
    jpeg_quality: int | None
    images: str | None = added_later(None)
    """Fingerprint of the keys of its images, so that the same ones complete it."""
    clean_images: Mapping[str, str] | None = added_later(None)
    """Image key to the sha256 of the clean file it was made from; None in older trees."""


def read_manifest(root: Path) -> Manifest | None:
    """The manifest of a tree, None when it has none.

    Raises:
        DataError: There is one and it cannot be understood.
    """
    path = root / MANIFEST_NAME
    try:
        content = json.loads(read_regular(path, LARGEST_MANIFEST).decode("utf-8"))
        version = content.pop("manifest_version")
        if type(version) is not int:  # True is 1 to Python.
            raise TypeError(f"its manifest_version is {quoted(version)}, not of type int")
        if version != MANIFEST_VERSION:
            raise DataError(
                f"{path} has version {version}, expected {MANIFEST_VERSION}; "
                "a newer gnlbench wrote it: upgrade this one",
                path=path,
            )
        unknown = unknown_keys(Manifest, content)
        if unknown:  # They may say how the images were made, so they are not passed over.
            raise DataError(
                f"{path} has entries that this gnlbench does not know "
                f"({', '.join(unknown)[:200]}); {NEWER}",
                path=path,
            )
        manifest = decode(Manifest, content, "the manifest", error=_Malformed)
        _check(manifest)
        return manifest
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError),
        _Malformed,
    ) as error:
        raise _not_a_manifest(path, getattr(error, "strerror", None) or error) from error


class _Malformed(DataError):
    """An entry is missing or of another type; `read_manifest` says of which file."""


def _check(manifest: Manifest) -> None:
    """Raise ValueError for content that gnlbench never writes."""
    if manifest.jpeg_quality is not None and not 1 <= manifest.jpeg_quality <= 100:
        raise ValueError(f"its jpeg_quality is {manifest.jpeg_quality}, not 1 to 100")
    # They are shown in tables and become part of the protocol: no control characters.
    for name in ("engine", "engine_version"):
        text = getattr(manifest, name)
        if not (text.isascii() and text.isprintable() and 0 < len(text) <= LONGEST_TEXT):
            raise ValueError(f"its {name} is not a short text of ASCII letters")
    if manifest.images is not None and not SHA256.fullmatch(manifest.images):
        raise ValueError("its fingerprint of images is not a sha256")
    for key, digest in (manifest.clean_images or {}).items():
        if not (isinstance(digest, str) and SHA256.fullmatch(digest)):
            raise ValueError(f"the digest of {key[:80]!r} is not a sha256")


def _not_a_manifest(path: Path, reason: object) -> DataError:
    return DataError(
        f"{path} is not a manifest that gnlbench wrote ({reason}); make the tree again, or "
        "remove the file to have it treated as a tree of unknown origin",
        path=path,
    )


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write the manifest of a tree, whole or not at all.

    Raises:
        OSError: The folder cannot be written.
    """
    content = {"manifest_version": MANIFEST_VERSION, **encode(manifest)}
    replace_file(root / MANIFEST_NAME, (json.dumps(content, indent=2) + "\n").encode())
