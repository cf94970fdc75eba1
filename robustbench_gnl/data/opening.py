"""From a folder to a source: what it is, is found out from what lies in it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import corruptions
from robustbench_gnl.data.class_map import ClassMap
from robustbench_gnl.data.digests import check_clean_images
from robustbench_gnl.data.labels import class_folders, imagenet_labels
from robustbench_gnl.data.listing import image_files, list_images, subfolders
from robustbench_gnl.data.manifest import read_manifest
from robustbench_gnl.data.pixels import Recipe
from robustbench_gnl.data.sources import Source
from robustbench_gnl.errors import DataError, UsageError
from robustbench_gnl.records import Condition, ImageSet
from robustbench_gnl.reference import known_image_sets

SOURCE_KINDS = ("released", "generated")


def open_source(
    root: Path,
    *,
    kind: str | None = None,
    clean_root: Path | None = None,
    recipe: Recipe | None = None,
    class_map: ClassMap | None = None,
) -> Source:
    """Find out from its content what a folder is, and describe it.

    Args:
        root: An ImageNet-C tree (`<corruption>/<severity>/<class>/<image>`), or class folders
            of clean images.
        kind: `released` or `generated` overrides what is found.
        clean_root: Class folders of the clean images beside an ImageNet-C tree.
        recipe: How to corrupt clean images on the fly.
        class_map: Which class folder is which class; see `read_class_map`.

    Raises:
        UsageError: The kind is unknown, or clean images were given twice.
        DataError: The folder is missing, empty, or neither of the two.
    """
    if kind is not None and kind not in SOURCE_KINDS:
        raise UsageError(f"unknown source {kind!r}; expected one of {', '.join(SOURCE_KINDS)}")
    folders = subfolders(root)
    corruption_folders = _corruption_folders(root, folders)
    is_tree = bool(corruption_folders) if kind is None else kind == "released"
    if kind == "generated" and corruption_folders:
        is_tree = read_manifest(root) is not None  # made beforehand is generated as well
    if is_tree:
        if not corruption_folders:
            raise DataError(
                f"{root} is not laid out as ImageNet-C: expected folders such as "
                f"fog/3/n01440764, found {_some(folders)}",
                path=root,
            )
        return _made_tree(root, corruption_folders, clean_root, class_map)
    if clean_root is not None and clean_root.resolve() != root.resolve():
        raise UsageError(
            f"{root} holds clean images already; --clean-data goes beside an ImageNet-C tree only"
        )
    return _clean_tree(root, folders, recipe or Recipe(), class_map)


def _corruption_folders(root: Path, folders: Sequence[str]) -> dict[str, Path]:
    """Corruption name to its folder, also inside the folder of its group (blur/fog/...)."""
    names = corruptions.names("all")
    found = {name: root / name for name in folders if name in names}
    for group in set(folders) & set(corruptions.GROUPS):
        inside = subfolders(root / group)
        found.update({name: root / group / name for name in inside if name in names})
    return found


def _clean_tree(
    root: Path, folders: Sequence[str], recipe: Recipe, class_map: ClassMap | None
) -> Source:
    loose = image_files(root)
    if not folders and loose:
        raise DataError(
            f"{root} holds {len(loose)} images and no class folders; expected one folder a class, "
            "named by WordNet id (such as n01440764): sort the images into their classes",
            path=root,
        )
    for nested in ("val", "validation"):
        if nested in folders and not image_files(root / nested):
            raise DataError(
                f"{root} is not a folder of class folders; did you mean {root / nested}?", path=root
            )
    folders = class_folders(root, class_map)
    return Source(
        kind="generated",
        root=root,
        class_folders=tuple(folders),
        files=list_images(root, folders),
        clean_tree=root,
        recipe=recipe,
        class_map=class_map,
    )


def _made_tree(
    root: Path, found: Mapping[str, Path], clean_root: Path | None, class_map: ClassMap | None
) -> Source:
    trees = {}
    for name, folder in found.items():
        for severity in corruptions.SEVERITIES:
            if os.path.isdir(folder / str(severity)):  # no permission is no data
                trees[Condition(name, severity)] = folder / str(severity)
    if not trees:
        raise DataError(
            f"{root} has corruption folders without severities; expected folders such as fog/3",
            path=root,
        )
    reference = trees[min(trees)]
    folders = tuple(class_folders(reference, class_map))
    files = list_images(reference, folders)
    manifest = read_manifest(root)
    source = Source(
        kind="generated" if manifest else _released_kind(folders, files),
        root=root,
        class_folders=folders,
        files=files,
        clean_tree=None,
        trees=trees,
        manifest=manifest,
        class_map=class_map,
    )
    return source if clean_root is None else _with_clean(source, clean_root)


def _released_kind(folders: Sequence[str], files: Mapping[str, str]) -> str:
    """`released` only for the very images of the release, or a named subset of them."""
    known = imagenet_labels()
    if not all(folder in known for folder in folders):
        return "released-layout"
    labels = tuple(known[key.split("/", 1)[0]] for key in files)
    fingerprint = ImageSet("", "", tuple(files), labels).fingerprint
    published = {row.fingerprint for row in known_image_sets()}
    return "released" if fingerprint in published else "released-layout"


def _with_clean(source: Source, clean_root: Path) -> Source:
    clean_files = list_images(clean_root, class_folders(clean_root, source.class_map))
    missing = [key for key in source.files if key not in clean_files]
    if missing:
        raise DataError(
            f"{clean_root} lacks {len(missing)} of the {source.n_images} images of {source.root}, "
            f"the first of them {missing[0]}; clean and corrupted images must be the same",
            path=clean_root,
        )
    return replace(source, clean_tree=clean_root, clean_files=clean_files)


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
                f"{missing[0]}; every cell must judge the same images: complete the folder, or "
                "leave the corruption out with --corruptions",
                path=tree,
            )
        extra = sorted(there - listed)
        if extra:
            raise DataError(
                f"{listed_in} lacks {len(extra)} images that {tree} has, the first of them "
                f"{extra[0]}; every cell must judge the same images: complete the folder",
                path=listed_in,
            )


def _image_paths(tree: Path, class_map: ClassMap | None) -> set[str]:
    return set(list_images(tree, class_folders(tree, class_map)).values())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "nothing"
