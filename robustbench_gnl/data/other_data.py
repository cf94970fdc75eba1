"""Detection of data that cannot be evaluated, with advice on what to do."""

from __future__ import annotations

import re
from pathlib import Path

from robustbench_gnl.data.folders import (
    MOST_ENTRIES,
    Content,
    corruption_named,
    has_image,
    is_class_name,
    read_folder,
    some,
)
from robustbench_gnl.data.listing import IMAGE_SUFFIXES
from robustbench_gnl.errors import DataError
from robustbench_gnl.suites import DEFAULT_SUITE

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
TABLES = (".parquet", ".arrow", ".tfrecord")
SEVERITY = r"\d+(\.\d+)?"  # ImageNet-C-bar has levels such as 3.2
C_BAR = frozenset({
    "blue_noise_sample", "brownish_noise", "caustic_refraction", "checkerboard_cutout",
    "cocentric_sine_waves", "inverse_sparkles", "perlin_noise", "plasma_noise",
    "single_frequency_greyscale", "sparkles",
})  # fmt: skip
"""The folders of ImageNet-C-bar (Mintun et al. 2021), spelled as there."""
THREE_D = frozenset({
    "near_focus", "far_focus", "fog_3d", "flash", "color_quant", "low_light", "xy_motion_blur",
    "z_motion_blur", "iso_noise", "bit_error", "h265_abr", "h265_crf",
})  # fmt: skip
"""The folders of ImageNet-3DCC (Kar et al. 2022)."""
OTHER_SUITES = {"ImageNet-C-bar": C_BAR, "ImageNet-3DCC": THREE_D}
PERTURBATION = (
    r"(brightness|gaussian_blur|gaussian_noise|motion_blur|rotate|scale|shear|shot_noise|snow"
    r"|spatter|speckle_noise|tilt|translate|zoom_blur)(_[1-3])?"
)
"""How ImageNet-P calls its folders."""

ONLY_IMAGENET_C = (
    "gnlbench evaluates the corruptions of ImageNet-C only: give the root of ImageNet-C, or clean "
    "images, from which it makes them"
)


def other_data_set(folder: Path, content: Content) -> str | None:
    """Which data set lies there that cannot be evaluated, and what to do; None for others."""
    for suite, names in OTHER_SUITES.items():
        there = [name for name in content.folders if name in names]
        if any(_severities_in(folder / name) for name in there):
            return f"{folder} is {suite} ({some(there)}), with other corruptions; {ONLY_IMAGENET_C}"
    if has_videos(folder):
        return (
            f"{folder} is ImageNet-P (folders of .mp4 files, such as {some(content.folders[:1])}), "
            f"whose measure is the flip rate; {ONLY_IMAGENET_C}"
        )
    arrays = [name for name in content.others if name.endswith(".npy")]
    if any(name == "labels.npy" or corruption_named(name[:-4]) for name in arrays):
        return (
            f"{folder} is CIFAR-10-C or CIFAR-100-C ({some(arrays)}), with images of 32 x 32; "
            f"{ONLY_IMAGENET_C}"
        )
    return None


def files_not_read(folder: Path, content: Content) -> str | None:
    """What to do with archives and tables of images; None where there are none."""
    archives = [name for name in content.others if is_archive(name)]
    if archives:
        return (
            f"{folder} holds archives ({some(archives)}), which are not read in place; unpack "
            f"them, such as: tar -xf {folder / archives[0]} -C {folder}"
        )
    tables = [name for name in content.others if name.lower().endswith(TABLES)]
    if tables:
        return (
            f"{folder} holds its images in files such as {tables[0]}, which are not read; export "
            "them as image files in class folders named by WordNet id (such as n01440764)"
        )
    return None


def is_archive(name: str) -> bool:
    """Whether a file is an archive by its name; PyTorch's old checkpoints are none."""
    return name.lower().endswith(ARCHIVES) and not name.lower().endswith(".pth.tar")


def has_videos(root: Path) -> bool:
    """Whether this is ImageNet-P, <perturbation>/<class>/*.mp4, or one of its perturbations."""
    places = [root / name for name in read_folder(root).folders if _is_perturbation(name)]
    for place in [root, *places] if _is_perturbation(root.name) else places:
        for name in read_folder(place).folders[:1]:
            others = read_folder(place / name).others
            if is_class_name(name) and others and all(file.endswith(".mp4") for file in others):
                return True
    return False


def _is_perturbation(folder: str) -> bool:
    return re.fullmatch(PERTURBATION, folder) is not None


def is_of_another_suite(folder: str) -> bool:
    """Whether a folder is called like a corruption of another suite."""
    return any(folder in names for names in OTHER_SUITES.values())


def loose_images(folder: Path, content: Content) -> str:
    """That images lie in one folder without classes, and how to sort them."""
    n_images = len(content.images)
    number = f"{'at least ' if n_images == MOST_ENTRIES else ''}{n_images} image"
    number += "" if n_images == 1 else "s"
    advice = "sort the images into their classes"
    if re.match(r"ILSVRC2012_val_\d{8}", content.images[0]):
        advice += (
            ", by the validation ground truth of the development kit, or of Kaggle's "
            "LOC_val_solution.csv"
        )
    if folder.name.lower() == "test" or "_test_" in content.images[0]:
        advice = "the test images of ImageNet have no public labels: give the validation images"
    return (
        f"{folder} holds {number} and no class folders; expected one folder a class, "
        f"named by WordNet id (such as n01440764): {advice}"
    )


def no_images(folder: Path, content: Content) -> list[str]:
    """Why class folders have no images: they lie deeper, or are called something else."""
    severities = _severities_in(folder)
    if _are_of_imagenet_c(severities):
        return [_one_corruption(folder, severities)]
    for name in content.folders[:5]:
        inside = read_folder(folder / name)
        if not is_class_name(name) or inside.images:
            return []
        deeper = [n for n in inside.folders if has_image(folder / name / n)]
        if deeper:
            return [
                f"{folder} has its images in folders such as {name}/{deeper[0]}; expected them "
                f"directly in the class folder: move them to {folder / name}"
            ]
        if inside.others:
            return [
                f"{folder} holds no images; found files such as {name}/{inside.others[0]}, and "
                f"images have the suffixes {', '.join(sorted(IMAGE_SUFFIXES))}: convert or rename "
                "them"
            ]
    return []


def refuse_part_of_a_tree(root: Path, hint: str = "", *, only_clean: bool = False) -> None:
    """Refuse what lies inside a tree of corrupted images: a corruption's folder, or a severity's.

    Args:
        root: The folder that was given.
        hint: How to state that the images of a severity are clean, as the end of an error
        message.
        only_clean: Whether clean images are needed, and the root of the tree would not do.

    Raises:
        DataError: It is such a folder; the root of its tree is named.
    """
    place = root.resolve()
    severities = _severities_in(place)
    is_severity = re.fullmatch(SEVERITY, place.name) is not None
    if not severities and not is_severity:
        return
    corruption = place.parent if is_severity else place
    what = f"{corruption.name}, severity {place.name}" if is_severity else corruption.name
    for suite, names in OTHER_SUITES.items():
        if corruption.name in names:
            raise DataError(
                f"{root} is part of {suite} ({what}), with other corruptions; {ONLY_IMAGENET_C}"
                + (hint if is_severity else ""),
                path=root,
            )
    if corruption_named(corruption.name):
        raise DataError(
            f"{root} holds images that are corrupted already ({what}), one part of a tree; "
            + (
                "give the folder of the clean images"
                if only_clean
                else f"give the root of the tree, {_root_above(corruption)}"
            )
            + (hint if is_severity else ""),
            path=root,
        )
    if _are_of_imagenet_c(severities):
        raise DataError(_one_corruption(root, severities), path=root)


def _are_of_imagenet_c(severities: list[str]) -> bool:
    return bool(severities) and set(severities) <= set(map(str, DEFAULT_SUITE.severities))


def _one_corruption(folder: Path, severities: list[str]) -> str:
    return (
        f"{folder} holds the severities {some(severities)} of one corruption, whose images are "
        f"corrupted already; rename {folder.resolve().name} to the name of its corruption (such as "
        "fog), and give the folder above it"
    )


def _severities_in(folder: Path) -> list[str]:
    """Severities with class folders in them, where the folder holds no other folders."""
    names = read_folder(folder).folders
    if not names or not all(re.fullmatch(SEVERITY, name) for name in names):
        return []
    for name in names:
        inside = read_folder(folder / name)
        if inside.images or not inside.folders:
            return []
    return names


def _root_above(corruption: Path) -> Path:
    """The root of the tree that a corruption's folder lies in."""
    parent = corruption.parent
    return parent.parent if parent.name.lower() in DEFAULT_SUITE.selections else parent
