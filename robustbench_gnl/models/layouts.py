"""Conversion of weights in their authors' layout to timm's, by timm's own functions."""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from robustbench_gnl.models import matching
from robustbench_gnl.models.overrides import attribute_set

Filter = Callable[..., dict[str, Tensor]]
# The last two are of timm's interpolation on a grid that is not even.
_RESIZING = (F.interpolate, F.grid_sample, torch.searchsorted, torch.bucketize)


class ResizingError(Exception):
    """A conversion would interpolate weights, which makes another model of them."""


class _RefuseResizing(TorchFunctionMode):
    """Stops at what timm resizes positional embeddings and patches with."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _RESIZING:
            raise ResizingError
        return func(*args, **(kwargs or {}))


def timm_filter(name: str, **kwargs: Any) -> Filter | None:
    """The function that timm converts published weights of this model with, if it has one.

    timm hands it to its loader while it builds a network, and keeps it nowhere.
    """
    # timm has no public function for it, so its loader is replaced for one call.
    filters: list[Any] = []

    def note(*_: Any, **options: Any) -> None:
        filters.append(options.get("filter_fn"))

    try:
        with attribute_set(timm.models._builder, "load_pretrained", note):
            timm.create_model(name, pretrained=True, **kwargs)
    except Exception:  # a model that timm builds in another way has no such function
        return None
    return filters[0] if filters else None


def torchvision_filter(name: str) -> Filter | None:
    """Likewise for a model of torchvision, whose DenseNets were published in a former layout."""
    if "densenet" not in name:
        return None
    return getattr(timm.models.densenet, "_filter_torchvision_pretrained", None)


def convert(
    module: nn.Module, given: Mapping[str, Tensor], layout: Filter | None
) -> Iterator[tuple[dict[str, Tensor], tuple[str, ...]]]:
    """The weights in each possible layout, with notes on the conversion.

    Raises:
        ResizingError: They could be converted only by interpolation.
    """
    for candidate, note in _candidates(given):
        if layout is not None:
            converted = _filtered(module, candidate, layout)
            if converted is not None:
                yield converted, (*note, *_conversion_notes(candidate, converted))
        loaded = _loaded_by_module(module, candidate)
        if loaded is not None:
            yield (
                loaded,
                (*note, "the weights were converted as the model does when it loads them"),
            )


def _candidates(
    given: Mapping[str, Tensor],
) -> Iterator[tuple[dict[str, Tensor], tuple[str, ...]]]:
    """All the weights; then those under the first part that most keys have in common."""
    yield dict(given), ()
    (first, count), *_ = Counter(key.partition(".")[0] for key in given).most_common(1)
    inner = {
        key.removeprefix(f"{first}."): value
        for key, value in given.items()
        if key.startswith(f"{first}.")
    }
    if inner and 2 * count > len(given):
        notes = [f"the prefix '{first}.' was taken off the checkpoint's keys"]
        outside = [key for key in given if not key.startswith(f"{first}.")]
        if outside:
            notes.append(matching.unused_note(outside))
        yield inner, tuple(notes)


def _filtered(
    module: nn.Module, given: dict[str, Tensor], layout: Filter
) -> dict[str, Tensor] | None:
    try:
        with _RefuseResizing(), _silent_timm():
            try:
                converted = layout(dict(given), module)
            except TypeError:  # timm's older filters take one argument
                converted = layout(dict(given))
    except ResizingError:
        raise
    except Exception:  # made for one layout, it meets another: anything may be missing
        return None
    tensors = isinstance(converted, Mapping) and all(
        isinstance(value, Tensor) for value in converted.values()
    )
    if not tensors:
        return None
    if any(
        key in given and given[key].numel() != converted[key].numel()
        for key in _made(given, converted)
    ):
        raise ResizingError
    return dict(converted)


def _loaded_by_module(module: nn.Module, given: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """The weights as converted by the model's own loading function, which torchvision's vision
    transformers have."""
    own = any(
        not type(part)._load_from_state_dict.__module__.startswith("torch.nn")
        or part._load_state_dict_pre_hooks
        for part in module.modules()
    )
    if not own or any(not value.is_floating_point() and value.ndim for value in given.values()):
        return None
    # A copy: a failed load leaves a module half filled.
    copied = copy.deepcopy(module)
    try:
        with _RefuseResizing():
            copied.load_state_dict(dict(given), strict=True)
    except ResizingError:
        raise
    except Exception:  # they do not fit, which the caller tells in full
        return None
    return copied.state_dict()


def _conversion_notes(given: Mapping[str, Tensor], converted: Mapping[str, Tensor]) -> list[str]:
    """Notes on tensors that were dropped or added by the conversion, so that none of this is
    silent."""
    if given.keys() == converted.keys() and all(
        given[key].shape == converted[key].shape for key in given
    ):
        return []
    made = _made(given, converted)
    after = {value.untyped_storage().data_ptr() for value in converted.values()}
    lost = [k for k, v in given.items() if v.untyped_storage().data_ptr() not in after]
    notes = ["the weights were converted from their original layout, as timm does"]
    if made:
        notes.append(
            f"put together in the conversion: {matching.shorten(made)} ({len(made)} in all)"
        )
    if lost:
        what = "put together or left out" if made else "left out"
        notes.append(f"{what} of the checkpoint: {matching.shorten(lost)} ({len(lost)} in all)")
    return notes


def _made(given: Mapping[str, Tensor], converted: Mapping[str, Tensor]) -> list[str]:
    """Keys of the tensors that are not the given ones, seen in another shape."""
    before = {value.untyped_storage().data_ptr() for value in given.values()}
    return [k for k, v in converted.items() if v.untyped_storage().data_ptr() not in before]


@contextmanager
def _silent_timm() -> Iterator[None]:
    """timm logs what it converts; a reader of our notes needs no second account."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
