"""The draws: known answers, distributions, and no way from one stream to another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

import corruptions
from corruptions import philox
from corruptions.batch import philox as batch_philox
from corruptions.philox import _fill

# Random123 (Salmon et al. 2011), kat_vectors, philox4x32 with 10 rounds: counter, key, words.
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
SEED = corruptions.image_seed(3, "n01440764/a", "fog", 2)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_known_answers(
    counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    block, stream, *rest = counter
    if block < 2**20:  # a counter that the stream itself reaches
        seed = key[0] | key[1] << 32 | rest[0] << 64 | rest[1] << 96
        assert tuple(philox.words(seed, stream, 4 * block + 4)[-4:]) == expected
    words = batch_philox.block_words(torch.tensor([block]), stream, torch.tensor([[*key, *rest]]))
    assert tuple(words[0, 0].tolist()) == expected


def test_a_longer_stream_begins_with_the_shorter_one() -> None:
    assert np.array_equal(philox.words(SEED, 0, 1000)[:7], philox.words(SEED, 0, 7))


def test_the_batch_draws_the_same() -> None:
    seeds = [SEED, 0, 2**128 - 1]
    together = batch_philox.words(seeds, 2, 1001, torch.device("cpu"))

    for row, seed in zip(together, seeds, strict=True):
        assert np.array_equal(row.numpy(), philox.words(seed, 2, 1001))


@pytest.mark.parametrize("bit", [0, 31, 32, 63, 64, 96, 127])
def test_every_bit_of_the_seed_counts(bit: int) -> None:
    one, other = philox.words(SEED, 0, 4096), philox.words(SEED ^ 1 << bit, 0, 4096)

    assert (one == other).mean() < 0.01
    differing = np.unpackbits((one ^ other).view(np.uint8)).mean()
    assert abs(differing - 0.5) < 5 * 0.5 / (32 * 4096) ** 0.5


def test_streams_are_unrelated() -> None:
    one, other = philox.uniforms(SEED, 0, 20_000), philox.uniforms(SEED, 1, 20_000)

    assert abs(np.corrcoef(one, other)[0, 1]) < 5 / 20_000**0.5


def test_uniforms_are_uniform_and_normals_normal() -> None:
    assert stats.kstest(philox.uniforms(SEED, 0, 100_000), "uniform").pvalue > 1e-4
    normals = philox.normals(SEED, 0, 100_001)
    assert len(normals) == 100_001
    assert stats.kstest(normals, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(normals[:-1:2], normals[1::2])[0, 1]) < 5 / 50_000**0.5


def test_uniforms_never_reach_their_ends() -> None:
    ends = (np.array([0, 2**32 - 1], np.uint32).astype(np.float64) + 0.5) * 2.0**-32

    assert ends[0] > 0
    assert ends[1] < 1


def test_the_generator_needs_no_compiler() -> None:
    # The same source, run by Python: what numba makes of it has not changed its meaning.
    seed = np.array(philox.split(SEED), np.uint32)
    out = np.empty((3, 4), np.uint32)
    with np.errstate(over="ignore"):
        _fill.py_func(seed, np.uint32(5), out)

    assert np.array_equal(out.reshape(-1), philox.words(SEED, 5, 12))
