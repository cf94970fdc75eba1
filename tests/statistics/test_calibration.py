"""Expected calibration error against torchmetrics, through the bins that runs keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from robustbench_gnl.evaluation.accumulator import PieceAccumulator
from robustbench_gnl.records import CLEAN, Piece
from robustbench_gnl.statistics import calibration_error, outcomes_of


def piece_of(logits: torch.Tensor, labels: torch.Tensor, block: int = 0) -> Piece:
    accumulator = PieceAccumulator(block, CLEAN)
    for some, own in zip(logits.split(64), labels.split(64), strict=True):
        accumulator.add(some, own, [b""] * len(own), 0.0)
    return accumulator.piece()


def network(seed: int, n_images: int, sharpness: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (n_images, 10) of a network that is surer than it is right, and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(10, (n_images,), generator=generator)
    logits = torch.randn(n_images, 10, generator=generator)
    logits[torch.arange(n_images), labels] += 2 * torch.rand(n_images, generator=generator)
    return sharpness * logits, labels


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("n_images", [1, 100, 2000])
def test_it_is_that_of_torchmetrics(n_images: int, sharpness: float):
    logits, labels = network(3, n_images, sharpness)
    bins = outcomes_of([piece_of(logits, labels)], n_images).calibration[0, 0]
    expected = multiclass_calibration_error(
        logits.double().softmax(dim=1), labels, num_classes=10, n_bins=15, norm="l1"
    )

    assert bins.shape == (3, 15)
    assert calibration_error(bins) == pytest.approx(float(expected), abs=1e-6)


def test_a_worked_example():
    """Three images surely right of four at 0.9, and one right of two at 0.3."""
    bins = np.zeros((3, 15))
    bins[:, 13] = 4, 3, 4 * 0.9
    bins[:, 4] = 2, 1, 2 * 0.3

    # (4 * |0.75 - 0.9| + 2 * |0.5 - 0.3|) / 6
    assert calibration_error(bins) == pytest.approx(1 / 6)


def test_bins_of_blocks_add_up():
    logits, labels = network(4, 300, 2.0)
    whole = outcomes_of([piece_of(logits, labels)], 300)
    parts = outcomes_of(
        [piece_of(logits[i : i + 100], labels[i : i + 100], i // 100) for i in (0, 100, 200)], 300
    )

    summed = calibration_error(parts.calibration.sum(axis=1))
    np.testing.assert_allclose(summed, calibration_error(whole.calibration.sum(axis=1)))
