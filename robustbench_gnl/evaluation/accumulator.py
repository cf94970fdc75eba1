"""Accumulates the logits of batches into a piece: counts, sums and one bit per image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robustbench_gnl.contents import combined_digest
from robustbench_gnl.records import N_CALIBRATION_BINS, Calibration, Condition, Piece


@dataclass
class PieceAccumulator:
    """Adds up the batches of one block under one condition."""

    block: int
    condition: Condition
    classes: Tensor | None = None
    """(K,) ascending class indices, if a suite has images of some classes only. All other logits
    are ignored in predictions. None: no class is ignored."""
    correct: list[NDArray[np.bool_]] = field(default_factory=list)
    n_top5: int = 0
    negative_log_likelihood_sum: float = 0.0
    bins: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros((3, N_CALIBRATION_BINS), np.float64)
    )
    """Rows: images, right answers, sum of the confidences."""
    digests: list[bytes] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, logits: Tensor, labels: Tensor, digests: list[bytes], seconds: float) -> None:
        """Add a batch: logits (N, C) finite, labels (N,) class indices, among `classes` if given;
        the sha256 of the file of each image, and the seconds that the batch took."""
        if self.classes is not None:
            logits = logits.index_select(1, self.classes.to(logits.device))  # (N, K)
            labels = torch.searchsorted(self.classes, labels)  # positions among the K
        # Sums over 50,000 images need more than float32; mps has no float64.
        log_probabilities = torch.log_softmax(_as_float64(logits), dim=1)  # (N, C)
        labels = labels.to(log_probabilities.device)
        chosen = log_probabilities.gather(1, labels[:, None])  # (N, 1)
        ranks = _ranks(logits, labels).cpu().numpy()
        confidence = log_probabilities.amax(dim=1).exp().cpu().numpy()
        correct = ranks == 0
        self.correct.append(correct)
        self.n_top5 += int((ranks < 5).sum())
        self.negative_log_likelihood_sum += float(-chosen.sum())
        self.digests += digests
        self.seconds += seconds
        # Bin b is (b/15, (b+1)/15]; a confidence that underflows to 0 belongs to the first.
        index = np.clip(np.ceil(confidence * N_CALIBRATION_BINS).astype(int) - 1, 0, None)
        # exp of a rounded logarithm may come out just above 1.
        index = np.minimum(index, N_CALIBRATION_BINS - 1)
        for row, weights in enumerate((None, correct, confidence)):
            self.bins[row] += np.bincount(index, weights, minlength=N_CALIBRATION_BINS)

    def piece(self) -> Piece:
        """The finished record."""
        correct = np.concatenate(self.correct)
        n_images, n_right, confidence = self.bins
        return Piece(
            block=self.block,
            condition=self.condition,
            n_images=len(correct),
            n_top1=int(correct.sum()),
            n_top5=self.n_top5,
            negative_log_likelihood_sum=self.negative_log_likelihood_sum,
            calibration=Calibration(
                n_images=tuple(int(count) for count in n_images),
                n_top1=tuple(int(count) for count in n_right),
                confidence_sum=tuple(float(value) for value in confidence),
            ),
            correct=np.packbits(correct).tobytes(),
            digest=combined_digest(self.digests),
            seconds=self.seconds,
        )


def _ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """How many classes come before the label (N,). Of equal logits, which reduced precisions
    give often, the lower index comes first, as in argmax; topk promises no order."""
    own = logits.gather(1, labels.to(logits.device)[:, None])  # (N, 1)
    index = torch.arange(logits.shape[1], device=logits.device)
    earlier_equal = (logits == own) & (index < labels.to(logits.device)[:, None])
    return ((logits > own) | earlier_equal).sum(dim=1)


def _as_float64(logits: Tensor) -> Tensor:
    return (logits.cpu() if logits.device.type == "mps" else logits).double()
