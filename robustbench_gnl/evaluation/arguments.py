"""Validation of the arguments of `evaluate` and `Session`.

torch is imported in the functions that need it: sessions start their workers before it is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_gnl.data import Source, open_sample, open_source, read_class_map
from robustbench_gnl.data.listing import is_unicode
from robustbench_gnl.errors import UsageError, option
from robustbench_gnl.evaluation.observer import Observer, ProgressObserver, worded
from robustbench_gnl.evaluation.settings import LARGEST_INPUT, SMALLEST_INPUT
from robustbench_gnl.records import CLEAN, Condition
from robustbench_gnl.suites import get_suite
from robustbench_gnl.text import some_of

if TYPE_CHECKING:
    from torch import nn

    from robustbench_gnl.store import Store


def checked_model(model: object) -> nn.Module:
    """Raises UsageError for what is no module."""
    from torch import nn

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


def checked_source(
    source: object,
    clean_data: str | os.PathLike[str] | None,
    class_map: object,
    suite: object = None,
) -> Source:
    """The source itself, the sample, or what lies in a folder.

    Args:
        clean_data: Clean images beside a folder of an ImageNet-C tree.
        class_map: Which class folder is which class: a file, or what was read from one.
        suite: The benchmark that a folder holds; None: as detected.

    Raises:
        UsageError: It is neither a source nor a path; it is no path, and `clean_data` or
            `class_map` was given, which complete a path; or it is of another suite.
        DataError: A folder or file cannot be used.
    """
    if not isinstance(suite, str | None):
        raise UsageError(f"expected the name of a suite as suite, got {_kind(suite)}")
    is_sample = isinstance(source, str) and source == "sample"
    if isinstance(source, Source) or is_sample:
        if clean_data is not None or class_map is not None:
            raise UsageError(
                "expected a folder as the source beside clean_data and class_map, got "
                + ("the sample" if is_sample else "a Source, which open_source makes with them")
            )
        opened = source if isinstance(source, Source) else open_sample()
        if suite is not None and opened.suite is not get_suite(suite):
            raise UsageError(
                f"expected images of {get_suite(suite).title}, got a source of "
                f"{opened.suite.title}; leave out {option('suite')}, or give a folder"
            )
        return opened
    if not isinstance(source, str | os.PathLike) or not str(source):
        raise UsageError(
            f"expected a folder, 'sample' or a Source as the source, got {_kind(source)}"
        )
    if isinstance(class_map, str | os.PathLike):
        class_map = read_class_map(Path(class_map))
    return open_source(
        Path(source),
        clean_root=None if clean_data is None else Path(clean_data),
        class_map=class_map,  # type: ignore[arg-type]  # checked there
        suite=suite,
    )


def checked_conditions(conditions: object, source: Source) -> tuple[Condition, ...]:
    """The conditions to evaluate; by default clean and those that the means of the suite are over,
    if the source has them.

    Raises:
        UsageError: One is unknown, twice there, or not in the source; or there is none.
    """
    suite = source.suite
    if conditions is None:
        clean = (CLEAN,) if suite.has_clean else ()
        found = tuple(c for c in (*clean, *suite.main_conditions) if source.has(c))
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
        raise UsageError(f"expected conditions such as {suite.examples()}, got {_kind(conditions)}")
    wanted: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, str):
            wanted += suite.parse_conditions(condition)
        elif isinstance(condition, Condition) and suite.has(condition):
            wanted.append(condition)
        else:
            raise UsageError(
                f"expected conditions of {suite.title} by name ({suite.examples()}) or as "
                f"Condition, got {condition!r}"
            )
    if not wanted:
        raise UsageError("no condition was given; leave conditions out for all of the benchmark")
    twice = next((c for i, c in enumerate(wanted) if c in wanted[:i]), None)
    if twice is not None:
        raise UsageError(f"the condition {twice} was given twice; give each once")
    missing = [condition for condition in wanted if not source.has(condition)]
    if missing:
        raise UsageError(f"{source.root} has no images for {some_of(missing)}")
    return tuple(wanted)


def checked_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """A whole number in a range.

    Raises:
        UsageError: It is something else.
    """
    if type(value) is not int or value < least or (most is not None and value > most):
        reach = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise UsageError(f"expected a whole number {reach} as {name}, got {value!r}")
    return value


def checked_input_size(value: object) -> int | None:
    """Raises UsageError for a side that images cannot be resampled to."""
    if value is None:
        return None
    return checked_number("input_size", value, SMALLEST_INPUT, LARGEST_INPUT)


def checked_device(value: object) -> str:
    """The name of a device.

    Raises:
        UsageError: There is no device of this name.
    """
    import torch

    if not isinstance(value, str | torch.device):
        raise UsageError(f"expected a device such as 'cpu' or 'cuda:0', got {_kind(value)}")
    return str(value)


def checked_tags(tags: object) -> tuple[str, ...]:
    """The names that a stored run gets.

    Raises:
        UsageError: It is no list of texts.
    """
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise UsageError(f"expected a list of names as tags, got {_kind(tags)}")
    names = tuple(tags)
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise UsageError(f"expected names such as 'release-1.2' as tags, got {_kind(names)}")
    return tuple(dict.fromkeys(name.strip() for name in names))


def checked_store(store: object) -> Store | str | None:
    """An open store, or the place of one as text.

    Raises:
        UsageError: It is neither a store nor a path or URL.
    """
    if store is None or isinstance(store, str):
        return store
    if isinstance(store, Path):
        return str(store)
    from robustbench_gnl.store import Store  # takes a moment, and is loaded already if it is one

    if not isinstance(store, Store):
        raise UsageError(f"expected a path, a URL or an open Store as store, got {_kind(store)}")
    return store


def checked_observer(progress: object) -> Observer:
    """The observer that a session reports progress to.

    Raises:
        UsageError: It is neither a truth value nor an observer.
    """
    if isinstance(progress, bool):
        return worded(ProgressObserver() if progress else Observer())
    if not isinstance(progress, Observer):
        raise UsageError(f"expected True, False or an Observer as progress, got {_kind(progress)}")
    return worded(progress)


def checked_name(value: object, model: nn.Module) -> str:
    """What the run is called; by default the class of the model.

    Raises:
        UsageError: The name is not text.
    """
    if value is None:
        return type(model).__name__
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"expected text as the name of the model, got {value!r}")
    if not is_unicode(value):
        raise UsageError(f"expected Unicode text as the name of the model, got {value!a}")
    return value


def _kind(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
