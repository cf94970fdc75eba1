"""The manifest by which a tree that gnlbench made is known from the release.

`gnlbench-manifest.json` at the root of the tree:
{"manifest_version": 1, "engine": ..., "engine_version": ..., "seed": ..., "jpeg_quality": ...,
"images": ...}
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from robustbench_gnl.errors import DataError

MANIFEST_NAME = "gnlbench-manifest.json"
MANIFEST_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """How the images of a generated tree were made."""

    engine: str
    engine_version: str
    seed: int
    jpeg_quality: int | None
    images: str | None = None
    """Fingerprint of the keys of its images, so that the same ones complete it."""


def read_manifest(root: Path) -> Manifest | None:
    """The manifest of a tree, None when it has none.

    Raises:
        DataError: There is one and it cannot be understood.
    """
    path = root / MANIFEST_NAME
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        if content["manifest_version"] != MANIFEST_VERSION:
            raise DataError(
                f"{path} has version {content['manifest_version']}, expected {MANIFEST_VERSION}; "
                "a newer gnlbench wrote it: upgrade this one",
                path=path,
            )
        quality = content["jpeg_quality"]
        return Manifest(
            engine=str(content["engine"]),
            engine_version=str(content["engine_version"]),
            seed=int(content["seed"]),
            jpeg_quality=None if quality is None else int(quality),
            images=content.get("images"),
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(
            f"{path} is not a manifest that gnlbench wrote ({error}); make the tree again, or "
            "remove the file to have it treated as a tree of unknown origin",
            path=path,
        ) from error


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write the manifest of a tree, whole or not at all.

    Raises:
        OSError: The folder cannot be written.
    """
    text = json.dumps({"manifest_version": MANIFEST_VERSION, **asdict(manifest)}, indent=2)
    unfinished = root / f".{MANIFEST_NAME}.{os.getpid()}"
    unfinished.write_text(text + "\n")
    unfinished.replace(root / MANIFEST_NAME)
