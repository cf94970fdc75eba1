"""Compares an evaluation with a plain loop and with the forward passes alone.

The plain loop is what one would write without gnlbench: timm's network in eager mode, torchvision's
ImageFolder, `imagecorruptions`, one process, decoding once a condition. With the engine
`imagecorruptions` both go through the same draws and the same JPEG step, so that their
predictions can be compared image by image; the own engine is measured as well. The forward passes
alone, on images in memory in channels-last fp32, are the lower bound of the time.

    python benchmarks/evaluation.py /data/imagenet/val --images 32
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import imagecorruptions
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

import corruptions
from robustbench_gnl import evaluate
from robustbench_gnl.data import Recipe, default_workers, open_source
from robustbench_gnl.data.pixels import load_clean
from robustbench_gnl.evaluation import Network, default_batch_size, keep_freed_memory
from robustbench_gnl.evaluation.inference_threads import inference_threads
from robustbench_gnl.models import load_demo_model
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.suites import DEFAULT_SUITE

MEAN = STD = (0.5, 0.5, 0.5)
CROP = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
TO_INPUT = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])


def plain_image(image: Image.Image, key: str, condition: Condition) -> torch.Tensor:
    """One input, made with the package's own function and our seeds."""
    image = CROP(image)
    if condition.is_clean:
        return TO_INPUT(image)
    seed = corruptions.image_seed(0, key, condition.corruption, condition.severity)
    words = [(seed >> shift) & 0xFFFFFFFF for shift in (0, 32, 64, 96)]
    np.random.seed(words)
    own = {"impulse_noise": {"seed": seed}, "glass_blur": {"seed": words[0]}}
    corrupted = imagecorruptions.corrupt(
        np.asarray(image),
        condition.severity,
        condition.corruption,
        **own.get(condition.corruption, {}),
    )
    buffer = io.BytesIO()
    Image.fromarray(corrupted).save(buffer, "JPEG", quality=85, optimize=True)
    return TO_INPUT(Image.open(buffer).convert("RGB"))


class PlainFolder(ImageFolder):
    """ImageFolder that corrupts what it has decoded."""

    condition = CLEAN

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self.samples[index]
        key = f"{Path(path).parent.name}/{Path(path).stem}"
        return plain_image(self.loader(path), key, self.condition), label


def plain_way(
    root: Path, conditions: list[Condition], n_images: int, batch_size: int
) -> tuple[dict[Condition, np.ndarray], float]:
    """Predictions by condition, and the seconds they took."""
    network = load_demo_model().module
    folder = PlainFolder(str(root))
    order = sorted(range(len(folder)), key=lambda i: folder.samples[i][0])[:n_images]
    start = time.perf_counter()
    predictions = {}
    with torch.no_grad():
        for condition in conditions:
            folder.condition = condition
            loader = DataLoader(Subset(folder, order), batch_size=batch_size)
            found = [network(images).argmax(1).numpy() for images, _ in loader]
            predictions[condition] = np.concatenate(found)
    return predictions, time.perf_counter() - start


class Recorder(nn.Module):
    """Keeps the predictions of the network inside it, in the order of the batches."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.predictions: list[np.ndarray] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(images)
        self.predictions.append(logits.argmax(1).numpy())
        return logits


def our_way(
    root: Path, conditions: list[Condition], n_images: int, network: nn.Module, engine: str
) -> float:
    """The seconds that an evaluation takes, starting the workers included."""
    start = time.perf_counter()
    evaluate(
        network, open_source(root, recipe=Recipe(engine)), mean=MEAN, std=STD,
        conditions=conditions, limit=n_images, workers=default_workers(),
    )  # fmt: skip
    return time.perf_counter() - start


def network_alone(crops: np.ndarray, n_conditions: int, network: nn.Module) -> float:
    """The seconds of the forward passes, as many batches at a time as the evaluation has."""
    device = torch.device("cpu")
    size = default_batch_size(device)
    batches = [crops[start : start + size] for start in range(0, len(crops), size)]
    ready = Network(network, mean=MEAN, std=STD, device=device, precision="fp32")
    start = time.perf_counter()
    with ready, inference_threads(device) as (executor, _):
        list(executor.map(ready.logits, batches * n_conditions))
    return time.perf_counter() - start


def against_the_network(
    root: Path, conditions: list[Condition], n_images: int, network: nn.Module
) -> tuple[float, float]:
    """The seconds of an evaluation, and those of its forward passes alone."""
    ours = our_way(root, conditions, n_images, network, "gnlbench")
    source = open_source(root).first(n_images)
    crops, _ = load_clean(source.paths(CLEAN, tuple(source.files)))
    return ours, network_alone(crops, len(conditions), network)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="class folders of clean images, by WordNet id")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64, help="of the plain way")
    parser.add_argument(
        "--images-alone",
        type=int,
        default=200,
        help="against the network alone: the start weighs less",
    )
    options = parser.parse_args()
    conditions = [CLEAN, *DEFAULT_SUITE.main_conditions]

    # The plain way comes first: what `keep_freed_memory` does to the process helps it too.
    predictions, plain_seconds = plain_way(
        options.root, conditions, options.images, options.batch_size
    )
    keep_freed_memory()
    network = load_demo_model().module
    work = (options.root, conditions, options.images)
    package_seconds = our_way(*work, network, "imagecorruptions")
    our_seconds = our_way(*work, network, "gnlbench")
    many_seconds, alone_seconds = against_the_network(
        options.root, conditions, options.images_alone, network
    )

    # Once more, not timed and one batch at a time, so that predictions come in order.
    torch.set_num_threads(1)
    recorder = Recorder(network)
    our_way(*work, recorder, "imagecorruptions")
    ours = np.concatenate(recorder.predictions[1:])  # the first tries a blank image
    n_different = int((ours != np.concatenate(list(predictions.values()))).sum())
    n_answers = options.images * len(conditions)
    print(f"{options.images} images, {len(conditions)} conditions, {default_workers()} processors")
    for what, seconds in (
        ("plain way", plain_seconds),
        ("gnlbench, package", package_seconds),
        ("gnlbench", our_seconds),
    ):
        print(
            f"{what:18s} {seconds:7.1f} s  {n_answers / seconds:6.1f} images/s  "
            f"{plain_seconds / seconds:5.2f} times the plain way"
        )
    print(
        f"{options.images_alone} images: gnlbench {many_seconds:.1f} s, network alone "
        f"{alone_seconds:.1f} s, ratio {many_seconds / alone_seconds:.2f}"
    )
    print(f"predictions that differ with the package's engine: {n_different} of {n_answers}")


if __name__ == "__main__":
    main()
