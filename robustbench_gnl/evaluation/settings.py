"""How an evaluation is carried out, besides its models, source and conditions."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_gnl.records import BLOCK_SIZE
from robustbench_gnl.suites import Suite

SMALLEST_INPUT, LARGEST_INPUT = 32, 4096
"""Sides in pixels that images can be resampled to."""


@dataclass(frozen=True)
class Settings:
    """How an evaluation is carried out. Precision, input size and skipped images are part of the
    protocol; the rest changes no number."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps`."""
    precision: str = "fp32"
    """`fp32`, `bf16` or `fp16`."""
    input_size: int | None = None
    """Side in pixels that images are resampled to; None: the crop of the suite, as it is."""
    batch_size: int | None = None
    """Images in a forward pass; None: what suits the device."""
    block_size: int = BLOCK_SIZE
    """Images in a block of a new run; a run that is resumed keeps its own."""
    n_workers: int | None = None
    """Processes that make the images; 0: the calling process; None: one per processor."""
    skip_bad_images: bool = False
    """Leave images that cannot be read out of every condition."""
    rerun: bool = False
    """Begin a new run even where one is stored."""
    tags: tuple[str, ...] = ()
    """Names that the stored runs get."""

    def input_size_for(self, suite: Suite) -> int:
        """Side in pixels of the images that the models see."""
        return suite.input.crop if self.input_size is None else self.input_size
