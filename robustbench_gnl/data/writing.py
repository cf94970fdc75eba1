"""Writing a tree in the layout of ImageNet-C from clean images; a repeated call resumes it.

Each file is written under another name and then moved to its own, so that a name always
means a whole image, whatever stopped the process.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

import corruptions
from robustbench_gnl.data.digests import file_sha256, files_sha256
from robustbench_gnl.data.listing import subfolders
from robustbench_gnl.data.manifest import MANIFEST_NAME, Manifest, read_manifest, write_manifest
from robustbench_gnl.data.pixels import Recipe, clean_crop, read_image
from robustbench_gnl.data.sources import Source
from robustbench_gnl.data.workers import result_of, submit
from robustbench_gnl.data.written import DIGITS, FILES_NAME, WrittenFiles, read_written
from robustbench_gnl.errors import StoreError, UsageError
from robustbench_gnl.files import replace_file
from robustbench_gnl.records import CLEAN, Condition, ImageSet

UNFINISHED = ".gnlbench-unfinished"
"""What the names of files end in while they are being written."""
END_OF_IMAGE = b"\xff\xd9"
IMAGES_A_TASK = 8
TASKS_AHEAD_PER_WORKER = 2
FILES_BETWEEN_NOTES = 75_000
"""After so many files their digests are put on the disk."""
Written = tuple[int, int, dict[tuple[Condition, str], str]]
BYTES_AN_IMAGE = 20_000
"""About what an image takes at the size and the JPEG quality of the release."""


def begin_tree(source: Source, root: Path) -> Manifest:
    """Write the manifest, or see that the one that is there is the same.

    Raises:
        UsageError: The folder holds something else, or a tree that was made otherwise.
        StoreError: The folder cannot be written.
    """
    if source.recipe is None or source.recipe.jpeg_quality is None:
        raise UsageError(
            f"{source.root} is no folder of clean images; expected class folders, to be corrupted"
        )
    inside, outside = root.resolve(), source.root.resolve()
    if inside == outside or outside in inside.parents:
        raise UsageError(
            f"{root} lies in {source.root}, whose class folders it would join; "
            "write the tree somewhere else"
        )
    recipe = source.recipe
    wanted = Manifest(
        engine=recipe.engine,
        engine_version=corruptions.engine_version(recipe.engine),
        seed=recipe.seed,
        jpeg_quality=recipe.jpeg_quality,
        images=ImageSet("", "", tuple(source.files), (0,) * source.n_images).fingerprint,
        clean_images=_clean_sha256(source),
    )
    found = read_manifest(root)
    if found is None:
        _check_empty(root)
        with writing(root):
            root.mkdir(parents=True, exist_ok=True)
            write_manifest(root, wanted)
    elif found.clean_images is None and found == replace(wanted, clean_images=None):
        return found  # begun by an older version, which did not note the files
    elif found != wanted:
        _check_same_files(root, found, wanted)
        differing = ", ".join(
            f"{name} {getattr(found, name)!r} there and {getattr(wanted, name)!r} asked for"
            for name in vars(wanted)
            if getattr(found, name) != getattr(wanted, name)
            and name not in ("images", "clean_images")
        )
        raise UsageError(
            f"{root} was begun otherwise ({differing or 'its images are others'}); one tree has "
            "one recipe and the same images in every cell: ask for the same, or name another folder"
        )
    return wanted


def _clean_sha256(source: Source) -> dict[str, str]:
    """Image key to the sha256 of its clean file."""
    keys = tuple(source.files)
    digests = files_sha256(source.paths(CLEAN, keys))
    return {key: digest.hex() for key, digest in zip(keys, digests, strict=True)}


def _check_same_files(root: Path, found: Manifest, wanted: Manifest) -> None:
    """Refuse to complete a tree from files that changed since it was begun.

    Raises:
        UsageError: Clean images have changed since the tree was begun.
    """
    before, now = found.clean_images or {}, wanted.clean_images or {}
    if found == replace(wanted, clean_images=before) and before.keys() == now.keys():
        changed = [key for key in now if before[key] != now[key]]
        raise UsageError(
            f"{root} was begun from other files: {len(changed)} of {len(now)} clean images changed "
            f"since, the first of them {changed[0]}; put them back, or name another folder"
        )


def _check_empty(root: Path) -> None:
    """A folder that is there holds nothing that could be taken for part of the tree."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file; name a new folder")
    if root.exists() and subfolders(root):
        raise UsageError(
            f"{root} is not empty and no tree that gnlbench began (no {MANIFEST_NAME}); "
            "name a new folder"
        )


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep other processes from writing the tree, and clear away what a killed one left.

    Raises:
        UsageError: Another process is writing it.
        StoreError: The folder cannot be written.
    """
    lock = FileLock(root / ".gnlbench-lock")
    with writing(root):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(
                f"another process is writing {root}; wait for it, it will do the same work"
            ) from None
    try:
        # Nobody is writing these: this process has the lock.
        for path in root.rglob(f"*{UNFINISHED}"):
            path.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def write_tree(
    source: Source,
    root: Path,
    conditions: Sequence[Condition],
    executor: Executor,
    *,
    n_workers: int,
    on_images: Callable[[int], None] = lambda n_images: None,
) -> tuple[int, int]:
    """Write what is missing of a tree that was begun; every condition of an image at once.

    Args:
        on_images: Told how many files more are done, those found there included.

    Returns:
        How many files were written, and how many were there.

    Raises:
        BadImageError: A clean image cannot be used.
        StoreError: The disk is full, or the folder cannot be written.
    """
    keys = tuple(source.files)
    recipe = source.recipe or Recipe()
    manifest = read_manifest(root)
    stated = manifest.clean_images if manifest else None  # None: begun by an older version
    files = None if stated is None else read_written(root, tuple(stated))
    waiting: deque[Future[Written]] = deque()
    written = there = n_noted = 0
    # Smaller tasks where there are few images, so that every worker gets some.
    size = max(1, min(IMAGES_A_TASK, len(keys) // (TASKS_AHEAD_PER_WORKER * n_workers or 1)))
    starts = range(0, len(keys), size)
    try:
        for start in starts:
            some = keys[start : start + size]
            paths = source.paths(Condition("clean", 0), some)
            folders = [source.files[key].rsplit("/", 1)[0] for key in some]
            unknown = frozenset(
                (condition, key)
                for condition in conditions
                for key in some
                if files is not None and files.get(condition, key) is None
            )
            task = (paths, some, folders, root, tuple(conditions), recipe, unknown)
            waiting.append(submit(executor, write_images, *task))
            # After the last task was handed over, all results are waited for.
            while len(waiting) > max(1, TASKS_AHEAD_PER_WORKER * n_workers) or (
                waiting and start == starts[-1]
            ):
                n_written, n_there, digests = result_of(waiting.popleft())
                written, there = written + n_written, there + n_there
                on_images(n_written + n_there)
                for (condition, key), digest in digests.items():
                    if files is not None:
                        files.set(condition, key, digest)
                n_noted += len(digests)
                if n_noted >= FILES_BETWEEN_NOTES and files is not None:
                    _note(files, root)
                    n_noted = 0
    finally:
        for future in waiting:
            future.cancel()
        if n_noted and files is not None:
            _note(files, root)
    return written, there


def _note(files: WrittenFiles, root: Path) -> None:
    with writing(root / FILES_NAME):
        files.write(root)


def write_images(
    paths: Sequence[Path],
    keys: Sequence[str],
    folders: Sequence[str],
    root: Path,
    conditions: Sequence[Condition],
    recipe: Recipe,
    unknown: Collection[tuple[Condition, str]] = (),
) -> Written:
    """The missing conditions of some images; each is decoded and cropped once.

    Args:
        unknown: Files whose digest is not known, also of those that are there.

    Returns:
        How many files were written, how many were there, and the digests of all that were written
        and of the unknown ones.
    """
    written = 0
    digests: dict[tuple[Condition, str], str] = {}
    for path, key, folder in zip(paths, keys, folders, strict=True):
        targets = {condition: tree_path(root, condition, folder, path) for condition in conditions}
        missing = {c: target for c, target in targets.items() if not is_whole(target)}
        if missing:
            digests |= _write_conditions(path, key, missing, recipe)
            written += len(missing)
        for condition in targets.keys() - missing.keys():
            if (condition, key) in unknown:
                digests[condition, key] = file_sha256(targets[condition]).hex()[:DIGITS]
    return written, len(paths) * len(conditions) - written, digests


def is_whole(path: Path) -> bool:
    """Whether a JPEG file is there to its last marker: after a power cut a file system may keep
    the name of a file and not what was written into it."""
    try:
        with path.open("rb") as file:
            file.seek(-len(END_OF_IMAGE), os.SEEK_END)
            return file.read() == END_OF_IMAGE
    except OSError:  # not there, or empty
        return False


def tree_path(root: Path, condition: Condition, folder: str, path: Path) -> Path:
    """`<corruption>/<severity>/<class folder>/<name>.JPEG`, as the release is laid out."""
    return root / condition.corruption / str(condition.severity) / folder / f"{path.stem}.JPEG"


def _write_conditions(
    path: Path, key: str, targets: dict[Condition, Path], recipe: Recipe
) -> dict[tuple[Condition, str], str]:
    """Write the files of an image; their digests."""
    image, _ = read_image(path)
    crop = np.asarray(clean_crop(image))
    digests = {}
    for condition, target in targets.items():
        made = corruptions.corrupt(
            crop, condition.corruption, condition.severity,
            seed=recipe.seed, key=key, engine=recipe.engine,
        )  # fmt: skip
        content = io.BytesIO()
        Image.fromarray(made).save(content, "JPEG", quality=recipe.jpeg_quality, optimize=True)
        digests[condition, key] = hashlib.sha256(content.getbuffer()).hexdigest()[:DIGITS]
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            # Not waiting for the disk, which takes longer than making the image: `is_whole` finds
            # files that a power cut left empty.
            replace_file(target, content.getbuffer(), suffix=UNFINISHED, survives_power_cuts=False)
    return digests


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Converts errors of the disk into a DataError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"the disk is full: cannot write {path}; make room and repeat the command, which "
                "goes on where it stopped",
                path=path,
            ) from error
        raise StoreError(
            f"cannot write {path} ({error.strerror or error}); name another folder", path=path
        ) from error
