"""Opening a data folder as a source: its kind is detected from its content."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from robustbench_gnl.data.class_map import ClassMap
from robustbench_gnl.data.digests import check_clean_images
from robustbench_gnl.data.folders import corruption_folders, has_image
from robustbench_gnl.data.headers import notes_on_clean_images, refuse_small_made_images
from robustbench_gnl.data.labels import class_folders, imagenet_labels
from robustbench_gnl.data.listing import list_images, subfolders
from robustbench_gnl.data.manifest import read_manifest
from robustbench_gnl.data.other_data import refuse_part_of_a_tree
from robustbench_gnl.data.own_images import open_own_images, recognised_suite, similar_suite
from robustbench_gnl.data.pixels import Recipe
from robustbench_gnl.data.recognition import find_tree_or_classes
from robustbench_gnl.data.sources import Source
from robustbench_gnl.errors import DataError, UsageError, option
from robustbench_gnl.metrics.reference import known_image_sets
from robustbench_gnl.records import Condition, ImageSet
from robustbench_gnl.suites import DEFAULT_SUITE, Suite, get_suite
from robustbench_gnl.text import some_of

SOURCE_KINDS = ("released", "generated")
CLEAN_HINT = f"; to take them as clean images nevertheless use {option('source', 'generated')}"
CLASSES_HINT = f"; if these are class folders of clean images, use {option('source', 'generated')}"


def open_source(
    root: Path | str,
    *,
    kind: str | None = None,
    clean_root: Path | str | None = None,
    recipe: Recipe | None = None,
    class_map: ClassMap | None = None,
    suite: str | None = None,
) -> Source:
    """Detect what a folder holds, and describe it.

    If the folder itself contains no data, folders up to a few levels below are searched. The
    `notes` of the source say which one is used.

    Args:
        root: An ImageNet-C tree (`<corruption>/<severity>/<class>/<image>`), or class folders
            of clean images.
        kind: `released` or `generated` overrides what is detected.
        clean_root: Class folders of the clean images beside an ImageNet-C tree.
        recipe: How to corrupt clean images on the fly.
        class_map: Which class folder is which class; see `read_class_map`.
        suite: The benchmark that it is, as `robustbench_gnl.suites` names it, instead of what is
            detected: class folders may be clean images, or those of a suite that has its own.

    Raises:
        UsageError: The kind or the suite is unknown, clean images were given twice, or an argument
            is of another type.
        DataError: The folder is missing, empty, or neither of the two; it is a part of a tree,
            or another data set.
    """
    if kind is not None and kind not in SOURCE_KINDS:
        raise UsageError(f"unknown source {kind!r}; expected one of {', '.join(SOURCE_KINDS)}")
    root = _as_path("root", root)
    clean_root = None if clean_root is None else _as_path("clean_root", clean_root)
    for name, value, type_ in (("recipe", recipe, Recipe), ("class_map", class_map, ClassMap)):
        if value is not None and not isinstance(value, type_):
            raise UsageError(f"expected a {type_.__name__} as {name}, got {value!r}")
    named = None if suite is None else get_suite(suite)
    if named is not None and named.layout is not None:
        return _own_images(root, named, kind, clean_root, class_map)
    of_suite = named or DEFAULT_SUITE
    # A tree that gnlbench made is generated as well.
    takes_trees = kind != "generated" or _made_by_gnlbench(root)
    root, notes = find_tree_or_classes(
        root, tree=takes_trees, classes=kind != "released", suite=of_suite
    )
    found = corruption_folders(root, subfolders(root), of_suite) if takes_trees else {}
    if found:
        source = _made_tree(root, found, class_map, of_suite)
        source = replace(source, notes=notes + source.notes)
        return source if clean_root is None else _with_clean(source, clean_root, kind is not None)
    # Naming the suite says nothing of what these images are: they may be corrupted already.
    explicit = kind is not None
    if not explicit:
        refuse_part_of_a_tree(root, CLEAN_HINT)
    listed = _list_classes(root, class_map)
    # Before their size is looked at: the images of ImageNet-R, for one, may be small.
    is_named = explicit or named is not None or class_map is not None
    own = None if is_named else recognised_suite(*listed)
    if own is not None:
        if clean_root is not None:
            raise UsageError(
                f"{root} is {own.title} by the names of its files, which has no clean images; "
                f"{option('clean_data')} can only be combined with a tree of corruptions"
            )
        note = (
            f"{root} is {own.title} by the names of its files, evaluated as it is; to corrupt its "
            f"images instead use {option('source', 'generated')}"
        )
        return open_own_images(root, own, (*notes, note))
    similar = None if is_named else similar_suite(*listed)
    notes = (*notes, similar) if similar else notes
    source = _clean_tree(root, listed, recipe or Recipe(), class_map, explicit=explicit)
    if clean_root is not None and clean_root.resolve() != root.resolve():
        raise UsageError(
            f"{root} holds clean images already; {option('clean_data')} can only be combined with "
            "a tree of corruptions"
        )
    return replace(source, notes=notes + source.notes, suite=of_suite)


def _own_images(
    root: Path,
    suite: Suite,
    kind: str | None,
    clean_root: Path | None,
    class_map: ClassMap | None,
) -> Source:
    """The images of a suite that the user named.

    Raises:
        UsageError: Another argument does not apply to such a suite.
        DataError: The folder holds something else.
    """
    others = {"source": kind, "clean_data": clean_root, "class_map": class_map}
    given = [option(name) for name, value in others.items() if value is not None]
    if given:
        raise UsageError(
            f"{suite.title} has images and labels of its own; leave out {some_of(given)}"
        )
    root, notes = find_tree_or_classes(root, tree=False)
    return open_own_images(root, suite, notes)


def _as_path(name: str, value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise UsageError(f"expected a folder as {name}, got {value!r}")
    return Path(value)


def open_clean(root: Path, *, recipe: Recipe | None = None, explicit: bool = False) -> Source:
    """Describe class folders of clean images, to be corrupted.

    Args:
        root: The class folders, or a folder above them.
        recipe: How to corrupt them.
        explicit: Accept images as clean although they look corrupted or are small.

    Raises:
        DataError: The folder is missing, empty, or holds something else.
    """
    root, notes = find_tree_or_classes(root, tree=False)
    if not explicit:
        refuse_part_of_a_tree(root, CLEAN_HINT, only_clean=True)
    listed = _list_classes(root, None)
    source = _clean_tree(root, listed, recipe or Recipe(), None, explicit=explicit)
    return replace(source, notes=notes + source.notes)


def _made_by_gnlbench(root: Path) -> bool:
    return os.path.isdir(root) and read_manifest(root) is not None


def _list_classes(root: Path, class_map: ClassMap | None) -> _Listed:
    folders = class_folders(root, class_map)
    return folders, list_images(root, folders)


_Listed = tuple[list[str], dict[str, str]]
"""Class folders, and image key to the path below their root."""


def _clean_tree(
    root: Path,
    listed: _Listed,
    recipe: Recipe,
    class_map: ClassMap | None,
    *,
    explicit: bool,
    hint: str = CLEAN_HINT,
) -> Source:
    folders, files = listed
    paths = [root / file for file in files.values()]
    return Source(
        kind="generated",
        root=root,
        class_folders=tuple(folders),
        files=files,
        clean_tree=root,
        recipe=recipe,
        class_map=class_map,
        notes=notes_on_clean_images(root, paths, explicit=explicit, hint=hint),
    )


def _made_tree(
    root: Path, found: Mapping[str, Path], class_map: ClassMap | None, suite: Suite
) -> Source:
    trees = {}
    for name, folder in found.items():
        for severity in suite.severities:
            if os.path.isdir(folder / str(severity)):  # no permission is no data
                trees[Condition(name, severity)] = folder / str(severity)
    if not trees:
        raise DataError(
            f"{root} has corruption folders without severities; expected folders such as fog/3"
            + (CLASSES_HINT if any(map(has_image, found.values())) else ""),
            path=root,
        )
    # All folders of the tree must have the same images; the first one lists them.
    reference = trees[min(trees)]
    folders = tuple(class_folders(reference, class_map))
    files = list_images(reference, folders)
    refuse_small_made_images(root, [reference / file for file in files.values()])
    manifest = read_manifest(root)
    return Source(
        kind="generated" if manifest else _released_kind(folders, files),
        root=root,
        class_folders=folders,
        files=files,
        clean_tree=None,
        trees=trees,
        manifest=manifest,
        class_map=class_map,
        suite=suite,
        notes=tuple(
            f"{folder} is taken for {name}" for name, folder in found.items() if folder.name != name
        ),
    )


def _released_kind(folders: Sequence[str], files: Mapping[str, str]) -> str:
    """`released` only for exactly the images of the release, or a named subset of them."""
    known = imagenet_labels()
    if not all(folder in known for folder in folders):
        return "released-layout"
    labels = tuple(known[key.split("/", 1)[0]] for key in files)
    fingerprint = ImageSet("", "", tuple(files), labels).fingerprint
    published = {row.fingerprint for row in known_image_sets()}
    return "released" if fingerprint in published else "released-layout"


def _with_clean(source: Source, clean_root: Path, explicit: bool) -> Source:
    root, notes = find_tree_or_classes(clean_root, tree=False, suite=source.suite)
    kind = "released" if source.manifest is None else "generated"
    hint = f"; to take them as clean images nevertheless use {option('source', str(kind))}"
    if not explicit:
        refuse_part_of_a_tree(root, hint, only_clean=True)
    listed = _list_classes(root, source.class_map)
    clean = _clean_tree(root, listed, Recipe(), source.class_map, explicit=explicit, hint=hint)
    missing = [key for key in source.files if key not in clean.files]
    if missing:
        raise DataError(
            f"{root} lacks {len(missing)} of the {source.n_images} images of {source.root}, "
            f"the first of them {missing[0]}; clean and corrupted images must be the same",
            path=root,
        )
    notes = source.notes + notes + clean.notes
    return replace(source, clean_tree=root, clean_files=clean.files, notes=notes)


def check_trees(source: Source, conditions: Sequence[Condition]) -> None:
    """Raises DataError when a condition's folder does not hold the very same images, or a tree was
    made from other clean images than those beside it."""
    check_clean_images(source)
    expected = set(source.files.values())
    trees = [source.trees[c] for c in conditions if not source.is_made_here(c)]
    if not trees:
        return
    listed_in = source.trees[min(source.trees)]
    listed = _image_paths(listed_in, source.class_map)
    for tree in trees:
        there = _image_paths(tree, source.class_map)
        missing = sorted(expected - there)
        if missing:
            raise DataError(
                f"{tree} lacks {len(missing)} of {len(expected)} images, the first of them "
                f"{missing[0]}; every cell must have the same images: complete the folder, or "
                f"leave the corruption out with {option('corruptions')}",
                path=tree,
            )
        extra = sorted(there - listed)
        if extra:
            raise DataError(
                f"{listed_in} lacks {len(extra)} images that {tree} has, the first of them "
                f"{extra[0]}; every cell must have the same images: complete the folder",
                path=listed_in,
            )


def _image_paths(tree: Path, class_map: ClassMap | None) -> set[str]:
    return set(list_images(tree, class_folders(tree, class_map)).values())
