"""A model on its device, which takes uint8 images and returns checked logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robustbench_gnl.errors import GnlbenchError, ModelError, UsageError, option
from robustbench_gnl.evaluation.device import PRECISIONS, full_fp32, inference

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
        self._n_classes: int | None = None
        self._training = {part: part.training for part in module.modules()}
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1)

    def __enter__(self) -> Network:
        try:
            self._module.eval().to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        except torch.OutOfMemoryError as error:
            self._restore_modes()
            raise UsageError(
                f"the model does not fit into the memory of {self.device}; use another device"
            ) from error
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:  # no data, ...
            self._restore_modes()
            raise ModelError(
                f"the model cannot be moved to {self.device} ({_first_line(error)}); give one "
                "whose weights are loaded"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore_modes()

    def _restore_modes(self) -> None:
        for part, was_training in self._training.items():
            part.training = was_training  # each its own: a frozen batch norm stays frozen

    def logits(
        self, images: NDArray[np.uint8], device_corruption: Corrupting | None = None
    ) -> Tensor:
        """Logits (N, C) of uint8 images (N, S, S, 3), after what is left to do to them.

        Raises:
            UsageError: The batch does not fit into the device's memory.
            ModelError: The network fails, or what comes out are not logits of these images.
        """
        try:
            output = self._forward(images, device_corruption)
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory(len(images)) from error
        except GnlbenchError:
            raise
        except Exception as error:  # the network is the user's, and may raise anything
            raise ModelError(
                f"the model failed on {len(images)} images ({_described(error)}); it must take "
                "normalised images of shape (N, 3, S, S), whatever N"
            ) from error
        logits = check_logits(output, len(images))
        if self._n_classes is not None and logits.shape[1] != self._n_classes:
            raise ModelError(
                f"expected {self._n_classes} logits an image, as for the first one, got "
                f"{logits.shape[1]}; give a classifier whose number of classes is fixed"
            )
        return logits

    def _forward(
        self, images: NDArray[np.uint8], device_corruption: Corrupting | None = None
    ) -> object:
        pixels = torch.from_numpy(images).to(self.device, non_blocking=True)
        # (N, S, S, 3) seen as (N, 3, S, S) is channels-last already: nothing is moved.
        pixels = pixels.permute(0, 3, 1, 2)
        if device_corruption is not None:
            pixels = device_corruption(pixels)
        batch = pixels.to(torch.float32, memory_format=torch.channels_last)
        with inference(self.device, self.precision):
            # In place: the batch was just converted from uint8, so nobody else has it.
            batch = batch.div_(255).sub_(self._mean).div_(self._std)
            output: object = _logits_of(self._module(batch))
        return output

    def check(self, input_size: int, preferred_size: int | None = None) -> int:
        """Try one blank image of this size; the number of classes.

        Args:
            input_size: Side of the image in pixels.
            preferred_size: What the network was made for, named when this one is refused.

        Raises:
            UsageError: The network does not take the size, or not this precision.
            ModelError: The network fails, or what comes out are not logits.
        """
        try:
            blank = np.zeros((1, input_size, input_size, 3), np.uint8)
            # As in the evaluation, which must not fail where this passed.
            with full_fp32():
                output = self._forward(blank)
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory(1) from error
        except GnlbenchError as error:  # of a function of the user, told with its place
            if isinstance(error.__cause__, Exception):
                self._check_precision(error.__cause__)
            raise
        except (RuntimeError, AssertionError, ValueError, MemoryError) as error:
            self._check_precision(error)
            raise UsageError(
                f"the model does not take {input_size} x {input_size} images "
                f"({_first_line(error)}); give its own size with "
                f"{option('input_size', str(preferred_size or 'N'))}, which resamples the images "
                "and names the protocol so",
                input_size=input_size,
            ) from error
        except Exception as error:  # the network is the user's, and may raise anything
            raise ModelError(
                f"the model failed on a blank image ({_described(error)}); it must take one "
                "tensor of normalised images, (N, 3, S, S), and return logits, (N, classes)"
            ) from error
        self._n_classes = int(check_logits(output, 1).shape[1])
        return self._n_classes

    def _out_of_memory(self, n_images: int) -> UsageError:
        way = (
            f"repeat it with {option('batch_size', str(max(1, n_images // 2)))} or less"
            if n_images > 1
            else "use another device"
        )
        return UsageError(
            f"{n_images} image{'s' * (n_images > 1)} at a time do{'es' * (n_images == 1)} not fit "
            f"into the memory of {self.device}; {way}",
            batch_size=n_images,
        )

    def _check_precision(self, error: Exception) -> None:
        """Raises UsageError where the network's weights are not of the precision of the images."""
        others = {
            parameter.dtype
            for parameter in self._module.parameters()
            if parameter.is_floating_point() and parameter.dtype != torch.float32
        }
        if self.precision != "fp32" or not others:
            return
        named = {dtype: name for name, dtype in PRECISIONS.items()}
        (found, *_) = sorted(others, key=str)
        way = f"give {option('precision', named[found])}, or " if found in named else ""
        raise UsageError(
            f"the model's weights are {found}, and it does not take float32 images "
            f"({_first_line(error)}); {way}turn it into fp32 with model.float()",
            precision=self.precision,
        ) from error


def check_logits(output: object, n_images: int) -> Tensor:
    """Raise ModelError unless these are logits of `n_images` images.

    Raises:
        ModelError: It is no dense floating-point tensor of shape (N, classes).
    """
    if not isinstance(output, Tensor):
        got = type(output).__name__
    elif output.layout != torch.strided:
        got = f"a tensor of layout {output.layout}"
    elif not output.is_floating_point():
        got = f"numbers of type {output.dtype}"
    elif output.ndim != 2 or output.shape[0] != n_images or output.shape[1] == 0:
        got = f"the shape {tuple(output.shape)}"
    else:
        return output
    raise ModelError(
        f"expected logits of shape (N, classes), here N = {n_images}, from the model, got {got}; "
        "give a classifier, with its head"
    )


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


def check_finite(logits: Tensor, model_name: str, condition: object, first_key: str) -> None:
    """Raises ModelError when an output is not a number or infinite."""
    if not bool(torch.isfinite(logits).all()):
        n_bad = int((~torch.isfinite(logits).all(dim=1)).sum())
        raise ModelError(
            f"the outputs of {model_name} are not finite for {n_bad} of {len(logits)} images of "
            f"{condition}, from {first_key} on; a diverged checkpoint or too small a precision "
            f"does this: try {option('precision', 'fp32')} and look at the weights",
            condition=condition,
        )


def _described(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
