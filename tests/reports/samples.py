"""Judged runs that keep the facts of every image, so that tests can add them up by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

import corruptions
from robustbench_gnl.metrics import cells_of
from robustbench_gnl.metrics.reference import default_reference
from robustbench_gnl.records import (
    CLEAN,
    N_CALIBRATION_BINS,
    Calibration,
    Condition,
    ImageSet,
    Piece,
    Run,
    conditions_of,
)
from robustbench_gnl.statistics import Outcomes, RunStatistics, outcomes_of, run_statistics
from robustbench_gnl.suites import DEFAULT_SUITE
from tests.store.samples import make_model, make_protocol

COMMON = (CLEAN, *DEFAULT_SUITE.main_conditions)
ALL = (*COMMON, *conditions_of(corruptions.names("extra"), corruptions.SEVERITIES))
N_IMAGES = 240
N_BLOCKS = 4
IMAGES_PER_CLASS = 20
HOSTILE = "net_50%#1|a&b<c>$x^y~{z}\\\"q'"
"""A model's name with every character that means something to some format."""


@dataclass(frozen=True)
class Answers:
    """What a network said of each image under one condition; all (n_images,)."""

    wrong: NDArray[np.bool_]
    wrong_top5: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    negative_log_likelihood: NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """A run, and what it was made of."""

    run: Run
    outcomes: Outcomes
    keys: tuple[str, ...]
    answers: Mapping[Condition, Answers]

    @property
    def details(self) -> RunStatistics:
        n_classes = self.run.model.n_classes
        return run_statistics(self.outcomes, self.keys, default_reference(), n_classes=n_classes)


def judged(
    name: str = "resnet50",
    *,
    harder: float = 0.0,
    conditions: Iterable[Condition] = COMMON,
    n_images: int = N_IMAGES,
    n_blocks: int = N_BLOCKS,
    changed: Mapping[Condition, Iterable[int]] | None = None,
    **fields: object,
) -> Judged:
    """A run on images that are equally hard for all networks.

    Args:
        harder: How much more of them it gets wrong: 0.5 is a clear loss, 0 answers alike.
        changed: Images of a condition whose answer is turned from right to wrong, or back.
        fields: Of the protocol, where they differ.
    """
    answers = {one: _answers(one, harder, n_images) for one in conditions}
    for condition, images in (changed or {}).items():
        wrong = answers[condition].wrong.copy()
        wrong[list(images)] ^= True
        answers[condition] = replace(
            answers[condition], wrong=wrong, wrong_top5=answers[condition].wrong_top5 & wrong
        )
    pieces = [
        _piece(condition, block, images, one)
        for condition, one in answers.items()
        for block, images in enumerate(np.array_split(np.arange(n_images), n_blocks))
    ]
    classes = tuple(i // IMAGES_PER_CLASS for i in range(n_images))
    keys = tuple(f"n{label:08d}/image_{i:05d}" for i, label in enumerate(classes))
    image_set = ImageSet("small", "imagenet-1k", keys, classes)
    run = Run(
        id=f"run-{name}",
        model=make_model(name, checkpoint=name),
        protocol=make_protocol(image_set, **fields),
        block_size=n_images // n_blocks,
        created_at="2026-01-02T03:04:05+00:00",
        cells=cells_of(pieces, n_images),
    )
    return Judged(run, outcomes_of(pieces, n_images), keys, answers)


def _answers(condition: Condition, harder: float, n_images: int) -> Answers:
    """Draws depend on the condition alone, so that runs differ only by how hard it is."""
    rng = np.random.default_rng([corruptions.names("all").index(condition.corruption) + 1
                                 if not condition.is_clean else 0, condition.severity])  # fmt: skip
    difficulty = np.random.default_rng(0).normal(size=n_images)
    odds = 1.5 * difficulty + 0.6 * condition.severity - 2 + harder
    wrong = rng.random(n_images) < 1 / (1 + np.exp(-odds))
    return Answers(
        wrong=wrong,
        wrong_top5=wrong & (rng.random(n_images) < 0.6),
        confidence=rng.random(n_images),
        negative_log_likelihood=rng.exponential(1.5, n_images),
    )


def _piece(condition: Condition, block: int, images: NDArray[np.intp], answers: Answers) -> Piece:
    right, confidence = ~answers.wrong[images], answers.confidence[images]
    bins = np.ceil(confidence * N_CALIBRATION_BINS).astype(int) - 1

    def by_bin(weights: NDArray[np.float64] | None = None) -> list[float]:
        return np.bincount(bins, weights, N_CALIBRATION_BINS).tolist()

    return Piece(
        block=block,
        condition=condition,
        n_images=len(images),
        n_top1=int(right.sum()),
        n_top5=int((~answers.wrong_top5[images]).sum()),
        negative_log_likelihood_sum=float(answers.negative_log_likelihood[images].sum()),
        calibration=Calibration(
            tuple(map(int, by_bin())),
            tuple(map(int, by_bin(right.astype(float)))),
            tuple(by_bin(confidence)),
        ),
        correct=np.packbits(right).tobytes(),
        digest="0" * 64,
        seconds=0.5,
    )
