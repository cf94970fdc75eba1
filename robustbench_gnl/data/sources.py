"""Where images come from: one description for every source, found out from the content."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from unicodedata import normalize

import corruptions
from robustbench_gnl.data.labels import class_folders, imagenet_labels, labels_of_folders
from robustbench_gnl.data.listing import image_files, list_images, subfolders
from robustbench_gnl.data.manifest import Manifest, read_manifest
from robustbench_gnl.data.pixels import CROP, Recipe, jpeg_decoder
from robustbench_gnl.errors import DataError, UsageError
from robustbench_gnl.records import Condition, ImageSet, Protocol
from robustbench_gnl.reference import known_image_sets

SOURCE_KINDS = ("released", "generated")


@dataclass(frozen=True)
class Source:
    """Images by key, and where the pixels of each condition come from.

    A condition is read from its folder in `trees`, or made on the fly from the clean images
    by `recipe`.
    """

    kind: str
    root: Path
    class_folders: tuple[str, ...]
    files: Mapping[str, str]
    """Image key to the path below a tree, sorted by key."""
    clean_tree: Path | None
    trees: Mapping[Condition, Path] = field(default_factory=dict)
    recipe: Recipe | None = None
    manifest: Manifest | None = None
    clean_files: Mapping[str, str] | None = None
    """As `files`, for a clean tree beside a released one (its suffixes may differ)."""
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_images(self) -> int:
        return len(self.files)

    def has(self, condition: Condition) -> bool:
        """Whether the condition can be evaluated from here."""
        if condition.is_clean:
            return self.clean_tree is not None
        return self.recipe is not None or condition in self.trees

    def is_made_here(self, condition: Condition) -> bool:
        """Whether pixels come from the clean crops (True) or from files as they are (False)."""
        return condition.is_clean or self.recipe is not None

    def paths(self, condition: Condition, keys: Sequence[str]) -> list[Path]:
        """The files behind some images under a condition; clean ones for what is made here."""
        if self.is_made_here(condition):
            assert self.clean_tree is not None
            files = self.files if self.clean_files is None else self.clean_files
            return [self.clean_tree / files[key] for key in keys]
        tree = self.trees[condition]
        return [tree / self.files[key] for key in keys]

    def first(self, n_images: int | None) -> Source:
        """The source cut to the first images of the sorted keys, the same in every cell."""
        if n_images is None or n_images >= self.n_images:
            return self
        return replace(self, files=dict(islice(self.files.items(), n_images)))

    def without(self, skipped: Mapping[str, str]) -> Source:
        """The source less some images (key and reason): they leave every cell."""
        files = {key: path for key, path in self.files.items() if key not in skipped}
        if not files:
            raise DataError(f"not one image of {self.root} can be read", path=self.root)
        return replace(self, files=files, skipped=dict(skipped))

    def image_set(self, n_classes: int) -> ImageSet:
        """Keys and labels for a model of `n_classes` outputs.

        Raises:
            ModelError: The classes do not fit the model.
        """
        keys = tuple(self.files)
        # The folder's name in the file system need not be in the form that the keys have.
        folders = sorted({normalize("NFC", folder) for folder in self.class_folders})
        label_set, by_folder = labels_of_folders(folders, n_classes)
        labels = tuple(by_folder[key.split("/", 1)[0]] for key in keys)
        named = ImageSet("", label_set, keys, labels)
        known = {row.fingerprint: row.name for row in known_image_sets()}
        name = known.get(named.fingerprint, f"{self.root.name or 'images'}-{len(keys)}")
        return replace(named, name=name)

    def protocol(self, image_set: ImageSet, *, input_size: int, precision: str) -> Protocol:
        """Everything besides the model that can move a number of this source."""
        made = self.recipe is not None
        engine = self.recipe.engine if self.recipe else None
        version = corruptions.engine_version(engine) if engine else None
        seed = self.recipe.seed if self.recipe else None
        quality = self.recipe.jpeg_quality if self.recipe else None
        if self.manifest is not None:
            engine, version = self.manifest.engine, self.manifest.engine_version
            seed, quality = self.manifest.seed, self.manifest.jpeg_quality
        resampling = "shorter side 256, bilinear" if made or self.manifest else "none"
        if input_size != CROP:
            resampling += f"; then {input_size}, bicubic"
        return Protocol(
            name=self._protocol_name(image_set, engine, seed, quality, input_size, precision),
            source=self.kind,
            image_set=image_set.fingerprint,
            n_images=image_set.n_images,
            label_set=image_set.label_set,
            crop=f"centre {CROP}",
            resampling=resampling,
            jpeg_quality=quality,
            engine=engine,
            engine_version=version,
            seed=seed,
            precision=precision,
            jpeg_decoder=jpeg_decoder(),
            skipped_images=len(self.skipped),
        )

    def _protocol_name(
        self,
        image_set: ImageSet,
        engine: str | None,
        seed: int | None,
        quality: int | None,
        input_size: int,
        precision: str,
    ) -> str:
        parts = [self.kind, *([engine] if engine else []), str(image_set.n_images)]
        if seed:
            parts.append(f"seed{seed}")
        if engine and quality != Recipe().jpeg_quality:
            parts.append(f"jpeg{quality}" if quality is not None else "nojpeg")
        if input_size != CROP:
            parts.append(f"input{input_size}")
        if precision != "fp32":
            parts.append(precision)
        if not image_set.label_set.startswith("imagenet"):
            parts.append("folders")
        if self.skipped:
            parts.append("partial")
        return "-".join(parts)


def open_source(
    root: Path,
    *,
    kind: str | None = None,
    clean_root: Path | None = None,
    recipe: Recipe | None = None,
) -> Source:
    """Find out from its content what a folder is, and describe it.

    Args:
        root: An ImageNet-C tree (`<corruption>/<severity>/<class>/<image>`), or class folders
            of clean images.
        kind: `released` or `generated` overrides what is found.
        clean_root: Class folders of the clean images beside an ImageNet-C tree.
        recipe: How to corrupt clean images on the fly.

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
        return _made_tree(root, corruption_folders, clean_root)
    if clean_root is not None and clean_root.resolve() != root.resolve():
        raise UsageError(
            f"{root} holds clean images already; --clean-data goes beside an ImageNet-C tree only"
        )
    return _clean_tree(root, folders, recipe or Recipe())


def _corruption_folders(root: Path, folders: Sequence[str]) -> dict[str, Path]:
    """Corruption name to its folder, also inside the folder of its group (blur/fog/...)."""
    names = corruptions.names("all")
    found = {name: root / name for name in folders if name in names}
    for group in set(folders) & set(corruptions.GROUPS):
        inside = subfolders(root / group)
        found.update({name: root / group / name for name in inside if name in names})
    return found


def _clean_tree(root: Path, folders: Sequence[str], recipe: Recipe) -> Source:
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
    folders = class_folders(root)
    return Source(
        kind="generated",
        root=root,
        class_folders=tuple(folders),
        files=list_images(root, folders),
        clean_tree=root,
        recipe=recipe,
    )


def _made_tree(root: Path, found: Mapping[str, Path], clean_root: Path | None) -> Source:
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
    folders = tuple(class_folders(reference))
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
    clean_files = list_images(clean_root, class_folders(clean_root))
    missing = [key for key in source.files if key not in clean_files]
    if missing:
        raise DataError(
            f"{clean_root} lacks {len(missing)} of the {source.n_images} images of {source.root}, "
            f"the first of them {missing[0]}; clean and corrupted images must be the same",
            path=clean_root,
        )
    return replace(source, clean_tree=clean_root, clean_files=clean_files)


def check_trees(source: Source, conditions: Sequence[Condition]) -> None:
    """Raises DataError when a condition's folder does not hold the very same images."""
    expected = set(source.files.values())
    trees = [source.trees[c] for c in conditions if not source.is_made_here(c)]
    if not trees:
        return
    listed_in = source.trees[min(source.trees)]
    listed = _image_paths(listed_in)
    for tree in trees:
        there = _image_paths(tree)
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


def _image_paths(tree: Path) -> set[str]:
    return set(list_images(tree, class_folders(tree)).values())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "nothing"
