"""Matching the tensors of a checkpoint with those of a model, with any prefix of their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Counts that no output depends on: of thop, of torch's AveragedModel, of batch norms.
_BATCHES = "num_batches_tracked"
_COUNTERS = ("total_ops", "total_params", "n_averaged", _BATCHES)
# What a training wrapper keeps beside the model; no model names a child so.
_LOSSES = ("criterion", "loss", "loss_fn", "loss_func", "loss_function")
# Words in the names of copies that were not trained by gradients.
_COPIES = ("ema", "averaged", "avg", "swa", "teacher", "momentum", "old", "target")
_N_SHOWN = 3


@dataclass(frozen=True)
class Match:
    """A model's tensors in a checkpoint.

    Attributes:
        weights: Under the model's keys, all of them.
        prefix: The prefix of the keys.
        outside: What else the checkpoint has, counters left out.
        notes: Every difference that was accepted.
    """

    weights: dict[str, Tensor]
    prefix: str = ""
    outside: Mapping[str, Tensor] = ()  # type: ignore[assignment]
    notes: tuple[str, ...] = ()


class AmbiguousMatchError(Exception):
    """The model is there more than once; its argument is the prefixes."""


def match(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Match | None:
    """The tensors under each key of `wanted`, if all are there and nothing else belongs to them.

    Raises:
        AmbiguousMatchError: There are several such sets, and which is meant cannot be told.
    """
    plain = _match_under(wanted, given, "")
    if plain is not None:
        return plain
    found = [
        each for each in (_match_under(wanted, given, p) for p in prefixes(wanted, given)) if each
    ]
    if len(found) > 1:
        own = [each for each in found if not _is_copy(each.prefix)]
        found = own if own and _all_equal(own) else found
    if not _all_equal(found):
        raise AmbiguousMatchError([each.prefix for each in found])
    return found[0] if found else None


def prefixes(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    """Prefixes of keys of the model, the most frequent first."""
    counts: Counter[str] = Counter()
    for key in given:
        start = 0
        while (dot := key.find(".", start)) >= 0:
            start = dot + 1
            if key[start:] in wanted:
                counts[key[:start]] += 1
    # A wrapper's prefix stands before every key, so it is among the most frequent.
    return [prefix for prefix, _ in counts.most_common(10)]


def shorten(keys: Sequence[str]) -> str:
    """The first few of many keys."""
    return ", ".join(keys[:_N_SHOWN]) + (", ..." if len(keys) > _N_SHOWN else "")


def unused_note(keys: Sequence[str]) -> str:
    """The note on tensors that are not of the model."""
    return f"not used, because they are not part of the model: {shorten(keys)} ({len(keys)} in all)"


def is_counter(key: str, value: Tensor) -> bool:
    """Whether it is one of the well-known counts that no output depends on."""
    return key.rpartition(".")[2] in _COUNTERS and value.numel() <= 1


def _match_under(
    wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], prefix: str
) -> Match | None:
    weights: dict[str, Tensor] = {}
    absent = []
    for key, value in wanted.items():
        if prefix + key in given:
            weights[key] = given[prefix + key]
        elif key.rpartition(".")[2] == _BATCHES:
            absent.append(key)  # files of torch before 0.4.1 have none
            weights[key] = value
        else:
            return None
    rest = {
        key: value
        for key, value in given.items()
        if not (key.startswith(prefix) and key[len(prefix) :] in weights)
    }
    counters = [key for key, value in rest.items() if is_counter(key, value)]
    outside = {key: value for key, value in rest.items() if key not in counters}
    losses = [key for key in outside if key.partition(".")[0] in _LOSSES]
    if any(key.startswith(prefix) and key not in losses for key in outside):
        return None  # a part of another model; of an empty prefix, anything at all
    notes = []
    if prefix:
        notes.append(f"the prefix {prefix!r} was taken off the checkpoint's keys")
    if outside:
        notes.append(unused_note(list(outside)))
    if counters:
        kinds = sorted({key.rpartition(".")[2] for key in counters})
        notes.append(f"ignored, as no output depends on it: {', '.join(kinds)} of the checkpoint")
    if absent:
        notes.append(f"the checkpoint lacks {_BATCHES}, on which no output depends")
    return Match(weights, prefix, outside, tuple(notes))


def _is_copy(prefix: str) -> bool:
    words = prefix.lower().replace(".", "_").split("_")
    return any(word in _COPIES for word in words)


def _all_equal(found: Sequence[Match]) -> bool:
    return all(
        first.shape == other.shape and torch.equal(first, other)
        for match in found[1:]
        for first, other in zip(found[0].weights.values(), match.weights.values(), strict=True)
    )
