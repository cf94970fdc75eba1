"""Where images come from: sources, labels, pixels, and the workers that make them."""

from robustbench_gnl.data.class_map import ClassMap, read_class_map
from robustbench_gnl.data.digests import check_clean_images, first_difference
from robustbench_gnl.data.labels import Labels, imagenet_labels, labels_of_folders
from robustbench_gnl.data.opening import SOURCE_KINDS, check_trees, open_clean, open_source
from robustbench_gnl.data.pixels import (
    RELEASE_JPEG_QUALITY,
    BadImageError,
    Recipe,
    clean_crop,
    corrupt_crops,
    jpeg_step,
    read_image,
)
from robustbench_gnl.data.sample import open_sample
from robustbench_gnl.data.scan import find_bad_images
from robustbench_gnl.data.sources import Source
from robustbench_gnl.data.stream import BatchOfImages, DeviceCorruption, ImageStream, Layout, Work
from robustbench_gnl.data.workers import (
    default_workers,
    result_of,
    start_workers,
    tasks_ahead,
)
from robustbench_gnl.data.writing import BYTES_AN_IMAGE, begin_tree, locked, write_tree

__all__ = [
    "BYTES_AN_IMAGE",
    "RELEASE_JPEG_QUALITY",
    "SOURCE_KINDS",
    "BadImageError",
    "BatchOfImages",
    "ClassMap",
    "DeviceCorruption",
    "ImageStream",
    "Labels",
    "Layout",
    "Recipe",
    "Source",
    "Work",
    "begin_tree",
    "check_clean_images",
    "check_trees",
    "clean_crop",
    "corrupt_crops",
    "default_workers",
    "find_bad_images",
    "first_difference",
    "imagenet_labels",
    "jpeg_step",
    "labels_of_folders",
    "locked",
    "open_clean",
    "open_sample",
    "open_source",
    "read_class_map",
    "read_image",
    "result_of",
    "start_workers",
    "tasks_ahead",
    "write_tree",
]
