"""Corruptions that are made on the device of the model, and not by the workers."""

from __future__ import annotations

from threading import Lock

import torch
from torch import Tensor

from corruptions.batch import EXACT, corrupt_batch
from corruptions.families.jpeg import agrees_with_pillow
from robustbench_gnl.data import BatchOfImages, DeviceCorruption, Recipe
from robustbench_gnl.evaluation.network import Corrupting
from robustbench_gnl.records import Condition
from robustbench_gnl.suites import DEFAULT_SUITE


def corrupted_on_device(
    device: torch.device, recipe: Recipe | None, input_size: int
) -> frozenset[str]:
    """The corruptions that are made on the device: those of our engine that come out the same
    to the bit as a worker's, on CUDA, which makes them faster than the workers. The JPEG step
    is made there too, so it must be that of the Pillow of this machine."""
    if recipe is None or recipe.engine != "gnlbench" or device.type != "cuda":
        return frozenset()
    same_jpeg = recipe.jpeg_quality is None or agrees_with_pillow()
    # Such a recipe is of the default suite: no other one is made from clean images.
    is_crop = input_size == DEFAULT_SUITE.input.crop
    return EXACT if is_crop and same_jpeg else frozenset()


def corrupting(batch: BatchOfImages) -> Corrupting | None:
    """The corruption of a batch that is still to be made on the device; None if there is none.

    All models share one result: the function corrupts at the first call and returns the same tensor
    afterwards.
    """
    todo = batch.device_corruption
    if todo is None:
        return None
    made: list[Tensor] = []
    lock = Lock()  # several inference threads may ask at the same time

    def corrupt_once(images: Tensor) -> Tensor:
        with lock:
            if not made:
                made.append(_corrupt(images, batch.condition, todo))
        return made[0]

    return corrupt_once


def _corrupt(images: Tensor, condition: Condition, todo: DeviceCorruption) -> Tensor:
    from corruptions.batch.jpeg import round_trip

    corrupted = corrupt_batch(images, condition.corruption, condition.severity, seeds=todo.seeds)
    return corrupted if todo.jpeg_quality is None else round_trip(corrupted, todo.jpeg_quality)
