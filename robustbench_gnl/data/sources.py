"""The class `Source`: the images of an evaluation, and where their pixels come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from unicodedata import normalize

import corruptions
from robustbench_gnl.contents import combined_digest
from robustbench_gnl.data.class_map import ClassMap
from robustbench_gnl.data.labels import Labels, labels_of_folders, labels_of_suite
from robustbench_gnl.data.manifest import MANIFEST_NAME, Manifest
from robustbench_gnl.data.pixels import Recipe, jpeg_decoder
from robustbench_gnl.data.written import WrittenFiles, read_written
from robustbench_gnl.errors import DataError
from robustbench_gnl.metrics.reference import known_image_sets
from robustbench_gnl.records import IMAGENET, Condition, ImageSet, Protocol
from robustbench_gnl.suites import DEFAULT_SUITE, Suite

_LABELLED = {"folders": "folders", "index": "numbers", "map": "mapped"}
"""The first word of a label set that is not ImageNet's own, and what protocols call it."""


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
    class_map: ClassMap | None = None
    """Which class folder is which class, where the user says so."""
    notes: tuple[str, ...] = ()
    """Notes for the user on how the data was found."""
    suite: Suite = DEFAULT_SUITE
    """The benchmark whose conditions and classes these images have."""

    @property
    def n_images(self) -> int:
        return len(self.files)

    @property
    def engine(self) -> str | None:
        """The engine that corrupts while images are read, None where none does."""
        return self.recipe.engine if self.recipe else None

    def has(self, condition: Condition) -> bool:
        """Whether the condition can be evaluated from here."""
        if not self.suite.has(condition):
            return False
        if not condition.severity:
            return self.clean_tree is not None
        # An engine makes its own corruptions only, whatever the suite consists of.
        is_made = self.recipe is not None and condition.corruption in corruptions.names("all")
        return is_made or condition in self.trees

    def is_made_here(self, condition: Condition) -> bool:
        """Whether pixels come from images that are resized and cropped here (True), or from files
        that have the size of the crop already (False)."""
        return not condition.severity or self.recipe is not None

    def paths(self, condition: Condition, keys: Sequence[str]) -> list[Path]:
        """The files behind some images under a condition; clean ones for what is made here."""
        if self.is_made_here(condition):
            assert self.clean_tree is not None
            files = self.files if self.clean_files is None else self.clean_files
            return [self.clean_tree / files[key] for key in keys]
        tree = self.trees[condition]
        return [tree / self.files[key] for key in keys]

    @property
    def stated_clean_images(self) -> Mapping[str, str] | None:
        """Image key to the sha256 of the clean file it was made from, where a manifest says so."""
        return self.manifest.clean_images if self.manifest else None

    def made_from(self, condition: Condition, keys: Sequence[str]) -> str | None:
        """Digest of the clean files that some images of a tree were made from, as its manifest
        states it; None where it does not, or the files of the images are read themselves."""
        stated = self.stated_clean_images
        if stated is None or self.is_made_here(condition) or not all(key in stated for key in keys):
            return None
        return combined_digest(bytes.fromhex(stated[key]) for key in keys)

    @cached_property
    def written_files(self) -> WrittenFiles | None:
        """The digests of the files of a tree that gnlbench wrote; None where it states none.

        Raises:
            DataError: The list of them is damaged.
        """
        stated = self.stated_clean_images
        return None if stated is None else read_written(self.root, tuple(stated))

    def check_written(
        self, condition: Condition, keys: Sequence[str], digests: Sequence[bytes]
    ) -> None:
        """Refuse files of a tree that are no longer those that gnlbench wrote.

        Args:
            digests: The sha256 of the file of each image.

        Raises:
            DataError: One was changed.
        """
        if self.is_made_here(condition) or self.written_files is None:
            return
        for key, digest in zip(keys, digests, strict=True):
            stated = self.written_files.get(condition, key)
            if stated is not None and not digest.hex().startswith(stated):
                (path,) = self.paths(condition, [key])
                raise DataError(
                    f"{path} was changed since gnlbench wrote it; write it again with `gnlbench "
                    f"corrupt` after removing it, or remove {MANIFEST_NAME} to have the tree "
                    "treated as one of unknown origin",
                    path=path,
                )

    def first(self, n_images: int | None) -> Source:
        """The source cut to the first images of the sorted keys, the same in every cell."""
        if n_images is None or n_images >= self.n_images:
            return self
        return replace(self, files=dict(islice(self.files.items(), n_images)))

    def without(self, skipped: Mapping[str, str]) -> Source:
        """The source without some images (key and reason), which are skipped in every cell."""
        files = {key: path for key, path in self.files.items() if key not in skipped}
        if not files:
            raise DataError(f"not one image of {self.root} can be read", path=self.root)
        return replace(self, files=files, skipped=dict(skipped))

    def labels(self, n_classes: int) -> Labels:
        """The labels of the class folders for a model of `n_classes` outputs.

        Raises:
            ModelError: The classes do not fit the model.
            DataError: The class map does not have a folder.
        """
        # The folder's name in the file system need not be in the form that the keys have.
        folders = sorted({normalize("NFC", folder) for folder in self.class_folders})
        if self.suite.layout is not None:
            return labels_of_suite(folders, n_classes, self.suite)
        return labels_of_folders(folders, n_classes, self.class_map)

    def image_set(self, n_classes: int) -> ImageSet:
        """Keys and labels for a model of `n_classes` outputs.

        Raises:
            ModelError: The classes do not fit the model.
            DataError: The class map does not have a folder.
        """
        keys = tuple(self.files)
        found = self.labels(n_classes)
        labels = tuple(found.by_folder[key.split("/", 1)[0]] for key in keys)
        named = ImageSet("", found.label_set, keys, labels)
        known = {row.fingerprint: row.name for row in known_image_sets()}
        name = known.get(named.fingerprint, f"{self.root.name or 'images'}-{len(keys)}")
        return replace(named, name=name)

    def protocol(self, image_set: ImageSet, *, input_size: int, precision: str) -> Protocol:
        """Everything besides the model that can change a number of this source."""
        made = self.recipe is not None
        engine = self.recipe.engine if self.recipe else None
        version = corruptions.engine_version(engine) if engine else None
        seed = self.recipe.seed if self.recipe else None
        quality = self.recipe.jpeg_quality if self.recipe else None
        if self.manifest is not None:
            engine, version = self.manifest.engine, self.manifest.engine_version
            seed, quality = self.manifest.seed, self.manifest.jpeg_quality
        size = self.suite.input
        is_resized = made or self.manifest is not None or not self.suite.has_severities
        resampling = f"shorter side {size.shorter_side}, bilinear" if is_resized else "none"
        if input_size != size.crop:
            resampling += f"; then {input_size}, bicubic"
        return Protocol(
            name=self._protocol_name(image_set, engine, seed, quality, input_size, precision),
            source=self.kind,
            image_set=image_set.fingerprint,
            n_images=image_set.n_images,
            label_set=image_set.label_set,
            crop=f"centre {size.crop}",
            resampling=resampling,
            jpeg_quality=quality,
            engine=engine,
            engine_version=version,
            seed=seed,
            precision=precision,
            jpeg_decoder=jpeg_decoder(),
            skipped_images=len(self.skipped),
            suite=self.suite.name,
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
        is_default = self.suite is DEFAULT_SUITE
        origin = [self.kind] if is_default else [self.suite.name]
        if not is_default and self.kind != "released":
            origin.append("unverified")
        parts = [*origin, *([engine] if engine else []), str(image_set.n_images)]
        if seed:
            parts.append(f"seed{seed}")
        if engine and quality != Recipe().jpeg_quality:
            parts.append(f"jpeg{quality}" if quality is not None else "nojpeg")
        if input_size != self.suite.input.crop:
            parts.append(f"input{input_size}")
        if precision != "fp32":
            parts.append(precision)
        if image_set.label_set != IMAGENET:
            parts.append(_LABELLED[image_set.label_set.removeprefix(f"{IMAGENET}-").split("-")[0]])
        if self.skipped:
            parts.append("partial")
        return "-".join(parts)
