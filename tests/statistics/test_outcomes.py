"""Bits and sums come out of pieces as they went in."""

from __future__ import annotations

import numpy as np
import pytest

from robustbench_gnl.errors import UsageError
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.statistics import common_cells, outcomes_of
from robustbench_gnl.store import open_store
from tests.statistics.samples import outcomes_from, pieces_of
from tests.store.samples import fill

FOG, SNOW = Condition("fog", 2), Condition("snow", 5)


@pytest.mark.parametrize(("n_images", "block_size"), [(1, 8), (20, 8), (23, 5), (64, 64), (70, 64)])
def test_the_bits_are_those_that_were_packed(n_images: int, block_size: int):
    wrong = np.random.default_rng(1).random((3, n_images)) < 0.4
    pieces = pieces_of(wrong, (SNOW, CLEAN, FOG), block_size=block_size)
    outcomes = outcomes_of(reversed(pieces), n_images)

    # Clean first, then in the order of the corruptions, whatever order the pieces came in.
    assert outcomes.conditions == (CLEAN, SNOW, FOG)
    np.testing.assert_array_equal(outcomes.wrong, wrong[[1, 0, 2]])
    np.testing.assert_array_equal(outcomes.n_wrong, wrong[[1, 0, 2]].sum(axis=1))
    assert outcomes.n_blocks == -(-n_images // block_size)
    assert outcomes.n_images_by_block.sum() == n_images


def test_the_sums_of_blocks_are_the_pieces():
    wrong = np.random.default_rng(2).random((2, 30)) < 0.4
    pieces = pieces_of(wrong, (CLEAN, FOG), block_size=16)
    outcomes = outcomes_of(pieces, 30)

    for piece in pieces:
        row = outcomes.conditions.index(piece.condition)
        place = (row, piece.block)
        assert outcomes.n_images_by_block[piece.block] == piece.n_images
        assert outcomes.n_top1[place] == piece.n_top1
        assert outcomes.n_top5[place] == piece.n_top5
        assert outcomes.negative_log_likelihood[place] == piece.negative_log_likelihood_sum
        assert tuple(outcomes.calibration[place][0]) == piece.calibration.n_images
        assert tuple(outcomes.calibration[place][1]) == piece.calibration.n_top1
        assert tuple(outcomes.calibration[place][2]) == piece.calibration.confidence_sum


def test_it_counts_what_the_store_counts():
    with open_store("sqlite://", write=True) as store:
        run = store.run(fill(store, (CLEAN, FOG)))
        outcomes = outcomes_of(store.pieces(run.id), run.protocol.n_images)

    assert outcomes.conditions == tuple(run.cells)
    for row, cell in enumerate(run.cells.values()):
        assert outcomes.errors[row] == cell.error
        assert outcomes.n_top5[row].sum() == cell.n_top5


def test_an_unfinished_cell_is_left_out():
    wrong = np.zeros((2, 20), np.bool_)
    pieces = pieces_of(wrong, (CLEAN, FOG), block_size=8)[:-1]

    assert outcomes_of(pieces, 20).conditions == (CLEAN,)


def test_no_pieces_are_no_cells():
    outcomes = outcomes_of([], 20)

    assert outcomes.conditions == ()
    assert outcomes.wrong.shape == (0, 20)
    assert outcomes.errors.shape == (0,)


def test_cells_are_narrowed_in_the_order_asked_for():
    wrong = np.random.default_rng(3).random((3, 40)) < 0.5
    outcomes = outcomes_from(wrong, (CLEAN, SNOW, FOG))
    other = outcomes_from(wrong[:2], (CLEAN, FOG))
    narrowed = outcomes.only((FOG, CLEAN))

    assert common_cells(outcomes, other) == (CLEAN, FOG)
    assert outcomes.only(outcomes.conditions) is outcomes
    np.testing.assert_array_equal(narrowed.wrong, wrong[[2, 0]])
    np.testing.assert_array_equal(narrowed.n_top1, outcomes.n_top1[[2, 0]])
    np.testing.assert_array_equal(narrowed.calibration, outcomes.calibration[[2, 0]])
    with pytest.raises(UsageError, match=r"expected cells that the run has, got snow/5; run `gnl"):
        other.only((CLEAN, SNOW))
