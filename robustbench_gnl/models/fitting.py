"""Loading the weights of a checkpoint into a model strictly, or explaining why they do not fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from robustbench_gnl.errors import ModelError
from robustbench_gnl.models import diagnosis, layouts, matching
from robustbench_gnl.models.checkpoints import Checkpoint, classifier_rows
from robustbench_gnl.models.diagnosis import Misfit, classifier_names
from robustbench_gnl.models.matching import Match


@dataclass(frozen=True)
class Fit:
    """The tensors of a model that were found in a checkpoint.

    Attributes:
        match: Its tensors, `None` where some are missing or too many.
        num_classes: Rows of the classifier among them.
        notes: Every difference that was accepted.
    """

    match: Match | None
    num_classes: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def likely_normaliser_keys(self) -> list[str]:
        """Tensors beside the model that are named as mean and std are."""
        outside = self.match.outside if self.match else ()
        return [key for key in outside if key.rpartition(".")[2] in ("mean", "std")]

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...], str] | None:
        """Mean, std and their keys, where the checkpoint has a normaliser beside the model."""
        if self.match is None:
            return None
        named = {
            name: [key for key in self.match.outside if key.rpartition(".")[2] == name]
            for name in ("mean", "std")
        }
        if any(len(keys) != 1 for keys in named.values()):
            return None
        keys = [named["mean"][0], named["std"][0]]
        values = [self.match.outside[key] for key in keys]
        if any(value.numel() != 3 or not value.is_floating_point() for value in values):
            return None
        mean, std = (tuple(value.double().reshape(-1).tolist()) for value in values)
        # Of pixels in [0, 1]: a normaliser of pixels up to 255 is one of another input.
        if not all(map(math.isfinite, (*mean, *std))) or not 0 < min(std) <= max(std) <= 1:
            return None
        if not 0 <= min(mean) <= max(mean) <= 1:
            return None
        return _as_written(mean), _as_written(std), " and ".join(keys)


def load_into(
    model: nn.Module,
    checkpoint: Checkpoint,
    find_layout: Callable[[], layouts.Filter | None] = lambda: None,
) -> Fit:
    """Copy every tensor of `checkpoint` into `model`, cast to the model's types.

    Args:
        model: Any network.
        checkpoint: Its weights; a common prefix before their keys is taken off.
        find_layout: Finds the function that converts published weights; asked where they do not
            fit as they are.

    Raises:
        ModelError: Keys or shapes differ, or a weight is not finite.
    """
    fit = find_fit(model, checkpoint, find_layout)
    load_fit(model, checkpoint, fit)
    return fit


def find_fit(
    model: nn.Module,
    checkpoint: Checkpoint,
    find_layout: Callable[[], layouts.Filter | None] = lambda: None,
) -> Fit:
    """The model's tensors in the checkpoint, as they are or converted.

    Raises:
        ModelError: The model is there several times, or would have to be resized.
    """
    wanted = model.state_dict()
    direct = _match(wanted, checkpoint.state_dict, checkpoint)
    if direct is not None and not _differing(model, wanted, direct):
        return _fit(model, direct)
    try:
        for converted, notes in layouts.convert(model, checkpoint.state_dict, find_layout()):
            found = _match(wanted, converted, checkpoint)
            if found is not None and not _differing(model, wanted, found):
                return _fit(model, replace(found, notes=(*notes, *found.notes)))
    except layouts.ResizingError as error:
        given = [value for key, value in checkpoint.state_dict.items() if "pos_embed" in key]
        shapes = f" (its positional embedding is {tuple(given[0].shape)})" if given else ""
        raise ModelError(
            f"{checkpoint.path} was trained with another image or patch size{shapes}: its weights "
            "would have to be resized, which makes another model of them. Name the variant of "
            "that size, such as one that ends in _384.",
            path=checkpoint.path,
        ) from error
    return _fit(model, direct)


def load_fit(model: nn.Module, checkpoint: Checkpoint, fit: Fit) -> None:
    """Copy the tensors that were found.

    Raises:
        ModelError: Some are missing, of another shape or type, or not finite.
    """
    wanted = model.state_dict()
    if fit.match is None or (misshapen := _misshapen(wanted, fit.match.weights)):
        raise _misfit(model, checkpoint, fit.match, misshapen if fit.match else [])
    given = fit.match.weights
    for key in wanted:
        if wanted[key].is_floating_point() and not given[key].is_floating_point():
            raise ModelError(
                f"{checkpoint.path} holds {key!r} as {given[key].dtype}, where the model has "
                f"{wanted[key].dtype}: weights that were cast to integers are lost. Take the "
                "checkpoint they were cast from.",
                path=checkpoint.path,
                key=key,
            )
    cast = {key: given[key].to(wanted[key].dtype) for key in wanted}
    # After the cast: a finite value of the file may overflow in the model's type.
    for key, tensor in cast.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"{checkpoint.path} has values that are not finite in {key!r}: the training "
                "diverged, or the file is damaged. Take an earlier checkpoint.",
                path=checkpoint.path,
                key=key,
            )
    model.load_state_dict(cast, strict=True)


def _fit(model: nn.Module, match: Match | None) -> Fit:
    if match is None:
        return Fit(None)
    rows = classifier_rows(match.weights, classifier_names(model))
    return Fit(match, rows, match.notes)


def _match(
    wanted: Mapping[str, Tensor], given: Mapping[str, Tensor], checkpoint: Checkpoint
) -> Match | None:
    try:
        return matching.match(wanted, given)
    except matching.AmbiguousMatchError as error:
        (prefixes,) = error.args
        raise ModelError(
            f"{checkpoint.path} holds the model {len(prefixes)} times, with other weights each "
            f"(under {', '.join(map(repr, prefixes))}); save the one to evaluate by itself.",
            path=checkpoint.path,
            prefixes=prefixes,
        ) from error


def _differing(model: nn.Module, wanted: Mapping[str, Tensor], match: Match) -> bool:
    """Whether shapes differ, the number of classes aside."""
    classifier = diagnosis.classifier_keys(model)
    return any(
        key not in classifier
        or wanted[key].ndim != match.weights[key].ndim
        or wanted[key].shape[1:] != match.weights[key].shape[1:]
        for key in _misshapen(wanted, match.weights)
    )


def _misshapen(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> list[str]:
    return [key for key in wanted if key in given and wanted[key].shape != given[key].shape]


def _misfit(
    model: nn.Module, checkpoint: Checkpoint, match: Match | None, misshapen: Sequence[str]
) -> ModelError:
    wanted = model.state_dict()
    prefix, given = "", dict(checkpoint.state_dict)
    missing: list[str] = []
    unexpected: list[str] = []
    if match is not None:
        given = match.weights
    else:
        prefix = diagnosis.likely_prefix(wanted, given)
        given = {key.removeprefix(prefix): value for key, value in given.items()}
        missing = [key for key in wanted if key not in given]
        unexpected = [
            key
            for key, value in given.items()
            if key not in wanted and not matching.is_counter(key, value)
        ]
        misshapen = _misshapen(wanted, given)
    details = [
        _listing("missing", missing),
        _listing("unexpected", unexpected),
        _listing("of another shape", [_shapes(key, given, wanted) for key in misshapen]),
    ]
    misfit = Misfit(model, checkpoint, given, prefix, missing, unexpected, misshapen)
    return ModelError(
        f"{checkpoint.path} does not fit the model: "
        + "; ".join(detail for detail in details if detail)
        + f". {diagnosis.explain(misfit)}",
        path=checkpoint.path,
        missing=missing,
        unexpected=unexpected,
        misshapen=list(misshapen),
    )


def _listing(what: str, entries: Sequence[str]) -> str:
    return f"{len(entries)} {what} ({matching.shorten(entries)})" if entries else ""


def _shapes(key: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    return f"{key}: {tuple(given[key].shape)}, expected {tuple(wanted[key].shape)}"


def _as_written(values: Sequence[float]) -> tuple[float, ...]:
    """0.485 for what float32 made 0.48500001430511475 of."""
    return tuple(float(f"{value:.7g}") for value in values)
