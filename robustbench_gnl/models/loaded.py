"""The description of a created model that is stored with a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from robustbench_gnl.models import checkpoints
from robustbench_gnl.modules import LoadedModel
from robustbench_gnl.normalisation import ChannelValues

Normalisation = tuple[ChannelValues, ChannelValues]
"""Mean and std."""


def describe(
    module: nn.Module,
    name: str,
    sha256: str,
    weights: str,
    given: Normalisation | None = None,
    checkpoint: checkpoints.Checkpoint | None = None,
    notes: tuple[str, ...] = (),
    own_source: str = "timm",
) -> LoadedModel:
    """Put `module` into eval mode and gather what a run must say about it."""
    cfg: dict[str, Any] = module.pretrained_cfg  # type: ignore[assignment]
    mean, std, source = cfg["mean"], cfg["std"], own_source
    if given is not None:
        (mean, std), source = given, "given"
    elif checkpoint is not None and (checkpoint.mean or checkpoint.std):
        mean, std, source = checkpoint.mean or mean, checkpoint.std or std, "checkpoint"
    # The module says of itself how its input is normalised, wherever it goes from here.
    module.pretrained_cfg = {**cfg, "mean": _three(mean), "std": _three(std)}  # type: ignore[assignment]
    n_classes = getattr(module, "num_classes", None)
    return LoadedModel(
        module=module.eval(),
        name=name,
        checkpoint_sha256=sha256,
        weights=weights,
        n_params=sum(parameter.numel() for parameter in module.parameters()),
        num_classes=int(n_classes) if isinstance(n_classes, int) and n_classes > 0 else None,
        mean=_three(mean),
        std=_three(std),
        mean_source=source,
        input_size=tuple(cfg["input_size"]),
        notes=notes,
    )


def _three(values: Sequence[float]) -> ChannelValues:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
