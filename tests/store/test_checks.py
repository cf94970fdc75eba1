"""A piece whose numbers contradict each other never reaches the database."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from robustbench_gnl.errors import StoreError
from robustbench_gnl.records import Calibration, Condition
from robustbench_gnl.store.checks import check_piece, n_blocks_of
from tests.store.samples import make_image_set, make_piece, make_protocol

PROTOCOL = make_protocol(make_image_set(20))
LAST = make_piece(Condition("fog", 3), 2, 4)
BINS = LAST.calibration


def test_a_consistent_piece_passes():
    check_piece(LAST, PROTOCOL, 8)
    check_piece(make_piece(Condition("clean", 0), 0, 8), PROTOCOL, 8)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"n_images": 5}, "expected 4 images, got 5"),
        ({"block": 3}, "expected a block from 0 to 2"),
        ({"block": -1}, "expected a block from 0 to 2"),
        ({"n_top1": LAST.n_top1 + 1, "n_top5": 4}, "bits say so"),
        ({"n_top5": LAST.n_top1 - 1}, "expected 0 <= top-1 <= top-5 <= images"),
        ({"n_top5": 5}, "expected 0 <= top-1 <= top-5 <= images"),
        ({"correct": LAST.correct + b"\0"}, "expected 1 bytes for the bits of 4 images, got 2"),
        ({"correct": bytes([LAST.correct[0] | 1])}, "expected zeros after the last image's bit"),
        ({"negative_log_likelihood_sum": math.nan}, "finite negative_log_likelihood_sum"),
        ({"negative_log_likelihood_sum": -1.0}, "finite negative_log_likelihood_sum"),
        ({"seconds": math.inf}, "finite seconds"),
        ({"digest": "abc"}, "sha256 digest of 64 hexadecimal digits, got 'abc'"),
        ({"condition": Condition("fog", 6)}, "got 'fog' at severity 6"),
        ({"condition": Condition("clean", 1)}, "got 'clean' at severity 1"),
        ({"condition": Condition("rain", 1)}, "got 'rain' at severity 1"),
        ({"calibration": Calibration((4,), (0,), (1.0,))}, "expected 15 calibration bins"),
        (
            {"calibration": replace(BINS, n_images=(9, *BINS.n_images[1:]))},
            "the calibration bins add up",
        ),
        (
            {"calibration": replace(BINS, n_top1=(9, *BINS.n_top1[1:]))},
            "holds more right images than images",
        ),
        (
            {"calibration": replace(BINS, confidence_sum=(math.nan,) * 15)},
            "finite confidence sums",
        ),
    ],
)
def test_a_contradiction_is_named(change: dict[str, object], sentence: str):
    with pytest.raises(StoreError) as caught:
        check_piece(replace(LAST, **change), PROTOCOL, 8)
    assert sentence in str(caught.value)


def test_the_last_block_may_be_short():
    assert [n_blocks_of(n, 512) for n in (1, 512, 513, 50_000)] == [1, 1, 2, 98]
