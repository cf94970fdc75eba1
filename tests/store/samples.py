"""Small runs with consistent facts."""

from __future__ import annotations

import hashlib
import random
from typing import Any

from robustbench_gnl.records import Calibration, Condition, ImageSet, Model, Piece, Protocol
from robustbench_gnl.store import Store
from robustbench_gnl.store.documents import from_document
from robustbench_gnl.suites import SUITES

BLOCK_SIZE = 8


def make_image_set(n_images: int = 20, name: str = "small", suite: str = "imagenet-c") -> ImageSet:
    keys = tuple(f"n{i // 4:08d}/image_{i:05d}" for i in range(n_images))
    # A suite that this version does not know may have any labels.
    subset = SUITES[suite].labels.subset if suite in SUITES else None
    classes = subset or range(n_images)
    return ImageSet(name, "imagenet-1k", keys, tuple(classes[i // 4] for i in range(n_images)))


def make_protocol(image_set: ImageSet, **changes: object) -> Protocol:
    fields: dict[str, object] = {
        "name": f"released-{image_set.n_images}",
        "source": "released",
        "image_set": image_set.fingerprint,
        "n_images": image_set.n_images,
        "label_set": image_set.label_set,
        "crop": "centre 224",
        "resampling": "none",
        "jpeg_quality": None,
        "engine": None,
        "engine_version": None,
        "seed": None,
        "precision": "fp32",
        "jpeg_decoder": "pillow 11",
    }
    return Protocol(**{**fields, **changes})  # type: ignore[arg-type]


def make_model(name: str = "resnet50", checkpoint: str = "a") -> Model:
    return Model(
        name=name,
        checkpoint_sha256=hashlib.sha256(checkpoint.encode()).hexdigest(),
        weights="state_dict_ema",
        n_params=25_557_032,
        n_classes=1000,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


def make_piece(condition: Condition, block: int, n_images: int, seed: object = 0) -> Piece:
    """A piece whose counts, bits and bins agree; other seeds, other facts."""
    rng = random.Random(f"{condition} {block} {seed}")
    right = [rng.random() < 0.6 for _ in range(n_images)]
    bins = [rng.randrange(15) for _ in range(n_images)]
    bits = "".join("01"[flag] for flag in right).ljust(-(-n_images // 8) * 8, "0")
    n_top1 = sum(right)
    return Piece(
        block=block,
        condition=condition,
        n_images=n_images,
        n_top1=n_top1,
        n_top5=rng.randint(n_top1, n_images),
        negative_log_likelihood_sum=rng.random() * n_images * 3,
        calibration=Calibration(
            n_images=tuple(bins.count(b) for b in range(15)),
            n_top1=tuple(
                sum(r for r, own in zip(right, bins, strict=True) if own == b) for b in range(15)
            ),
            confidence_sum=tuple(bins.count(b) * (b + 0.7) / 15 for b in range(15)),
        ),
        correct=int(bits, 2).to_bytes(len(bits) // 8, "big"),
        digest=hashlib.sha256(f"{condition} {block}".encode()).hexdigest(),
        seconds=rng.random(),
    )


def block_sizes(n_images: int, block_size: int = BLOCK_SIZE) -> list[int]:
    return [min(block_size, n_images - start) for start in range(0, n_images, block_size)]


def fill(
    store: Store,
    conditions: tuple[Condition, ...],
    *,
    model: Model | None = None,
    n_images: int = 20,
    tags: tuple[str, ...] = (),
    finish: bool = True,
    suite: str = "imagenet-c",
) -> str:
    """A run with all pieces of some conditions."""
    image_set = make_image_set(n_images, suite=suite)
    run_id = store.create_run(
        model or make_model(),
        make_protocol(image_set, suite=suite),
        image_set,
        block_size=BLOCK_SIZE,
        tags=tags,
        environment={"torch": "2.8.0", "device": "cpu"},
    )
    for condition in conditions:
        for block, size in enumerate(block_sizes(n_images)):
            store.add_piece(run_id, make_piece(condition, block, size))
    if finish:
        store.finish_run(run_id)
    return run_id


def import_document(store: Store, document: Any) -> str:
    """Add an exported run, as `gnlbench runs import` does, and return its id."""
    stored = from_document(document)
    store.import_stored([stored])
    return stored.head.id
