"""A network made ready to be judged: placed, checked, fed with uint8 images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robustbench_gnl.errors import ModelError, UsageError
from robustbench_gnl.evaluation.device import full_fp32, inference

Corrupting = Callable[[Tensor], Tensor]
"""Clean images in, corrupted ones out: uint8 (N, 3, S, S) on the device."""


class Network:
    """A module on its device, in evaluation mode and channels-last, with its normalisation.

    Use it as a context: the module's training modes are put back at the end. The module stays
    on the device it was moved to.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device,
        precision: str,
    ) -> None:
        self.device = device
        self.precision = precision
        self._module = module
        self._training = {part: part.training for part in module.modules()}
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1)

    def __enter__(self) -> Network:
        self._module.eval().to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part, was_training in self._training.items():
            part.training = was_training  # each its own: a frozen batch norm stays frozen

    def logits(self, images: NDArray[np.uint8], left_to_do: Corrupting | None = None) -> Tensor:
        """Logits (N, C) of uint8 images (N, S, S, 3), after what is left to do to them.

        Raises:
            UsageError: The batch does not fit into the device's memory.
        """
        try:
            pixels = torch.from_numpy(images).to(self.device, non_blocking=True)
            # (N, S, S, 3) seen as (N, 3, S, S) is channels-last already: nothing is moved.
            pixels = pixels.permute(0, 3, 1, 2)
            if left_to_do is not None:
                pixels = left_to_do(pixels)
            batch = pixels.to(torch.float32, memory_format=torch.channels_last)
            with inference(self.device, self.precision):
                batch = batch.div_(255).sub_(self._mean).div_(self._std)
                output: Tensor = _logits_of(self._module(batch))
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f"{len(images)} images at a time do not fit into the memory of {self.device}; "
                f"repeat the command with --batch-size {max(1, len(images) // 2)} or less",
                batch_size=len(images),
            ) from error
        return output

    def check(self, input_size: int, preferred_size: int | None = None) -> int:
        """Try one blank image of this size; the number of classes.

        Args:
            input_size: Side of the image in pixels.
            preferred_size: What the network was made for, named when this one is refused.

        Raises:
            UsageError: The network does not take the size.
            ModelError: What comes out are not logits.
        """
        try:
            blank = np.zeros((1, input_size, input_size, 3), np.uint8)
            with full_fp32():
                output = self.logits(blank)
        except (RuntimeError, AssertionError, ValueError, MemoryError) as error:
            raise UsageError(
                f"the network does not take {input_size} x {input_size} images "
                f"({_first_line(error)}); give its own size with --input-size "
                f"{preferred_size or 'N'}, which resamples the images and names the protocol so",
                input_size=input_size,
            ) from error
        if not isinstance(output, Tensor) or output.ndim != 2:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ModelError(
                f"expected logits of shape (N, classes) from the network, got {shape}; "
                "give a classifier, with its head"
            )
        return int(output.shape[1])


def _logits_of(output: Any) -> Any:
    """The logits where a network wraps them: in an output of Hugging Face transformers, in a dict
    under "logits", or alone in a tuple or list."""
    if isinstance(output, Mapping):
        output = output.get("logits", output)
    elif not isinstance(output, Tensor) and hasattr(output, "logits"):
        output = output.logits
    while isinstance(output, tuple | list) and len(output) == 1:
        output = output[0]
    return output


def check_finite(logits: Tensor, condition: object, first_key: str) -> None:
    """Raises ModelError when an output is not a number or infinite."""
    if not bool(torch.isfinite(logits).all()):
        n_bad = int((~torch.isfinite(logits).all(dim=1)).sum())
        raise ModelError(
            f"the network's outputs are not finite for {n_bad} of {len(logits)} images of "
            f"{condition}, from {first_key} on; a diverged checkpoint or too small a precision "
            "does this: try --precision fp32 and look at the weights",
            condition=condition,
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
