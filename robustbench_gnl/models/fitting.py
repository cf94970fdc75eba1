"""Put a checkpoint's weights into a network, strictly, or say why they do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from robustbench_gnl.errors import ModelError
from robustbench_gnl.models.checkpoints import Checkpoint

_N_SHOWN = 3


def load_into(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Copy every tensor of `checkpoint` into `model`, cast to the model's types.

    Raises:
        ModelError: Keys or shapes differ, or a weight is not finite.
    """
    wanted = model.state_dict()
    given = checkpoint.state_dict
    missing = [key for key in wanted if key not in given]
    unexpected = [key for key in given if key not in wanted]
    misshapen = [key for key in wanted if key in given and wanted[key].shape != given[key].shape]
    if missing or unexpected or misshapen:
        details = [
            _listing("missing", missing),
            _listing("unexpected", unexpected),
            _listing("of another shape", [_shapes(key, given, wanted) for key in misshapen]),
        ]
        raise ModelError(
            f"{checkpoint.path} does not fit the network: "
            + "; ".join(detail for detail in details if detail)
            + f". {_cause(model, checkpoint, missing, unexpected, misshapen)}",
            path=checkpoint.path,
            missing=missing,
            unexpected=unexpected,
            misshapen=misshapen,
        )
    for key in wanted:
        if wanted[key].is_floating_point() and not given[key].is_floating_point():
            raise ModelError(
                f"{checkpoint.path} holds {key!r} as {given[key].dtype}, where the network has "
                f"{wanted[key].dtype}: weights that were cast to integers are lost. Take the "
                "checkpoint they were cast from.",
                path=checkpoint.path,
                key=key,
            )
    cast = {key: given[key].to(wanted[key].dtype) for key in wanted}
    for key, tensor in cast.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"{checkpoint.path} has values that are not finite in {key!r}: the training "
                "diverged, or the file is damaged. Take an earlier checkpoint.",
                path=checkpoint.path,
                key=key,
            )
    model.load_state_dict(cast, strict=True)


def classifier_names(model: nn.Module) -> tuple[str, ...]:
    """Where timm says that the network's classifiers stand."""
    cfg = getattr(model, "pretrained_cfg", None) or {}
    names = cfg.get("classifier") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def _listing(what: str, entries: Sequence[str]) -> str:
    if not entries:
        return ""
    shown = ", ".join(entries[:_N_SHOWN]) + (", ..." if len(entries) > _N_SHOWN else "")
    return f"{len(entries)} {what} ({shown})"


def _shapes(key: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    return f"{key}: {tuple(given[key].shape)}, expected {tuple(wanted[key].shape)}"


def _cause(
    model: nn.Module,
    checkpoint: Checkpoint,
    missing: Sequence[str],
    unexpected: Sequence[str],
    misshapen: Sequence[str],
) -> str:
    """A guess at what went wrong, and what to do about it."""
    classifier = {
        f"{name}.{leaf}" for name in classifier_names(model) for leaf in ("weight", "bias")
    }
    if not missing and not unexpected and classifier.issuperset(misshapen):
        n_given = checkpoint.state_dict[misshapen[0]].shape[0]
        n_wanted = model.state_dict()[misshapen[0]].shape[0]
        return (
            f"The checkpoint has {n_given} classes and the network {n_wanted}; "
            "give the checkpoint's number, or another checkpoint."
        )
    cfg = getattr(model, "pretrained_cfg", None) or {}
    expected = cfg.get("architecture") or type(model).__name__
    if checkpoint.arch is not None and checkpoint.arch != expected:
        return f"The checkpoint says it is {checkpoint.arch}, not {expected}; name that model."
    return f"It is probably not {expected}: name the model that was trained."
