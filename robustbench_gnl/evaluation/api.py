"""`evaluate`: judge any module from Python, without a database."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from robustbench_gnl.data import CROP, Layout, Source, check_trees
from robustbench_gnl.data import start_workers as open_workers
from robustbench_gnl.errors import GnlbenchWarning, UsageError
from robustbench_gnl.evaluation import arguments
from robustbench_gnl.evaluation.device import check_precision, resolve_device
from robustbench_gnl.evaluation.environment import environment
from robustbench_gnl.evaluation.lanes import default_batch_size
from robustbench_gnl.evaluation.loop import Judged, evaluate_pieces
from robustbench_gnl.evaluation.network import Network
from robustbench_gnl.metrics import cells_of
from robustbench_gnl.modules import module_sha256, own_normalisation
from robustbench_gnl.normalisation import ChannelValues, given_normalisation
from robustbench_gnl.records import BLOCK_SIZE, Condition, Model, Piece, Run


def evaluate(
    model: nn.Module,
    source: Source | Path | str,
    *,
    name: str | None = None,
    mean: Sequence[float] | float | str | None = None,
    std: Sequence[float] | float | None = None,
    conditions: Iterable[Condition | str] | Condition | str | None = None,
    limit: int | None = None,
    device: str | torch.device = "auto",
    precision: str = "fp32",
    input_size: int = CROP,
    batch_size: int | None = None,
    block_size: int = BLOCK_SIZE,
    workers: int = 0,
    on_piece: Callable[[Piece], None] = lambda piece: None,
) -> Run:
    """Judge a classifier on corrupted images.

    Args:
        model: Takes (N, 3, S, S) float images, normalised; returns logits (N, classes). It is
            moved to the device and keeps its training mode.
        source: A folder (an ImageNet-C tree or clean class folders), `"sample"`, or a `Source`.
        mean: Subtracted from pixels in [0, 1]; three numbers or one. Default: what the model
            states of itself, as timm's do in `pretrained_cfg` (wrappers are looked through), else
            ImageNet's, with a warning. `"none"`: the model normalises inside.
        std: Then divided by; goes with `mean`.
        conditions: `Condition`s or their names: `"clean"`, `"fog/3"`, or `"fog"` for all five
            severities. Default: clean where the source has it, and the 75 common conditions.
        limit: Only the first images of the sorted keys.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `fp32`, `bf16` or `fp16`.
        batch_size: Default: 16 on a CPU, 128 on a GPU.
        workers: Processes that make the images; 0 makes them in this one. With more, the
            calling script needs the usual `if __name__ == "__main__":`.
        on_piece: Called with each finished piece.

    Returns:
        The run with its cells; `robustbench_gnl.metrics.summarize` derives the numbers.

    Raises:
        GnlbenchError: One of its kinds, for the data, the model or the request.

    Warns:
        GnlbenchWarning: The normalisation or the order of the classes had to be assumed.
    """
    arguments.checked_model(model)
    name = arguments.checked_name(name, model)
    if limit is not None:
        arguments.checked_number("limit", limit, 1)
    if batch_size is not None:
        arguments.checked_number("batch_size", batch_size, 1)
    arguments.checked_number("block_size", block_size, 1)
    arguments.checked_number("workers", workers, 0)
    input_size = arguments.checked_input_size(input_size)
    given = given_normalisation(mean, std)
    check_precision(precision)
    if not callable(on_piece):
        raise UsageError(f"expected a function of a piece as on_piece, got {on_piece!r}")
    resolved = resolve_device(arguments.checked_device(device))
    opened = arguments.checked_source(source).first(limit)
    for note in opened.notes:
        _warn(note)
    wanted = arguments.checked_conditions(conditions, opened)
    means, stds, assumed = (*given, None) if given else own_normalisation(model)
    if assumed is not None:
        _warn(assumed)
    created_at = _now()
    network = Network(model, mean=means, std=stds, device=resolved, precision=precision)
    pieces: list[Piece] = []

    def keep(piece: Piece) -> None:
        pieces.append(piece)
        on_piece(piece)

    with network, open_workers(workers, engine=opened.engine) as executor:
        n_classes = network.check(input_size)
        image_set = opened.image_set(n_classes)
        if (order := opened.labels(n_classes).note) is not None:
            _warn(order)
        record = describe(model, name, n_classes, means, stds)
        layout = Layout(image_set.n_images, block_size, batch_size or default_batch_size(resolved))
        check_trees(opened, wanted)
        evaluate_pieces(
            [Judged(network, image_set, keep)], opened, wanted, layout, executor,
            n_workers=workers, input_size=input_size,
        )  # fmt: skip
    return Run(
        id="",
        model=record,
        protocol=opened.protocol(image_set, input_size=input_size, precision=precision),
        block_size=block_size,
        created_at=created_at,
        finished_at=_now(),
        cells=cells_of(pieces, image_set.n_images),
        environment=environment(resolved),
        seconds=sum(piece.seconds for piece in pieces),
    )


def describe(
    module: nn.Module, name: str, n_classes: int, mean: ChannelValues, std: ChannelValues
) -> Model:
    """The record of a module in memory."""
    return Model(
        name=name,
        checkpoint_sha256=module_sha256(module),
        weights="module",
        n_params=sum(parameter.numel() for parameter in module.parameters()),
        n_classes=n_classes,
        mean=mean,
        std=std,
    )


def _warn(message: str) -> None:
    warnings.warn(message, GnlbenchWarning, stacklevel=3)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
