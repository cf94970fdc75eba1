"""The draws of `corruptions.philox` for many images at once, on whatever device torch has."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from corruptions.philox import MASK, MULTIPLIERS, ROUNDS, WEYL, split


def words(seeds: Sequence[int], stream: int, n: int, device: torch.device) -> Tensor:
    """The first n words of a stream of each image: int64 (B, n), values 0 to 2**32 - 1."""
    blocks = torch.arange(-(-n // 4), dtype=torch.int64, device=device)
    parts = torch.tensor([split(seed) for seed in seeds], dtype=torch.int64, device=device)
    return block_words(blocks, stream, parts).flatten(1)[:, :n]


def block_words(blocks: Tensor, stream: int, seeds: Tensor) -> Tensor:
    """(B, n, 4): the words of n blocks for seeds (B, 4) that were split into four."""
    key_0, key_1, word_2, word_3 = (part[:, None] for part in seeds.unbind(1))  # (B, 1) each
    word_0 = blocks.expand(len(seeds), len(blocks))
    word_1 = torch.full_like(word_0, stream)
    for _ in range(ROUNDS):
        # 32 x 32 bits fill 64: the sign of the product is its highest bit, which the mask of
        # the shifted word removes.
        product_0, product_1 = word_0 * MULTIPLIERS[0], word_2 * MULTIPLIERS[1]
        word_0 = (product_1 >> 32 & MASK) ^ word_1 ^ key_0
        word_2 = (product_0 >> 32 & MASK) ^ word_3 ^ key_1
        word_1, word_3 = product_1 & MASK, product_0 & MASK
        key_0, key_1 = key_0 + WEYL[0] & MASK, key_1 + WEYL[1] & MASK
    return torch.stack((word_0, word_1, word_2, word_3), dim=-1)


def uniforms(seeds: Sequence[int], stream: int, n: int, device: torch.device) -> Tensor:
    """n numbers in (0, 1) for each image: float64 (B, n)."""
    return (words(seeds, stream, n, device) + 0.5) * 2.0**-32


def normals(seeds: Sequence[int], stream: int, n: int, device: torch.device) -> Tensor:
    """n standard normal numbers for each image: float64 (B, n)."""
    draws = uniforms(seeds, stream, n + n % 2, device)
    radius = torch.sqrt(-2.0 * torch.log(draws[:, 0::2]))
    angle = 2.0 * math.pi * draws[:, 1::2]
    both = torch.stack((radius * torch.cos(angle), radius * torch.sin(angle)), dim=-1)
    return both.flatten(1)[:, :n]
