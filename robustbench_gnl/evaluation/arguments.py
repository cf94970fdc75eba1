"""What a caller in Python may pass to `evaluate`, checked once at the door."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

import corruptions
from robustbench_gnl.data import CROP, Source, open_sample, open_source
from robustbench_gnl.errors import UsageError
from robustbench_gnl.records import CLEAN, COMMON_CONDITIONS, Condition, parse_conditions

SMALLEST_INPUT, LARGEST_INPUT = 32, 4096
"""Sides in pixels that images can be resampled to."""


def checked_model(model: object) -> nn.Module:
    """Raises UsageError for what is no module."""
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise UsageError(
            f"expected a model, got its class {model.__name__}; pass an instance of it"
        )
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"expected a torch.nn.Module as the model, got {_kind(model)}; "
            "robustbench_gnl.models.create_model builds one by name"
        )
    return model


def checked_source(source: object) -> Source:
    """The source itself, the sample, or what lies in a folder.

    Raises:
        UsageError: It is neither a source nor a path.
        DataError: The folder cannot be used.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, str) and source == "sample":
        return open_sample()
    if not isinstance(source, str | os.PathLike) or not str(source):
        raise UsageError(
            f"expected a folder, 'sample' or a Source as the source, got {_kind(source)}"
        )
    return open_source(Path(source))


def checked_conditions(conditions: object, source: Source) -> tuple[Condition, ...]:
    """The conditions to evaluate; by default clean and the 75 common ones, where they are there.

    Raises:
        UsageError: One is unknown, twice there, or not in the source; or there is none.
    """
    if conditions is None:
        found = tuple(c for c in (CLEAN, *COMMON_CONDITIONS) if source.has(c))
        if not found:
            there = ", ".join(map(str, sorted(source.trees)[:3]))
            raise UsageError(
                f"{source.root} has neither clean images nor common corruptions; name its "
                f"conditions, such as {there}"
            )
        return found
    if isinstance(conditions, str | Condition):
        conditions = (conditions,)
    if not isinstance(conditions, Iterable):
        raise UsageError(f"expected conditions such as ['clean', 'fog/3'], got {_kind(conditions)}")
    wanted: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, str):
            wanted += parse_conditions(condition)
        elif isinstance(condition, Condition) and _is_known(condition):
            wanted.append(condition)
        else:
            raise UsageError(
                f"expected conditions such as 'fog/3' or Condition('fog', 3), got {condition!r}"
            )
    if not wanted:
        raise UsageError("no condition was given; leave conditions out for clean and the 75")
    twice = next((c for i, c in enumerate(wanted) if c in wanted[:i]), None)
    if twice is not None:
        raise UsageError(f"the condition {twice} was given twice; give each once")
    missing = [condition for condition in wanted if not source.has(condition)]
    if missing:
        raise UsageError(f"{source.root} has no images for {', '.join(map(str, missing[:3]))}")
    return tuple(wanted)


def _is_known(condition: Condition) -> bool:
    if condition.is_clean:
        return condition == CLEAN
    return (
        condition.corruption in corruptions.names("all")
        and type(condition.severity) is int
        and condition.severity in corruptions.SEVERITIES
    )


def checked_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """A whole number in a range.

    Raises:
        UsageError: It is something else.
    """
    if type(value) is not int or value < least or (most is not None and value > most):
        reach = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise UsageError(f"expected a whole number {reach} as {name}, got {value!r}")
    return value


def checked_input_size(value: object) -> int:
    """Raises UsageError for a side that images cannot be resampled to."""
    return (
        CROP
        if value is None
        else checked_number("input_size", value, SMALLEST_INPUT, LARGEST_INPUT)
    )


def checked_device(value: object) -> str:
    """The name of a device.

    Raises:
        UsageError: It is none.
    """
    if not isinstance(value, str | torch.device):
        raise UsageError(f"expected a device such as 'cpu' or 'cuda:0', got {_kind(value)}")
    return str(value)


def checked_name(value: object, model: nn.Module) -> str:
    """What the run is called; by default the class of the model.

    Raises:
        UsageError: It is no text.
    """
    if value is None:
        return type(model).__name__
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"expected text as the name of the model, got {value!r}")
    return value


def _kind(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
