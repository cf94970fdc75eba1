"""Counts and sums of a piece, against a second way to compute them."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustbench_gnl.evaluation.accumulator import PieceAccumulator
from robustbench_gnl.records import Condition, Piece

FOG = Condition("fog", 3)


def piece_of(logits: np.ndarray, labels: np.ndarray, cuts: list[int]) -> Piece:
    """The piece, its images handed over in batches that end at `cuts`."""
    accumulator = PieceAccumulator(0, FOG)
    for part in np.split(np.arange(len(labels)), cuts):
        if len(part):
            digests = [hashlib.sha256(bytes([i % 256])).digest() for i in part]
            accumulator.add(
                torch.from_numpy(logits[part]), torch.from_numpy(labels[part]), digests, 0.5
            )
    return accumulator.piece()


def random_case(seed: int, n_images: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (n_images, n_classes)).astype(np.float32)
    return logits, rng.integers(0, n_classes, n_images)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32), n_images=st.integers(1, 40), n_classes=st.integers(2, 30),
    cut=st.integers(0, 40),
)  # fmt: skip
def test_a_piece_is_what_numpy_counts_however_it_is_cut(
    seed: int, n_images: int, n_classes: int, cut: int
) -> None:
    logits, labels = random_case(seed, n_images, n_classes)
    piece = piece_of(logits, labels, [min(cut, n_images)])
    order = np.argsort(-logits, axis=1)
    right = order[:, 0] == labels
    wide = logits.astype(np.float64)
    probabilities = np.exp(wide - wide.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)

    assert piece.n_images == n_images
    assert piece.n_top1 == right.sum()
    assert piece.n_top5 == (order[:, :5] == labels[:, None]).any(1).sum()
    bits = np.unpackbits(np.frombuffer(piece.correct, np.uint8))
    assert bits[:n_images].astype(bool).tolist() == right.tolist()
    assert not bits[n_images:].any()
    expected = -np.log(probabilities[np.arange(n_images), labels]).sum()
    np.testing.assert_allclose(piece.negative_log_likelihood_sum, expected, rtol=1e-9)
    confidence = probabilities.max(1)
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        assert piece.calibration.n_images[index] == inside.sum()
        assert piece.calibration.n_top1[index] == right[inside].sum()
        np.testing.assert_allclose(
            piece.calibration.confidence_sum[index], confidence[inside].sum(), atol=1e-12
        )


def test_the_digest_is_over_the_files_in_order() -> None:
    logits, labels = random_case(0, 3, 5)
    digests = [hashlib.sha256(bytes([i])).digest() for i in range(3)]
    expected = hashlib.sha256(b"".join(digests)).hexdigest()
    assert piece_of(logits, labels, [2]).digest == expected
    assert piece_of(logits, labels, []).digest == expected


def test_of_equal_logits_the_lower_class_comes_first_as_in_argmax() -> None:
    rng = np.random.default_rng(0)
    logits = rng.integers(0, 4, (300, 9)).astype(np.float32)  # ties everywhere
    labels = rng.integers(0, 9, 300)
    order = np.argsort(-logits, axis=1, kind="stable")
    piece = piece_of(logits, labels, [100])
    assert piece.n_top1 == (logits.argmax(1) == labels).sum()
    assert piece.n_top5 == (order[:, :5] == labels[:, None]).any(1).sum()
